//! Model: whatever was acknowledged is found, once, in order, after the power goes or the process is killed at any
//! operation, of appending as well as of recovery, several times over.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parapet_fs::Fs;
use parapet_fs::sim::{Faults, SimFs};
use parapet_wal::{Frame, Wal};
use proptest::prelude::*;

use crate::support::{DIR, append, open, small};

#[derive(Clone, Debug)]
enum Op {
    /// One append, awaited.
    Append { rows: u32, len: usize },
    /// Several appends, awaited together.
    Burst { count: usize, len: usize },
    /// Gives up this share (of 255) of what is acknowledged.
    Release(u8),
}

#[derive(Clone, Copy, Debug)]
enum End {
    PowerLoss,
    Kill,
    Close,
}

/// The life of one process.
#[derive(Clone, Debug)]
struct Life {
    ops: Vec<Op>,
    /// After this many operations on the disk, the power goes.
    crash_after: Option<u64>,
    /// After this many operations on the disk, one fails.
    fail_after: Option<u64>,
    end: End,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1..5_u32, 0..6000_usize).prop_map(|(rows, len)| Op::Append { rows, len }),
        3 => (2..8_usize, 0..4000_usize).prop_map(|(count, len)| Op::Burst { count, len }),
        1 => any::<u8>().prop_map(Op::Release),
    ]
}

fn life() -> impl Strategy<Value = Life> {
    let end = prop_oneof![2 => Just(End::PowerLoss), 1 => Just(End::Kill), 1 => Just(End::Close)];
    (
        prop::collection::vec(op(), 0..12),
        prop::option::of(0..70_u64),
        prop::option::weighted(0.2, 0..70_u64),
        end,
    )
        .prop_map(|(ops, crash_after, fail_after, end)| Life { ops, crash_after, fail_after, end })
}

/// What must be in the log.
#[derive(Default)]
struct Model {
    /// By first row: rows and payload, of what was acknowledged or found.
    kept: BTreeMap<u64, (u32, Vec<u8>)>,
    /// Payloads that were sent and not acknowledged; each may turn up at most once.
    unsure: Vec<(u32, Vec<u8>)>,
    floor: u64,
    sent: u64,
}

impl Model {
    fn payload(&mut self, len: usize) -> Vec<u8> {
        self.sent += 1;
        let mut payload = self.sent.to_le_bytes().to_vec();
        payload.resize(8 + len, self.sent as u8);
        payload
    }

    fn check(&mut self, frames: &[Frame]) {
        for pair in frames.windows(2) {
            assert_eq!(pair[0].seqs().last + 1, pair[1].first_seq, "in order and without gaps");
        }
        for frame in frames {
            let found = (frame.rows, frame.payload.to_vec());
            match self.kept.get(&frame.first_seq) {
                Some(kept) => assert_eq!(kept, &found),
                None => {
                    let index = self.unsure.iter().position(|sent| sent == &found);
                    self.unsure.remove(index.expect("nothing turns up that was not sent, nor twice"));
                    self.kept.insert(frame.first_seq, found);
                }
            }
        }
        let wanted = self.kept.iter().filter(|(first, (rows, _))| **first + u64::from(*rows) > self.floor);
        let wanted: Vec<u64> = wanted.map(|(first, _)| *first).collect();
        let found: Vec<u64> = frames.iter().map(|frame| frame.first_seq).collect();
        assert_eq!(found, wanted);
    }

    /// Returns whether the log still works.
    fn run(&mut self, wal: &Wal<u64>, op: &Op) -> bool {
        let (rows, count, len) = match *op {
            Op::Append { rows, len } => (rows, 1, len),
            Op::Burst { count, len } => (1, count, len),
            Op::Release(share) => {
                // Up to everything: a share of 255 is a store that has flushed all.
                let below = wal.status().next_seq * u64::from(share) / 255;
                // As the store does: first the floor is durable elsewhere, then the log is told.
                self.floor = self.floor.max(below);
                return wal.release(self.floor).is_ok();
            }
        };
        let mut waiting = Vec::new();
        for _ in 0..count {
            let payload = self.payload(len);
            match wal.append(append(rows, payload.clone()), self.sent) {
                Ok(receiver) => waiting.push((payload, receiver)),
                Err(error) => assert!(error.is_certainly_not_kept()),
            }
        }
        let mut works = true;
        for (payload, receiver) in waiting {
            match receiver.blocking_recv().expect("every append is answered") {
                Ok(seqs) => assert!(self.kept.insert(seqs.first, (rows, payload)).is_none()),
                Err(_) => {
                    self.unsure.push((rows, payload));
                    works = false;
                }
            }
        }
        works
    }
}

fn check(seed: u64, lives: &[Life]) {
    let mut sim = SimFs::new(seed);
    let mut model = Model::default();
    for life in lives {
        let now = sim.operations();
        sim.set_faults(Faults {
            crash_at: life.crash_after.map(|after| now + after),
            fail_at: life.fail_after.map(|after| now + after).into_iter().collect(),
            ..Faults::default()
        });
        let fs: Arc<dyn Fs> = Arc::new(sim.clone());
        if let Ok(log) = open(&fs, Path::new(DIR), small(), model.floor) {
            assert_eq!((log.report.quarantined_files, log.report.missing_rows), (0, 0));
            model.check(&log.frames);
            let works = life.ops.iter().all(|op| model.run(&log.wal, op));
            let mut next = log.applied.lock().unwrap().first().map_or(0, |durable| durable.seqs.first);
            for durable in log.applied.lock().unwrap().iter() {
                assert_eq!(durable.seqs.first, next, "applied in order");
                next = durable.seqs.last + 1;
            }
            if works && matches!(life.end, End::Close) {
                // Fails when the power goes just now.
                let _ = log.wal.close();
            }
            sim = match life.end {
                End::PowerLoss => sim.crash(),
                End::Kill | End::Close => sim.kill(),
            };
        } else {
            sim = if matches!(life.end, End::PowerLoss) { sim.crash() } else { sim.kill() };
        }
    }
    let fs: Arc<dyn Fs> = Arc::new(sim);
    let log = open(&fs, Path::new(DIR), small(), model.floor).expect("it opens where nothing fails");
    assert_eq!((log.report.quarantined_files, log.report.missing_rows), (0, 0));
    model.check(&log.frames);
    assert!(model.run(&log.wal, &Op::Append { rows: 1, len: 1 }), "and works");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_acknowledged_survives(seed in any::<u64>(), lives in prop::collection::vec(life(), 1..6)) {
        check(seed, &lives);
    }
}

/// Every operation of one plain life in turn, each with several seeds: no gap that random choice leaves.
#[test]
fn power_loss_and_failure_at_each_operation() {
    let ops: Vec<_> = (0..12)
        .map(|n| if n % 5 == 4 { Op::Release(200) } else { Op::Append { rows: 2, len: 3000 } })
        .chain([Op::Burst { count: 6, len: 4000 }])
        .collect();
    for at in 0..90 {
        for seed in 0..4 {
            for (crash_after, fail_after) in [(Some(at), None), (None, Some(at))] {
                for end in [End::PowerLoss, End::Kill] {
                    check(seed, &[Life { ops: ops.clone(), crash_after, fail_after, end }]);
                }
            }
        }
    }
}
