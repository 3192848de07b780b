//! Flags as Go programs take them: `_` for `-` in names, `--switch=false`, durations such as `1h30m`.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use jiff::SignedDuration;

/// The same arguments with `-` for each `_` in the names of long flags; their values stay. What follows `--` stays too.
pub fn with_dashes(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut names_are_over = false;
    arguments
        .into_iter()
        .map(|argument| {
            names_are_over |= argument == OsStr::new("--");
            match argument.to_str() {
                Some(text) if text.starts_with("--") && !names_are_over => {
                    let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
                    OsString::from(format!("{}{value}", name.replace('_', "-")))
                }
                _ => argument,
            }
        })
        .collect()
}

/// What Go's `strconv.ParseBool` takes.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A duration such as `90s`, `1.5h`, `1h30m` or `250ms`; not negative.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration with its unit, such as 90s, 5m or 1h30m".to_owned();
    // Go writes none without a unit, but for zero.
    let spelled = if text == "0" { "0s" } else { text };
    let is_go = |byte: u8| byte.is_ascii_digit() || b".hmsun\xc2\xb5\xce\xbc+".contains(&byte);
    if !spelled.bytes().all(is_go) {
        return Err(expected());
    }
    let spelled = spelled.strip_prefix('+').unwrap_or(spelled);
    let parsed: SignedDuration = spelled.parse().map_err(|_| expected())?;
    Duration::try_from(parsed).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_of_names_are_dashes() {
        let given = ["--secure_listen_address=a_b:1", "--log_dir", "a_b", "-v=1", "--", "--a_b"];
        let expected = ["--secure-listen-address=a_b:1", "--log-dir", "a_b", "-v=1", "--", "--a_b"];
        assert_eq!(with_dashes(given.map(OsString::from)), expected.map(OsString::from));
    }

    #[test]
    fn durations_as_go_writes_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("1m", 60_000),
            ("1m0s", 60_000),
            ("90s", 90_000),
            ("1.5h", 5_400_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("+5s", 5_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "-5s", "5 s", "1 hour", "1d", "s", "P1D", "1hour"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn switches_as_go_reads_them() {
        assert_eq!(["1", "T", "True"].map(switch), [Ok(true), Ok(true), Ok(true)]);
        assert_eq!(["0", "f", "FALSE"].map(switch), [Ok(false), Ok(false), Ok(false)]);
        assert!(switch("yes").is_err());
    }
}
