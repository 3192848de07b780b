//! From the configuration to what passes and the webhook are made of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parapet_api::Kind;
use parapet_api::validate::Rules;
use parapet_elastic::IpFamily;
use parapet_elastic::users::Hasher;

use crate::certificates::{self, KeyMaker, Policy};
use crate::cluster::Cluster;
use crate::elasticsearch::{Clusters, Dial, ElasticsearchMetrics, SystemDial};
use crate::metrics::{CertificateMetrics, Metrics};
use crate::network::OperatorPods;
use crate::pass::{Context, Memory, Options, Passes, Surroundings};
use crate::settings::{Settings, Validity, WebhookSettings};
use crate::webhook::certificates::Keeper;
use crate::webhook::{self, Certificate, Serving, Webhook};

use super::{Parts, PassesError};

/// How many pairs of a password and its hash are remembered: a cluster has ten, and 500 clusters are looked after.
const REMEMBERED_HASHES: u64 = 5_000;
/// The reference's port of the webhook.
const WEBHOOK_PORT: u16 = 9443;
/// The Secret of the webhook's certificate in the reference's manifests.
const WEBHOOK_SECRET: &str = "elastic-webhook-server-cert";

/// The passes of each kind.
pub async fn passes(parts: Parts) -> Result<Vec<(Kind, Passes)>, PassesError> {
    passes_with(parts, Arc::new(SystemDial)).await
}

/// The same with another way to Elasticsearch.
pub async fn passes_with(parts: Parts, dial: Arc<dyn Dial>) -> Result<Vec<(Kind, Passes)>, PassesError> {
    let Parts { settings, cluster, events, enqueue, registry, steps, .. } = parts;
    let authority = settings.ca_dir.as_deref().map(certificates::read_global).transpose()?;
    let options = Options {
        certificates: policy(&settings),
        rules: rules(&settings),
        enforce_rbac_on_refs: settings.enforce_rbac_on_refs,
        validate_storage_class: settings.validate_storage_class,
        network_policies: settings.network_policies,
        operator: operator_pods(&settings),
        webhook_port: settings.webhook.as_ref().map_or(WEBHOOK_PORT, |webhook| webhook.port),
        dialling: settings.dialling,
        elasticsearch_deadline: settings.elasticsearch_client_timeout,
        observation_interval: settings.observation_interval,
        objects: settings.elastic,
    };
    let counted = register(&registry, ElasticsearchMetrics::register);
    let context = Arc::new(Context {
        cluster,
        clusters: Clusters::new(dial, Arc::clone(&enqueue), counted),
        options,
        events,
        hasher: Hasher::new(REMEMBERED_HASHES),
        keys: KeyMaker::default(),
        authority,
        surroundings: match settings.mesh_checks {
            true => Surroundings::with_mesh_in(settings.mesh_namespace),
            false => Surroundings::off(),
        },
        enqueue,
        memory: Memory::default(),
        steps,
        certificate_metrics: register(&registry, CertificateMetrics::register),
        now: Arc::new(Timestamp::now),
    });
    Ok(Kind::ALL.into_iter().map(|kind| (kind, Passes::new(Arc::clone(&context), kind))).collect())
}

/// The operator's own pods.
fn operator_pods(settings: &Settings) -> OperatorPods {
    OperatorPods { namespace: settings.operator_namespace.clone(), labels: settings.operator_labels.clone() }
}

/// What the webhook is made of.
pub(super) fn webhook(
    wanted: &WebhookSettings,
    settings: &Settings,
    cluster: &Cluster,
    metrics: &Metrics,
) -> Serving {
    let any: IpAddr = match settings.elastic.ip_family {
        Some(IpFamily::V6) => Ipv6Addr::UNSPECIFIED.into(),
        Some(IpFamily::V4) | None => Ipv4Addr::UNSPECIFIED.into(),
    };
    let certificate = match wanted.manage_certs {
        true => Certificate::Kept(Keeper {
            client: cluster.client().clone(),
            namespace: settings.operator_namespace.clone(),
            secret: wanted.secret.clone().unwrap_or_else(|| WEBHOOK_SECRET.to_owned()),
            configuration: wanted.name.clone(),
            validity: settings.certificate_validity,
        }),
        false => Certificate::Folder(wanted.cert_dir.clone()),
    };
    let managed = cluster.clone();
    Serving {
        address: SocketAddr::new(any, wanted.port),
        certificate,
        webhook: Webhook {
            rules: rules(settings),
            namespaces: Arc::new(move |namespace| managed.manages(namespace)),
            client: cluster.client().clone(),
            validate_storage_class: settings.validate_storage_class,
            metrics: metrics.webhook.clone(),
        },
        options: parapet_pki::Options::new("webhook", metrics.endpoint.certificates().clone()),
        counted: webhook::Counted { steps: metrics.steps.clone(), reads: metrics.endpoint.reads().clone() },
    }
}

fn policy(settings: &Settings) -> Policy {
    let Validity { lifetime: authority_life, rotate_before: authority_rotate_before } = settings.ca_validity;
    let Validity { lifetime, rotate_before } = settings.certificate_validity;
    Policy {
        authority_life: signed(authority_life),
        authority_rotate_before: signed(authority_rotate_before),
        life: signed(lifetime),
        rotate_before: signed(rotate_before),
        key: settings.certificate_key,
        ..Policy::default()
    }
}

fn rules(settings: &Settings) -> Rules {
    Rules {
        exposed_node_labels: settings.elastic.exposed_node_labels.clone(),
        ubi_only: settings.elastic.ubi_only,
        enterprise: false,
        schemas: Default::default(),
    }
}

/// A duration that is as long as a signed one can be is as good as any longer one.
fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// Where more is counted.
pub(super) fn register<T>(
    parts: &std::sync::Mutex<prometheus_client::registry::Registry>,
    register: impl FnOnce(&mut prometheus_client::registry::Registry) -> T,
) -> T {
    register(&mut parts.lock().unwrap_or_else(PoisonError::into_inner))
}
