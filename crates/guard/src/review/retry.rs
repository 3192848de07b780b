//! How long to wait between attempts.

use std::time::Duration;

/// The first wait; each next one is twice as long. The reference waits 0.5 s, ×1.5, five times, which outlasts our deadline.
const FIRST: Duration = Duration::from_millis(100);
/// Attempts after the first.
const RETRIES: u32 = 3;

/// The waits, each up to a fifth longer than the last one's double, so that many who failed together don't return together.
pub(super) fn waits() -> impl Iterator<Item = Duration> + Send {
    (0..RETRIES).map(|n| (FIRST * 2u32.pow(n)).mul_f64(1.0 + rand::random_range(0.0..0.2)))
}
