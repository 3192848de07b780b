//! Whether a leaf stays, and what takes its place.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use parapet_pki::{AlternativeName, Certificate, Signer, Subject, SubjectKey, Validity};

use super::{CertificateError, Context};

/// What a leaf must be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) subject: Subject,
    pub(super) names: Vec<AlternativeName>,
}

/// A leaf that is there.
pub(super) struct Live<'a> {
    /// `tls.crt`, as it is.
    pub(super) certificates: Option<&'a str>,
    /// `tls.key`, as it is.
    pub(super) key: Option<&'a str>,
}

/// A leaf as it should be.
pub(super) struct Leaf {
    /// The leaf, and what leads from it to its authority.
    pub(super) chain: String,
    /// Its key.
    pub(super) key: String,
    /// The leaf.
    pub(super) certificate: Certificate,
    /// When to look again.
    pub(super) next: Timestamp,
}

/// The leaf that is there if it may stay, else a new one over its key if it has a usable one.
///
/// With `held_back`, a leaf whose only fault is that another authority signed it stays, as long as one of `former` did.
pub(super) async fn reconcile(
    live: Live<'_>,
    wanted: &Wanted,
    signer: &Signer,
    former: &[Certificate],
    held_back: bool,
    context: &Context<'_>,
) -> Result<Leaf, CertificateError> {
    let key = live.key.and_then(|pem| SubjectKey::from_pem(pem).ok());
    let certificate = live.certificates.and_then(|pem| Certificate::from_pem(pem).ok());
    let next = |certificate: &Certificate| due(certificate.validity(), context.policy.rotate_before);
    if let (Some(certificate), Some(key)) = (&certificate, &key)
        && stands(certificate, key, wanted, context)
    {
        let current = certificate.leads_to(signer.certificate()).then(|| signer.certificate());
        let kept_for = former.iter().find(|authority| held_back && certificate.leads_to(authority));
        if let Some(authority) = current.or(kept_for) {
            return Ok(Leaf {
                chain: certificate.pem() + &authority.pem(),
                key: key.pem().to_string(),
                next: next(certificate),
                certificate: certificate.clone(),
            });
        }
    }
    let key = match key {
        Some(key) => key,
        None => context.keys.make(signer.key().kind()).await?,
    };
    let life = context.policy.life;
    let certificate = signer.sign(&key, &wanted.subject, &wanted.names, life, context.now)?;
    Ok(Leaf {
        chain: certificate.pem() + &signer.certificate().pem(),
        key: key.pem().to_string(),
        next: next(&certificate),
        certificate,
    })
}

/// Whether nothing but its signer could be wrong with it.
fn stands(certificate: &Certificate, key: &SubjectKey, wanted: &Wanted, context: &Context<'_>) -> bool {
    let common_name = certificate.subject().map(|subject| &subject.common_name);
    key.fits(certificate)
        && common_name == Some(&wanted.subject.common_name)
        && certificate.names().is_some_and(|names| same_names(names, &wanted.names))
        && !is_due(certificate.validity(), context.policy.rotate_before, context.now)
}

/// Whether two lists have the same names. Their order and repetitions say nothing to anybody who reads them, and what was
/// taken over needn't be re-issued for them.
fn same_names(one: &[AlternativeName], other: &[AlternativeName]) -> bool {
    let set = |names: &[AlternativeName]| names.iter().cloned().collect::<HashSet<_>>();
    one == other || set(one) == set(other)
}

/// From when on a certificate is to be replaced. What would be due from its first day is so after two thirds of its life.
pub(super) fn due(validity: Validity, rotate_before: SignedDuration) -> Timestamp {
    let life = validity.life();
    let before = if rotate_before < life { rotate_before } else { life / 3 };
    validity.not_after.checked_sub(before).unwrap_or(validity.not_before)
}

/// Whether a certificate is to be replaced: it ends soon, or begins later than now.
pub(super) fn is_due(validity: Validity, rotate_before: SignedDuration, now: Timestamp) -> bool {
    now < validity.not_before || now >= due(validity, rotate_before)
}
