//! From when to when a certificate holds, and when it is to be replaced: pure functions of times and a seed.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::UnixTime;
use x509_parser::certificate::X509Certificate;

use crate::PkiError;

/// From when to when a certificate holds, to the second; both ends belong to it (RFC 5280 §4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Result<Self, PkiError> {
        let at = |seconds| {
            Timestamp::from_second(seconds).map_err(|error| PkiError::Certificate(error.to_string()))
        };
        let validity = certificate.validity();
        Ok(Self {
            not_before: at(validity.not_before.timestamp())?,
            not_after: at(validity.not_after.timestamp())?,
        })
    }

    /// Whether it is `now`'s.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// How long it is; nothing for one that ends before it begins.
    pub fn life(&self) -> SignedDuration {
        self.not_after.duration_since(self.not_before).max(SignedDuration::ZERO)
    }
}

/// When to replace what holds for `validity`: after two thirds of its life, give or take a tenth of that, so that
/// certificates made together are not renewed together. The same for the same `seed`, however often it is asked; the
/// serial number makes a good one ([`seed_of`]).
pub fn renew_at(validity: Validity, seed: u8) -> Timestamp {
    let two_thirds = SignedDuration::from_secs(validity.life().as_secs() * 2 / 3);
    // -128..=127 of 1280 is up to a tenth each way. Whole seconds: certificates have no others.
    let jitter = i64::from(seed) - 128;
    let offset = SignedDuration::from_secs(two_thirds.as_secs().saturating_mul(jitter) / 1280);
    // The end of a year-9999 certificate has no room for an offset; it will not be reached either.
    validity.not_before.checked_add(two_thirds + offset).unwrap_or(validity.not_after).min(validity.not_after)
}

/// The last byte of a random serial number is a random number.
pub fn seed_of(serial: &[u8]) -> u8 {
    serial.last().copied().unwrap_or(128)
}

/// As webpki takes it; times before 1970 are its beginning.
pub(crate) fn unix_time(now: Timestamp) -> UnixTime {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}
