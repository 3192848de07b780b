//! In which order applications go to a new version.

use parapet_api::StackVersion;

/// Whether a referrer may run its version against a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// Nobody knows what the target runs.
    Unknown,
    /// The target is older.
    Older(StackVersion),
}

/// A referrer waits until its target is of the same major and minor version, or newer: all can be changed together, and
/// go in the right order.
pub fn gate(referrer: &StackVersion, target: Option<&StackVersion>) -> Gate {
    match target {
        None => Gate::Unknown,
        Some(target) if target >= referrer || is_same_minor(target, referrer) => Gate::Open,
        Some(target) => Gate::Older(target.clone()),
    }
}

fn is_same_minor(a: &StackVersion, b: &StackVersion) -> bool {
    (a.major(), a.minor()) == (b.major(), b.minor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_go_first() {
        let check = |referrer: &str, target: Option<&str>, expected: &str| {
            let target = target.map(|text| text.parse().unwrap());
            let gate = gate(&referrer.parse().unwrap(), target.as_ref());
            let said = match gate {
                Gate::Open => "open".to_owned(),
                Gate::Unknown => "unknown".to_owned(),
                Gate::Older(version) => version.to_string(),
            };
            assert_eq!(said, expected, "{referrer} at {target:?}");
        };
        check("8.16.0", Some("8.16.0"), "open");
        check("8.16.3", Some("8.16.0"), "open");
        check("8.16.0", Some("9.0.0"), "open");
        check("8.16.0", Some("8.15.3"), "8.15.3");
        check("9.0.0", Some("8.19.0"), "8.19.0");
        check("8.16.0", Some("8.16.0-SNAPSHOT"), "open");
        check("8.16.0", None, "unknown");
    }
}
