//! How many tests passed and failed, read from what test runners print at their end.

use std::ops::AddAssign;

use anyhow::{Result, bail};

/// Tests that passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Counts {
    /// For those who ran one step by itself: failures are an error.
    pub(crate) fn all_passed(self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} of {} failed", self.failed, self.passed + self.failed);
        }
        Ok(())
    }

    /// What one line of a runner's output adds. The lines known:
    /// - cargo's: `test result: ok. 12 passed; 0 failed; …`, one a test binary
    /// - Vitest's: `      Tests  1 failed | 41 passed (42)`
    /// - Playwright's: `  5 passed (12.3s)` and `  1 failed`
    /// - ours: `12 passed, 0 failed`
    pub(crate) fn of_line(line: &str) -> Self {
        let line = without_colours(line);
        let line = line.trim();
        if let Some(result) = line.strip_prefix("test result:") {
            return Self { passed: number_before(result, "passed"), failed: number_before(result, "failed") };
        }
        if let Some(tests) = line.strip_prefix("Tests ") {
            return Self { passed: number_before(tests, "passed"), failed: number_before(tests, "failed") };
        }
        let mut words = line.split(' ');
        let (first, second, third) = (words.next(), words.next(), words.next());
        let Some(number) = first.and_then(|word| word.parse().ok()) else { return Self::default() };
        match (second, third) {
            (Some("passed"), None) => Self { passed: number, failed: 0 },
            (Some("passed"), Some(time)) if time.starts_with('(') => Self { passed: number, failed: 0 },
            (Some("failed"), None) => Self { passed: 0, failed: number },
            (Some("passed,"), Some(_)) => Self { passed: number, failed: number_before(line, "failed") },
            _ => Self::default(),
        }
    }
}

/// The number right before `word`, 0 if there is none.
fn number_before(text: &str, word: &str) -> u64 {
    let mut before = None;
    for token in text.split([' ', ';', ',', '|']).filter(|token| !token.is_empty()) {
        if token == word {
            return before.unwrap_or(0);
        }
        before = token.parse().ok();
    }
    0
}

/// The line without terminal escapes (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split("\x1b[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, passed: u64, failed: u64) {
        assert_eq!(Counts::of_line(line), Counts { passed, failed }, "{line}");
    }

    #[test]
    fn closing_lines_are_counted() {
        check(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s",
            12,
            0,
        );
        check("test result: FAILED. 1 passed; 2 failed; 0 ignored", 1, 2);
        check("      Tests  1 failed | 41 passed (42)", 41, 1);
        check(
            "\x1b[2m      Tests \x1b[22m \x1b[1m\x1b[32m8 passed\x1b[39m\x1b[22m\x1b[90m (8)\x1b[39m",
            8,
            0,
        );
        check("  5 passed (12.3s)", 5, 0);
        check("  1 failed", 0, 1);
        check("9 passed, 3 failed", 9, 3);
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            "test a ... ok",
            " Test Files  4 passed (4)",
            "12 frames passed",
            "3 passed the bound",
            "failed",
        ] {
            check(line, 0, 0);
        }
    }
}
