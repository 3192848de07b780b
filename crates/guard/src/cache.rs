//! Answers that are kept for a short while: bounded in number, each with its own life, asked for once however many wait.
//!
//! Invariants: **G-1** an answer is used for at most its life after it was given, and never at or after the moment its
//! credential ends. **G-2** a failure is told to those who waited for it and then forgotten. **G-3** a key tells nothing
//! about the secret that it was made of, and two lists of values never make one key. **G-4** only an answer that was
//! marked for it, and only while asking anew fails, outlives its life, by the time that was set at most.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use jiff::Timestamp;
use moka::Expiry;

use crate::Clock;

/// Names an answer.
pub(crate) type Key = [u8; 32];

/// Makes keys out of secrets, with a key of its own that never leaves the process.
pub(crate) struct Keys(hmac::Key);

impl Keys {
    pub(crate) fn new() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()))
    }

    /// The key of a list of values. Lengths are part of it, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub(crate) fn of<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) -> Key {
        let mut context = hmac::Context::with_key(&self.0);
        for value in values {
            context.update(&(value.len() as u64).to_le_bytes());
            context.update(value);
        }
        let mut key = Key::default();
        key.copy_from_slice(context.sign().as_ref());
        key
    }
}

/// What was answered, and for how long it holds.
#[derive(Clone, Debug)]
pub(crate) struct Answer<V> {
    pub(crate) value: V,
    /// None: for those who wait for it now, and nobody else.
    pub(crate) life: Option<Duration>,
    /// The moment at which it ends even if its life isn't over.
    pub(crate) until: Option<Timestamp>,
    /// How much longer it holds while nobody can be asked.
    pub(crate) spare: Duration,
    /// Whether it says no more than that nobody could be asked.
    pub(crate) is_failure: bool,
}

impl<V> Answer<V> {
    /// Holds for this long.
    pub(crate) fn lasting(value: V, life: Duration) -> Self {
        Self { value, life: Some(life), until: None, spare: Duration::ZERO, is_failure: false }
    }

    /// Holds for those who wait for it now.
    pub(crate) fn passing(value: V) -> Self {
        Self { value, life: None, until: None, spare: Duration::ZERO, is_failure: false }
    }

    /// Nobody could be asked.
    pub(crate) fn failed(value: V) -> Self {
        Self { is_failure: true, ..Self::passing(value) }
    }
}

/// An answer out of the cache, or a fresh one.
pub(crate) struct Found<V> {
    pub(crate) value: V,
    /// How long ago it was given. None if it was asked for just now.
    pub(crate) age: Option<Duration>,
    /// Whether its life is over, and it is used because nobody could be asked.
    pub(crate) is_stale: bool,
}

/// A cache of answers.
pub(crate) struct Cache<V> {
    entries: moka::future::Cache<Key, Entry<V>>,
    clock: Clock,
}

impl<V: Clone + Send + Sync + 'static> Cache<V> {
    /// Keeps at most about `entries` answers; the least used make room.
    pub(crate) fn new(entries: u64, clock: Clock) -> Self {
        let entries = moka::future::Cache::builder().max_capacity(entries).expire_after(ByLife).build();
        Self { entries, clock }
    }

    /// The kept answer if it still holds, else what `ask` gives. Of many who want the same key at once, one asks.
    /// If that one goes away, another asks.
    pub(crate) async fn get_or_ask<A>(&self, key: Key, ask: impl FnOnce() -> A) -> Found<V>
    where
        A: Future<Output = Answer<V>>,
    {
        let kept = self.entries.get(&key).await;
        if let Some(entry) = kept.as_ref().filter(|entry| entry.holds(&self.clock)) {
            let age = self.clock.steady().saturating_sub(entry.born);
            return Found { value: entry.value.clone(), age: Some(age), is_stale: false };
        }
        // Asking takes kilobytes of state; on the heap, the many who don't ask don't carry it about.
        Box::pin(self.ask(key, kept, ask())).await
    }

    async fn ask(&self, key: Key, kept: Option<Entry<V>>, ask: impl Future<Output = Answer<V>>) -> Found<V> {
        let asked = async {
            let Answer { value, life, until, spare, is_failure } = ask.await;
            let born = self.clock.steady();
            match kept.filter(|kept| is_failure && kept.serves(&self.clock)) {
                // Kept as it was: the next request asks again.
                Some(kept) => kept,
                None => Entry { value, born, life: life.unwrap_or_default(), until, spare },
            }
        };
        let begun = self.clock.steady();
        let clock = self.clock.clone();
        let entry = self.entries.entry(key).or_insert_with_if(asked, move |entry| !entry.holds(&clock)).await;
        let Entry { value, born, life, .. } = entry.into_value();
        let is_stale = !life.is_zero() && born < begun && begun.saturating_sub(born) >= life;
        Found { value, age: is_stale.then(|| self.clock.steady().saturating_sub(born)), is_stale }
    }

    /// How many are kept, about.
    #[cfg(test)]
    pub(crate) async fn len(&self) -> u64 {
        self.entries.run_pending_tasks().await;
        self.entries.entry_count()
    }
}

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    born: Duration,
    life: Duration,
    until: Option<Timestamp>,
    spare: Duration,
}

impl<V> Entry<V> {
    fn holds(&self, clock: &Clock) -> bool {
        self.is_within(self.life, clock)
    }

    /// Whether it is better than nothing.
    fn serves(&self, clock: &Clock) -> bool {
        !self.life.is_zero() && self.is_within(self.life + self.spare, clock)
    }

    fn is_within(&self, life: Duration, clock: &Clock) -> bool {
        clock.steady().saturating_sub(self.born) < life && self.until.is_none_or(|until| clock.now() < until)
    }
}

/// Frees memory; whether an answer holds is decided by [`Entry::holds`], on the clock that was passed in.
struct ByLife;

impl<V> Expiry<Key, Entry<V>> for ByLife {
    fn expire_after_create(&self, _: &Key, entry: &Entry<V>, _: Instant) -> Option<Duration> {
        Some(entry.life + entry.spare)
    }

    fn expire_after_update(
        &self,
        _: &Key,
        entry: &Entry<V>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.life + entry.spare)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    /// A clock that stands still until told otherwise: seconds of both.
    fn clock() -> (Clock, Arc<AtomicU64>) {
        let seconds = Arc::new(AtomicU64::new(1_000));
        let (wall, steady) = (Arc::clone(&seconds), Arc::clone(&seconds));
        let clock = Clock::new(
            move || Timestamp::from_second(wall.load(Ordering::SeqCst) as i64).unwrap(),
            move || Duration::from_secs(steady.load(Ordering::SeqCst)),
        );
        (clock, seconds)
    }

    fn answer(value: usize, life: u64) -> Answer<usize> {
        Answer::lasting(value, Duration::from_secs(life))
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_life_and_no_longer() {
        let (clock, seconds) = clock();
        let cache = Cache::new(10, clock);
        let key = Keys::new().of([b"a".as_slice()]);
        assert_eq!(cache.get_or_ask(key, || async { answer(1, 10) }).await.value, 1);
        seconds.store(1_009, Ordering::SeqCst);
        let found = cache.get_or_ask(key, || async { answer(2, 10) }).await;
        assert_eq!((found.value, found.age), (1, Some(Duration::from_secs(9))));
        seconds.store(1_010, Ordering::SeqCst);
        let found = cache.get_or_ask(key, || async { answer(3, 10) }).await;
        assert_eq!((found.value, found.age), (3, None));
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_credential() {
        let (clock, seconds) = clock();
        let cache = Cache::new(10, clock);
        let key = Keys::new().of([b"a".as_slice()]);
        let until = Some(Timestamp::from_second(1_005).unwrap());
        let first = Answer { until, ..answer(1, 3_600) };
        cache.get_or_ask(key, || async { first }).await;
        seconds.store(1_004, Ordering::SeqCst);
        assert_eq!(cache.get_or_ask(key, || async { answer(2, 1) }).await.value, 1);
        seconds.store(1_005, Ordering::SeqCst);
        assert_eq!(cache.get_or_ask(key, || async { answer(2, 1) }).await.value, 2);
    }

    #[tokio::test]
    async fn a_yes_outlives_its_life_only_while_asking_fails_and_never_its_credential() {
        let (clock, seconds) = clock();
        let cache = Cache::new(10, clock);
        let key = Keys::new().of([b"a".as_slice()]);
        let yes = |value, until| Answer { spare: Duration::from_secs(60), until, ..answer(value, 10) };
        let failed = || async { Answer::failed(0) };
        cache.get_or_ask(key, || async { yes(1, None) }).await;
        for (second, expected) in
            [(1_009, (1, false)), (1_010, (1, true)), (1_069, (1, true)), (1_070, (0, false))]
        {
            seconds.store(second, Ordering::SeqCst);
            let found = cache.get_or_ask(key, failed).await;
            assert_eq!((found.value, found.is_stale), expected, "{second}");
        }
        // Who answers again is believed again.
        seconds.store(2_000, Ordering::SeqCst);
        cache.get_or_ask(key, || async { yes(1, None) }).await;
        seconds.store(2_020, Ordering::SeqCst);
        assert!(cache.get_or_ask(key, failed).await.is_stale);
        let found = cache.get_or_ask(key, || async { answer(2, 10) }).await;
        assert_eq!((found.value, found.is_stale), (2, false));
        // A credential's end is the end.
        let ends = Some(Timestamp::from_second(3_015).unwrap());
        seconds.store(3_000, Ordering::SeqCst);
        cache.get_or_ask(key, || async { yes(1, ends) }).await;
        seconds.store(3_014, Ordering::SeqCst);
        assert!(cache.get_or_ask(key, failed).await.is_stale);
        seconds.store(3_015, Ordering::SeqCst);
        assert_eq!(cache.get_or_ask(key, failed).await.value, 0);
    }

    #[tokio::test]
    async fn many_who_wait_ask_once_and_a_failure_is_not_kept() {
        let (clock, _) = clock();
        let cache = Arc::new(Cache::new(10, clock));
        let key = Keys::new().of([b"a".as_slice()]);
        let asked = Arc::new(AtomicUsize::new(0));
        let (open, gate) = tokio::sync::watch::channel(false);
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let (cache, asked, mut gate) = (cache.clone(), asked.clone(), gate.clone());
                tokio::spawn(async move {
                    let ask = || async move {
                        asked.fetch_add(1, Ordering::SeqCst);
                        gate.wait_for(|open| *open).await.unwrap();
                        Answer::failed(Err::<usize, _>("down"))
                    };
                    cache.get_or_ask(key, ask).await.value
                })
            })
            .collect();
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        open.send(true).unwrap();
        for task in waiting {
            assert_eq!(task.await.unwrap(), Err("down"));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let again = Answer::lasting(Ok(1), Duration::from_secs(1));
        assert_eq!(cache.get_or_ask(key, || async { again }).await.value, Ok(1));
    }

    #[tokio::test]
    async fn whoever_asked_may_go_away() {
        let (clock, _) = clock();
        let cache = Arc::new(Cache::new(10, clock));
        let key = Keys::new().of([b"a".as_slice()]);
        let first = {
            let cache = cache.clone();
            tokio::spawn(async move { cache.get_or_ask(key, std::future::pending).await.value })
        };
        tokio::task::yield_now().await;
        let second = {
            let cache = cache.clone();
            tokio::spawn(async move { cache.get_or_ask(key, || async { answer(2, 1) }).await.value })
        };
        tokio::task::yield_now().await;
        first.abort();
        assert_eq!(second.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn its_size_is_bounded() {
        let (clock, _) = clock();
        let cache = Cache::new(100, clock);
        let keys = Keys::new();
        for n in 0..10_000u32 {
            cache.get_or_ask(keys.of([n.to_le_bytes().as_slice()]), || async { answer(0, 60) }).await;
        }
        assert!(cache.len().await <= 100);
    }

    proptest! {
        #[test]
        fn two_lists_of_values_make_one_key_only_if_they_are_one_list(
            a in prop::collection::vec(prop::collection::vec(0u8..3, 0..3), 0..3),
            b in prop::collection::vec(prop::collection::vec(0u8..3, 0..3), 0..3),
        ) {
            let keys = Keys::new();
            let of = |list: &Vec<Vec<u8>>| keys.of(list.iter().map(Vec::as_slice));
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
