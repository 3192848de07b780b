//! The certificate that clients see.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Secret, Service};
use parapet_api::{Application, Kind, names};
use parapet_elastic::{owned_meta, softly_owned_meta};
use parapet_pki::{Certificate, Signer, Subject};

use super::custom::{self, Custom, CustomLeaf};
use super::leaf::{self, Live};
use super::secret::{self, CA_CRT, TLS_CRT, TLS_KEY};
use super::succession::{ANNOTATION, Succession};
use super::{
    CertificateError, Context, Expiry, Notice, NoticeKind, Purpose, authority, earliest, names as wanted,
    notice,
};

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpInputs<'a> {
    /// The live `…-http-ca-internal`.
    pub authority: Option<&'a Secret>,
    /// The live `…-http-certs-internal`.
    pub internal: Option<&'a Secret>,
    /// The live `…-http-certs-public`.
    pub public: Option<&'a Secret>,
    /// The user's Secret, if `http.tls.certificate.secretName` names one and it is there.
    pub custom: Option<&'a Secret>,
    /// Where it is reached.
    pub networking: Networking<'a>,
}

/// By which names it is reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Networking<'a> {
    /// The live external Service, for its addresses.
    pub external: Option<&'a Service>,
    /// The internal Service, which only Elasticsearch has.
    pub internal: Option<&'a Service>,
    /// Elasticsearch's StatefulSets, in the order of the specification.
    pub stateful_sets: &'a [String],
}

/// What should be.
#[derive(Debug, Default)]
pub struct HttpCertificates {
    /// Secrets to be written, in this order.
    pub apply: Vec<Secret>,
    /// Secrets that should not be there, by name.
    pub delete: Vec<String>,
    /// Whom clients are to trust; `None` without TLS, or if a user's certificate came without its authority.
    pub authorities: Option<String>,
    /// Whom the operator trusts when it connects: the authorities, and what is shown. Empty without TLS.
    pub trust: String,
    /// When to look again at the latest.
    pub next: Option<Timestamp>,
    /// What the user should know.
    pub notices: Vec<Notice>,
    /// When what is in use ends.
    pub expiries: Vec<Expiry>,
}

/// Decides about the HTTP certificate of `owner`.
///
/// Elasticsearch's is made although TLS is off, since its configuration mounts it and TLS can be switched on again; Kibana's
/// and APM Server's go.
///
/// # Errors
/// The user's Secret isn't there or is wrong: nothing should be written then.
pub async fn reconcile_http<K: Application>(
    owner: &K,
    inputs: &HttpInputs<'_>,
    context: &Context<'_>,
) -> Result<HttpCertificates, CertificateError> {
    let name = owner.object_name();
    if !owner.http().tls_enabled() && K::KIND != Kind::Elasticsearch {
        let all = [names::http_authority, names::http_certificates, names::public_http_certificates];
        let delete = all.map(|of| of(K::KIND, name)).to_vec();
        return Ok(HttpCertificates { delete, ..HttpCertificates::default() });
    }
    let named = owner.http().tls.certificate.secret_name.as_deref().filter(|named| !named.is_empty());
    let custom = match (named, inputs.custom) {
        (Some(named), Some(secret)) => Some(custom::http(named, secret)?),
        (Some(named), None) => {
            let field = "spec.http.tls.certificate.secretName";
            return Err(CertificateError::Missing { kind: "Secret", name: named.to_owned(), field });
        }
        (None, _) => None,
    };
    let mut result = HttpCertificates::default();
    match custom {
        Some(Custom::Authority(signer)) => {
            result.tell(Purpose::HttpAuthority, named, signer.certificate(), context);
            signed(owner, &signer, inputs, context, &mut result).await?;
        }
        Some(Custom::Leaf(leaf)) => {
            result.tell(Purpose::Http, named, &leaf.certificate, context);
            brought(owner, *leaf, inputs, context, &mut result).await?;
        }
        None => match context.global {
            Some(signer) => {
                result.tell(Purpose::HttpAuthority, None, signer.certificate(), context);
                signed(owner, signer, inputs, context, &mut result).await?;
            }
            None => {
                let signer = own(owner, inputs, context, &mut result).await?;
                signed(owner, &signer, inputs, context, &mut result).await?;
            }
        },
    }
    Ok(result)
}

impl HttpCertificates {
    /// Something that somebody brought is in use.
    fn tell(
        &mut self,
        what: Purpose,
        secret: Option<&str>,
        certificate: &Certificate,
        context: &Context<'_>,
    ) {
        let (notice, next) = notice::brought(what, secret, certificate.validity(), context.now);
        self.notices.extend(notice);
        self.next = earliest(self.next, next);
    }
}

/// The application's own authority.
async fn own<K: Application>(
    owner: &K,
    inputs: &HttpInputs<'_>,
    context: &Context<'_>,
    result: &mut HttpCertificates,
) -> Result<Signer, CertificateError> {
    let name = owner.object_name();
    let subject = Subject { organizational_unit: Some(name.to_owned()), common_name: format!("{name}-http") };
    let metadata = owned_meta(owner, names::http_authority(K::KIND, name));
    let own = authority::own(inputs.authority, metadata, &subject, context).await?;
    result.apply.push(own.secret);
    result.next = earliest(result.next, Some(own.next));
    result.notices.extend(own.warning.map(|sentence| Notice {
        kind: NoticeKind::Replaced,
        what: Purpose::HttpAuthority,
        secret: Some(names::http_authority(K::KIND, name)),
        sentence,
    }));
    Ok(own.signer)
}

/// A leaf that an authority at hand signs.
async fn signed<K: Application>(
    owner: &K,
    signer: &Signer,
    inputs: &HttpInputs<'_>,
    context: &Context<'_>,
    result: &mut HttpCertificates,
) -> Result<(), CertificateError> {
    let shown = secret::certificates(inputs.internal, TLS_CRT);
    let leaf_now: Vec<Certificate> = shown.first().cloned().into_iter().collect();
    // What is shown leads to its authority, also if somebody removed that from where it is published.
    let published: Vec<Certificate> = secret::certificates(inputs.public, CA_CRT)
        .into_iter()
        .chain(secret::certificates(inputs.internal, CA_CRT))
        .chain(shown.into_iter().skip(1))
        .collect();
    let remembered = secret::annotation(inputs.public, ANNOTATION);
    let succession = Succession::decide(
        signer.certificate(),
        &published,
        &leaf_now,
        remembered,
        context.policy,
        context.now,
    );
    let networking = &inputs.networking;
    let wanted = wanted::http(owner, networking.external, networking.internal, networking.stateful_sets);
    let text = |key| inputs.internal.and_then(|secret| secret::text(secret, key));
    let live = Live { certificates: text(TLS_CRT), key: text(TLS_KEY) };
    let leaf =
        leaf::reconcile(live, &wanted, signer, succession.former(), succession.held_back, context).await?;
    let authorities = secret::pem(&succession.trusted);
    let mut metadata =
        softly_owned_meta(owner, names::public_http_certificates(K::KIND, owner.object_name()));
    if let Some(record) = succession.annotation {
        metadata.annotations.get_or_insert_default().insert(ANNOTATION.to_owned(), record);
    }
    let public = [(TLS_CRT, leaf.chain.clone()), (CA_CRT, authorities.clone())];
    let internal = [(TLS_CRT, leaf.chain.clone()), (TLS_KEY, leaf.key), (CA_CRT, authorities.clone())];
    let internal_metadata = owned_meta(owner, names::http_certificates(K::KIND, owner.object_name()));
    // Whoever trusts is told before anything is shown.
    result.apply.push(secret::build(metadata, public));
    result.apply.push(secret::build(internal_metadata, internal));
    result.next = earliest(result.next, earliest(Some(leaf.next), succession.next));
    result.trust = format!("{authorities}{}", leaf.chain);
    result.authorities = Some(authorities);
    let ends = |what, certificate: &Certificate| Expiry { what, at: certificate.validity().not_after };
    result.expiries.push(ends(Purpose::HttpAuthority, signer.certificate()));
    result.expiries.push(ends(Purpose::Http, &leaf.certificate));
    Ok(())
}

/// A leaf that the user brought, shown as it is.
async fn brought<K: Application>(
    owner: &K,
    leaf: CustomLeaf,
    inputs: &HttpInputs<'_>,
    context: &Context<'_>,
    result: &mut HttpCertificates,
) -> Result<(), CertificateError> {
    let at = leaf.certificate.validity().not_after;
    result.expiries.push(Expiry { what: Purpose::Http, at });
    // Elasticsearch's configuration names a ca.crt, so that there must be one: its own authority's, which signs nothing.
    let filler = match (&leaf.authorities, context.global) {
        (Some(_), _) => None,
        (None, Some(global)) => Some(global.certificate().pem()),
        (None, None) => Some(own(owner, inputs, context, result).await?.certificate().pem()),
    };
    let name = owner.object_name();
    let public: Vec<(&str, String)> = [(TLS_CRT, leaf.chain.clone())]
        .into_iter()
        .chain(leaf.authorities.clone().map(|authorities| (CA_CRT, authorities)))
        .collect();
    let public_metadata = softly_owned_meta(owner, names::public_http_certificates(K::KIND, name));
    result.trust = format!("{}{}", leaf.authorities.as_deref().unwrap_or_default(), leaf.chain);
    result.authorities = leaf.authorities.clone();
    let authorities = leaf.authorities.or(filler).unwrap_or_default();
    let internal = [(TLS_CRT, leaf.chain), (TLS_KEY, leaf.key), (CA_CRT, authorities)];
    result.apply.push(secret::build(public_metadata, public));
    result.apply.push(secret::build(owned_meta(owner, names::http_certificates(K::KIND, name)), internal));
    Ok(())
}
