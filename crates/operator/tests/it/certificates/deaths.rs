//! An operator that dies at any write on the way from one authority to the next: whoever comes after it ends where nobody died,
//! loses nobody's trust on the way, and begins nothing anew.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use parapet_operator::certificates::SPREAD;
use parapet_pki::Certificate;
use serde_json::json;

use super::world::{DAY, World, elasticsearch};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// When passes are made, each counted from the one before: published, still so, used, seen to be used, alone, and at rest.
const PASSES: [SignedDuration; 8] = [SignedDuration::ZERO, MINUTE, SPREAD, MINUTE, DAY, DAY, MINUTE, DAY];

/// Which certificates.
#[derive(Clone, Copy, Debug)]
struct Certificates {
    authority: &'static str,
    /// Where the leaf is.
    shown: (&'static str, &'static str),
    /// Where others read who is trusted.
    trusted: &'static [&'static str],
    pass: fn(&mut World),
}

const TRANSPORT: Certificates = Certificates {
    authority: "quickstart-es-transport-ca-internal",
    shown: ("quickstart-es-default-es-transport-certs", "quickstart-es-default-0.tls.crt"),
    trusted: &["quickstart-es-default-es-transport-certs", "quickstart-es-transport-certs-public"],
    pass: |world| drop(world.transport(&elasticsearch(&json!({}))).unwrap()),
};

const HTTP: Certificates = Certificates {
    authority: "quickstart-es-http-ca-internal",
    shown: ("quickstart-es-http-certs-internal", "tls.crt"),
    trusted: &["quickstart-es-http-certs-public"],
    pass: |world| drop(world.http(&elasticsearch(&json!({}))).unwrap()),
};

/// Goes the whole way; in the passes that `deaths` names the operator dies after so many writes. Whether another one begins at once,
/// or not before the next pass is due. With it, how many writes each pass made.
fn live(of: Certificates, deaths: &[(usize, usize)], at_once: bool) -> (World, Vec<usize>) {
    let mut world = World::new();
    world.pod(0, "10.0.0.1");
    (of.pass)(&mut world);
    world.wait(DAY);
    world.secrets.remove(of.authority);
    world.history = vec![(world.now, world.secrets.clone())];
    let mut writes_of = Vec::new();
    for (number, time) in PASSES.into_iter().enumerate() {
        let before = world.history.len();
        world.wait(time);
        if let Some((_, writes)) = deaths.iter().find(|(pass, _)| *pass == number) {
            world.lives = Some(*writes);
            (of.pass)(&mut world);
            world.lives = None;
            if !at_once {
                continue;
            }
        }
        (of.pass)(&mut world);
        writes_of.push(world.history.len() - before);
    }
    // Whoever was late has a day and a day more.
    for _ in 0..4 {
        world.wait(DAY);
        (of.pass)(&mut world);
    }
    (world, writes_of)
}

/// The certificates of a Secret as it was at some moment.
fn certificates(world: &World, moment: usize, secret: &str, key: &str) -> Vec<Certificate> {
    let secret = world.history[moment].1.get(secret);
    let text = secret.and_then(|secret| secret.data.as_ref()?.get(key));
    text.map(|text| Certificate::all_from_pem(std::str::from_utf8(&text.0).unwrap()).unwrap())
        .unwrap_or_default()
}

/// Who reads a Secret late still has what was there before for a while, and so has who shows what is in one.
fn nobody_meets_a_stranger(of: Certificates, world: &World) {
    for earlier in 0..world.history.len() {
        let beside = certificates(world, earlier, of.shown.0, "ca.crt");
        let leaf = certificates(world, earlier, of.shown.0, of.shown.1).remove(0);
        assert!(beside.iter().any(|authority| leaf.leads_to(authority)), "after write {earlier}");
        for later in earlier..world.history.len() {
            let is_kept_until = world.history.get(earlier + 1).map(|(next, _)| *next + SPREAD);
            if is_kept_until.is_some_and(|until| world.history[later].0 >= until) {
                break;
            }
            for (shown, trusted) in [(earlier, later), (later, earlier)] {
                let leaf = certificates(world, shown, of.shown.0, of.shown.1).remove(0);
                for secret in of.trusted {
                    let known = certificates(world, trusted, secret, "ca.crt");
                    assert!(
                        known.iter().any(|authority| leaf.leads_to(authority)),
                        "what was shown after write {shown} isn't trusted by {secret} after write {trusted}"
                    );
                }
            }
        }
    }
}

/// All keys that any authority ever had, which somebody may have seen.
fn authorities(of: Certificates, world: &World) -> BTreeSet<Vec<u8>> {
    let mut keys = BTreeSet::new();
    for moment in 0..world.history.len() {
        let own = certificates(world, moment, of.authority, "tls.crt");
        let published = of.trusted.iter().flat_map(|secret| certificates(world, moment, secret, "ca.crt"));
        keys.extend(own.into_iter().chain(published).map(|one| one.public_key().to_vec()));
    }
    keys
}

/// It came to the end: the second authority is alone, and signed what is shown.
fn is_over(of: Certificates, world: &World) {
    let last = world.history.len() - 1;
    let authority = certificates(world, last, of.authority, "tls.crt");
    for secret in of.trusted.iter().chain([&of.shown.0]) {
        assert_eq!(certificates(world, last, secret, "ca.crt"), authority, "{secret}");
    }
    assert!(certificates(world, last, of.shown.0, of.shown.1)[0].leads_to(&authority[0]));
    assert_eq!(authorities(of, world).len(), 2, "one succession");
}

fn check(of: Certificates, deaths: &[(usize, usize)], at_once: bool) -> Vec<usize> {
    let (world, writes) = live(of, deaths, at_once);
    nobody_meets_a_stranger(of, &world);
    is_over(of, &world);
    writes
}

fn every_death(of: Certificates) {
    let calm = check(of, &[], true);
    assert!(calm.iter().sum::<usize>() >= 6, "published, used and alone, in two Secrets each: {calm:?}");
    for (pass, most) in calm.into_iter().enumerate() {
        for writes in 0..most {
            check(of, &[(pass, writes)], true);
            check(of, &[(pass, writes)], false);
        }
    }
}

#[test]
fn nodes_trust_each_other_wherever_the_operator_dies() {
    every_death(TRANSPORT);
}

#[test]
fn clients_trust_what_they_are_shown_wherever_the_operator_dies() {
    every_death(HTTP);
}

#[test]
fn an_operator_that_dies_in_every_pass_comes_to_the_same_end() {
    for of in [TRANSPORT, HTTP] {
        for writes in 0..3 {
            let deaths: Vec<(usize, usize)> = (0..PASSES.len()).map(|pass| (pass, writes)).collect();
            check(of, &deaths, true);
        }
        // One write in each life.
        let deaths: Vec<(usize, usize)> = (0..PASSES.len()).map(|pass| (pass, 1)).collect();
        check(of, &deaths, false);
    }
}
