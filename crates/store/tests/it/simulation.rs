//! A seed makes a whole life of a store: deliveries with and without sources, late rows over many hours, repeats, ticks,
//! power losses in the middle of anything. After each start it is compared with a list of what was acknowledged.

use std::collections::{BTreeMap, HashMap, HashSet};

use parapet_fs::sim::{Faults, SimFs};
use parapet_signal::{Batch, Signal, Sink as _, SourceId, TrafficEvent, UnixNanos};
use parapet_store::{Clock as _, Store, verify};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::harness::*;

/// Lives per run. A failure names its seed; `life(seed)` repeats it.
const SEEDS: u64 = 12;
/// Steps of one life.
const STEPS: usize = 60;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_counted_twice() {
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| life(seed));
        assert!(run.is_ok(), "seed {seed}");
    }
}

/// A delivery that was tried, and what is known of it.
struct Tried {
    signal: Signal,
    source: Option<(u64, u64)>,
    rows: Vec<(u64, UnixNanos)>,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Acknowledged: all rows are there.
    Acked,
    /// Failed or unanswered: all rows or none.
    Unknown,
}

struct Life {
    rng: SmallRng,
    clock: TestClock,
    fs: SimFs,
    store: Store,
    tried: Vec<Tried>,
    positions: [u64; 3],
    next_id: u64,
    /// The number that each row was first seen with.
    seqs: HashMap<(Signal, u64), u64>,
}

fn life(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let clock = TestClock::new();
    let fs = SimFs::new(rng.random());
    let (store, _) = open(fs.clone(), &clock, config()).unwrap();
    let mut life = Life {
        rng,
        clock,
        fs,
        store,
        tried: Vec::new(),
        positions: [0; 3],
        next_id: 0,
        seqs: HashMap::new(),
    };
    for _ in 0..STEPS {
        life.step();
    }
    life.restart(false);
    life.store.close().unwrap();
    life.compare();
    life.restart(true);
}

impl Life {
    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..55 => self.deliver(),
            55..65 => self.repeat(),
            65..80 => {
                self.clock.advance(self.rng.random_range(0..600));
                self.store.tick();
            }
            80..85 => {
                // Fails when the power went before; the rows are in the WAL.
                let _ = self.store.flush();
            }
            85..90 => {
                let at = self.fs.operations() + self.rng.random_range(0..120);
                self.fs.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
            }
            90..93 => {
                let at = self.fs.operations() + self.rng.random_range(0..60);
                self.fs.set_faults(Faults { fail_at: vec![at], ..Faults::default() });
            }
            93..96 => self.compare(),
            _ => self.restart(false),
        }
        if self.fs.is_dead() || self.store.status().failed.is_some() {
            self.restart(false);
        }
    }

    fn deliver(&mut self) {
        let signal = if self.rng.random() { Signal::Logs } else { Signal::Traffic };
        let now = self.clock.now();
        let spread = self.rng.random_range(1..72) * 3600;
        let count = self.rng.random_range(1..30);
        let rows: Vec<_> = (0..count)
            .map(|_| {
                self.next_id += 1;
                (self.next_id, UnixNanos(now.0 - self.rng.random_range(0..spread) * 1_000_000_000))
            })
            .collect();
        let source = self.rng.random_bool(0.7).then(|| {
            let source = self.rng.random_range(0..self.positions.len());
            self.positions[source] += u64::try_from(rows.len()).unwrap();
            (source as u64, self.positions[source])
        });
        self.tried.push(Tried { signal, source, rows, fate: Fate::Unknown });
        self.send(self.tried.len() - 1);
    }

    /// A sender that was not answered, or has forgotten the answer, sends again.
    fn repeat(&mut self) {
        let candidates: Vec<_> =
            (0..self.tried.len()).filter(|at| self.tried[*at].source.is_some()).collect();
        if !candidates.is_empty() {
            let at = candidates[self.rng.random_range(0..candidates.len())];
            self.send(at);
        }
    }

    fn send(&mut self, at: usize) {
        let Tried { signal, source, rows, fate } = &self.tried[at];
        // A source goes on only after an answer; what came before a kept position was acknowledged or given up.
        if let Some((source, position)) = source
            && *fate == Fate::Unknown
            && self.store.high_water(SourceId(*source)).is_some_and(|kept| *position <= kept)
            && !self.is_visible(at)
        {
            return;
        }
        let batch = match signal {
            Signal::Logs => logs(rows.iter().copied()),
            _ => Batch::Traffic(rows.iter().map(|(id, time)| traffic(*id, *time)).collect()),
        };
        let delivery = match source {
            Some((source, position)) => from_source(*source, *position, batch),
            None => once(batch),
        };
        let (kept, before) = (rows.len() as u64, *fate);
        if let Ok(receipt) = deliver(&self.store, delivery) {
            assert!(receipt.refused.is_empty());
            assert!(
                receipt.kept == kept || receipt.kept == 0 && source.is_some(),
                "{receipt:?} after {before:?}"
            );
            self.tried[at].fate = Fate::Acked;
        }
    }

    fn is_visible(&self, at: usize) -> bool {
        let tried = &self.tried[at];
        let (id, _) = tried.rows[0];
        !self.fs.is_dead()
            && rows(&self.fs, &self.store.snapshot(), tried.signal).iter().any(|row| row.id == id)
    }

    /// The power goes, or the process is killed; or, `clean`, it ended well.
    fn restart(&mut self, clean: bool) {
        self.fs = if self.rng.random() { self.fs.crash() } else { self.fs.kill() };
        self.open(clean);
        self.compare();
    }

    fn open(&mut self, clean: bool) {
        // Losing power during recovery is tried too, and then again without.
        if self.rng.random_bool(0.3) {
            let at = self.fs.operations() + self.rng.random_range(0..40);
            self.fs.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
            if let Ok((store, _)) = open(self.fs.clone(), &self.clock, config()) {
                drop(store);
            }
            self.fs = self.fs.crash();
        }
        let report = verify(&self.fs, DIR.as_ref(), |_, _| {}).unwrap();
        assert_eq!(report.findings, []);
        let (store, recovery) = open(self.fs.clone(), &self.clock, config()).unwrap();
        assert_eq!((recovery.unreadable_frames, recovery.missing_rows), (0, 0), "{recovery:?}");
        assert_eq!(recovery.lost_segments, Vec::<String>::new());
        if clean {
            assert_eq!(recovery.frames, 0, "a closed store has nothing to replay: {recovery:?}");
        }
        self.store = store;
        assert_eq!(files(&self.fs), listed(&self.store), "D-3: orphans are removed at the start");
    }

    fn compare(&mut self) {
        let snapshot = self.store.snapshot();
        let mut events: Vec<TrafficEvent> = Vec::new();
        for signal in [Signal::Logs, Signal::Traffic] {
            let seen = rows(&self.fs, &snapshot, signal);
            let ids: HashSet<u64> = seen.iter().map(|row| row.id).collect();
            assert_eq!(ids.len(), seen.len(), "D-2: a {} row is there twice", signal.name());
            for row in &seen {
                let first = *self.seqs.entry((signal, row.id)).or_insert(row.seq);
                assert_eq!(first, row.seq, "Q-1: a row keeps its number");
            }
            let mut known = BTreeMap::new();
            for tried in self.tried.iter().filter(|tried| tried.signal == signal) {
                let there = tried.rows.iter().filter(|(id, _)| ids.contains(id)).count();
                match tried.fate {
                    Fate::Acked => assert_eq!(there, tried.rows.len(), "D-1: acknowledged rows are missing"),
                    Fate::Unknown => assert!(there == 0 || there == tried.rows.len(), "a delivery in parts"),
                }
                known.extend(tried.rows.iter().copied());
            }
            for row in &seen {
                assert_eq!(known.get(&row.id).map(|time| time.micros()), Some(row.ts));
            }
            if signal == Signal::Traffic {
                events = seen.iter().map(|row| traffic(row.id, known[&row.id])).collect();
            }
        }
        assert_eq!(rolled_up(&snapshot), naive(&events), "R-1");
    }
}
