//! The end of a test run: a table of steps with their times, and one plain line.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::counts::Counts;

/// What the steps of a run came to.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    counts: Counts,
    elapsed: Duration,
    error: Option<String>,
}

impl Summary {
    /// Runs a step, keeps its counts and time, and tells whether nothing failed. A step that ends with an error counts as
    /// one failure; one that has nothing to count, such as a build, adds nothing when it succeeds.
    pub(crate) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Result<Counts>) -> bool {
        eprintln!("\n── {name}");
        let start = Instant::now();
        let outcome = run();
        self.record(name, outcome, start.elapsed())
    }

    fn record(&mut self, name: &'static str, outcome: Result<Counts>, elapsed: Duration) -> bool {
        let (counts, error) = match outcome {
            Ok(counts) => (counts, None),
            Err(error) => {
                eprintln!("{name}: {error:#}");
                (Counts { failed: 1, ..Counts::default() }, Some(format!("{error:#}")))
            }
        };
        let fine = counts.failed == 0;
        self.steps.push(Step { name, counts, elapsed, error });
        fine
    }

    fn total(&self) -> Counts {
        let mut total = Counts::default();
        for step in &self.steps {
            total += step.counts.clone();
        }
        total
    }

    pub(crate) fn failed(&self) -> u64 {
        self.total().failed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:>7} {:>7} {:>7} {:>9}", "step", "passed", "failed", "skipped", "time")?;
        for Step { name, counts, elapsed, .. } in &self.steps {
            writeln!(
                f,
                "{name:<28} {:>7} {:>7} {:>7} {:>7.1} s",
                counts.passed,
                counts.failed,
                counts.skipped,
                elapsed.as_secs_f64()
            )?;
        }
        let whole: Duration = self.steps.iter().map(|step| step.elapsed).sum();
        writeln!(f, "{:<28} {:>7} {:>7} {:>7} {:>7.1} s", "all", "", "", "", whole.as_secs_f64())?;
        for Step { name, counts, error, .. } in &self.steps {
            if !counts.failures.is_empty() {
                writeln!(f, "\n{name}:")?;
            }
            for line in &counts.failures {
                writeln!(f, "  {line}")?;
            }
            if let Some(error) = error {
                writeln!(f, "\n{name}: {error}")?;
            }
        }
        let Counts { passed, failed, skipped, .. } = self.total();
        if skipped > 0 {
            writeln!(
                f,
                "\n{skipped} SKIPPED: something that they need is missing here; the lines above say what"
            )?;
        }
        write!(f, "\n{passed} passed, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_adds_up_every_step() {
        let mut summary = Summary::default();
        let failures = vec!["test a ... FAILED".to_owned()];
        let unit = Counts { passed: 40, failed: 2, skipped: 7, failures };
        summary.record("unit", Ok(unit), Duration::from_millis(1500));
        summary.record("build", Ok(Counts::default()), Duration::ZERO);
        summary.record("browser", Err(anyhow::anyhow!("chromium is missing")), Duration::ZERO);
        let text = summary.to_string();
        assert_eq!(text.lines().last(), Some("40 passed, 3 failed"));
        assert!(text.contains("browser: chromium is missing"), "{text}");
        assert!(text.contains("unit:\n  test a ... FAILED\n"), "{text}");
        assert!(text.contains("\n7 SKIPPED"), "{text}");
        assert_eq!(summary.failed(), 3);
    }
}
