//! The certificates by which nodes know each other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use parapet_api::{Application, Elasticsearch, labels, names};
use parapet_elastic::{owned_meta, softly_owned_meta};
use parapet_pki::{Certificate, Signer, Subject};

use super::leaf::{self, Live};
use super::secret::{self, CA_CRT};
use super::succession::{ANNOTATION, Succession};
use super::{
    CertificateError, Context, Expiry, Notice, NoticeKind, Purpose, authority, custom, earliest,
    names as wanted, notice,
};

/// In the Secret of a group of nodes: the user mounts certificates; the pods' scripts don't wait for them.
const DISABLED: &str = "transport.certs.disabled";

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransportInputs<'a> {
    /// The live `…-transport-ca-internal`.
    pub authority: Option<&'a Secret>,
    /// The live `…-transport-certs-public`.
    pub public: Option<&'a Secret>,
    /// The user's Secret, if `transport.tls.certificate.secretName` names one and it is there.
    pub custom: Option<&'a Secret>,
    /// The user's ConfigMap, if `transport.tls.certificateAuthorities.configMapName` names one and it is there.
    pub trusted: Option<&'a ConfigMap>,
    /// All StatefulSets, those included that are about to be made or removed.
    pub node_sets: &'a [NodeSetCertificates<'a>],
}

/// One StatefulSet.
#[derive(Clone, Debug)]
pub struct NodeSetCertificates<'a> {
    /// Its name.
    pub stateful_set: &'a str,
    /// The live `…-es-transport-certs`.
    pub live: Option<&'a Secret>,
    /// Its pods, as far as there are any.
    pub pods: Vec<TransportPod<'a>>,
}

/// A pod.
#[derive(Clone, Copy, Debug)]
pub struct TransportPod<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address, once it has one.
    pub ip: Option<IpAddr>,
}

/// What should be.
#[derive(Debug, Default)]
pub struct TransportCertificates {
    /// Secrets to be written, in this order.
    pub apply: Vec<Secret>,
    /// The StatefulSets whose Secret changes: their pods are annotated, so that kubelet brings it soon.
    pub changed: Vec<String>,
    /// Who signs nodes' certificates, former authorities included: what `…-transport-certs-public` has.
    pub authorities: String,
    /// When to look again at the latest.
    pub next: Option<Timestamp>,
    /// What the user should know.
    pub notices: Vec<Notice>,
    /// When what is in use ends.
    pub expiries: Vec<Expiry>,
}

/// Decides about the transport certificates of `es`.
///
/// # Errors
/// What the user brought isn't there or is wrong: nothing should be written then.
pub async fn reconcile_transport(
    es: &Elasticsearch,
    inputs: &TransportInputs<'_>,
    context: &Context<'_>,
) -> Result<TransportCertificates, CertificateError> {
    let mut result = TransportCertificates::default();
    let more = trusted(es, inputs)?;
    let own;
    let custom;
    let signer: &Signer = match (brought(es, inputs)?, context.global) {
        (Some(signer), _) => {
            let named = es.spec.transport.tls.certificate.secret_name.as_deref();
            result.tell(named, signer.certificate(), context);
            custom = signer;
            &custom
        }
        (None, Some(global)) => {
            result.tell(None, global.certificate(), context);
            global
        }
        (None, None) => {
            own = self::own(es, inputs, context, &mut result).await?;
            &own
        }
    };
    let leaves: Vec<Certificate> = inputs.node_sets.iter().flat_map(leaves_of).collect();
    let published: Vec<Certificate> = secret::certificates(inputs.public, CA_CRT)
        .into_iter()
        .chain(inputs.node_sets.iter().flat_map(|set| secret::certificates(set.live, CA_CRT)))
        .collect();
    let succession = Succession::decide(
        signer.certificate(),
        &published,
        &leaves,
        secret::annotation(inputs.public, ANNOTATION),
        context.policy,
        context.now,
    );
    result.authorities = secret::pem(&succession.trusted);
    let trusted = format!("{}{}", result.authorities, secret::pem(&more));
    let mut soonest = None;
    for set in inputs.node_sets {
        let certificates = node_set(es, set, &trusted, signer, &succession, context).await?;
        result.next = earliest(result.next, certificates.next);
        soonest = earliest(soonest, certificates.ends);
        if set.live.is_none_or(|live| live.data != certificates.secret.data) {
            result.changed.push(set.stateful_set.to_owned());
        }
        result.apply.push(certificates.secret);
    }
    // Written last: it remembers since when all others have what it has.
    let mut metadata =
        softly_owned_meta(es, names::elasticsearch::public_transport_certificates(es.object_name()));
    if let Some(record) = succession.annotation {
        metadata.annotations.get_or_insert_default().insert(ANNOTATION.to_owned(), record);
    }
    result.apply.push(secret::build(metadata, [(CA_CRT, result.authorities.clone())]));
    result.next = earliest(result.next, succession.next);
    let not_after = signer.certificate().validity().not_after;
    result.expiries.push(Expiry { what: Purpose::TransportAuthority, at: not_after });
    result.expiries.extend(soonest.map(|at| Expiry { what: Purpose::Transport, at }));
    Ok(result)
}

impl TransportCertificates {
    /// An authority that somebody brought signs.
    fn tell(&mut self, secret: Option<&str>, authority: &Certificate, context: &Context<'_>) {
        let what = Purpose::TransportAuthority;
        let (notice, next) = notice::brought(what, secret, authority.validity(), context.now);
        self.notices.extend(notice);
        self.next = earliest(self.next, next);
    }
}

fn brought(es: &Elasticsearch, inputs: &TransportInputs<'_>) -> Result<Option<Signer>, CertificateError> {
    let named = es.spec.transport.tls.certificate.secret_name.as_deref().filter(|named| !named.is_empty());
    let Some(name) = named else { return Ok(None) };
    let field = "spec.transport.tls.certificate.secretName";
    let missing = || CertificateError::Missing { kind: "Secret", name: name.to_owned(), field };
    custom::transport(name, inputs.custom.ok_or_else(missing)?).map(Some)
}

fn trusted(es: &Elasticsearch, inputs: &TransportInputs<'_>) -> Result<Vec<Certificate>, CertificateError> {
    let named = es.spec.transport.tls.certificate_authorities.config_map_name.as_deref();
    let Some(name) = named.filter(|named| !named.is_empty()) else { return Ok(Vec::new()) };
    let field = "spec.transport.tls.certificateAuthorities.configMapName";
    let missing = || CertificateError::Missing { kind: "ConfigMap", name: name.to_owned(), field };
    custom::authorities(name, inputs.trusted.ok_or_else(missing)?)
}

async fn own(
    es: &Elasticsearch,
    inputs: &TransportInputs<'_>,
    context: &Context<'_>,
    result: &mut TransportCertificates,
) -> Result<Signer, CertificateError> {
    let name = es.object_name();
    let subject =
        Subject { organizational_unit: Some(name.to_owned()), common_name: format!("{name}-transport") };
    let metadata = owned_meta(es, names::elasticsearch::transport_authority(name));
    let own = authority::own(inputs.authority, metadata, &subject, context).await?;
    result.apply.push(own.secret);
    result.next = earliest(result.next, Some(own.next));
    result.notices.extend(own.warning.map(|sentence| Notice {
        kind: NoticeKind::Replaced,
        what: Purpose::TransportAuthority,
        secret: Some(names::elasticsearch::transport_authority(name)),
        sentence,
    }));
    Ok(own.signer)
}

/// The Secret of a StatefulSet, and what its leaves say.
struct Built {
    secret: Secret,
    next: Option<Timestamp>,
    ends: Option<Timestamp>,
}

async fn node_set(
    es: &Elasticsearch,
    set: &NodeSetCertificates<'_>,
    trusted: &str,
    signer: &Signer,
    succession: &Succession,
    context: &Context<'_>,
) -> Result<Built, CertificateError> {
    let disabled = es.spec.transport.tls.self_signed_certificates.as_ref().is_some_and(|own| own.disabled);
    let mut data = BTreeMap::new();
    data.insert(CA_CRT.to_owned(), ByteString(trusted.as_bytes().to_vec()));
    if disabled {
        data.insert(DISABLED.to_owned(), ByteString(b"true".to_vec()));
    }
    let (mut next, mut ends) = (None, None);
    for pod in &set.pods {
        let (certificate_key, key_key) = (certificate_key(pod.name), key_key(pod.name));
        let live = |key: &str| set.live.and_then(|secret| secret::text(secret, key));
        let (certificates, key) = (live(&certificate_key), live(&key_key));
        let (chain, key) = match pod.ip.filter(|_| !disabled) {
            Some(address) => {
                let wanted = wanted::transport(es, set.stateful_set, pod.name, address);
                let live = Live { certificates, key };
                let (former, held_back) = (succession.former(), succession.held_back);
                let leaf = leaf::reconcile(live, &wanted, signer, former, held_back, context).await?;
                next = earliest(next, Some(leaf.next));
                ends = earliest(ends, Some(leaf.certificate.validity().not_after));
                (leaf.chain, leaf.key)
            }
            // Without an address there is nothing to write into it; what is there stays until there is.
            None => match (certificates, key) {
                (Some(chain), Some(key)) => (chain.to_owned(), key.to_owned()),
                _ => continue,
            },
        };
        data.insert(certificate_key, ByteString(chain.into_bytes()));
        data.insert(key_key, ByteString(key.into_bytes()));
    }
    let mut metadata = owned_meta(es, names::elasticsearch::transport_certificates(set.stateful_set));
    let label = (labels::STATEFULSET_NAME.to_owned(), set.stateful_set.to_owned());
    metadata.labels.get_or_insert_default().extend([label]);
    let secret = Secret { metadata, data: Some(data), type_: Some("Opaque".to_owned()), ..Secret::default() };
    Ok(Built { secret, next, ends })
}

/// The leaves that are in a StatefulSet's Secret, of pods that are there.
fn leaves_of(set: &NodeSetCertificates<'_>) -> Vec<Certificate> {
    let first = |pod: &TransportPod<'_>| {
        secret::certificates(set.live, &certificate_key(pod.name)).into_iter().next()
    };
    set.pods.iter().filter_map(first).collect()
}

fn certificate_key(pod: &str) -> String {
    format!("{pod}.tls.crt")
}

fn key_key(pod: &str) -> String {
    format!("{pod}.tls.key")
}
