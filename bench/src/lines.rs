//! Log lines that look like an access log's: repeatable, and neither random noise nor one line over and over. Of some
//! 200 bytes about a dozen are information (four of them a random request id), which is what such logs compress to.

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
        // Few clients and few resources make most of the traffic; two draws and the smaller one is skew enough.
        let skewed =
            |rng: &mut SmallRng, below: u32| rng.random_range(0..below).min(rng.random_range(0..below));
        let client = skewed(rng, 600);
        let resource = skewed(rng, 8) as usize;
        let entity = skewed(rng, 5000);
        write!(
            line,
            "10.4.{}.{} {} /api/v1/{}/{entity} {status} {} bytes {} ms agent={} request={:08x} n={}",
            client / 250,
            client % 250 + 1,
            METHODS[rng.random_range(0..METHODS.len())],
            RESOURCES[resource],
            // A resource is as large as the last time it was asked for.
            400 + 37 * (entity % 64),
            skewed(rng, 900),
            AGENTS[client as usize % AGENTS.len()],
            rng.random::<u32>(),
            self.number,
        )
        .expect("writing to a string does not fail");
        // What real lines carry besides: the same phrases again and again.
        for phrase in RESOURCES.iter().cycle().skip(resource) {
            if line.len() - start + 20 >= length {
                break;
            }
            let cached = if rng.random_ratio(7, 8) { "hit" } else { "miss" };
            write!(line, " {phrase}.cache={cached}").expect("writing to a string does not fail");
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
