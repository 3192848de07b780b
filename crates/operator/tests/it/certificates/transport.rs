//! One certificate per pod.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use parapet_operator::certificates::{Related, RemoteInputs, remote_authorities};
use parapet_pki::{AlternativeName, Certificate};
use serde_json::{Value, json};

use super::world::{DAY, STATEFUL_SET, World, elasticsearch, verifies};

const SECRET: &str = "quickstart-es-default-es-transport-certs";
const PUBLIC: &str = "quickstart-es-transport-certs-public";
const AUTHORITY: &str = "quickstart-es-transport-ca-internal";

fn names(certificate: &Certificate) -> Vec<String> {
    let name = |name: &AlternativeName| match name {
        AlternativeName::Dns(name) => name.clone(),
        AlternativeName::Ip(address) => address.to_string(),
        AlternativeName::Other { oid, value } => format!("{oid:?} {value}"),
    };
    certificate.names().unwrap().iter().map(name).collect()
}

/// The names of pod 0 at `ip`, for what is said of the cluster.
fn check(spec: &Value, ip: &str, common_name: &str, rest: &[&str]) {
    let mut world = World::new();
    world.pod(0, ip);
    world.transport(&elasticsearch(spec)).unwrap();
    let leaf = world.certificate(SECRET, "quickstart-es-default-0.tls.crt");
    let expected = [format!("[2, 5, 4, 3] {common_name}"), common_name.to_owned()];
    let expected: Vec<String> =
        expected.into_iter().chain(rest.iter().map(|&name| name.to_owned())).collect();
    assert_eq!(names(&leaf), expected);
    assert_eq!(leaf.subject().unwrap().common_name, common_name);
    assert_eq!(leaf.subject().unwrap().organizational_unit.as_deref(), Some("quickstart"));
}

#[test]
fn names_are_the_references_in_its_order() {
    let plain = "quickstart-es-default-0.node.quickstart.ns.es.local";
    let (service, pod) = ("quickstart-es-transport.ns.svc", "quickstart-es-default-0.quickstart-es-default");
    check(&json!({}), "10.0.0.1", plain, &[service, pod, "10.0.0.1", "127.0.0.1"]);
    check(&json!({}), "fd00::1", plain, &[service, pod, "fd00::1", "::1"]);
    let remote = json!({ "remoteClusterServer": { "enabled": true } });
    let (server, direct) =
        ("quickstart-es-remote-cluster.ns.svc", "quickstart-es-default-0.quickstart-es-default.ns.svc");
    check(&remote, "10.0.0.1", plain, &[service, pod, "10.0.0.1", "127.0.0.1", server, direct]);
    let users = json!({ "transport": { "tls": { "otherNameSuffix": "example.com",
        "subjectAltNames": [{ "dns": "a.b" }, { "ip": "192.0.2.1" }] } } });
    let own = "quickstart-es-default-0.example.com";
    check(&users, "10.0.0.1", own, &[service, pod, "10.0.0.1", "127.0.0.1", "a.b", "192.0.2.1"]);
}

#[test]
fn pods_get_theirs_as_they_get_addresses_and_lose_it_when_they_go() {
    let mut world = World::new();
    let es = elasticsearch(&json!({}));
    world.pod(0, "10.0.0.1");
    world.pod(1, "");
    assert_eq!(world.transport(&es).unwrap().changed, [STATEFUL_SET]);
    let zero = ["quickstart-es-default-0.tls.crt", "quickstart-es-default-0.tls.key"];
    assert_eq!(world.keys_of(SECRET), [&["ca.crt"], zero.as_slice()].concat());
    assert!(world.transport(&es).unwrap().changed.is_empty());
    world.pod(1, "10.0.0.2");
    assert_eq!(world.transport(&es).unwrap().changed, [STATEFUL_SET]);
    assert_eq!(world.keys_of(SECRET).len(), 5);
    // A pod that lost its address keeps what it had; one with another address gets another over the same key.
    let key = world.text(SECRET, "quickstart-es-default-1.tls.key");
    world.pod(1, "");
    assert!(world.transport(&es).unwrap().changed.is_empty());
    world.pod(1, "10.0.0.3");
    assert_eq!(world.transport(&es).unwrap().changed, [STATEFUL_SET]);
    assert_eq!(world.text(SECRET, "quickstart-es-default-1.tls.key"), key);
    let chain = world.text(SECRET, "quickstart-es-default-1.tls.crt");
    verifies(&world.text(SECRET, "ca.crt"), &chain, "10.0.0.3", world.now).unwrap();
    world.pods.remove("quickstart-es-default-1");
    world.transport(&es).unwrap();
    assert_eq!(world.keys_of(SECRET).len(), 3);
    let labels = world.secrets[SECRET].metadata.labels.as_ref().unwrap();
    assert_eq!(labels["elasticsearch.k8s.elastic.co/statefulset-name"], STATEFUL_SET);
}

#[test]
fn an_authority_that_was_brought_signs_under_either_pair_of_keys() {
    let es = elasticsearch(&json!({ "transport": { "tls": { "certificate": { "secretName": "mine" } } } }));
    for (certificate, key) in [("ca.crt", "ca.key"), ("tls.crt", "tls.key")] {
        let mut world = World::new();
        world.pod(0, "10.0.0.1");
        assert!(world.transport(&es).unwrap_err().is_users());
        world.put("mine", &[(certificate, "x")]);
        assert!(world.transport(&es).unwrap_err().is_users());
        let authority = world.authority("mine");
        world.put(
            "mine",
            &[(certificate, &authority.certificate().pem()), (key, authority.key().pem().as_str())],
        );
        world.transport(&es).unwrap();
        assert!(!world.secrets.contains_key(AUTHORITY));
        assert_eq!(world.text(PUBLIC, "ca.crt"), authority.certificate().pem());
        let chain = world.text(SECRET, "quickstart-es-default-0.tls.crt");
        verifies(&world.text(PUBLIC, "ca.crt"), &chain, "10.0.0.1", world.now).unwrap();
    }
}

#[test]
fn more_authorities_are_trusted_but_not_published() {
    let es = elasticsearch(
        &json!({ "transport": { "tls": { "certificateAuthorities": { "configMapName": "more" } } } }),
    );
    let mut world = World::new();
    assert!(world.transport(&es).unwrap_err().is_users());
    let pem = world.authority("more").certificate().pem();
    let config = |text: &str| ConfigMap {
        data: Some(BTreeMap::from([("ca.crt".to_owned(), text.to_owned())])),
        ..ConfigMap::default()
    };
    world.trusted = Some(config("no PEM"));
    assert!(world.transport(&es).unwrap_err().is_users());
    world.trusted = Some(config(&pem));
    world.pod(0, "10.0.0.1");
    world.transport(&es).unwrap();
    assert_eq!(world.text(SECRET, "ca.crt"), world.text(PUBLIC, "ca.crt") + &pem);
    // Taken away again, they are no authority of before.
    world.transport(&elasticsearch(&json!({}))).unwrap();
    assert_eq!(world.text(SECRET, "ca.crt"), world.text(AUTHORITY, "tls.crt"));
}

#[test]
fn switched_off_the_marker_is_set_and_running_pods_keep_theirs() {
    let off =
        elasticsearch(&json!({ "transport": { "tls": { "selfSignedCertificates": { "disabled": true } } } }));
    let mut world = World::new();
    world.pod(0, "10.0.0.1");
    world.transport(&elasticsearch(&json!({}))).unwrap();
    let before = world.text(SECRET, "quickstart-es-default-0.tls.crt");
    world.pod(1, "10.0.0.2");
    world.transport(&off).unwrap();
    assert_eq!(world.text(SECRET, "quickstart-es-default-0.tls.crt"), before);
    assert_eq!(world.text(SECRET, "quickstart-es-default-1.tls.crt"), "");
    assert!(world.keys_of(SECRET).contains(&"transport.certs.disabled".to_owned()));
    world.transport(&elasticsearch(&json!({}))).unwrap();
    assert!(!world.keys_of(SECRET).contains(&"transport.certs.disabled".to_owned()));
    assert_ne!(world.text(SECRET, "quickstart-es-default-1.tls.crt"), "");
}

/// The Secret of remote authorities, and the certificates in it.
fn remote(own: &str, inputs: &RemoteInputs<'_>, now: Timestamp) -> (Secret, Vec<String>) {
    let secret = remote_authorities(&elasticsearch(&json!({})), own, inputs, now);
    assert_eq!(secret.metadata.name.as_deref(), Some("quickstart-es-remote-ca"));
    let text = String::from_utf8(secret.data.as_ref().unwrap()["ca.crt"].0.clone()).unwrap();
    let all = Certificate::all_from_pem(&text).unwrap().iter().map(Certificate::pem).collect();
    (secret, all)
}

fn related(authorities: &str, connect: bool) -> Related {
    Related { authorities: authorities.to_owned(), connect }
}

#[test]
fn the_authorities_of_remote_clusters_are_never_none() {
    let world = World::new();
    let pem = |name: &str| world.authority(name).certificate().pem();
    let (own, a, b) = (pem("own"), pem("a"), pem("b"));
    let text = |all: &[Related]| {
        remote(&own, &RemoteInputs { related: all, ..RemoteInputs::default() }, world.now).1
    };
    assert_eq!(text(&[]), std::slice::from_ref(&own));
    assert_eq!(
        text(&[related(&a, false)]),
        std::slice::from_ref(&own),
        "nobody said that the two may trust each other"
    );
    let mut both = vec![a.clone(), b.clone()];
    both.sort();
    assert_eq!(text(&[related(&b, true), related("", true), related(&a, true), related(&b, true)]), both);
}

/// What another operator made two clusters trust stays, however little of them is known here.
#[test]
fn the_authorities_of_remote_clusters_outlive_a_takeover() {
    const PARTS: &str = "operator.parapet.dev/adopted-parts";
    let world = World::new();
    let pem = |name: &str| world.authority(name).certificate().pem();
    let (own, near, far, next) = (pem("own"), pem("near"), pem("far"), pem("next"));
    let live = |text: &str| {
        let mut all = World::new();
        all.put("x", &[("ca.crt", text)]);
        all.secrets.remove("x").unwrap()
    };
    let left = live(&format!("{near}{far}"));
    let near_only = [related(&near, false)];
    let inputs = RemoteInputs { live: Some(&left), related: &near_only, taken_over: true };
    let (taken, _) = remote(&own, &inputs, world.now);
    assert_eq!(taken.data, left.data, "to the byte");
    let fingerprint = Certificate::from_pem(&far).unwrap().fingerprint();
    assert_eq!(taken.metadata.annotations.as_ref().unwrap()[PARTS], format!("[\"{fingerprint}\"]"));
    // From then on the list decides; who is known is followed when it gets another authority, and goes when it is named no more.
    let later = RemoteInputs { live: Some(&taken), taken_over: false, ..inputs };
    assert_eq!(remote(&own, &later, world.now).0.data, left.data);
    let renewed = [related(&format!("{near}{next}"), false)];
    let all = remote(&own, &RemoteInputs { related: &renewed, ..later }, world.now).1;
    assert!([&near, &far, &next].into_iter().all(|one| all.contains(one)) && all.len() == 3);
    assert_eq!(
        remote(&own, &RemoteInputs { related: &[], ..later }, world.now).1,
        std::slice::from_ref(&far)
    );
    // What has ended or was taken off the list goes.
    let in_two_years = world.now + DAY * 730;
    assert_eq!(
        remote(&own, &RemoteInputs { related: &[], ..later }, in_two_years).1,
        std::slice::from_ref(&own)
    );
    let mut edited = taken.clone();
    edited.metadata.annotations.as_mut().unwrap().insert(PARTS.to_owned(), "[]".to_owned());
    let edited = RemoteInputs { live: Some(&edited), related: &[], taken_over: true };
    assert_eq!(remote(&own, &edited, world.now).1, std::slice::from_ref(&own));
    // Where no other operator was, a former authority of one's own isn't kept.
    let former = live(&far);
    let ours = RemoteInputs { live: Some(&former), related: &[], taken_over: false };
    let (ours, all) = remote(&own, &ours, world.now);
    assert_eq!((all, ours.metadata.annotations), (vec![own], None));
}
