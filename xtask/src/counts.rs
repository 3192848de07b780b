//! How many tests passed and failed, read from what test runners print at their end.

use std::ops::AddAssign;

use anyhow::{Result, bail};

/// Tests that passed and failed, and those that said they could not run here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// What failed tests said, to be said again at the end of a run of thousands of lines.
    pub(crate) failures: Vec<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }
}

/// So much of what failed tests said is kept: enough for a dozen of them, and not for a log.
const KEPT_LINES: usize = 200;

/// Reads a runner's output line by line.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    counts: Counts,
    in_failures: bool,
}

impl Reader {
    /// Takes one line. From cargo's `failures:` to its `test result:` lines are kept, so are Playwright's headings of failed
    /// tests and the lines of ours that say FAILED.
    pub(crate) fn line(&mut self, line: &str) {
        let plain = without_colours(line);
        let text = plain.trim();
        if text.starts_with("test result:") {
            self.in_failures = false;
        } else if text == "failures:" {
            self.in_failures = true;
        }
        let tells = self.in_failures && !text.is_empty() && text != "failures:"
            || text.ends_with("FAILED")
            || text.split_once(") [").is_some_and(|(number, _)| number.parse::<u64>().is_ok());
        if tells && self.counts.failures.len() < KEPT_LINES {
            self.counts.failures.push(plain.trim_end().to_owned());
        }
        self.counts += Counts::of_line(line);
    }

    pub(crate) fn counts(self) -> Counts {
        self.counts
    }
}

/// What a test prints that can't run on this machine.
const SKIPPED: &str = "SKIPPED: ";

impl Counts {
    /// For those who ran one step by itself: failures are an error.
    pub(crate) fn all_passed(self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} of {} failed", self.failed, self.passed + self.failed);
        }
        Ok(())
    }

    /// After a run: its runner has counted as passed what was skipped.
    pub(crate) fn take_skipped_away(&mut self) {
        self.passed = self.passed.saturating_sub(self.skipped);
    }

    /// What one line of a runner's output adds. The lines known:
    /// - cargo's: `test result: ok. 12 passed; 0 failed; …`, one a test binary
    /// - Vitest's: `      Tests  1 failed | 41 passed (42)`
    /// - Playwright's: `  5 passed (12.3s)` and `  1 failed`
    /// - ours: `12 passed, 0 failed`
    /// - of tests that lack something on this machine: `SKIPPED: name: reason`, also after another line's beginning;
    ///   their runner counts them as passed, so they are taken away there
    pub(crate) fn of_line(line: &str) -> Self {
        let line = without_colours(line);
        let line = line.trim();
        if line.starts_with(SKIPPED) || line.contains(&format!(" {SKIPPED}")) {
            return Self { skipped: 1, ..Self::default() };
        }
        let numbers = |text| Self {
            passed: number_before(text, "passed"),
            failed: number_before(text, "failed"),
            ..Self::default()
        };
        if let Some(result) = line.strip_prefix("test result:") {
            return numbers(result);
        }
        if let Some(tests) = line.strip_prefix("Tests ") {
            return numbers(tests);
        }
        let mut words = line.split(' ');
        let (first, second, third) = (words.next(), words.next(), words.next());
        let Some(number) = first.and_then(|word| word.parse().ok()) else { return Self::default() };
        match (second, third) {
            (Some("passed"), None) => Self { passed: number, ..Self::default() },
            (Some("passed"), Some(time)) if time.starts_with('(') => {
                Self { passed: number, ..Self::default() }
            }
            (Some("failed"), None) => Self { failed: number, ..Self::default() },
            (Some("passed,"), Some(_)) => numbers(line),
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
        assert_eq!(Counts::of_line(line), Counts { passed, failed, ..Counts::default() }, "{line}");
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
    fn tests_that_could_not_run_are_told_apart() {
        for line in ["SKIPPED: a: no Go", "test a ... SKIPPED: a: no Go"] {
            assert_eq!(Counts::of_line(line), Counts { skipped: 1, ..Counts::default() }, "{line}");
        }
        assert_eq!(Counts::of_line("test SKIPPED:"), Counts::default());
        let mut counts = Counts { passed: 5, failed: 1, skipped: 2, ..Counts::default() };
        counts.take_skipped_away();
        assert_eq!(counts, Counts { passed: 3, failed: 1, skipped: 2, ..Counts::default() });
    }

    #[test]
    fn what_failed_tests_say_is_kept() {
        let mut reader = Reader::default();
        for line in [
            "running 2 tests",
            "test a ... ok",
            "test b ... FAILED",
            "",
            "failures:",
            "",
            "---- b stdout ----",
            "assertion failed: left == right",
            "",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored",
            "said later",
            "  1) [chromium] \u{203a} logs.spec.ts:5:1",
            "a) [b",
        ] {
            reader.line(line);
        }
        let counts = reader.counts();
        assert_eq!((counts.passed, counts.failed), (1, 1));
        assert_eq!(
            counts.failures,
            [
                "test b ... FAILED",
                "---- b stdout ----",
                "assertion failed: left == right",
                "  1) [chromium] \u{203a} logs.spec.ts:5:1",
            ]
        );
    }

    #[test]
    fn a_log_is_not_kept_whole() {
        let mut reader = Reader::default();
        reader.line("failures:");
        for _ in 0..1000 {
            reader.line("more");
        }
        assert_eq!(reader.counts().failures.len(), KEPT_LINES);
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
