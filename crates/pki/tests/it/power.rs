//! Rotations during which the power goes, the process dies, or a write fails: at each operation on the disk once.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parapet_fs::Fs;
use parapet_fs::sim::{Faults, SimFs};
use parapet_pki::rotation::{Consumers, InUse, Phase};
use parapet_pki::{Bundle, Folder, FolderOptions, Leaf, Names, PkiError, Reports};
use rustls::pki_types::CertificateDer;

const DIR: &str = "pki";

#[derive(Clone, Copy, Debug)]
enum Step {
    Tick,
    Ask,
    Abort,
}

/// The whole way.
const THERE: &[Step] = &[Step::Ask, Step::Tick, Step::Tick, Step::Tick, Step::Tick];
/// Given up at once, then given up halfway.
const AND_BACK: &[Step] =
    &[Step::Ask, Step::Abort, Step::Ask, Step::Tick, Step::Abort, Step::Tick, Step::Tick, Step::Tick];

fn now() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn names() -> Names {
    Names::new([]).unwrap()
}

fn open(sim: &SimFs) -> Result<Folder, PkiError> {
    Folder::open(Arc::new(sim.clone()), Path::new(DIR), FolderOptions::new(names()), now())
}

/// Everybody outside is ready at once.
fn reports(asked: bool) -> Reports {
    let consumers = Consumers::Counted { ready: 1, all: 1 };
    Reports { asked, consumers, to_replace: 0, in_use: InUse::Counted(0) }
}

fn play(folder: &Folder, steps: &[Step]) -> Result<(), PkiError> {
    for step in steps {
        match step {
            Step::Tick => folder.tick(now(), &reports(false)).map(drop)?,
            Step::Ask => folder.tick(now(), &reports(true)).map(drop)?,
            Step::Abort => folder.abort(now()).map(drop)?,
        }
    }
    Ok(())
}

/// What is on the disk, as a client and a starting server would find it.
fn published(sim: &SimFs) -> Option<Bundle> {
    let pem = parapet_fs::read(sim, &Path::new(DIR).join("ca.crt"), 1 << 20).ok()?;
    Some(Bundle::from_pem(&pem).unwrap())
}

fn stored_leaf(sim: &SimFs) -> Option<Leaf> {
    let pem = parapet_fs::read(sim, &Path::new(DIR).join("server.pem"), 1 << 20).ok()?;
    Some(Leaf::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap())
}

/// A folder is opened after a mishap. Clients that took the bundle before it accept the leaf after it (K-1), and the
/// rotation can be brought to its end.
fn recovers(sim: &SimFs, what: &str) {
    let before = published(sim);
    if let (Some(bundle), Some(leaf)) = (&before, stored_leaf(sim)) {
        leaf.check_against(bundle, &names(), now()).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let folder = open(sim).unwrap_or_else(|error| panic!("{what}: {}", error.with_causes()));
    let leaf = folder.identity().leaf();
    if let Some(bundle) = &before {
        leaf.check_against(bundle, &names(), now()).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    assert_eq!(published(sim).unwrap(), folder.bundle().unwrap(), "{what}");
    settles(sim, &folder, what);
    // And from there a rotation can be made.
    let old = folder.authority().certificate().clone();
    play(&folder, THERE).unwrap();
    settles(sim, &folder, what);
    let new = folder.authority().certificate().clone();
    assert_ne!(old, new, "{what}");
    assert!(!published(sim).unwrap().contains(&old), "{what}");
}

fn settles(sim: &SimFs, folder: &Folder, what: &str) {
    for _ in Phase::ALL {
        if folder.rotation().phase() != Phase::Stable {
            folder.tick(now(), &reports(false)).unwrap_or_else(|error| panic!("{what}: {error}"));
            let trusted = published(sim).unwrap();
            folder.identity().leaf().check_against(&trusted, &names(), now()).unwrap();
        }
    }
    assert_eq!(folder.rotation().phase(), Phase::Stable, "{what}");
    let authority = folder.authority();
    assert_eq!(folder.bundle().unwrap(), Bundle::new([authority.certificate().clone()]).unwrap());
    folder.identity().leaf().check(&authority, &names(), now()).unwrap();
    let again = open(sim).unwrap();
    assert_eq!(again.authority().certificate(), authority.certificate(), "{what}: it is on the disk");
    again.identity().leaf().check(&authority, &names(), now()).unwrap();
}

fn made() -> (SimFs, Folder, CertificateDer<'static>) {
    let sim = SimFs::new(0);
    let folder = open(&sim).unwrap();
    let authority = folder.authority().certificate().clone();
    (sim, folder, authority)
}

#[test]
fn a_rotation_ends_with_another_authority_and_nothing_of_the_first() {
    let (sim, folder, first) = made();
    let key = folder.authority().key_pem();
    let phases: Vec<Phase> = THERE
        .iter()
        .map(|step| {
            play(&folder, &[*step]).unwrap();
            folder.rotation().phase()
        })
        .collect();
    assert_eq!(phases, [Phase::Prepare, Phase::Switch, Phase::Drain, Phase::Finish, Phase::Stable]);
    assert_eq!(folder.rotation().finished(), 1);
    settles(&sim, &folder, "at the end");
    assert_ne!(*folder.authority().certificate(), first);
    let record = parapet_fs::read(&sim, &Path::new(DIR).join("authorities.json"), 1 << 20).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_ne!(record["current"]["key"], key.as_str());
    assert_eq!(record.get("successor"), None);
}

#[test]
fn giving_up_goes_back_to_the_first_authority() {
    let (sim, folder, first) = made();
    play(&folder, &AND_BACK[..2]).unwrap();
    assert_eq!(folder.rotation().phase(), Phase::Stable, "before the switch, at once");
    settles(&sim, &folder, "given up in prepare");
    play(&folder, &AND_BACK[2..5]).unwrap();
    assert_eq!(folder.rotation().phase(), Phase::Switch, "after it, the way it came");
    assert!(folder.rotation().is_reverted());
    assert_eq!(*folder.authority().certificate(), first);
    assert_eq!(folder.bundle().unwrap().certificates().len(), 2, "its successor's leaves are still about");
    settles(&sim, &folder, "given up in switch");
    assert_eq!(*folder.authority().certificate(), first);
    assert_eq!(folder.rotation().finished(), 0);
    assert!(folder.abort(now()).is_err(), "nothing to give up");
}

#[test]
fn the_power_may_go_at_every_operation() {
    for steps in [THERE, AND_BACK] {
        let (clean, folder, _) = made();
        let before = clean.operations();
        play(&folder, steps).unwrap();
        for at in 0..clean.operations() - before {
            for seed in 0..3 {
                let sim = SimFs::new(seed);
                let folder = open(&sim).unwrap();
                let at = sim.operations() + at;
                sim.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
                assert!(play(&folder, steps).is_err());
                recovers(&sim.crash(), &format!("{steps:?}, power lost at {at}, seed {seed}"));
            }
        }
    }
}

#[test]
fn the_process_may_be_killed_at_every_operation_and_the_power_go_later() {
    let (clean, folder, _) = made();
    let before = clean.operations();
    play(&folder, THERE).unwrap();
    for at in 0..clean.operations() - before {
        let sim = SimFs::new(at);
        let folder = open(&sim).unwrap();
        let at = sim.operations() + at;
        sim.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
        assert!(play(&folder, THERE).is_err());
        let killed = sim.kill();
        // The next process goes on from what may not be durable yet, a step at a time, and then the power goes too.
        let folder = open(&killed).unwrap();
        folder.tick(now(), &reports(false)).unwrap();
        recovers(&killed.crash(), &format!("killed at {at}"));
    }
}

#[test]
fn a_write_that_fails_is_made_again() {
    for steps in [THERE, AND_BACK] {
        let (clean, folder, _) = made();
        let before = clean.operations();
        play(&folder, steps).unwrap();
        for at in 0..clean.operations() - before {
            let sim = SimFs::new(at);
            let folder = open(&sim).unwrap();
            let at = sim.operations() + at;
            sim.set_faults(Faults { fail_at: vec![at], ..Faults::default() });
            // The rest of the steps is played although one failed, as an hourly timer would.
            for step in steps {
                let _ = play(&folder, &[*step]);
                let trusted = published(&sim).unwrap();
                folder.identity().leaf().check_against(&trusted, &names(), now()).unwrap();
            }
            settles(&sim, &folder, &format!("{steps:?}, failure at {at}"));
        }
    }
}

#[test]
fn a_clock_that_jumps_costs_one_phase_at_most() {
    let year = SignedDuration::from_hours(24 * 365);
    let (sim, folder, first) = made();
    // Beyond its end: nothing is made that would be of no use when the clock is right again.
    assert!(folder.tick(now() + year * 20, &Reports::default()).is_err());
    assert_eq!(folder.rotation().phase(), Phase::Stable);
    folder.tick(now(), &Reports::default()).unwrap();
    // Within its life, but past two thirds.
    folder.tick(now() + year * 4, &Reports::default()).unwrap();
    assert_eq!(folder.rotation().phase(), Phase::Prepare);
    // Right again: a successor of the future is of no use.
    folder.tick(now(), &Reports::default()).unwrap();
    assert_eq!(folder.rotation().phase(), Phase::Stable);
    assert_eq!(*folder.authority().certificate(), first);
    settles(&sim, &folder, "after the jump");
    // Back behind the beginning of a phase: its time begins anew, and nothing else happens.
    play(&folder, &[Step::Ask]).unwrap();
    let earlier = now() - SignedDuration::from_mins(5);
    folder.tick(earlier, &Reports::default()).unwrap();
    assert_eq!((folder.rotation().phase(), folder.rotation().since()), (Phase::Prepare, earlier));
}

#[test]
fn without_reports_the_phases_go_by_time() {
    let day = SignedDuration::from_hours(24);
    let (sim, folder, first) = made();
    let mut now = folder.authority().rotate_at();
    let mut phases = vec![];
    let mut last = Phase::Stable;
    while phases.last() != Some(&(Phase::Stable, 0)) {
        folder.tick(now, &Reports::default()).unwrap();
        let trusted = published(&sim).unwrap();
        folder.identity().leaf().check_against(&trusted, &names(), now).unwrap();
        let phase = folder.rotation().phase();
        if phase != last {
            phases.push((phase, 0));
            last = phase;
        } else if let Some((_, days)) = phases.last_mut() {
            *days += 1;
        }
        now += day;
    }
    assert_eq!(
        phases,
        [
            (Phase::Prepare, 29),
            (Phase::Switch, 0),
            (Phase::Drain, 90),
            (Phase::Finish, 0),
            (Phase::Stable, 0)
        ]
    );
    assert_ne!(*folder.authority().certificate(), first);
    let fs: &dyn Fs = &sim;
    assert!(fs.metadata(Path::new("pki/ca.crt")).unwrap().is_some());
}
