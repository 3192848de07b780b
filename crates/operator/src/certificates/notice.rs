//! What users should know of certificates, and of how long those last that nobody here renews.

use jiff::{SignedDuration, Timestamp};
use parapet_pki::Validity;

use super::Purpose;

/// How long before its end users are told of a certificate that they brought: as long as it takes to get another one where people
/// have to sign for it.
const TELL_BEFORE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The part of its life that is left when users are told of a certificate that lives shorter. Whoever renews by machine does so
/// earlier (cert-manager at a third), and nothing is said.
const TELL_BEFORE_PART: i32 = 6;

/// Something that users should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// Which certificate.
    pub what: Purpose,
    /// The Secret that it is in; none if the operator's own configuration names it.
    pub secret: Option<String>,
    /// In a sentence.
    pub sentence: String,
}

/// What happened to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// An authority could not be used or renewed any more: another one took its place.
    Replaced,
    /// One that is in use isn't valid now.
    Invalid,
    /// One that nobody here renews ends soon.
    Ending,
}

impl NoticeKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Replaced, Self::Invalid, Self::Ending];
}

/// What is to be said of a certificate that somebody brought, and when that changes by time alone.
pub(super) fn brought(
    what: Purpose,
    secret: Option<&str>,
    validity: Validity,
    now: Timestamp,
) -> (Option<Notice>, Option<Timestamp>) {
    let of = secret
        .map_or_else(|| "the operator's authority".to_owned(), |name| format!("the one in Secret {name}"));
    let certificate = format!("the {} certificate, {of},", what.words());
    let Validity { not_before, not_after } = validity;
    let notice = |kind, sentence| Some(Notice { kind, what, secret: secret.map(str::to_owned), sentence });
    let tell_from =
        not_after.checked_sub(TELL_BEFORE.min(validity.life() / TELL_BEFORE_PART)).unwrap_or(not_before);
    if now < not_before {
        let sentence = format!("{certificate} is not valid before {not_before}");
        (notice(NoticeKind::Invalid, sentence), Some(not_before))
    } else if now > not_after {
        let sentence = format!("{certificate} is not valid since {not_after}; bring another one");
        (notice(NoticeKind::Invalid, sentence), None)
    } else if now >= tell_from {
        let sentence = format!("{certificate} ends at {not_after}, and only you can renew it");
        (notice(NoticeKind::Ending, sentence), not_after.checked_add(SignedDuration::from_secs(1)).ok())
    } else {
        (None, Some(tell_from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_brought_is_told_of_before_it_ends_and_when_that_changes() {
        let at = |days: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * days);
        let check = |life: i64, now: i64, kind: Option<NoticeKind>, next: Option<i64>| {
            let validity = Validity { not_before: at(100), not_after: at(100 + life) };
            let (notice, again) = brought(Purpose::Http, Some("mine"), validity, at(now));
            assert_eq!(notice.as_ref().map(|notice| notice.kind), kind, "{life} {now}");
            let second = SignedDuration::from_secs(i64::from(kind == Some(NoticeKind::Ending)));
            assert_eq!(again, next.map(|days| at(days) + second), "{life} {now}");
            assert!(notice.is_none_or(|notice| notice.sentence.contains("Secret mine")));
        };
        check(365, 99, Some(NoticeKind::Invalid), Some(100));
        check(365, 100, None, Some(100 + 365 - 14));
        check(365, 100 + 365 - 14, Some(NoticeKind::Ending), Some(100 + 365));
        check(365, 100 + 366, Some(NoticeKind::Invalid), None);
        // As cert-manager has them: renewed after two thirds, never told of.
        check(90, 100 + 61, None, Some(100 + 76));
        check(6, 100 + 4, None, Some(100 + 5));
        check(6, 100 + 5, Some(NoticeKind::Ending), Some(100 + 6));
    }
}
