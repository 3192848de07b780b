//! Any sequence of changes: what is shown leads to what is published, at every step; and while nothing but authorities
//! change, also for those who read either some minutes late.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use super::world::{DAY, World, elasticsearch, verifies};

const PUBLIC: &str = "quickstart-es-http-certs-public";
const INTERNAL: &str = "quickstart-es-http-certs-internal";
const HOST: &str = "quickstart-es-http.ns.svc";
const TRANSPORT: &str = "quickstart-es-default-es-transport-certs";

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    /// The clock is set: hours, either way.
    Jump(i64),
    DeleteAuthority,
    DeleteInternal,
    DeletePublic,
    Damage,
    Names(u8),
    Bring(u8),
    TakeBack,
    Address(u8),
}

fn authorities_only() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..300i64).prop_map(Step::Wait),
        2 => (300..4000i64).prop_map(Step::Wait),
        2 => Just(Step::DeleteAuthority),
        2 => (0..3u8).prop_map(Step::Bring),
        2 => Just(Step::TakeBack),
    ]
}

fn anything() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => authorities_only(),
        2 => (-20_000..20_000i64).prop_map(Step::Jump),
        1 => Just(Step::DeleteInternal),
        1 => Just(Step::DeletePublic),
        1 => Just(Step::Damage),
        1 => (0..3u8).prop_map(Step::Names),
        1 => (1..200u8).prop_map(Step::Address),
    ]
}

struct Run {
    world: World,
    names: u8,
    brought: Option<u8>,
    authorities: Vec<parapet_pki::Signer>,
}

impl Run {
    fn new() -> Self {
        let mut world = World::new();
        world.pod(0, "10.0.0.1");
        // As many days as years, so that renewals come often; what users bring lives on.
        world.policy.life = DAY * 4;
        world.policy.authority_life = DAY * 5;
        let authorities = ["a", "b", "c"].map(|name| world.authority(name)).into();
        Self { world, names: 0, brought: None, authorities }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Wait(minutes) => self.world.wait(SignedDuration::from_mins(*minutes)),
            Step::Jump(hours) => self.world.wait(SignedDuration::from_hours(*hours)),
            Step::DeleteAuthority => {
                self.world.secrets.remove("quickstart-es-http-ca-internal");
                self.world.secrets.remove("quickstart-es-transport-ca-internal");
            }
            Step::DeleteInternal => {
                self.world.secrets.remove(INTERNAL);
                self.world.secrets.remove(TRANSPORT);
            }
            Step::DeletePublic => {
                self.world.secrets.remove(PUBLIC);
                self.world.secrets.remove("quickstart-es-transport-certs-public");
            }
            Step::Damage => {
                let data = self.world.secrets.get_mut(INTERNAL).and_then(|secret| secret.data.as_mut());
                for text in data.into_iter().flat_map(|data| data.values_mut()) {
                    text.0.truncate(300);
                }
            }
            Step::Names(names) => self.names = *names,
            Step::Bring(which) => self.brought = Some(*which),
            Step::TakeBack => self.brought = None,
            Step::Address(last) => self.world.pod(0, &format!("10.0.0.{last}")),
        }
    }

    /// A pass, now.
    fn look(&mut self) -> Timestamp {
        let names: Vec<_> =
            (0..self.names).map(|number| json!({ "dns": format!("n{number}.example.com") })).collect();
        let mut spec =
            json!({ "http": { "tls": { "selfSignedCertificate": { "subjectAltNames": names } } } });
        if let Some(which) = self.brought {
            let signer = &self.authorities[usize::from(which)];
            let (certificate, key) = (signer.certificate().pem(), signer.key().pem().to_string());
            self.world.put("mine", &[("ca.crt", &certificate), ("ca.key", &key)]);
            spec["http"]["tls"]["certificate"] = json!({ "secretName": "mine" });
            spec["transport"] = json!({ "tls": { "certificate": { "secretName": "mine" } } });
        }
        let es = elasticsearch(&spec);
        let http = self.world.http(&es).unwrap().next.unwrap();
        let transport = self.world.transport(&es).unwrap().next.unwrap();
        http.min(transport).max(self.world.now + SignedDuration::from_secs(1))
    }

    /// What is published and what is shown, of HTTP and of the transport.
    fn seen(&self) -> [(String, String); 2] {
        let text = |secret: &str, key: &str| self.world.text(secret, key);
        [
            (text(PUBLIC, "ca.crt"), text(INTERNAL, "tls.crt")),
            (text(TRANSPORT, "ca.crt"), text(TRANSPORT, "quickstart-es-default-0.tls.crt")),
        ]
    }

    fn hosts(&self) -> [String; 2] {
        let address = self.world.pods.values().next().copied().flatten().expect("the pod has an address");
        [HOST.to_owned(), address.to_string()]
    }
}

/// Walks the steps, looking whenever it is time, and checks every reader against every server of the last minutes.
fn untold(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut run = Run::new();
    let mut next = run.look();
    let mut history: VecDeque<(Timestamp, [(String, String); 2])> = VecDeque::new();
    history.push_back((run.world.now, run.seen()));
    for step in steps {
        let until = match step {
            Step::Wait(minutes) => run.world.now + SignedDuration::from_mins(*minutes),
            other => {
                run.apply(other);
                run.world.now
            }
        };
        let mut looks = 0;
        loop {
            run.world.now = if matches!(step, Step::Wait(_)) { next.min(until) } else { until };
            next = run.look();
            looks += 1;
            prop_assert!(looks < 1000, "it comes to rest");
            history.push_back((run.world.now, run.seen()));
            let oldest = run.world.now - run.world.policy.spread;
            // The last that was in force when the oldest reader may have read.
            while history.len() > 1 && history[1].0 <= oldest {
                history.pop_front();
            }
            for (_, published) in &history {
                for (_, shown) in &history {
                    for ((one, other), host) in published.iter().zip(shown).zip(run.hosts()) {
                        let verified = verifies(&one.0, &other.1, &host, run.world.now);
                        prop_assert!(
                            verified.is_ok(),
                            "{host}: {verified:?} at {} after {step:?}",
                            run.world.now
                        );
                    }
                }
            }
            if run.world.now >= until {
                break;
            }
        }
    }
    Ok(())
}

/// Found by the property: what was remembered of the first coming shortened the second.
#[test]
fn an_authority_that_comes_back_is_published_anew() {
    untold(&[Step::Bring(2), Step::Wait(1), Step::TakeBack, Step::Bring(2), Step::Wait(4), Step::Wait(1)])
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, including clocks that jump: after a pass, those who read now verify what is shown now.
    #[test]
    fn what_is_shown_leads_to_what_is_published(steps in prop::collection::vec(anything(), 1..20)) {
        let mut run = Run::new();
        run.look();
        for step in &steps {
            run.apply(step);
            run.look();
            for ((ca, chain), host) in run.seen().iter().zip(run.hosts()) {
                let verified = verifies(ca, chain, &host, run.world.now);
                prop_assert!(verified.is_ok(), "{host}: {verified:?} after {step:?}");
            }
        }
    }

    /// While only authorities change, nobody is shown what he doesn't trust, though he may have read what is published,
    /// and the server what it shows, any time within the minutes that a Secret takes to arrive.
    #[test]
    fn nobody_is_shown_what_he_does_not_trust_yet(steps in prop::collection::vec(authorities_only(), 1..14)) {
        untold(&steps)?;
    }
}
