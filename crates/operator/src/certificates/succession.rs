//! From one authority to the next, when their keys differ: nobody is shown what he doesn't trust yet.
//!
//! An authority changes its key when its Secret is deleted or damaged, when a user brings one, or takes it back. Then, by
//! the annotation [`ANNOTATION`] of the public Secret:
//!
//! 1. **published**: `ca.crt` has the new authority and the former ones; leaves of the former stay.
//! 2. after the time that a Secret needs to arrive everywhere, **used**: leaves are re-issued by the new one.
//! 3. after that and `cert-rotate-before`, **alone**: the former ones are dropped.
//!
//! The former ones are found by what they signed, so that a lost annotation begins phase 1 anew and loses no trust.
//! A change in between is one more former authority.

use jiff::{SignedDuration, Timestamp};
use parapet_pki::Certificate;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Policy;

/// Where it is remembered; on the Secret that is written last.
pub(super) const ANNOTATION: &str = "certificates.parapet.dev/succession";
/// More authorities than anybody changes within a day; the oldest are dropped.
const MOST_FORMER: usize = 4;

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// SHA-256 of the authority's public key.
    authority: String,
    /// Since when it is published.
    since: Timestamp,
    /// Fingerprints of those before it.
    former: Vec<String>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Succession {
    /// Who is trusted: the current authority first.
    pub(super) trusted: Vec<Certificate>,
    /// Phase 1: leaves of former authorities stay.
    pub(super) held_back: bool,
    /// What to remember.
    pub(super) annotation: Option<String>,
    /// When the next phase begins.
    pub(super) next: Option<Timestamp>,
}

impl Succession {
    /// Those before the current one.
    pub(super) fn former(&self) -> &[Certificate] {
        self.trusted.get(1..).unwrap_or_default()
    }

    /// Decides from what is `published` (`ca.crt`), which `leaves` are in use, and what was remembered.
    pub(super) fn decide(
        current: &Certificate,
        published: &[Certificate],
        leaves: &[Certificate],
        annotation: Option<&str>,
        policy: &Policy,
        now: Timestamp,
    ) -> Self {
        let record: Option<Record> = annotation.and_then(|text| serde_json::from_str(text).ok());
        let own = hex::encode(Sha256::digest(current.public_key()));
        let others: Vec<&Certificate> =
            published.iter().filter(|other| other.public_key() != current.public_key()).collect();
        let in_use = |other: &&Certificate| leaves.iter().any(|leaf| leaf.is_signed_by(other));
        let remembered = |other: &&Certificate| {
            record.as_ref().is_some_and(|record| record.former.contains(&other.fingerprint()))
        };
        let mut since = now;
        if let Some(record) = record.as_ref().filter(|record| record.authority == own && record.since <= now)
        {
            since = record.since;
        }
        let used_from = later(since, policy.spread);
        let alone_from = later(used_from, policy.rotate_before);
        let is_former = |other: &&Certificate| {
            other.is_authority() && (in_use(other) || (now < alone_from && remembered(other)))
        };
        let mut former: Vec<Certificate> = Vec::new();
        for other in others.into_iter().filter(is_former) {
            if former.len() < MOST_FORMER && !former.contains(other) {
                former.push(other.clone());
            }
        }
        if former.is_empty() {
            return Self { trusted: vec![current.clone()], held_back: false, annotation: None, next: None };
        }
        let record =
            Record { authority: own, since, former: former.iter().map(Certificate::fingerprint).collect() };
        let held_back = now < used_from;
        Self {
            held_back,
            next: Some(if held_back { used_from } else { alone_from }),
            annotation: serde_json::to_string(&record).ok(),
            trusted: std::iter::once(current.clone()).chain(former).collect(),
        }
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
