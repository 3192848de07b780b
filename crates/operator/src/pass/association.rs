//! References to other applications: the credentials and the authority are put in place on both sides, then the referrer is
//! told by its annotation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::Api;
use kube::api::PostParams;
use parapet_api::{
    Application, AssociationState, Elasticsearch, Kibana, Kind, ObjectSelector, StackVersion, annotations,
    labels, names,
};
use parapet_elastic::association::{
    AssociationKind, Conf, Target, apm_user_roles, authority_copy, external, has_authority, password_user,
    service_account, service_url,
};
use parapet_elastic::compare::changed;
use parapet_elastic::config::Credentials;

use super::{Context, PassError};
use crate::cluster::{Custom, Deletion, Followed, Managed, Resource};
use crate::metrics::Ended;

/// How soon a referrer that may not refer asks again whether it may: nothing tells when rights change. The reference asks
/// every 15 minutes, which is long for somebody who has just granted them.
const RIGHTS_AGAIN: Duration = Duration::from_secs(60);

/// What a reference came to.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    /// Nothing is referred to.
    Unset,
    /// The referrer has all that it needs.
    Established(Box<Established>),
    /// It hasn't yet.
    Waiting {
        /// What the status says.
        state: AssociationState,
        /// What it waits for, in a sentence.
        why: String,
        /// When to look again, if nothing tells.
        again: Option<Duration>,
    },
}

/// A reference that holds.
#[derive(Clone, Debug)]
pub(super) struct Established {
    /// Where the target is.
    pub(super) conf: Conf,
    /// Who the referrer is there.
    pub(super) credentials: Credentials,
    /// The content of the target's authority, for the hash that restarts the referrer.
    pub(super) authority: Option<Vec<u8>>,
    /// Whether the user's Secret says where the target is: it isn't managed here.
    pub(super) external: bool,
}

impl Bound {
    /// What the status says; nothing without a reference.
    pub(super) fn state(&self) -> Option<AssociationState> {
        match self {
            Self::Unset => None,
            Self::Established(_) => Some(AssociationState::Established),
            Self::Waiting { state, .. } => Some(*state),
        }
    }

    fn pending(why: String) -> Self {
        Self::Waiting { state: AssociationState::Pending, why, again: None }
    }
}

/// Puts one reference in place, or takes its leftovers away. What it depends on is added to `followed`. In the reference this is
/// a controller of its own, and it is counted as one.
pub(super) async fn associate<K: Managed>(
    cx: &Context,
    referrer: &K,
    kind: AssociationKind,
    selector: &ObjectSelector,
    followed: &mut BTreeSet<Followed>,
) -> Result<Bound, PassError> {
    let ended = |bound: &Result<Bound, PassError>| match bound {
        Ok(Bound::Waiting { again: Some(_), .. }) => Ended::RequeueAfter,
        Ok(Bound::Unset | Bound::Established(_) | Bound::Waiting { .. }) => Ended::Success,
        Err(_) => Ended::Error,
    };
    cx.steps.count(kind.controller(), bind(cx, referrer, kind, selector, followed), ended).await
}

async fn bind<K: Managed>(
    cx: &Context,
    referrer: &K,
    kind: AssociationKind,
    selector: &ObjectSelector,
    followed: &mut BTreeSet<Followed>,
) -> Result<Bound, PassError> {
    let link = Link { cx, referrer, kind };
    if !selector.is_set() {
        link.unbind(&BTreeSet::new()).await?;
        return Ok(Bound::Unset);
    }
    if let Some(secret) = selector.secret_name.as_deref().filter(|name| !name.is_empty()) {
        return link.external(secret, followed).await;
    }
    let namespace = selector.namespace_or(referrer.object_namespace());
    let target = Target { name: selector.name.as_deref().unwrap_or_default(), namespace };
    followed.insert(Followed::ours(Resource::Application(kind.target()), target.namespace, target.name));
    if !link.allowed(&target).await? {
        link.unbind(&BTreeSet::new()).await?;
        let why = format!(
            "the ServiceAccount {} may not get {} {}/{}",
            link.account(),
            kind.target().name(),
            target.namespace,
            target.name
        );
        return Ok(Bound::Waiting { state: AssociationState::Failed, why, again: Some(RIGHTS_AGAIN) });
    }
    match kind.target() {
        Kind::Elasticsearch => match link.target::<Elasticsearch>(&target) {
            Ok(es) => {
                link.bind(
                    &target,
                    selector,
                    &es,
                    es.spec.http.tls_enabled(),
                    running(es.status.as_ref().and_then(|s| s.version.as_deref())),
                    followed,
                )
                .await
            }
            Err(why) => Ok(Bound::pending(why)),
        },
        Kind::Kibana | Kind::ApmServer => match link.target::<Kibana>(&target) {
            Ok(kibana) => {
                let backing = &kibana.spec.elasticsearch_ref.target;
                let es_target = Target {
                    name: backing.name.as_deref().unwrap_or_default(),
                    namespace: backing.namespace_or(target.namespace),
                };
                followed.insert(Followed::ours(
                    Resource::Application(Kind::Elasticsearch),
                    es_target.namespace,
                    es_target.name,
                ));
                let version = running(kibana.status.as_ref().and_then(|s| s.version.as_deref()));
                let tls = kibana.spec.http.tls_enabled();
                match link.target::<Elasticsearch>(&es_target) {
                    Ok(es) => link.bind(&target, selector, &es, tls, version, followed).await,
                    Err(why) => Ok(Bound::pending(format!("the Kibana has no Elasticsearch yet: {why}"))),
                }
            }
            Err(why) => Ok(Bound::pending(why)),
        },
    }
}

fn running(version: Option<&str>) -> Option<StackVersion> {
    version.and_then(|version| version.parse().ok())
}

struct Link<'a, K> {
    cx: &'a Context,
    referrer: &'a K,
    kind: AssociationKind,
}

impl<K: Managed> Link<'_, K> {
    /// The application that is referred to, or why it can't be.
    fn target<T: Managed + Clone>(&self, target: &Target<'_>) -> Result<T, String> {
        let kind = T::KIND.name();
        let Target { namespace, name } = target;
        match self.cx.cluster.application::<T>(namespace, name).as_deref() {
            None => Err(format!("{kind} {namespace}/{name} doesn't exist")),
            Some(Custom::Unreadable(_)) => Err(format!("{kind} {namespace}/{name} can't be read")),
            Some(Custom::Valid(object)) if object.meta().deletion_timestamp.is_some() => {
                Err(format!("{kind} {namespace}/{name} is being deleted"))
            }
            Some(Custom::Valid(object)) => Ok((**object).clone()),
        }
    }

    async fn bind(
        &self,
        target: &Target<'_>,
        selector: &ObjectSelector,
        es: &Elasticsearch,
        tls: bool,
        version: Option<StackVersion>,
        followed: &mut BTreeSet<Followed>,
    ) -> Result<Bound, PassError> {
        let cx = self.cx;
        let service = match selector.service_name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => {
                followed.insert(Followed::service(target.namespace, name));
                name.to_owned()
            }
            None => {
                let name = names::http_service(self.kind.target(), target.name);
                followed.insert(Followed::ours(Resource::Service, target.namespace, &name));
                name
            }
        };
        let Some(found) = cx.cluster.find::<Service>(target.namespace, &service).await? else {
            return Ok(Bound::pending(format!(
                "the Service {}/{service} doesn't exist yet",
                target.namespace
            )));
        };
        let url = match service_url(&found, target.namespace) {
            Ok(url) => url,
            Err(error) => {
                let why = error.to_string();
                return Ok(Bound::Waiting { state: AssociationState::Failed, why, again: None });
            }
        };
        let public = names::generated(self.kind.target(), target.name, &["http-certs-public"]);
        followed.insert(Followed::ours(Resource::Secret, target.namespace, &public));
        let public = match cx.cluster.get::<Secret>(target.namespace, &public) {
            // Who trusts its authority goes on doing so: it is made, or somebody deleted it and it is made again.
            None if tls => {
                let why = format!("the Secret {}/{public} doesn't exist yet", target.namespace);
                return Ok(Bound::pending(why));
            }
            found => found,
        };
        let mut kept = BTreeSet::new();
        let authority = match &public {
            Some(public) => {
                let copy = authority_copy(self.kind, self.referrer, target, public);
                kept.insert((copy.metadata.namespace.clone(), copy.metadata.name.clone()));
                let applied = cx.cluster.apply(&copy, changed).await?.object;
                has_authority(public)
                    .then(|| applied.data.clone().unwrap_or_default().remove("ca.crt"))
                    .flatten()
                    .map(|ca| ca.0)
            }
            None => None,
        };
        let account = self.kind == AssociationKind::KibanaElasticsearch && self.takes_account()?;
        if account && !hints_service_accounts(es) {
            return Ok(Bound::pending(format!(
                "Elasticsearch {}/{} doesn't know yet whether its nodes take service accounts",
                target.namespace, target.name
            )));
        }
        let (auth_secret_name, auth_secret_key, credentials) =
            self.credentials(target, es, account, &mut kept).await?;
        self.remove_leftovers(&kept).await?;
        let conf = Conf {
            auth_secret_name,
            auth_secret_key,
            is_service_account: account,
            ca_cert_provided: authority.is_some(),
            ca_secret_name: public
                .map(|_| self.kind.authority_secret(self.referrer.object_name()))
                .unwrap_or_default(),
            url,
            version: version.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..Conf::default()
        };
        self.tell(&conf).await?;
        Ok(Bound::Established(Box::new(Established { conf, credentials, authority, external: false })))
    }

    /// Whether this Kibana takes a token of a service account instead of a password: since 7.17.
    fn takes_account(&self) -> Result<bool, PassError> {
        let version: StackVersion = self.referrer.version().parse()?;
        Ok(version.at_least(7, 17, 0))
    }

    async fn credentials(
        &self,
        target: &Target<'_>,
        es: &Elasticsearch,
        account: bool,
        kept: &mut BTreeSet<(Option<String>, Option<String>)>,
    ) -> Result<(String, String, Credentials), PassError> {
        let cx = self.cx;
        let (own, name) = (self.referrer.object_namespace(), self.referrer.object_name());
        let secret_name = self.kind.user_secret(name);
        let user = self.kind.user_name(own, name);
        let live = cx.cluster.find::<Secret>(own, &secret_name).await?;
        let live_there = cx.cluster.find::<Secret>(es.object_namespace(), &user).await?;
        let secrets = match (account, self.kibana()) {
            (true, Some(kibana)) => service_account(kibana, target, es, live.as_deref(), &mut cx.random()),
            _ => {
                let version: StackVersion = self.referrer.version().parse()?;
                let roles: &[&str] = match self.kind {
                    AssociationKind::KibanaElasticsearch => &["kibana_system"],
                    AssociationKind::ApmElasticsearch => apm_user_roles(&version),
                    AssociationKind::ApmKibana => &["eck_apm_agent_user_role"],
                };
                let live = (live.as_deref(), live_there.as_deref());
                password_user(self.kind, self.referrer, target, es, roles, live, &cx.hasher, &mut cx.random())
            }
        };
        for secret in [&secrets.referrer, &secrets.elasticsearch] {
            kept.insert((secret.metadata.namespace.clone(), secret.metadata.name.clone()));
        }
        // The realm must know the user before the referrer tries to come in.
        cx.cluster.apply(&secrets.elasticsearch, changed).await?;
        let applied = cx.cluster.apply(&secrets.referrer, changed).await?.object;
        let key = if account { "token".to_owned() } else { user };
        let conf = Conf {
            auth_secret_name: secret_name.clone(),
            auth_secret_key: key.clone(),
            is_service_account: account,
            ..Conf::default()
        };
        let credentials = Credentials::read(&conf, &applied).ok_or_else(|| PassError::Incomplete {
            what: "Secret",
            name: secret_name.clone(),
            missing: key.clone(),
        })?;
        Ok((secret_name, key, credentials))
    }

    fn kibana(&self) -> Option<&Kibana> {
        (self.referrer as &dyn std::any::Any).downcast_ref()
    }

    /// The target is somebody else's: a Secret of the user says where it is, and who we are.
    async fn external(&self, name: &str, followed: &mut BTreeSet<Followed>) -> Result<Bound, PassError> {
        let namespace = self.referrer.object_namespace();
        followed.insert(Followed::secret(namespace, name));
        self.remove_leftovers(&BTreeSet::new()).await?;
        let Some(secret) = self.cx.cluster.fetch::<Secret>(namespace, name).await? else {
            return Ok(Bound::pending(format!("the Secret {namespace}/{name} doesn't exist")));
        };
        // Nobody here may assume that it can be asked: it counts as being of the referrer's version.
        match external(&secret, self.referrer.version()) {
            Err(error) => {
                Ok(Bound::Waiting { state: AssociationState::Failed, why: error.to_string(), again: None })
            }
            Ok(conf) => {
                let credentials = Credentials::read(&conf, &secret).ok_or_else(|| PassError::Incomplete {
                    what: "Secret",
                    name: name.to_owned(),
                    missing: conf.auth_secret_key.clone(),
                })?;
                let authority = conf
                    .ca_cert_provided
                    .then(|| secret.data.unwrap_or_default().remove("ca.crt"))
                    .flatten()
                    .map(|ca| ca.0);
                self.tell(&conf).await?;
                Ok(Bound::Established(Box::new(Established { conf, credentials, authority, external: true })))
            }
        }
    }

    /// The referrer's account, as reviews know it.
    fn account(&self) -> String {
        let whole = serde_json::to_value(self.referrer).unwrap_or_default();
        let name =
            whole["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or("default");
        format!("system:serviceaccount:{}:{name}", self.referrer.object_namespace())
    }

    /// Whether the referrer's account may get the target. Within a namespace it always may.
    async fn allowed(&self, target: &Target<'_>) -> Result<bool, PassError> {
        if !self.cx.options.enforce_rbac_on_refs || target.namespace == self.referrer.object_namespace() {
            return Ok(true);
        }
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(self.account()),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some("get".to_owned()),
                    group: Some(self.kind.target().group().to_owned()),
                    resource: Some(self.kind.target().plural().to_owned()),
                    namespace: Some(target.namespace.to_owned()),
                    name: Some(target.name.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api = Api::<SubjectAccessReview>::all(self.cx.cluster.client().clone());
        let deadline = self.cx.cluster.options().deadline;
        let answer = tokio::time::timeout(deadline, api.create(&PostParams::default(), &review)).await;
        let review = answer.map_err(|_| PassError::ReviewDeadline)?.map_err(PassError::Review)?;
        Ok(review.status.is_some_and(|status| status.allowed))
    }

    async fn tell(&self, conf: &Conf) -> Result<(), PassError> {
        let told = BTreeMap::from([(self.kind.annotation().to_owned(), Some(conf.to_annotation()))]);
        Ok(self.cx.cluster.annotate::<K>(self.referrer.meta(), &told).await?)
    }

    /// Takes the annotation and all Secrets of the reference away.
    async fn unbind(&self, kept: &BTreeSet<(Option<String>, Option<String>)>) -> Result<(), PassError> {
        let untold = BTreeMap::from([(self.kind.annotation().to_owned(), None)]);
        self.cx.cluster.annotate::<K>(self.referrer.meta(), &untold).await?;
        self.remove_leftovers(kept).await
    }

    async fn remove_leftovers(
        &self,
        kept: &BTreeSet<(Option<String>, Option<String>)>,
    ) -> Result<(), PassError> {
        let own = self.kind.labels(self.referrer);
        remove_secrets(self.cx, &own, kept).await
    }
}

/// Deletes the Secrets that carry all these labels, but those that are kept.
async fn remove_secrets(
    cx: &Context,
    own: &BTreeMap<String, String>,
    kept: &BTreeSet<(Option<String>, Option<String>)>,
) -> Result<(), PassError> {
    let Some((label, value)) = own.iter().find(|(label, _)| label.ends_with("/name")) else { return Ok(()) };
    for secret in cx.cluster.labelled::<Secret>(None, label, value) {
        let has = |(label, value): (&String, &String)| {
            secret.metadata.labels.as_ref().and_then(|all| all.get(label)) == Some(value)
        };
        let place = (secret.metadata.namespace.clone(), secret.metadata.name.clone());
        if own.iter().all(has) && !kept.contains(&place) {
            cx.cluster.delete::<Secret>(&secret.metadata, Deletion::default()).await?;
        }
    }
    Ok(())
}

/// A referrer is gone: what it left with its targets goes too. What it owned is Kubernetes' to collect.
pub(super) async fn referrer_is_gone(
    cx: &Context,
    kind: Kind,
    namespace: &str,
    name: &str,
) -> Result<(), PassError> {
    let domain = match kind {
        Kind::Kibana => "kibanaassociation.k8s.elastic.co",
        Kind::ApmServer => "apmassociation.k8s.elastic.co",
        Kind::Elasticsearch => return Ok(()),
    };
    let own = BTreeMap::from([
        (format!("{domain}/name"), name.to_owned()),
        (format!("{domain}/namespace"), namespace.to_owned()),
    ]);
    remove_secrets(cx, &own, &BTreeSet::new()).await
}

/// Whether all nodes of a cluster take service accounts, as was found out once and written down.
pub(super) fn hints_service_accounts(es: &Elasticsearch) -> bool {
    let hints = es
        .annotation(annotations::ORCHESTRATION_HINTS)
        .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    hints.is_some_and(|hints| hints["service_accounts"] == true)
}

/// The labels of users of a cluster, as the realm collects them.
pub(super) fn is_user(secret: &Secret) -> bool {
    let kind = secret.metadata.labels.as_ref().and_then(|all| all.get(labels::TYPE)).map(String::as_str);
    matches!(kind, Some("user" | "service-account-token"))
}
