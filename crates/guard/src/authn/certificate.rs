//! Callers who showed a certificate in the handshake. The handshake proves that they hold its key and nothing else; what
//! it is worth is judged here, for each request, against the authorities that are trusted now.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest;
use jiff::Timestamp;
use parapet_pki::{Reloading, ServerTls, Trust};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::AttributeTypeAndValue;

use super::{Finding, Known, identity};
use crate::authz::metrics::{CacheName, DecisionMetrics};
use crate::cache::{Answer, Cache, Keys};
use crate::{AuthnMethod, Clock, Identity, RefuseReason};

/// Certificates of a chain; public authorities use three.
const CHAIN_LIMIT: usize = 10;
/// Chains whose worth is remembered.
const ENTRIES: u64 = 10_000;
/// How long, if neither the certificate nor the trust ends before. The judgement depends on nothing else.
const LIFE: Duration = Duration::from_secs(300);
/// The key in `extra` under which the API server's own authenticator leaves the fingerprint.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// What a certificate may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateRules {
    /// Whether names that begin with `system:` are believed. They are Kubernetes' own, and an authority that signs for a
    /// gate need not be the cluster's.
    pub system_names: bool,
    /// Whether a certificate without any extended key usage may be a client's.
    pub any_usage: bool,
}

/// Judges certificates.
pub struct CertificateAuthenticator {
    tls: Reloading<ServerTls>,
    rules: CertificateRules,
    cache: Cache<Finding>,
    keys: Keys,
    clock: Clock,
    metrics: DecisionMetrics,
}

impl CertificateAuthenticator {
    /// Believes what the authorities of `tls` vouch for, whichever they are at the moment of a request.
    pub fn new(
        tls: Reloading<ServerTls>,
        rules: CertificateRules,
        clock: Clock,
        metrics: DecisionMetrics,
    ) -> Self {
        Self { tls, rules, cache: Cache::new(ENTRIES, clock.clone()), keys: Keys::new(), clock, metrics }
    }

    pub(super) async fn authenticate(&self, chain: &[CertificateDer<'static>]) -> Finding {
        let tls = self.tls.current();
        let Some(trust) = tls.trust() else { return Finding::Refused(RefuseReason::BadCredentials) };
        if chain.len() > CHAIN_LIMIT {
            return Finding::Refused(RefuseReason::BadCredentials);
        }
        let generation = tls.generation().to_le_bytes();
        let key = self.keys.of([generation.as_slice()].into_iter().chain(chain.iter().map(AsRef::as_ref)));
        let judged = || async {
            match judge(chain, trust, self.rules, self.clock.now()) {
                Ok((identity, until)) => {
                    let value = Finding::Known(Known::new(identity));
                    Answer { until: Some(until), ..Answer::lasting(value, LIFE) }
                }
                // It may be early rather than wrong, and judging again costs the caller more than us.
                Err(reason) => Answer::passing(Finding::Refused(reason)),
            }
        };
        let found = self.cache.get_or_ask(key, judged).await;
        self.metrics.looked_up(CacheName::Certificate, &found);
        found.value
    }
}

/// Whose certificate it is, and when the first of its chain ends.
fn judge(
    chain: &[CertificateDer<'_>],
    trust: &Trust,
    rules: CertificateRules,
    now: Timestamp,
) -> Result<(Identity, Timestamp), RefuseReason> {
    let leaf = chain.first().ok_or(RefuseReason::NoCredentials)?;
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| RefuseReason::BadCredentials)?;
    let ends =
        chain.iter().map(ends_at).try_fold(Timestamp::MAX, |first, ends| ends.map(|ends| first.min(ends)))?;
    if now >= ends {
        return Err(RefuseReason::Expired);
    }
    trust.accepts_client(chain, now).map_err(|error| {
        tracing::debug!(%error, "client certificate refused");
        RefuseReason::BadCredentials
    })?;
    let may_be_a_client = match parsed.extended_key_usage() {
        Ok(Some(usage)) => usage.value.client_auth || usage.value.any,
        Ok(None) => rules.any_usage,
        Err(_) => false,
    };
    if !may_be_a_client {
        return Err(RefuseReason::BadCredentials);
    }
    let identity = identity_of(&parsed, leaf, ends)?;
    if !rules.system_names && identity::is_reserved(&identity) {
        tracing::debug!("client certificate refused: its names begin with system:");
        return Err(RefuseReason::BadCredentials);
    }
    Ok((identity::complete(identity)?, ends))
}

fn ends_at(certificate: &CertificateDer<'_>) -> Result<Timestamp, RefuseReason> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| RefuseReason::BadCredentials)?;
    Timestamp::from_second(parsed.validity().not_after.timestamp()).map_err(|_| RefuseReason::BadCredentials)
}

/// The common name is the user, the organisations are the groups, as in Kubernetes.
fn identity_of(
    parsed: &X509Certificate<'_>,
    leaf: &CertificateDer<'_>,
    ends: Timestamp,
) -> Result<Identity, RefuseReason> {
    let text = |value: &AttributeTypeAndValue<'_>| {
        value.as_str().map(str::to_owned).map_err(|_| RefuseReason::BadCredentials)
    };
    let mut names = parsed.subject().iter_common_name();
    // Of two names, one reader takes the first and another the last.
    let (Some(name), None) = (names.next(), names.next()) else { return Err(RefuseReason::BadCredentials) };
    let fingerprint = hex::encode(digest::digest(&digest::SHA256, leaf));
    Ok(Identity {
        user: text(name)?,
        uid: String::new(),
        groups: parsed.subject().iter_organization().map(text).collect::<Result<_, _>>()?,
        extra: BTreeMap::from([(CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={fingerprint}")])]),
        method: AuthnMethod::Certificate,
        expires: Some(ends),
    })
}

/// The user that a certificate names, for what exercises the reading of certificates without handshakes.
pub fn user_of_certificate(der: &[u8]) -> Option<String> {
    let leaf = CertificateDer::from(der);
    let (_, parsed) = X509Certificate::from_der(&leaf).ok()?;
    let identity = identity_of(&parsed, &leaf, ends_at(&leaf).ok()?).ok()?;
    identity::complete(identity).ok().map(|identity| identity.user)
}
