//! From one authority to the next, when their keys differ: nobody is shown what he doesn't trust yet.
//!
//! An authority changes its key when its Secret is deleted or damaged, when a user brings one, or takes it back. Then, by
//! the annotation [`ANNOTATION`] of the public Secret:
//!
//! 1. **published**: `ca.crt` has the new authority and the former ones; leaves of the former stay.
//! 2. after the time that a Secret needs to arrive everywhere, **used**: leaves are re-issued by the new one.
//! 3. when all are, and `cert-rotate-before` has passed, **alone**: the former ones are dropped.
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
    /// Since when nothing leads to the former ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alone: Option<Timestamp>,
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
        let others = published
            .iter()
            .filter(|other| other.is_authority() && other.public_key() != current.public_key());
        let in_use = |other: &Certificate| leaves.iter().any(|leaf| leaf.is_signed_by(other));
        let remembered = |other: &Certificate| {
            record.as_ref().is_some_and(|record| record.former.contains(&other.fingerprint()))
        };
        let mut candidates: Vec<Certificate> = Vec::new();
        for other in others.filter(|other| in_use(other) || remembered(other)) {
            if candidates.len() < MOST_FORMER && !candidates.contains(other) {
                candidates.push(other.clone());
            }
        }
        // A clock that went back begins anew.
        let same = record.as_ref().filter(|record| record.authority == own && record.since <= now);
        let since = same.map_or(now, |record| record.since);
        let used_from = later(since, policy.spread);
        let held_back = now < used_from;
        let still_used = candidates.iter().any(in_use);
        let alone_since = same.and_then(|record| record.alone).filter(|alone| *alone <= now).unwrap_or(now);
        let alone = (!held_back && !still_used).then_some(alone_since);
        let drop_from = alone.map(|alone| later(alone, policy.rotate_before.max(policy.spread)));
        if candidates.is_empty() || drop_from.is_some_and(|drop_from| now >= drop_from) {
            // What is remembered of an authority that came and went must not be taken for its next coming; an annotation
            // that is left out stays as it is.
            let over = Record { authority: own, since, alone: None, former: Vec::new() };
            let over = annotation.and_then(|_| serde_json::to_string(&over).ok());
            return Self { trusted: vec![current.clone()], held_back: false, annotation: over, next: None };
        }
        let former = candidates.iter().map(Certificate::fingerprint).collect();
        let record = Record { authority: own, since, alone, former };
        Self {
            held_back,
            next: Some(match drop_from {
                Some(drop_from) => drop_from,
                None if held_back => used_from,
                // Leaves are being re-issued, or can't be at the moment.
                None => later(now, policy.spread),
            }),
            annotation: serde_json::to_string(&record).ok(),
            trusted: std::iter::once(current.clone()).chain(candidates).collect(),
        }
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
