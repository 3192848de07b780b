//! From which version one may go to which.

use parapet_api::StackVersion;

/// A change of version that Elasticsearch doesn't survive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeRefused {
    /// It would go down.
    #[error("{to} is lower than {from}, which nodes already run: data can't go back")]
    Downgrade {
        /// What runs.
        from: StackVersion,
        /// What is specified.
        to: StackVersion,
    },
    /// It leaves out a version that must be passed.
    #[error("from {from} to {to} there is no direct way: upgrade to {via} or later first")]
    Skips {
        /// What runs.
        from: StackVersion,
        /// What is specified.
        to: StackVersion,
        /// What must be passed.
        via: &'static str,
    },
}

/// Whether nodes may go from one version to another: never down, to 8 from 7.17 on, to 9 from 8.18 on.
pub fn upgrade_allowed(from: &StackVersion, to: &StackVersion) -> Result<(), UpgradeRefused> {
    if to < from {
        return Err(UpgradeRefused::Downgrade { from: from.clone(), to: to.clone() });
    }
    let (at_least, via) = match to.major() {
        ..=7 => ((7, 0), "7.0.0"),
        8 => ((7, 17), "7.17.0"),
        _ => ((8, 18), "8.18.0"),
    };
    if from.at_least(at_least.0, at_least.1, 0) {
        return Ok(());
    }
    Err(UpgradeRefused::Skips { from: from.clone(), to: to.clone(), via })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, expected: Result<(), &str>) {
        let answer = upgrade_allowed(&from.parse().unwrap(), &to.parse().unwrap());
        assert_eq!(
            answer.map_err(|refused| refused.to_string()),
            expected.map_err(str::to_owned),
            "{from} → {to}"
        );
    }

    #[test]
    fn edges() {
        check("8.15.3", "8.16.0", Ok(()));
        check("8.15.3", "8.15.3", Ok(()));
        check("7.17.0", "8.16.0", Ok(()));
        check(
            "7.16.3",
            "8.0.0",
            Err("from 7.16.3 to 8.0.0 there is no direct way: upgrade to 7.17.0 or later first"),
        );
        check(
            "8.17.0",
            "9.0.0",
            Err("from 8.17.0 to 9.0.0 there is no direct way: upgrade to 8.18.0 or later first"),
        );
        check("8.18.0", "9.1.0", Ok(()));
        check(
            "6.8.0",
            "7.0.0",
            Err("from 6.8.0 to 7.0.0 there is no direct way: upgrade to 7.0.0 or later first"),
        );
        check(
            "8.16.0",
            "8.15.3",
            Err("8.15.3 is lower than 8.16.0, which nodes already run: data can't go back"),
        );
    }
}
