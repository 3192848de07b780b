//! From one authority to the next: trusted before used, used before alone.

use jiff::SignedDuration;
use parapet_pki::Certificate;
use serde_json::json;

use super::world::{DAY, World, elasticsearch};

const SECRET: &str = "quickstart-es-default-es-transport-certs";
const PUBLIC: &str = "quickstart-es-transport-certs-public";
const AUTHORITY: &str = "quickstart-es-transport-ca-internal";
const LEAF: &str = "quickstart-es-default-0.tls.crt";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

struct Cluster {
    world: World,
    first: Certificate,
}

impl Cluster {
    /// A cluster whose authority's Secret was just deleted.
    fn without_its_authority() -> Self {
        let mut world = World::new();
        world.pod(0, "10.0.0.1");
        world.transport(&elasticsearch(&json!({}))).unwrap();
        let first = world.certificate(AUTHORITY, "tls.crt");
        world.wait(DAY);
        world.secrets.remove(AUTHORITY);
        Self { world, first }
    }

    /// Who is trusted, and who signed the pod's certificate: 1 for the first authority, 2 for another.
    fn look(&mut self) -> (Vec<u8>, u8) {
        self.world.transport(&elasticsearch(&json!({}))).unwrap();
        let number = |is_first: bool| if is_first { 1 } else { 2 };
        let trusted = Certificate::all_from_pem(&self.world.text(SECRET, "ca.crt")).unwrap();
        assert_eq!(self.world.text(SECRET, "ca.crt"), self.world.text(PUBLIC, "ca.crt"));
        let leaf = self.world.certificate(SECRET, LEAF);
        let numbers = trusted.iter().map(|one| number(*one == self.first)).collect();
        (numbers, number(leaf.leads_to(&self.first)))
    }
}

#[test]
fn a_deleted_authority_is_replaced_in_three_steps() {
    let mut cluster = Cluster::without_its_authority();
    assert_eq!(cluster.look(), (vec![2, 1], 1), "published");
    cluster.world.wait(MINUTE * 4);
    assert_eq!(cluster.look(), (vec![2, 1], 1));
    cluster.world.wait(MINUTE);
    assert_eq!(cluster.look(), (vec![2, 1], 2), "used");
    cluster.world.wait(DAY);
    // It counts from when it was seen that nothing leads to the first any more.
    assert_eq!(cluster.look(), (vec![2, 1], 2));
    cluster.world.wait(DAY);
    assert_eq!(cluster.look(), (vec![2], 2), "alone");
    cluster.world.wait(DAY);
    assert_eq!(cluster.look(), (vec![2], 2));
}

#[test]
fn an_operator_that_was_away_takes_the_steps_all_the_same() {
    let mut cluster = Cluster::without_its_authority();
    assert_eq!(cluster.look(), (vec![2, 1], 1));
    cluster.world.wait(DAY * 30);
    assert_eq!(cluster.look(), (vec![2, 1], 2));
    assert_eq!(cluster.look(), (vec![2, 1], 2), "nodes may still show what they had");
    cluster.world.wait(DAY);
    assert_eq!(cluster.look(), (vec![2], 2));
}

#[test]
fn a_lost_record_begins_anew_and_loses_nobody() {
    let mut cluster = Cluster::without_its_authority();
    assert_eq!(cluster.look(), (vec![2, 1], 1));
    cluster.world.wait(MINUTE * 4);
    cluster.world.secrets.remove(PUBLIC);
    assert_eq!(cluster.look(), (vec![2, 1], 1));
    cluster.world.wait(MINUTE * 4);
    assert_eq!(cluster.look(), (vec![2, 1], 1));
    cluster.world.wait(MINUTE);
    assert_eq!(cluster.look(), (vec![2, 1], 2));
}

#[test]
fn a_record_of_tomorrow_begins_anew() {
    let mut cluster = Cluster::without_its_authority();
    assert_eq!(cluster.look(), (vec![2, 1], 1));
    cluster.world.wait(-DAY / 2);
    assert_eq!(cluster.look(), (vec![2, 1], 1));
    cluster.world.wait(MINUTE * 5);
    assert_eq!(cluster.look(), (vec![2, 1], 2));
}

#[test]
fn a_pod_with_another_address_gets_a_new_certificate_at_once() {
    let mut cluster = Cluster::without_its_authority();
    cluster.look();
    cluster.world.pod(0, "10.0.0.9");
    assert_eq!(cluster.look(), (vec![2, 1], 2), "the first's key is gone");
}

#[test]
fn two_changes_at_once_are_three_that_are_trusted() {
    let mut cluster = Cluster::without_its_authority();
    assert_eq!(cluster.look(), (vec![2, 1], 1));
    cluster.world.pod(1, "10.0.0.2");
    cluster.look();
    cluster.world.secrets.remove(AUTHORITY);
    let (trusted, signer) = cluster.look();
    assert_eq!((trusted.len(), signer), (3, 1), "the second has signed for the pod that came");
    cluster.world.wait(MINUTE * 5);
    assert_eq!(cluster.look(), (trusted, 2));
}

#[test]
fn the_time_to_look_again_is_never_missed_nor_in_the_past() {
    let mut cluster = Cluster::without_its_authority();
    for _ in 0..12 {
        let next = cluster.world.transport(&elasticsearch(&json!({}))).unwrap().next.unwrap();
        assert!(next > cluster.world.now, "{next} is not after {}", cluster.world.now);
        cluster.world.now = next;
    }
    assert!(cluster.world.now > "2027-10-01T00:00:00Z".parse().unwrap(), "it has come to rest");
}
