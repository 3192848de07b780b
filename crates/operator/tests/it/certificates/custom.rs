//! What users bring.

use parapet_operator::certificates::{CertificateError, NoticeKind, Purpose};
use parapet_pki::{AlternativeName, KeyKind, Subject, SubjectKey};
use serde_json::json;

use super::world::{DAY, World, elasticsearch, verifies};

const INTERNAL: &str = "quickstart-es-http-certs-internal";
const PUBLIC: &str = "quickstart-es-http-certs-public";
const AUTHORITY: &str = "quickstart-es-http-ca-internal";

fn owner() -> parapet_api::Elasticsearch {
    elasticsearch(&json!({ "http": { "tls": { "certificate": { "secretName": "mine" } } } }))
}

/// A certificate for `es.example.com`, its key, and the authority of both with its key.
struct Brought {
    leaf: String,
    key: String,
    authority: String,
    authority_key: String,
}

fn brought(world: &World) -> Brought {
    let authority = world.authority("mine");
    let key = SubjectKey::generate(KeyKind::EcdsaP256).unwrap();
    let subject = Subject { organizational_unit: None, common_name: "es".to_owned() };
    let names = [AlternativeName::Dns("es.example.com".to_owned())];
    let leaf = authority.sign(&key, &subject, &names, DAY, world.now).unwrap();
    Brought {
        leaf: leaf.pem(),
        key: key.pem().to_string(),
        authority: authority.certificate().pem(),
        authority_key: authority.key().pem().to_string(),
    }
}

#[test]
fn a_certificate_is_shown_as_it_is_with_its_authority_or_with_a_filler() {
    let mut world = World::new();
    let own = brought(&world);
    world.put("mine", &[("tls.crt", &own.leaf), ("tls.key", &own.key), ("ca.crt", &own.authority)]);
    let certificates = world.http(&owner()).unwrap();
    assert_eq!(certificates.authorities.as_deref(), Some(own.authority.as_str()));
    assert_eq!(world.text(INTERNAL, "tls.crt"), own.leaf);
    assert_eq!(world.text(INTERNAL, "tls.key"), own.key);
    assert_eq!(world.text(PUBLIC, "ca.crt"), own.authority);
    verifies(&world.text(PUBLIC, "ca.crt"), &world.text(PUBLIC, "tls.crt"), "es.example.com", world.now)
        .unwrap();

    world.put("mine", &[("tls.crt", &own.leaf), ("tls.key", &own.key)]);
    let certificates = world.http(&owner()).unwrap();
    assert_eq!(certificates.authorities, None);
    assert_eq!(world.keys_of(PUBLIC), ["tls.crt"]);
    assert_eq!(world.text(INTERNAL, "ca.crt"), world.text(AUTHORITY, "tls.crt"), "the filler");
}

#[test]
fn an_authority_signs() {
    let mut world = World::new();
    let own = brought(&world);
    world.put("mine", &[("ca.crt", &own.authority), ("ca.key", &own.authority_key)]);
    world.http(&owner()).unwrap();
    assert!(!world.secrets.contains_key(AUTHORITY));
    assert_eq!(world.text(PUBLIC, "ca.crt"), own.authority);
    assert!(world.text(PUBLIC, "tls.crt").ends_with(&own.authority), "the chain ends with it");
    let host = "quickstart-es-http.ns.svc";
    verifies(&own.authority, &world.text(PUBLIC, "tls.crt"), host, world.now).unwrap();
}

#[test]
fn a_certificate_that_has_ended_is_shown_and_said() {
    let mut world = World::new();
    let own = brought(&world);
    world.put("mine", &[("tls.crt", &own.leaf), ("tls.key", &own.key), ("ca.crt", &own.authority)]);
    world.wait(DAY * 2);
    let notices = world.http(&owner()).unwrap().notices;
    assert_eq!(notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Invalid]);
}

#[test]
fn an_authority_that_has_ended_signs_on_and_that_is_said() {
    let said = |world: &mut World, owner: &parapet_api::Elasticsearch| {
        let (http, transport) = (world.http(owner).unwrap(), world.transport(owner).unwrap());
        let all = http.notices.iter().chain(&transport.notices);
        all.map(|notice| (notice.kind, notice.what, notice.secret.clone())).collect::<Vec<_>>()
    };
    let secret = json!({ "tls": { "certificate": { "secretName": "mine" } } });
    let of_ones_own = elasticsearch(&json!({ "http": secret, "transport": secret }));
    let ordinary = elasticsearch(&json!({}));
    for (owner, name) in [(&of_ones_own, Some("mine")), (&ordinary, None)] {
        let mut world = World::new();
        let authority = world.authority("mine");
        let life = authority.certificate().validity().life();
        match name {
            Some(name) => {
                let (certificate, key) = (authority.certificate().pem(), authority.key().pem().to_string());
                world.put(name, &[("ca.crt", &certificate), ("ca.key", &key)]);
            }
            None => world.global = Some(authority),
        }
        assert_eq!(said(&mut world, owner), []);
        let all = |kind| {
            let of = |what| (kind, what, name.map(str::to_owned));
            [of(Purpose::HttpAuthority), of(Purpose::TransportAuthority)]
        };
        world.wait(life - DAY);
        assert_eq!(said(&mut world, owner), all(NoticeKind::Ending));
        world.wait(DAY * 2);
        assert_eq!(said(&mut world, owner), all(NoticeKind::Invalid));
    }
}

#[test]
fn an_authority_that_took_the_place_of_another_is_said_once() {
    let mut world = World::new();
    let es = elasticsearch(&json!({}));
    assert_eq!(world.http(&es).unwrap().notices, []);
    world.put(AUTHORITY, &[("tls.crt", "junk"), ("tls.key", "junk")]);
    let notices = world.http(&es).unwrap().notices;
    let [notice] = notices.as_slice() else { panic!("{notices:?}") };
    assert_eq!((notice.kind, notice.what), (NoticeKind::Replaced, Purpose::HttpAuthority));
    assert_eq!(notice.secret.as_deref(), Some(AUTHORITY));
    assert!(notice.sentence.contains("can't be used"), "{}", notice.sentence);
    assert_eq!(world.http(&es).unwrap().notices, []);
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_written() {
    let world = World::new();
    let own = brought(&world);
    let other = brought(&world);
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let check = |entries: &[(&str, &str)], expect: &str| {
        let mut world = World::new();
        world.put("mine", entries);
        let error = world.http(&owner()).unwrap_err();
        assert!(error.is_users());
        assert_eq!(error.to_string(), expect);
        assert_eq!(world.secrets.len(), 1, "nothing but the user's own");
    };
    let incomplete = "Secret mine has neither tls.crt with tls.key nor ca.crt with ca.key";
    check(&[], incomplete);
    check(&[("tls.crt", &own.leaf)], incomplete);
    check(&[("tls.key", &own.key)], incomplete);
    check(&[("ca.crt", &own.authority)], incomplete);
    check(&[("ca.key", &own.authority_key)], incomplete);
    check(&[("tls.crt", &own.leaf), ("tls.key", "")], incomplete);
    let mixed = "Secret mine has both ca.key and tls.key; keep ca.key to have certificates signed, tls.key to bring one";
    check(&[("tls.key", &own.key), ("ca.key", &own.authority_key)], mixed);
    check(
        &[
            ("tls.crt", &own.leaf),
            ("tls.key", &own.key),
            ("ca.crt", &own.authority),
            ("ca.key", &own.authority_key),
        ],
        mixed,
    );
    check(&[("tls.crt", "no PEM"), ("tls.key", &own.key)], "tls.crt of mine can't be used");
    check(&[("tls.crt", junk), ("tls.key", &own.key)], "tls.crt of mine can't be used");
    check(&[("tls.crt", &own.leaf), ("tls.key", "no PEM")], "tls.key of mine can't be used");
    check(&[("tls.crt", &own.leaf), ("tls.key", &other.key)], "tls.key of mine can't be used");
    check(&[("tls.crt", &own.leaf), ("tls.key", &own.key), ("ca.crt", junk)], "ca.crt of mine can't be used");
    check(&[("ca.crt", junk), ("ca.key", &own.authority_key)], "ca.crt of mine can't be used");
    check(&[("ca.crt", &own.authority), ("ca.key", "x")], "ca.key of mine can't be used");
    check(&[("ca.crt", &own.authority), ("ca.key", &other.authority_key)], "ca.key of mine can't be used");
    check(&[("ca.crt", &own.leaf), ("ca.key", &own.key)], "ca.crt of mine can't be used");
}

#[test]
fn a_secret_that_is_not_there_is_named_with_its_field() {
    let mut world = World::new();
    let error = world.http(&owner()).unwrap_err();
    assert!(matches!(error, CertificateError::Missing { .. }));
    assert_eq!(
        error.to_string(),
        "Secret mine is not there; it is named in spec.http.tls.certificate.secretName"
    );
}

#[test]
fn from_one_s_own_to_the_operators_and_back() {
    let mut world = World::new();
    let own = brought(&world);
    let plain = elasticsearch(&json!({}));
    let host = "quickstart-es-http.ns.svc";
    world.http(&plain).unwrap();
    let authority = world.certificate(AUTHORITY, "tls.crt");
    world.put("mine", &[("tls.crt", &own.leaf), ("tls.key", &own.key), ("ca.crt", &own.authority)]);
    world.http(&owner()).unwrap();
    verifies(&world.text(PUBLIC, "ca.crt"), &world.text(PUBLIC, "tls.crt"), "es.example.com", world.now)
        .unwrap();
    world.http(&plain).unwrap();
    verifies(&world.text(PUBLIC, "ca.crt"), &world.text(PUBLIC, "tls.crt"), host, world.now).unwrap();
    assert_eq!(world.certificate(AUTHORITY, "tls.crt"), authority);
    assert_ne!(world.text(INTERNAL, "tls.key"), "", "a key");
}
