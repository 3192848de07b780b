//! How fast passwords may be guessed: per user name and per source address, doubling with each failure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

/// Failures that cost nothing: people mistype.
const FREE_FAILURES: u32 = 4;
/// A user name waits no longer than this, so that strangers cannot lock its owner out for long.
const LONGEST_USER_WAIT: Duration = Duration::from_secs(60);
/// An address waits up to this long.
const LONGEST_SOURCE_WAIT: Duration = Duration::from_secs(900);
/// Failures are forgotten after so long without another.
const MEMORY: Duration = Duration::from_secs(3600);
/// Entries kept, about 1 MB; past it the eighth that failed longest ago is forgotten.
const MAX_ENTRIES: usize = 8192;

/// The failures of users and addresses.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    entries: HashMap<Key, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    User(String),
    /// IPv4 addresses as they are; IPv6 by /64, which is what one subscriber has.
    Source(IpAddr),
}

impl Key {
    fn longest_wait(&self) -> Duration {
        match self {
            Self::User(_) => LONGEST_USER_WAIT,
            Self::Source(_) => LONGEST_SOURCE_WAIT,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    last: Timestamp,
}

impl Throttle {
    /// Counts a try as failed before it is made, so that tries at the same moment count too; or says how long to wait.
    pub(crate) fn begin(&mut self, user: &str, source: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let keys = keys(user, source);
        let wait = keys.iter().filter_map(|key| self.wait(key, now)).max();
        if let Some(wait) = wait {
            return Err(wait);
        }
        for key in keys {
            self.make_room(now);
            let entry = self.entries.entry(key).or_insert(Entry { failures: 0, last: now });
            if elapsed(entry.last, now) >= MEMORY {
                entry.failures = 0;
            }
            entry.failures = entry.failures.saturating_add(1);
            entry.last = entry.last.max(now);
        }
        Ok(())
    }

    /// The try succeeded: the user's failures are forgotten. Of the address only this try is taken back, so that
    /// an own account does not help to guess others.
    pub(crate) fn succeeded(&mut self, user: &str, source: IpAddr) {
        let [user, source] = keys(user, source);
        self.entries.remove(&user);
        if let Some(entry) = self.entries.get_mut(&source) {
            entry.failures -= u32::from(entry.failures > 0);
            if entry.failures == 0 {
                self.entries.remove(&source);
            }
        }
    }

    /// The try was not made after all.
    pub(crate) fn withdraw(&mut self, user: &str, source: IpAddr) {
        for key in keys(user, source) {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.failures -= u32::from(entry.failures > 0);
            }
        }
    }

    fn wait(&self, key: &Key, now: Timestamp) -> Option<Duration> {
        let entry = self.entries.get(key)?;
        let since = elapsed(entry.last, now);
        if since >= MEMORY {
            return None;
        }
        let over = entry.failures.checked_sub(FREE_FAILURES).filter(|over| *over > 0)?;
        let wait = Duration::from_secs(1 << (over - 1).min(20)).min(key.longest_wait());
        wait.checked_sub(since).filter(|left| !left.is_zero())
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.entries.len() < MAX_ENTRIES {
            return;
        }
        self.entries.retain(|_, entry| elapsed(entry.last, now) < MEMORY);
        if self.entries.len() < MAX_ENTRIES {
            return;
        }
        // Several at once, so that a flood of names does not have the whole table looked through for each of them.
        let mut last: Vec<_> = self.entries.values().map(|entry| entry.last).collect();
        let (_, stale, _) = last.select_nth_unstable(MAX_ENTRIES / 8);
        let stale = *stale;
        self.entries.retain(|_, entry| entry.last > stale);
    }
}

fn keys(user: &str, source: IpAddr) -> [Key; 2] {
    let source = match source {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        },
    };
    [Key::User(user.to_owned()), Key::Source(source)]
}

/// 0 if the clock went back.
fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn other(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn waits_double_after_the_free_failures_up_to_the_cap() {
        let mut throttle = Throttle::default();
        for _ in 0..=FREE_FAILURES {
            throttle.begin("ann", HOME, at(0)).unwrap();
        }
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let wait = throttle.begin("ann", HOME, at(now)).unwrap_err().as_secs();
            waits.push(wait);
            now += i64::try_from(wait).unwrap();
            throttle.begin("ann", HOME, at(now)).unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    }

    #[test]
    fn a_user_waits_from_every_address_but_not_for_long() {
        let mut throttle = Throttle::default();
        let mut now = 0;
        for n in 0..40 {
            now += 60;
            throttle.begin("ann", other(n), at(now)).unwrap();
        }
        assert_eq!(throttle.begin("ann", other(99), at(now)).unwrap_err(), LONGEST_USER_WAIT);
        throttle.begin("bob", other(99), at(now)).unwrap();
    }

    #[test]
    fn success_forgets_the_user_but_only_one_try_of_the_address() {
        let mut throttle = Throttle::default();
        for victim in 0..FREE_FAILURES {
            throttle.begin(&format!("victim{victim}"), HOME, at(0)).unwrap();
        }
        throttle.begin("mallory", HOME, at(0)).unwrap();
        throttle.succeeded("mallory", HOME);
        throttle.begin("victim9", HOME, at(0)).unwrap();
        throttle.begin("victim9", HOME, at(0)).unwrap_err();
    }

    #[test]
    fn ipv6_counts_by_its_64_and_mapped_addresses_as_ipv4() {
        let mut throttle = Throttle::default();
        for n in 0..=u128::from(FREE_FAILURES) {
            let source = IpAddr::V6((0x2001_0db8_u128 << 96 | n).into());
            throttle.begin(&format!("user{n}"), source, at(0)).unwrap();
        }
        throttle.begin("x", "2001:db8::ffff".parse().unwrap(), at(0)).unwrap_err();
        throttle.begin("x", "2001:db8:0:1::1".parse().unwrap(), at(0)).unwrap();
        assert_eq!(keys("x", "::ffff:127.0.0.1".parse().unwrap()), keys("x", HOME));
    }

    #[test]
    fn an_hour_without_failure_forgets() {
        let mut throttle = Throttle::default();
        for _ in 0..=FREE_FAILURES {
            throttle.begin("ann", HOME, at(0)).unwrap();
        }
        throttle.begin("ann", HOME, at(0)).unwrap_err();
        for _ in 0..=FREE_FAILURES {
            throttle.begin("ann", HOME, at(3600)).unwrap();
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..20_000 {
            let _ = throttle.begin(&format!("user{n}"), other(n), at(i64::from(n)));
            assert!(throttle.entries.len() <= MAX_ENTRIES);
        }
        assert!(throttle.entries.contains_key(&Key::Source(other(19_999))), "the newest stay");
    }

    proptest! {
        /// However tries are spread over time and however often the clock goes back, within an hour nobody gets more
        /// tries for one user than the free ones and those that the waits leave room for.
        #[test]
        fn guesses_are_few(steps in prop::collection::vec(-2i64..20, 1..200)) {
            let mut throttle = Throttle::default();
            let (mut now, mut made) = (0i64, 0u32);
            for step in steps {
                now = (now + step).max(0);
                if now >= 3600 { break; }
                made += u32::from(throttle.begin("ann", HOME, at(now)).is_ok());
            }
            // Free ones, one that starts the waiting, then at most log2 of the time in doubling waits and hour/900.
            prop_assert!(made <= FREE_FAILURES + 1 + 12 + 4, "{made} tries in an hour");
        }
    }
}
