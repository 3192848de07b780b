//! Larger volumes.
//!
//! A StatefulSet's claim templates can't be changed. So the claims that are there are enlarged one by one, and the StatefulSet
//! is made anew around its running pods ([`super::recreation`]).

use std::fmt;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use parapet_api::{Amount, annotations, labels};

use super::storage;

/// What is to be done about a node set's volumes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resize {
    /// Claims to enlarge, before anything else.
    pub grow: Vec<ClaimGrowth>,
    /// What the custom resource must remember before the StatefulSet is made anew: the annotation's name and value. Nothing if
    /// the templates are as they should be.
    pub remember: Option<(String, String)>,
    /// What is wanted and can't be done. The node set goes on as it is.
    pub refused: Vec<Refusal>,
}

/// A claim that asks for more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimGrowth {
    /// The claim's name.
    pub name: String,
    /// Its UID, for a precondition.
    pub uid: String,
    /// What `spec.resources.requests.storage` becomes.
    pub storage: String,
}

/// Why a volume stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Less than there is.
    Shrinks {
        /// The claim template.
        template: String,
        /// What there is.
        live: String,
        /// What was wanted.
        wanted: String,
    },
    /// The storage class doesn't allow it.
    ClassRefuses {
        /// The claim template.
        template: String,
        /// The class; nothing if there is neither one in the template nor a default one.
        class: Option<String>,
    },
    /// Something else than the size.
    Changed {
        /// The claim template.
        template: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrinks { template, live, wanted } => {
                write!(f, "the volume {template} has {live} and can't shrink to {wanted}")
            }
            Self::ClassRefuses { template, class: Some(class) } => {
                write!(f, "the volume {template} can't grow: the storage class {class} doesn't allow it")
            }
            Self::ClassRefuses { template, class: None } => {
                write!(
                    f,
                    "the volume {template} can't grow: it has no storage class and there is no default one"
                )
            }
            Self::Changed { template } => {
                write!(
                    f,
                    "of the claim template {template} only the requested storage can be changed; a node set of another name gets other volumes"
                )
            }
        }
    }
}

/// What must happen for the volumes of `live` to be as `desired` has them.
///
/// `claims` are those of the cluster; `expandable` says whether a storage class lets claims grow, by its name or, for nothing,
/// of the default class: `None` if there is no such class. Without a check of classes it says `Some(true)`.
pub fn resize(
    live: &StatefulSet,
    desired: &StatefulSet,
    claims: &[PersistentVolumeClaim],
    expandable: impl Fn(Option<&str>) -> Option<bool>,
) -> Resize {
    let mut plan = Resize::default();
    let Some(set) = live.metadata.name.as_deref() else { return plan };
    let mut larger = live.clone();
    let mut templates_change = false;
    for wanted in templates(desired) {
        let name = wanted.metadata.name.as_deref().unwrap_or_default();
        let mut current =
            larger.spec.iter_mut().flat_map(|spec| spec.volume_claim_templates.iter_mut().flatten());
        let Some(current) = current.find(|own| own.metadata.name.as_deref() == Some(name)) else {
            plan.refused.push(Refusal::Changed { template: name.to_owned() });
            continue;
        };
        if !same_but_size(current, wanted) {
            plan.refused.push(Refusal::Changed { template: name.to_owned() });
        }
        let (Some((live_text, live_size)), Some((text, size))) = (storage(current), storage(wanted)) else {
            continue;
        };
        if size < live_size {
            plan.refused.push(Refusal::Shrinks {
                template: name.to_owned(),
                live: live_text.to_owned(),
                wanted: text.to_owned(),
            });
            continue;
        }
        let growing = claims_below(claims, set, name, size);
        if growing.is_empty() && size == live_size {
            continue;
        }
        let class = current.spec.as_ref().and_then(|spec| spec.storage_class_name.clone());
        if expandable(class.as_deref()) != Some(true) {
            plan.refused.push(Refusal::ClassRefuses { template: name.to_owned(), class });
            continue;
        }
        plan.grow.extend(growing.into_iter().map(|(name, uid)| ClaimGrowth {
            name,
            uid,
            storage: text.to_owned(),
        }));
        if size > live_size {
            templates_change = true;
            set_storage(current, text);
        }
    }
    for current in templates(live) {
        let name = &current.metadata.name;
        if !templates(desired).any(|wanted| wanted.metadata.name == *name) {
            plan.refused.push(Refusal::Changed { template: name.clone().unwrap_or_default() });
        }
    }
    if templates_change {
        larger.metadata.managed_fields = None;
        larger.status = None;
        let value = serde_json::to_string(&larger).expect("Kubernetes objects are JSON");
        plan.remember = Some((format!("{}{set}", annotations::RECREATE_PREFIX), value));
    }
    plan
}

fn templates(set: &StatefulSet) -> impl Iterator<Item = &PersistentVolumeClaim> {
    set.spec.iter().flat_map(|spec| spec.volume_claim_templates.iter().flatten())
}

/// The claims of a template that ask for less than `size`, with their UIDs.
fn claims_below(
    claims: &[PersistentVolumeClaim],
    set: &str,
    template: &str,
    size: Amount,
) -> Vec<(String, String)> {
    let prefix = format!("{template}-{set}-");
    let is_below = |claim: &&PersistentVolumeClaim| {
        let of_set = claim.metadata.labels.as_ref().and_then(|all| all.get(labels::STATEFULSET_NAME));
        let ordinal = claim.metadata.name.as_deref().and_then(|name| name.strip_prefix(&prefix));
        of_set.is_some_and(|name| name == set)
            && ordinal.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
            && storage(claim).is_some_and(|(_, own)| own < size)
    };
    let identity =
        |claim: &PersistentVolumeClaim| Some((claim.metadata.name.clone()?, claim.metadata.uid.clone()?));
    claims.iter().filter(is_below).filter_map(identity).collect()
}

fn same_but_size(live: &PersistentVolumeClaim, wanted: &PersistentVolumeClaim) -> bool {
    let mut wanted = wanted.clone();
    if let Some((text, _)) = storage(live) {
        let text = text.to_owned();
        set_storage(&mut wanted, &text);
    }
    let owner_free = |claim: &PersistentVolumeClaim| {
        let mut claim = claim.clone();
        claim.metadata = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            name: claim.metadata.name,
            labels: claim.metadata.labels.filter(|all| !all.is_empty()),
            annotations: claim.metadata.annotations.filter(|all| !all.is_empty()),
            ..Default::default()
        };
        claim
    };
    crate::compare::same(&owner_free(live), &owner_free(&wanted))
}

fn set_storage(claim: &mut PersistentVolumeClaim, text: &str) {
    let requests =
        claim.spec.get_or_insert_default().resources.get_or_insert_default().requests.get_or_insert_default();
    requests.insert(
        "storage".to_owned(),
        k8s_openapi::apimachinery::pkg::api::resource::Quantity(text.to_owned()),
    );
}
