//! References to other applications: the credentials and the authority are put in place on both sides, then the referrer is
//! told by its annotation.

mod right;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret, Service};
use parapet_api::{
    Application, AssociationState, Elasticsearch, Kibana, Kind, ObjectSelector, StackVersion, annotations,
    labels, names,
};
use parapet_elastic::association::{
    AssociationKind, Conf, Target, apm_user_roles, authority_copy, domain, external, has_authority,
    password_user, service_account, service_url,
};
use parapet_elastic::compare::changed;
use parapet_elastic::config::Credentials;

use right::Right;

use super::{Context, PassError, UNDER_WAY};
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
    let link = Link { cx, referrer, kind, selector };
    if !selector.is_set() {
        link.unbind(&BTreeSet::new()).await?;
        return Ok(Bound::Unset);
    }
    if let Some(secret) = selector.secret_name.as_deref().filter(|name| !name.is_empty()) {
        return link.external(secret, followed).await;
    }
    let namespace = selector.namespace_or(referrer.object_namespace());
    let target = Target { name: selector.name_or_secret(), namespace };
    followed.insert(Followed::ours(Resource::Application(kind.target()), target.namespace, target.name));
    let (account, wanted) =
        (link.account(), format!("{} {}/{}", kind.target().name(), namespace, target.name));
    match link.right(&account, &target).await? {
        Right::Given => {}
        Right::Missing => {
            link.unbind(&BTreeSet::new()).await?;
            let why = format!("the ServiceAccount {account} may not get {wanted}");
            return Ok(Bound::Waiting { state: AssociationState::Failed, why, again: Some(RIGHTS_AGAIN) });
        }
        // That is no refusal: what was put in place while it was allowed stays.
        Right::Unknown(error) => {
            let why = format!(
                "the API server couldn't find out whether the ServiceAccount {account} may get {wanted}: {error}"
            );
            return Ok(Bound::Waiting { state: AssociationState::Pending, why, again: Some(UNDER_WAY) });
        }
    }
    match kind.target() {
        Kind::Elasticsearch => match link.target::<Elasticsearch>(&target) {
            Ok(es) => {
                link.bind(
                    &target,
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
                    Ok(es) => link.bind(&target, &es, tls, version, followed).await,
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
    selector: &'a ObjectSelector,
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
        es: &Elasticsearch,
        tls: bool,
        version: Option<StackVersion>,
        followed: &mut BTreeSet<Followed>,
    ) -> Result<Bound, PassError> {
        let cx = self.cx;
        let service = match self.selector.service_name.as_deref().filter(|name| !name.is_empty()) {
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
                .map(|_| self.kind.authority_secret(self.referrer.object_name(), target))
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
        let secret_name = self.kind.user_secret(name, target);
        let user = self.kind.user_name(own, name, target);
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
                    AssociationKind::ElasticsearchMonitoring | AssociationKind::KibanaMonitoring => {
                        &["eck_stack_mon_user_role"]
                    }
                };
                let live = (live.as_deref(), live_there.as_deref());
                let length = cx.options.objects.password_length;
                let random = &mut cx.random();
                password_user(self.kind, self.referrer, target, es, roles, live, &cx.hasher, length, random)
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
    async fn right(&self, account: &str, target: &Target<'_>) -> Result<Right, PassError> {
        if !self.cx.options.enforce_rbac_on_refs || target.namespace == self.referrer.object_namespace() {
            return Ok(Right::Given);
        }
        right::to_get(self.cx, account, self.kind.target(), target).await
    }

    async fn tell(&self, conf: &Conf) -> Result<(), PassError> {
        let told = BTreeMap::from([(self.annotation(), Some(conf.to_annotation()))]);
        Ok(self.cx.cluster.annotate::<K>(self.referrer.meta(), &told).await?)
    }

    /// Takes the annotation and all Secrets of the reference away.
    async fn unbind(&self, kept: &BTreeSet<(Option<String>, Option<String>)>) -> Result<(), PassError> {
        let untold = BTreeMap::from([(self.annotation(), None)]);
        self.cx.cluster.annotate::<K>(self.referrer.meta(), &untold).await?;
        self.remove_leftovers(kept).await
    }

    async fn remove_leftovers(
        &self,
        kept: &BTreeSet<(Option<String>, Option<String>)>,
    ) -> Result<(), PassError> {
        let mut own = self.kind.labels(self.referrer);
        if self.kind.is_many() {
            let namespace = self.selector.namespace_or(self.referrer.object_namespace());
            own.extend(self.kind.target_labels(&Target { name: self.selector.name_or_secret(), namespace }));
        }
        remove_secrets(self.cx, &own, |secret| kept.contains(&place(secret))).await
    }

    fn annotation(&self) -> String {
        self.kind.annotation(self.selector, self.referrer.object_namespace())
    }
}

/// What a reference came to when it held, as far as that is still there: the target may be gone since, or be made anew.
pub(super) async fn established_before<K: Managed>(
    cx: &Context,
    referrer: &K,
    kind: AssociationKind,
    selector: &ObjectSelector,
) -> Result<Option<Established>, PassError> {
    let own = referrer.object_namespace();
    let conf = referrer.annotation(&kind.annotation(selector, own)).and_then(Conf::from_annotation);
    let Some(conf) = conf else { return Ok(None) };
    let external = selector.secret_name.as_deref().is_some_and(|name| !name.is_empty());
    let Some(secret) = cx.cluster.find::<Secret>(own, &conf.auth_secret_name).await? else {
        return Ok(None);
    };
    let Some(credentials) = Credentials::read(&conf, &secret) else { return Ok(None) };
    let mut authority = None;
    if conf.ca_cert_provided {
        let Some(copy) = cx.cluster.find::<Secret>(own, &conf.ca_secret_name).await? else { return Ok(None) };
        authority = copy.data.as_ref().and_then(|data| data.get("ca.crt")).map(|ca| ca.0.clone());
    }
    Ok(Some(Established { conf, credentials, authority, external }))
}

/// Takes away what references of a kind that can be many left, all but those to `kept`. A Secret in `mounted` stays until pods are
/// made without it.
pub(super) async fn forget_others<K: Managed>(
    cx: &Context,
    referrer: &K,
    kind: AssociationKind,
    kept: &[&ObjectSelector],
    mounted: &BTreeSet<String>,
) -> Result<(), PassError> {
    let own = referrer.object_namespace();
    let annotations: BTreeSet<String> = kept.iter().map(|selector| kind.annotation(selector, own)).collect();
    let untold: BTreeMap<String, Option<String>> = referrer
        .meta()
        .annotations
        .iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with(annotations::MONITORING_CONF_PREFIX) && !annotations.contains(*name))
        .map(|name| (name.clone(), None))
        .collect();
    if !untold.is_empty() {
        cx.cluster.annotate::<K>(referrer.meta(), &untold).await?;
    }
    let targets: Vec<BTreeMap<String, String>> = kept
        .iter()
        .map(|selector| {
            let namespace = selector.namespace_or(own);
            kind.target_labels(&Target { name: selector.name_or_secret(), namespace })
        })
        .collect();
    let stays = |secret: &Secret| {
        let is_mounted = secret.metadata.namespace.as_deref() == Some(own)
            && secret.metadata.name.as_ref().is_some_and(|name| mounted.contains(name));
        is_mounted || targets.iter().any(|target| has_labels(secret, target))
    };
    remove_secrets(cx, &kind.labels(referrer), stays).await
}

fn place(secret: &Secret) -> (Option<String>, Option<String>) {
    (secret.metadata.namespace.clone(), secret.metadata.name.clone())
}

fn has_labels(secret: &Secret, wanted: &BTreeMap<String, String>) -> bool {
    let labels = secret.metadata.labels.as_ref();
    wanted.iter().all(|(label, value)| labels.and_then(|all| all.get(label)) == Some(value))
}

/// Deletes the Secrets that carry all these labels, but those that stay.
async fn remove_secrets(
    cx: &Context,
    own: &BTreeMap<String, String>,
    stays: impl Fn(&Secret) -> bool,
) -> Result<(), PassError> {
    let Some((label, value)) =
        own.iter().find(|(label, _)| label.ends_with("association.k8s.elastic.co/name"))
    else {
        return Ok(());
    };
    for secret in cx.cluster.labelled::<Secret>(None, label, value) {
        if has_labels(&secret, own) && !stays(&secret) {
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
    let domain = domain(kind);
    let own = BTreeMap::from([
        (format!("{domain}/name"), name.to_owned()),
        (format!("{domain}/namespace"), namespace.to_owned()),
    ]);
    remove_secrets(cx, &own, |_| false).await
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
