//! Versions: which are supported, and which follows which.

use crate::{FieldError, Kind, StackVersion};

const PATH: &str = "spec.version";

/// The versions of a kind that are reconciled: from, and below.
fn range(kind: Kind, ubi_only: bool) -> (StackVersion, StackVersion) {
    let from = match kind {
        // Images on UBI begin here.
        _ if ubi_only => StackVersion::new(7, 10, 0),
        Kind::Kibana => StackVersion::new(7, 1, 0),
        Kind::Elasticsearch | Kind::ApmServer => StackVersion::new(7, 0, 0),
    };
    (from, StackVersion::new(10, 0, 0))
}

/// The version must be one, and be supported.
pub(super) fn supported(kind: Kind, text: &str, ubi_only: bool) -> Option<FieldError> {
    let version: StackVersion = match text.parse() {
        Ok(version) => version,
        Err(error) => return Some(FieldError::invalid(PATH, text, crate::VersionError::to_string(&error))),
    };
    let (from, below) = range(kind, ubi_only);
    let inside = version.at_least(from.major(), from.minor(), from.patch())
        && !version.at_least(below.major(), below.minor(), below.patch());
    let reason =
        format!("is not supported: {} to {} are", from, StackVersion::new(below.major() - 1, 99, 99));
    (!inside).then(|| FieldError::invalid(PATH, text, reason))
}

/// A field that came with a version. A version that isn't one is another rule's business.
pub(super) fn needs(path: &str, text: &str, since: StackVersion) -> Option<FieldError> {
    let version: StackVersion = text.parse().ok()?;
    let there = version.at_least(since.major(), since.minor(), since.patch());
    (!there).then(|| FieldError::invalid(path, text, format!("needs version {since} or later")))
}

/// The oldest version that can be upgraded to a version of this major.
fn oldest_source(major: u64) -> Option<StackVersion> {
    match major {
        7 => Some(StackVersion::new(7, 0, 0)),
        8 => Some(StackVersion::new(7, 17, 0)),
        9 => Some(StackVersion::new(8, 18, 0)),
        _ => None,
    }
}

/// No older version than before.
pub(super) fn no_downgrade(old: &str, new: &str) -> Option<FieldError> {
    let (before, after): (StackVersion, StackVersion) = (old.parse().ok()?, new.parse().ok()?);
    (after < before).then(|| {
        FieldError::forbidden(PATH, format!("{new} is older than {old}, and data can't be taken back to it"))
    })
}

/// The new version must know how to read the data of the one that runs.
pub(super) fn upgrade_path(current: &str, new: &str) -> Option<FieldError> {
    let (running, target): (StackVersion, StackVersion) = (current.parse().ok()?, new.parse().ok()?);
    let oldest = oldest_source(target.major())?;
    let known = running.at_least(oldest.major(), oldest.minor(), oldest.patch());
    (running < target && !known).then(|| {
        FieldError::forbidden(
            PATH,
            format!(
                "{new} can't take over from {current}: upgrade to {oldest} or a later {} first",
                oldest.major()
            ),
        )
    })
}
