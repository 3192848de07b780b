//! What stands in the certificates that are made.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use parapet_pki::{
    Authority, AuthorityOptions, Bundle, KeyKind, Leaf, LeafOptions, Names, PkiError, Usage, Validity,
    renew_at,
};
use proptest::prelude::*;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn now() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn parsed(der: &[u8]) -> X509Certificate<'_> {
    X509Certificate::from_der(der).unwrap().1
}

fn subject_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

fn authority_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    })
}

#[test]
fn key_identifiers_lead_from_leaf_to_authority() {
    let authority = Authority::generate(now()).unwrap();
    let leaf = authority.issue(&Names::new([]).unwrap(), now()).unwrap();
    let (ca, leaf) = (parsed(authority.certificate()), parsed(leaf.certificate()));
    let id = subject_key_id(&ca).unwrap();
    assert_eq!(authority_key_id(&leaf), Some(id.clone()));
    assert_eq!(authority_key_id(&ca), Some(id));
    assert!(subject_key_id(&leaf).is_some());
    assert!(ca.is_ca() && !leaf.is_ca());
    assert_eq!(ca.basic_constraints().unwrap().unwrap().value.path_len_constraint, Some(0));
    let usage = ca.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign());
}

#[test]
fn serial_numbers_are_twenty_random_bytes() {
    let authority = Authority::generate(now()).unwrap();
    let serials: BTreeSet<Vec<u8>> = (0..50)
        .map(|_| {
            let leaf = authority.issue(&Names::new([]).unwrap(), now()).unwrap();
            let serial = parsed(leaf.certificate()).raw_serial().to_vec();
            assert_eq!(serial.len(), 20);
            assert_eq!(serial[0] & 0xc0, 0x40, "positive, and never shorter");
            serial
        })
        .collect();
    assert_eq!(serials.len(), 50);
}

#[test]
fn a_leaf_may_be_used_as_what_was_asked() {
    let authority = Authority::generate(now()).unwrap();
    let names = Names::new([]).unwrap();
    for (usage, server, client) in
        [(Usage::Server, true, false), (Usage::Client, false, true), (Usage::Both, true, true)]
    {
        let leaf =
            authority.issue_with(&LeafOptions { usage, ..LeafOptions::default() }, &names, now()).unwrap();
        let leaf_parsed = parsed(leaf.certificate());
        let usages = leaf_parsed.extended_key_usage().unwrap().unwrap().value;
        assert_eq!((usages.server_auth, usages.client_auth), (server, client));
        assert_eq!(leaf.check(&authority, &names, now()).is_ok(), server, "rustls reads it in the same way");
    }
}

#[test]
fn every_kind_of_name_arrives() {
    let authority = Authority::generate(now()).unwrap();
    let names = Names::only(["es-http.ns.svc", "*.es.ns.svc", "10.0.0.7", "2001:db8::1"])
        .and_then(|names| names.with_uri("spiffe://cluster.local/ns/ns/sa/es"))
        .and_then(|names| names.with_other_name(&[2, 5, 4, 3], "es-0.node.es.ns.es.local"))
        .unwrap();
    let leaf = authority.issue(&names, now()).unwrap();
    let leaf_parsed = parsed(leaf.certificate());
    let sans = leaf_parsed.subject_alternative_name().unwrap().unwrap().value;
    let said: Vec<String> = sans
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => format!("dns {name}"),
            GeneralName::IPAddress(bytes) => format!("ip {}", bytes.len()),
            GeneralName::URI(uri) => format!("uri {uri}"),
            GeneralName::OtherName(oid, value) => {
                // [0] EXPLICIT UTF8String
                assert_eq!((value[0], value[2]), (0xa0, 0x0c));
                format!("other {oid} {}", std::str::from_utf8(&value[4..]).unwrap())
            }
            name => panic!("{name}"),
        })
        .collect();
    assert_eq!(
        said,
        [
            "dns *.es.ns.svc",
            "dns es-http.ns.svc",
            "ip 4",
            "ip 16",
            "uri spiffe://cluster.local/ns/ns/sa/es",
            "other 2.5.4.3 es-0.node.es.ns.es.local"
        ]
    );
    leaf.check(&authority, &names, now()).unwrap();
    assert!(leaf.check(&authority, &Names::only(["localhost"]).unwrap(), now()).is_err());
}

#[test]
fn names_are_checked() {
    for bad in ["", "a b", "-", "https://localhost", "1.2.3.4:80", "*.", "*.1.2.3.4", "a.*.b", "ä.example"] {
        assert!(matches!(Names::new([bad]), Err(PkiError::Name(name)) if name == bad), "{bad:?}");
    }
    assert_eq!(Names::new(["LOCALHOST", "::1"]).unwrap(), Names::new([]).unwrap());
    let none = Names::only([]).unwrap();
    assert!(none.is_empty());
    for bad in ["", "spiffe", "spiffe://", "://a", "spiffe://a b", &format!("a://{}", "b".repeat(2048))] {
        assert!(matches!(none.clone().with_uri(bad), Err(PkiError::Name(_))), "{bad:?}");
    }
    for bad in [&[][..], &[2], &[3, 1], &[1, 40]] {
        assert!(matches!(none.clone().with_other_name(bad, "x"), Err(PkiError::Name(_))), "{bad:?}");
    }
    let many: Vec<String> = (0..257).map(|n| format!("n{n}.example")).collect();
    assert!(matches!(Names::only(many.iter().map(String::as_str)), Err(PkiError::TooMany { .. })));
}

#[test]
fn rsa_is_made_for_those_who_want_it() {
    let options = AuthorityOptions { key: KeyKind::Rsa2048, ..AuthorityOptions::default() };
    let authority = Authority::generate_with(&options, now()).unwrap();
    let names = Names::new([]).unwrap();
    let leaf = authority
        .issue_with(&LeafOptions { key: KeyKind::Rsa2048, ..LeafOptions::default() }, &names, now())
        .unwrap();
    leaf.check(&authority, &names, now()).unwrap();
    for der in [authority.certificate(), leaf.certificate()] {
        let key = parsed(der);
        let key = key.public_key().parsed().unwrap();
        assert!(matches!(key, x509_parser::public_key::PublicKey::RSA(key) if key.key_size() == 2048));
    }
    let again = Authority::from_pem(authority.certificate_pem(), &authority.key_pem()).unwrap();
    again.issue(&names, now()).unwrap().check(&authority, &names, now()).unwrap();
    assert!("ecdsa-p256".parse::<KeyKind>().is_ok() && "ed25519".parse::<KeyKind>().is_err());
}

#[test]
fn a_leaf_gives_its_parts() {
    let leaf = Authority::generate(now()).unwrap().issue(&Names::new([]).unwrap(), now()).unwrap();
    let again = Leaf::from_pem(&format!("{}{}", leaf.certificate_pem(), *leaf.key_pem())).unwrap();
    assert_eq!(again.certificate(), leaf.certificate());
    assert!(!leaf.certificate_pem().contains("PRIVATE") && !leaf.key_pem().contains("CERTIFICATE"));
    assert!(!format!("{leaf:?} {:?}", leaf.pair()).contains("PRIVATE"));
}

#[test]
fn a_bundle_has_each_key_once() {
    let first = Authority::generate(now()).unwrap();
    let second = Authority::generate(now()).unwrap();
    let pem = format!("{}\n# a comment\n{}{0}", first.certificate_pem(), second.certificate_pem());
    let bundle = Bundle::from_pem(pem.as_bytes()).unwrap();
    assert_eq!(bundle.certificates().len(), 2);
    assert!(bundle.contains(first.certificate()) && bundle.contains(second.certificate()));
    let turned = Bundle::new([second.certificate().clone(), first.certificate().clone()]).unwrap();
    assert_eq!((turned.hash(), turned.to_pem()), (bundle.hash(), bundle.to_pem()));
    assert_eq!(Bundle::from_pem(bundle.to_pem().as_bytes()).unwrap(), bundle);
    let one = Bundle::new([first.certificate().clone()]).unwrap();
    assert_ne!(one.hash(), bundle.hash());

    for bad in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Bundle::from_pem(bad.as_bytes()).is_err(), "{bad:?}");
    }
    let half = &pem[..pem.len() - 40];
    assert!(Bundle::from_pem(half.as_bytes()).is_err(), "the last certificate is cut off");
    assert!(matches!(Bundle::from_pem(&vec![b'\n'; 2 << 20]), Err(PkiError::TooMany { .. })));
    assert!(matches!(
        Bundle::from_pem(one.to_pem().repeat(513).as_bytes()),
        Err(PkiError::TooMany { what: "certificates", .. })
    ));
}

proptest! {
    #[test]
    fn renewal_is_after_two_thirds_give_or_take_a_tenth(life in 0..200_000_000_i64, seed: u8) {
        let validity = Validity { not_before: now(), not_after: now() + SignedDuration::from_secs(life) };
        let at = renew_at(validity, seed).duration_since(now()).as_secs_f64();
        let two_thirds = life as f64 * 2.0 / 3.0;
        prop_assert!((two_thirds * 0.899 - 2.0..=two_thirds * 1.101 + 2.0).contains(&at), "{at} of {life}");
        prop_assert!(at <= life as f64);
        prop_assert_eq!(renew_at(validity, seed), renew_at(validity, seed));
    }

    #[test]
    fn no_leaf_begins_before_or_ends_after_its_authority(after in 0..400_i64, life in 1..1000_i64) {
        let authority = Authority::generate(now()).unwrap();
        let options = LeafOptions { life: DAY * i32::try_from(life).unwrap(), ..LeafOptions::default() };
        let at = now() + DAY * i32::try_from(after).unwrap();
        match authority.issue_with(&options, &Names::new([]).unwrap(), at) {
            Ok(leaf) => {
                prop_assert!(leaf.not_before() >= authority.validity().not_before);
                prop_assert!(leaf.not_after() < authority.not_after());
                prop_assert!(leaf.not_before() <= at && at < leaf.not_after());
            }
            Err(error) => {
                let refused = matches!(error, PkiError::AuthorityNotValid { .. });
                prop_assert!(refused && at + SignedDuration::from_secs(60) >= authority.not_after());
            }
        }
    }
}
