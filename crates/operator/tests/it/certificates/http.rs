//! HTTP certificates that an authority at hand signs.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Service;
use parapet_operator::certificates::{Networking, read_global};
use parapet_pki::{AlternativeName, KeyKind};
use serde_json::json;

use super::world::{DAY, World, apm_server, elasticsearch, kibana, verifies};

const INTERNAL: &str = "quickstart-es-http-certs-internal";
const PUBLIC: &str = "quickstart-es-http-certs-public";
const AUTHORITY: &str = "quickstart-es-http-ca-internal";
const HOST: &str = "quickstart-es-http.ns.svc";

#[test]
fn a_new_cluster_gets_the_secrets_that_applications_read() {
    let mut world = World::new();
    let certificates = world.http(&elasticsearch(&json!({}))).unwrap();
    assert_eq!(world.keys_of(AUTHORITY), ["tls.crt", "tls.key"]);
    assert_eq!(world.keys_of(INTERNAL), ["ca.crt", "tls.crt", "tls.key"]);
    assert_eq!(world.keys_of(PUBLIC), ["ca.crt", "tls.crt"]);
    for (name, soft) in [(AUTHORITY, false), (INTERNAL, false), (PUBLIC, true)] {
        let secret = &world.secrets[name];
        let labels = serde_json::to_value(&secret.metadata.labels).unwrap();
        assert_eq!(labels["common.k8s.elastic.co/type"], "elasticsearch");
        assert_eq!(labels["elasticsearch.k8s.elastic.co/cluster-name"], "quickstart");
        assert_eq!(labels["eck.k8s.elastic.co/owner-name"].is_string(), soft, "{name}");
        assert_eq!(secret.metadata.owner_references.is_some(), !soft, "{name}");
        assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    }
    let authority = world.certificate(AUTHORITY, "tls.crt");
    assert_eq!(authority.subject().unwrap().common_name, "quickstart-http");
    assert_eq!(authority.subject().unwrap().organizational_unit.as_deref(), Some("quickstart"));
    assert_eq!(world.text(INTERNAL, "tls.crt"), world.text(PUBLIC, "tls.crt"));
    assert_eq!(certificates.next, Some(world.now + DAY * 364));
    verifies(&world.text(PUBLIC, "ca.crt"), &world.text(PUBLIC, "tls.crt"), HOST, world.now).unwrap();
    // Nothing changes: nothing would be written.
    let before = world.secrets.clone();
    world.wait(DAY * 100);
    world.http(&elasticsearch(&json!({}))).unwrap();
    assert_eq!(world.secrets, before);
}

#[test]
fn names_are_those_of_services_their_addresses_the_users_and_the_pods_in_this_order() {
    let world = World::new();
    let es = elasticsearch(&json!({ "http": { "tls": { "selfSignedCertificate": {
        "subjectAltNames": [{ "dns": "es.example.com" }, { "ip": "192.0.2.7" }, { "dns": "b.example.com", "ip": "::7" }] } } } }));
    let external: Service = serde_json::from_value(json!({
        "metadata": { "name": "quickstart-es-http" },
        "spec": { "externalIPs": ["198.51.100.1"] },
        "status": { "loadBalancer": { "ingress": [{ "hostname": "lb.example.com" }, { "ip": "203.0.113.9" }] } },
    }))
    .unwrap();
    let internal: Service =
        serde_json::from_value(json!({ "metadata": { "name": "quickstart-es-internal-http" } })).unwrap();
    let sets = ["quickstart-es-masters".to_owned(), "quickstart-es-data".to_owned()];
    let networking =
        Networking { external: Some(&external), internal: Some(&internal), stateful_sets: &sets };
    let certificates = world.decide_http(&es, networking).unwrap();
    let mut after = World::new();
    after.secrets.insert(INTERNAL.to_owned(), certificates.apply[2].clone());
    let leaf = after.certificate(INTERNAL, "tls.crt");
    let names: Vec<String> = leaf
        .names()
        .unwrap()
        .iter()
        .map(|name| match name {
            AlternativeName::Dns(name) => name.clone(),
            AlternativeName::Ip(address) => address.to_string(),
            AlternativeName::Other { .. } => "another".to_owned(),
        })
        .collect();
    let expected = [
        "quickstart-es-http.ns.es.local",
        "quickstart-es-http",
        "quickstart-es-http.ns.svc",
        "quickstart-es-http.ns",
        "quickstart-es-internal-http.ns.svc",
        "quickstart-es-internal-http.ns",
        "lb.example.com",
        "es.example.com",
        "b.example.com",
        "*.quickstart-es-masters.ns.svc",
        "*.quickstart-es-data.ns.svc",
        "203.0.113.9",
        "198.51.100.1",
        "192.0.2.7",
        "::7",
    ];
    assert_eq!(names, expected);
    assert_eq!(leaf.subject().unwrap().common_name, "quickstart-es-http.ns.es.local");
}

#[test]
fn kibana_and_apm_server_have_their_own_names() {
    let mut world = World::new();
    world.http(&kibana(&json!({}))).unwrap();
    world.http(&apm_server(&json!({}))).unwrap();
    let common_name =
        |secret: &str| world.certificate(secret, "tls.crt").subject().unwrap().common_name.clone();
    assert_eq!(common_name("quickstart-kb-http-certs-public"), "quickstart-kb-http.ns.kb.local");
    assert_eq!(common_name("quickstart-apm-http-certs-public"), "quickstart-apm-http.ns.apm.local");
}

#[test]
fn another_name_is_another_certificate_over_the_same_key() {
    let mut world = World::new();
    world.http(&elasticsearch(&json!({}))).unwrap();
    let before = world.certificate(INTERNAL, "tls.crt");
    let more =
        json!({ "http": { "tls": { "selfSignedCertificate": { "subjectAltNames": [{ "dns": "a.b" }] } } } });
    world.http(&elasticsearch(&more)).unwrap();
    let after = world.certificate(INTERNAL, "tls.crt");
    assert_eq!(before.public_key(), after.public_key());
    assert_ne!(before, after);
    verifies(&world.text(PUBLIC, "ca.crt"), &world.text(PUBLIC, "tls.crt"), "a.b", world.now).unwrap();
}

#[test]
fn renewals_come_in_time_and_what_was_trusted_goes_on_being_so() {
    let mut world = World::new();
    let es = elasticsearch(&json!({}));
    world.http(&es).unwrap();
    let (old_ca, old_chain) = (world.text(PUBLIC, "ca.crt"), world.text(PUBLIC, "tls.crt"));
    let old = world.certificate(AUTHORITY, "tls.crt");
    world.wait(DAY * 364);
    world.http(&es).unwrap();
    let new = world.certificate(AUTHORITY, "tls.crt");
    assert_eq!(new.public_key(), old.public_key());
    assert_eq!(new.subject_key_id(), old.subject_key_id());
    assert_eq!(new.validity().not_after, world.now + DAY * 365);
    let (new_ca, new_chain) = (world.text(PUBLIC, "ca.crt"), world.text(PUBLIC, "tls.crt"));
    for ca in [&old_ca, &new_ca] {
        for chain in [&old_chain, &new_chain] {
            verifies(ca, chain, HOST, world.now).unwrap();
        }
    }
    assert_ne!(old_chain, new_chain);
}

#[test]
fn a_life_shorter_than_the_time_before_its_end_is_not_renewed_at_every_look() {
    let mut world = World::new();
    world.policy.life = SignedDuration::from_hours(12);
    world.policy.authority_life = SignedDuration::from_hours(12);
    let es = elasticsearch(&json!({}));
    world.http(&es).unwrap();
    let before = world.secrets.clone();
    world.wait(SignedDuration::from_mins(5));
    let next = world.http(&es).unwrap().next.unwrap();
    assert_eq!(world.secrets, before);
    assert!(next > world.now + SignedDuration::from_hours(7));
}

#[test]
fn a_clock_that_was_ahead_leaves_nothing_that_isn_t_valid_yet() {
    let mut world = World::new();
    let es = elasticsearch(&json!({}));
    world.wait(DAY * 3650);
    world.http(&es).unwrap();
    world.wait(-DAY * 3650);
    world.http(&es).unwrap();
    verifies(&world.text(PUBLIC, "ca.crt"), &world.text(PUBLIC, "tls.crt"), HOST, world.now).unwrap();
}

#[test]
fn tls_off_removes_what_kibana_and_apm_server_had_and_leaves_elasticsearchs() {
    let off = json!({ "http": { "tls": { "selfSignedCertificate": { "disabled": true } } } });
    let mut world = World::new();
    world.http(&kibana(&json!({}))).unwrap();
    world.http(&apm_server(&json!({}))).unwrap();
    assert_eq!(world.secrets.len(), 6);
    let certificates = world.http(&kibana(&off)).unwrap();
    assert_eq!(certificates.authorities, None);
    world.http(&apm_server(&off)).unwrap();
    assert!(world.secrets.is_empty());
    world.http(&elasticsearch(&json!({}))).unwrap();
    let before = world.secrets.clone();
    world.http(&elasticsearch(&off)).unwrap();
    assert_eq!(world.secrets, before, "on again is cheap");
}

#[test]
fn what_was_damaged_is_made_anew() {
    let es = elasticsearch(&json!({}));
    for (secret, key) in [
        (INTERNAL, "tls.crt"),
        (INTERNAL, "tls.key"),
        (INTERNAL, "ca.crt"),
        (PUBLIC, "ca.crt"),
        (PUBLIC, "tls.crt"),
    ] {
        for damage in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            let mut world = World::new();
            world.http(&es).unwrap();
            let data = world.secrets.get_mut(secret).unwrap().data.as_mut().unwrap();
            data.get_mut(key).unwrap().0 = damage.as_bytes().to_vec();
            world.http(&es).unwrap();
            verifies(&world.text(PUBLIC, "ca.crt"), &world.text(INTERNAL, "tls.crt"), HOST, world.now)
                .unwrap();
            assert_eq!(world.text(PUBLIC, "ca.crt"), world.text(INTERNAL, "ca.crt"));
        }
    }
}

#[test]
fn keys_follow_the_authority() {
    let mut world = World::new();
    world.policy.key = KeyKind::Rsa2048;
    let es = elasticsearch(&json!({}));
    world.http(&es).unwrap();
    // The authority is taken over by an operator that would make another kind.
    world.policy.key = KeyKind::EcdsaP256;
    let before = world.secrets.clone();
    world.http(&es).unwrap();
    assert_eq!(world.secrets, before);
    world.secrets.remove(INTERNAL);
    world.http(&es).unwrap();
    let kind = parapet_pki::SubjectKey::from_pem(&world.text(INTERNAL, "tls.key")).unwrap().kind();
    assert_eq!(kind, KeyKind::Rsa2048);
}

#[test]
fn new_authorities_have_the_kind_of_key_that_is_asked_for() {
    assert_eq!(World::new().policy.key, KeyKind::EcdsaP256, "unless something else is asked for");
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
        let mut world = World::new();
        world.policy.key = kind;
        world.http(&elasticsearch(&json!({}))).unwrap();
        let key = world.text(AUTHORITY, "tls.key");
        assert_eq!(parapet_pki::SubjectKey::from_pem(&key).unwrap().kind(), kind);
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8");
    }
}

#[test]
fn one_authority_for_all_is_read_from_a_folder_in_either_form() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read_global(folder.path()).is_err());
    for (certificate, key) in [("tls.crt", "tls.key"), ("ca.crt", "ca.key")] {
        let mut world = World::new();
        let authority = world.authority("everybody's");
        std::fs::write(folder.path().join(certificate), authority.certificate().pem()).unwrap();
        assert!(read_global(folder.path()).unwrap_err().to_string().contains(key) || certificate == "ca.crt");
        std::fs::write(folder.path().join(key), authority.key().pem().as_bytes()).unwrap();
        world.global = Some(read_global(folder.path()).unwrap());
        world.http(&elasticsearch(&json!({}))).unwrap();
        assert!(!world.secrets.contains_key(AUTHORITY));
        assert_eq!(world.text(PUBLIC, "ca.crt"), authority.certificate().pem());
        verifies(&world.text(PUBLIC, "ca.crt"), &world.text(PUBLIC, "tls.crt"), HOST, world.now).unwrap();
    }
}
