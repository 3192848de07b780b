//! Everything that happens by chance, from one seed.

use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

#[derive(Debug)]
pub(crate) struct Chance(Mutex<SmallRng>);

impl Chance {
    /// `what` keeps the dice of two components with one seed apart.
    pub(crate) fn seeded(seed: u64, what: &str) -> Self {
        let what = what.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Self(Mutex::new(SmallRng::seed_from_u64(seed ^ what)))
    }

    pub(crate) fn happens(&self, probability: f64) -> bool {
        self.with(|rng| rng.random_bool(probability))
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        self.with(|rng| rng.random_range(0..end))
    }

    /// One of `choices`, by weight.
    pub(crate) fn one_of<'a, T>(&self, choices: &'a [T], weight: impl Fn(&T) -> u64) -> &'a T {
        let total = choices.iter().map(&weight).sum();
        let mut at = self.below(total);
        let hit = choices.iter().find(|choice| {
            let weight = weight(choice);
            let hit = at < weight;
            at = at.saturating_sub(weight);
            hit
        });
        hit.expect("a number below the sum of the weights falls into one of them")
    }

    /// How long work takes: half the time less than `median`, and now and then several times that, as real latencies do.
    pub(crate) fn latency(&self, median: Duration) -> Duration {
        const SIGMA: f64 = 0.45;
        let (u, v) = self.with(|rng| (rng.random::<f64>(), rng.random::<f64>()));
        let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        median.mul_f64((SIGMA * normal).exp())
    }

    /// The time to the next of events that come independently, `rate` a second.
    pub(crate) fn gap(&self, rate: f64) -> Duration {
        let u = self.with(|rng| rng.random::<f64>());
        Duration::from_secs_f64((-(1.0 - u).ln() / rate).min(60.0))
    }

    pub(crate) fn hex(&self, bytes: usize) -> String {
        let mut buffer = vec![0; bytes];
        self.with(|rng| rng.fill(buffer.as_mut_slice()));
        hex::encode(buffer)
    }

    fn with<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut self.0.lock().expect("nothing panics while holding the lock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept_to() {
        let chance = Chance::seeded(1, "test");
        let drawn: Vec<u64> = (0..1000).map(|_| *chance.one_of(&[0, 1, 3], |weight| *weight)).collect();
        assert!(!drawn.contains(&0));
        let threes = drawn.iter().filter(|n| **n == 3).count();
        assert!((650..850).contains(&threes), "{threes}");
    }

    #[test]
    fn half_of_the_latencies_are_below_the_median() {
        let chance = Chance::seeded(1, "test");
        let median = Duration::from_millis(20);
        let below = (0..1000).filter(|_| chance.latency(median) < median).count();
        assert!((430..570).contains(&below), "{below}");
    }
}
