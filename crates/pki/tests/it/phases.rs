//! The order of a rotation against a world of servers and clients that know nothing of it: whatever happens when, no client
//! meets a certificate that it doesn't trust.

use jiff::{SignedDuration, Timestamp};
use parapet_pki::Validity;
use parapet_pki::rotation::{
    Aborted, Consumers, Facts, InUse, Next, Phase, Policy, Role, Rotation, RotationError, Why,
};
use proptest::prelude::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const POLICY: Policy = Policy {
    publish: SignedDuration::from_hours(6),
    longest_leaf: SignedDuration::from_hours(48),
    latest: SignedDuration::from_hours(24),
};

fn start() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

/// An authority's name.
type Id = u32;

struct Client {
    trusts: Vec<Id>,
    /// How long a bundle takes to reach it.
    delay: SignedDuration,
}

struct Server {
    issuer: Id,
    ends: Timestamp,
    /// Whether whoever drives the rotation knows of it, and replaces its certificate.
    known: bool,
}

struct World {
    now: Timestamp,
    rotation: Rotation,
    current: Id,
    successor: Option<Id>,
    made: Id,
    /// Bundles and when they were published, oldest first.
    published: Vec<(Timestamp, Vec<Id>)>,
    clients: Vec<Client>,
    servers: Vec<Server>,
    counts: bool,
}

impl World {
    fn new(delays: &[u8], known: usize, unknown: usize, counts: bool) -> Self {
        let clients = delays.iter().map(|minutes| {
            let delay = SignedDuration::from_mins(i64::from(*minutes) * 360 / 255);
            Client { trusts: vec![0], delay }
        });
        let servers = (0..known + unknown).map(|n| Server {
            issuer: 0,
            ends: start() + POLICY.longest_leaf,
            known: n < known,
        });
        Self {
            now: start(),
            rotation: Rotation::stable(start()),
            current: 0,
            successor: None,
            made: 0,
            published: vec![(start(), vec![0])],
            clients: clients.collect(),
            servers: servers.collect(),
            counts,
        }
    }

    fn role(&self, role: Role) -> Id {
        match role {
            Role::Current => self.current,
            Role::Successor => self.successor.unwrap(),
        }
    }

    fn publish(&mut self) {
        let bundle: Vec<Id> = self.rotation.trusted().iter().map(|role| self.role(*role)).collect();
        if self.published.last().unwrap().1 != bundle {
            self.published.push((self.now, bundle));
        }
    }

    fn facts(&self, asked: bool) -> Facts {
        let validity = Validity { not_before: start() - HOUR, not_after: start() + HOUR * 1_000_000 };
        let old: Vec<&Server> = self.servers.iter().filter(|server| server.issuer == self.current).collect();
        let bundle = &self.published.last().unwrap().1;
        let ready = self.clients.iter().filter(|client| &client.trusts == bundle).count();
        Facts {
            now: self.now,
            current: validity,
            successor: self.successor.map(|_| validity),
            rotate_at: validity.not_after,
            asked,
            consumers: if self.counts {
                Consumers::Counted { ready: ready as u64, all: self.clients.len() as u64 }
            } else {
                Consumers::Unknown
            },
            to_replace: old.iter().filter(|server| server.known).count() as u64,
            in_use: if self.counts { InUse::Counted(old.len() as u64) } else { InUse::Unknown },
        }
    }

    fn drive(&mut self, asked: bool) {
        match self.rotation.next(&self.facts(asked), &POLICY) {
            Next::Wait(..) => {}
            Next::Drop => panic!("nothing is wrong with the successor"),
            Next::Enter(phase, _) => {
                self.rotation = self.rotation.enter(phase, self.now).unwrap();
                match phase {
                    Phase::Prepare => {
                        self.made += 1;
                        self.successor = Some(self.made);
                    }
                    Phase::Stable => self.current = self.successor.take().unwrap(),
                    _ => {}
                }
            }
        }
        self.publish();
    }

    fn abort(&mut self) {
        let validity = self.facts(false).current;
        match self.rotation.abort(self.now, validity, &POLICY) {
            Ok((rotation, Aborted::DropSuccessor)) => (self.rotation, self.successor) = (rotation, None),
            Ok((rotation, Aborted::ChangeRoles)) => {
                self.rotation = rotation;
                let successor = self.successor.replace(self.current).unwrap();
                self.current = successor;
            }
            Err(RotationError::NotRotating | RotationError::TooLate) => {}
            Err(error) => panic!("{error}"),
        }
        self.publish();
    }

    /// Certificates are replaced: of the known ones up to `wave`, of all those that expire.
    fn replace(&mut self, wave: u8) {
        let signs = self.role(self.rotation.signs());
        let mut left = wave;
        for server in &mut self.servers {
            let expired = self.now >= server.ends;
            if expired || (server.known && server.issuer != signs && left > 0) {
                left = left.saturating_sub(1);
                (server.issuer, server.ends) = (signs, self.now + POLICY.longest_leaf);
            }
        }
    }

    fn adopt(&mut self) {
        for client in &mut self.clients {
            let arrived = self.published.iter().rev().find(|(at, _)| *at + client.delay <= self.now);
            if let Some((_, bundle)) = arrived {
                client.trusts.clone_from(bundle);
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for client in &self.clients {
            for server in self.servers.iter().filter(|server| self.now < server.ends) {
                prop_assert!(
                    client.trusts.contains(&server.issuer),
                    "in {:?} since {}, now {}: a client trusts {:?}, a server shows {}",
                    self.rotation.phase(),
                    self.rotation.since(),
                    self.now,
                    client.trusts,
                    server.issuer
                );
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Turn {
    minutes: u16,
    wave: u8,
    asked: bool,
    abort: bool,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (1..600_u16, 0..3_u8, prop::bool::weighted(0.3), prop::bool::weighted(0.08))
        .prop_map(|(minutes, wave, asked, abort)| Turn { minutes, wave, asked, abort });
    prop::collection::vec(turn, 1..120)
}

proptest! {
    #[test]
    fn no_client_ever_meets_a_certificate_that_it_does_not_trust(
        delays in prop::collection::vec(any::<u8>(), 1..5),
        known in 0..4_usize,
        unknown in 0..3_usize,
        counts: bool,
        turns in turns(),
    ) {
        let mut world = World::new(&delays, known, unknown, counts);
        for turn in turns {
            world.now += SignedDuration::from_mins(i64::from(turn.minutes));
            // What expired was replaced when it did, and bundles arrived when they did.
            world.adopt();
            world.replace(turn.wave);
            world.check()?;
            if turn.abort { world.abort() } else { world.drive(turn.asked) }
            world.adopt();
            world.check()?;
        }
        // Left alone, it comes to an end.
        for _ in 0..40 {
            world.now += HOUR * 12;
            world.adopt();
            world.replace(u8::MAX);
            world.drive(false);
            world.check()?;
        }
        prop_assert_eq!(world.rotation.phase(), Phase::Stable);
        prop_assert_eq!(world.published.last().unwrap().1.len(), 1);
    }
}

fn facts() -> Facts {
    World::new(&[], 0, 0, false).facts(false)
}

fn at(phase: Phase) -> Rotation {
    let mut rotation = Rotation::stable(start());
    for next in Phase::ALL.into_iter().skip(1).chain([Phase::Stable]) {
        if rotation.phase() == phase {
            break;
        }
        rotation = rotation.enter(next, start()).unwrap();
    }
    rotation
}

#[test]
fn phases_follow_each_other_and_nothing_else_does() {
    for from in Phase::ALL {
        let allowed: Vec<Phase> =
            Phase::ALL.into_iter().filter(|to| at(from).enter(*to, start()).is_ok()).collect();
        assert_eq!(allowed.len(), 1, "{from:?}");
    }
    assert_eq!(at(Phase::Finish).enter(Phase::Stable, start()).unwrap().finished(), 1);
}

#[test]
fn an_authority_that_ends_hands_over_whoever_is_not_ready() {
    let ends = start() + HOUR * 30;
    let current = Validity { not_before: start() - HOUR, not_after: ends };
    let successor = Some(Validity { not_after: start() + HOUR * 1000, ..current });
    let waiting = Consumers::Counted { ready: 1, all: 2 };
    let facts = Facts { current, successor, consumers: waiting, ..facts() };
    let prepare = at(Phase::Prepare);
    assert!(
        matches!(prepare.next(&facts, &POLICY), Next::Wait(_, Some(until)) if until == ends - POLICY.latest)
    );
    let facts = Facts { now: ends - POLICY.latest, ..facts };
    assert_eq!(prepare.next(&facts, &POLICY), Next::Enter(Phase::Switch, Why::Ending));
    // And its rotation begins early enough, however short its life.
    let facts = Facts { now: start(), rotate_at: ends, ..facts };
    assert_eq!(at(Phase::Stable).next(&facts, &POLICY), Next::Enter(Phase::Prepare, Why::Due));
    // There is no way back to it.
    let late = ends - POLICY.latest;
    let refused = at(Phase::Drain).abort(late, current, &POLICY);
    assert_eq!(refused, Err(RotationError::Ending { ends }));
}

#[test]
fn an_authority_that_has_ended_or_not_begun_is_left_to_people() {
    let current = Validity { not_before: start() + HOUR, not_after: start() + HOUR * 2 };
    for now in [start(), start() + HOUR * 3] {
        let facts = Facts { now, current, asked: true, ..facts() };
        assert!(matches!(at(Phase::Stable).next(&facts, &POLICY), Next::Wait(_, None)));
    }
}

#[test]
fn the_state_is_stored_as_it_reads() {
    let stored = serde_json::to_string(&at(Phase::Drain)).unwrap();
    assert_eq!(stored, r#"{"phase":"drain","since":"2026-11-01T12:00:00Z","finished":0,"reverted":false}"#);
    assert_eq!(serde_json::from_str::<Rotation>(&stored).unwrap(), at(Phase::Drain));
}
