//! Quantiles of durations in logarithmic buckets, mergeable, each answer within 1 % of a value that was seen
//! (after DDSketch, Masson, Rim, Lee 2019).
//!
//! Bucket `i` holds the values in (γ^(i-1), γ^i], γ = (1 + α) / (1 - α), α = 0.01. A `u64` has at most 2 220 buckets,
//! so a sketch is bounded by its type. Merging adds counts: associative, commutative, and exact.

use std::sync::LazyLock;

/// Names the bucket layout in files that hold sketches; a different γ is a different name.
pub(crate) const SKETCH_LAYOUT: &str = "log-buckets-1/0.01";

/// Relative error of every quantile.
pub const RELATIVE_ERROR: f64 = 0.01;

/// Counts of non-negative integers by logarithmic bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    zeros: u64,
    /// (bucket, count), ascending by bucket, counts above zero.
    buckets: Vec<(i32, u64)>,
}

impl Sketch {
    /// Counts one value.
    pub fn add(&mut self, value: u64) {
        if value == 0 {
            self.zeros += 1;
        } else {
            self.add_bucket(bucket_of(value), 1);
        }
    }

    /// Counts everything that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        for (bucket, count) in &other.buckets {
            self.add_bucket(*bucket, *count);
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(self.zeros, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The value below or at which the fraction `quantile` (0–1) of the values lies, within 1 %; `None` if empty.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        // Nearest rank, counted from 0; `as` saturates, so a NaN or an out-of-range quantile picks an end.
        let rank = ((quantile.clamp(0.0, 1.0) * (total - 1) as f64).round() as u64).min(total - 1);
        let mut below = self.zeros;
        if rank < below {
            return Some(0.0);
        }
        for (bucket, count) in &self.buckets {
            below = below.saturating_add(*count);
            if rank < below {
                return Some(middle_of(*bucket));
            }
        }
        self.buckets.last().map(|(bucket, _)| middle_of(*bucket))
    }

    /// How many zeros were counted, and the (bucket, count) pairs ascending: what files keep.
    pub(crate) fn parts(&self) -> (u64, &[(i32, u64)]) {
        (self.zeros, &self.buckets)
    }

    /// From what files keep; buckets may come in any order.
    pub(crate) fn from_parts(zeros: u64, buckets: impl IntoIterator<Item = (i32, u64)>) -> Self {
        let mut sketch = Self { zeros, buckets: Vec::new() };
        for (bucket, count) in buckets {
            sketch.add_bucket(bucket, count);
        }
        sketch
    }

    fn add_bucket(&mut self, bucket: i32, count: u64) {
        if count == 0 {
            return;
        }
        match self.buckets.binary_search_by_key(&bucket, |(b, _)| *b) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }
}

const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);
static LN_GAMMA: LazyLock<f64> = LazyLock::new(|| GAMMA.ln());

fn bucket_of(value: u64) -> i32 {
    ((value as f64).ln() / *LN_GAMMA).ceil() as i32
}

/// The value that is off by at most α from both ends of the bucket.
fn middle_of(bucket: i32) -> f64 {
    2.0 * (f64::from(bucket) * *LN_GAMMA).exp() / (GAMMA + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|v| sketch.add(*v));
        sketch
    }

    #[test]
    fn nothing_has_no_quantile_and_the_largest_value_has_a_bucket() {
        assert_eq!(Sketch::default().quantile(0.5), None);
        assert_eq!(sketch(&[0, 0, 7]).quantile(0.0), Some(0.0));
        let p = sketch(&[u64::MAX]).quantile(0.99).unwrap();
        assert!((p / u64::MAX as f64 - 1.0).abs() <= RELATIVE_ERROR * 1.001);
    }

    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = prop_oneof![0u64..20, 0u64..100_000, any::<u64>()];
        prop::collection::vec(value, 0..200)
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent(mut seen in values(), quantile in 0.0f64..=1.0) {
            prop_assume!(!seen.is_empty());
            let answer = sketch(&seen).quantile(quantile).unwrap();
            seen.sort_unstable();
            let exact = seen[(quantile * (seen.len() - 1) as f64).round() as usize] as f64;
            prop_assert!((answer - exact).abs() <= exact * RELATIVE_ERROR * 1.000_001, "{answer} for {exact}");
        }

        #[test]
        fn merging_is_counting_together_in_any_order(a in values(), b in values(), c in values()) {
            let (x, y, z) = (sketch(&a), sketch(&b), sketch(&c));
            let mut left = x.clone();
            left.merge(&y);
            left.merge(&z);
            let mut yz = z.clone();
            yz.merge(&y);
            let mut right = yz;
            right.merge(&x);
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(left.count(), (a.len() + b.len() + c.len()) as u64);
            let all: Vec<u64> = a.iter().chain(&b).chain(&c).copied().collect();
            prop_assert_eq!(left, sketch(&all));
        }

        #[test]
        fn parts_make_the_same_sketch(a in values()) {
            let before = sketch(&a);
            let (zeros, buckets) = before.parts();
            prop_assert_eq!(Sketch::from_parts(zeros, buckets.iter().rev().copied()), before);
        }
    }
}
