//! Log lines that look like an access log's: repeatable, and neither random noise nor one line over and over.

use std::fmt::Write as _;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

const METHODS: [&str; 5] = ["GET", "GET", "GET", "POST", "DELETE"];
const RESOURCES: [&str; 8] =
    ["orders", "customers", "invoices", "carts", "stock", "payments", "sessions", "search"];
const AGENTS: [&str; 4] = ["shop-web/4.12", "shop-ios/9.1.3", "batch-export/1.0", "partner-sync/2.7.18"];
const STATUSES: [u16; 10] = [200, 200, 200, 200, 200, 201, 204, 304, 404, 503];

/// Makes lines one after the other; the same seed makes the same lines.
#[derive(Debug)]
pub struct Lines {
    rng: SmallRng,
    number: u64,
}

/// A line's facts besides its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The HTTP status in it.
    pub status: u16,
}

impl Lines {
    /// The lines of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), number: 0 }
    }

    /// Appends the next line, about `length` bytes long (never cut inside a field, at least 120), without newline.
    pub fn append(&mut self, line: &mut String, length: usize) -> Facts {
        let rng = &mut self.rng;
        let start = line.len();
        let status = STATUSES[rng.random_range(0..STATUSES.len())];
        self.number += 1;
        write!(
            line,
            "10.{}.{}.{} {} /api/v1/{}/{} {status} {} bytes {:.3} ms agent={} request={:016x} n={}",
            rng.random_range(0..4),
            rng.random_range(0..16),
            rng.random_range(1..255),
            METHODS[rng.random_range(0..METHODS.len())],
            RESOURCES[rng.random_range(0..RESOURCES.len())],
            rng.random_range(1..50_000),
            rng.random_range(120..40_000),
            rng.random_range(0.4..900.0),
            AGENTS[rng.random_range(0..AGENTS.len())],
            rng.random::<u64>(),
            self.number,
        )
        .expect("writing to a string does not fail");
        // What real lines carry besides: a few of the same phrases in changing order.
        while line.len() - start + 24 < length {
            let phrase = RESOURCES[rng.random_range(0..RESOURCES.len())];
            write!(line, " {phrase}.cache={} ms", rng.random_range(0..100))
                .expect("writing to a string does not fail");
        }
        Facts { status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_repeatable_different_and_of_the_length_asked_for() {
        let (mut a, mut b) = (Lines::new(7), Lines::new(7));
        let mut before = String::new();
        for _ in 0..100 {
            let (mut line, mut same) = (String::new(), String::new());
            assert_eq!(a.append(&mut line, 200), b.append(&mut same, 200));
            assert_eq!(line, same);
            assert_ne!(line, before);
            assert!((175..=205).contains(&line.len()), "{} {line}", line.len());
            before = line;
        }
    }
}
