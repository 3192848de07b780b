//! Certificates as another program expects them: every field, in order, and a renewal that changes none of them.

use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use parapet_pki::{AlternativeName, Certificate, KeyKind, Signer, Subject, SubjectKey};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Common name as the type of an otherName; Elasticsearch reads it.
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn subject(common_name: &str) -> Subject {
    Subject { organizational_unit: Some("quickstart".to_owned()), common_name: common_name.to_owned() }
}

fn signer(kind: KeyKind) -> Signer {
    let key = SubjectKey::generate(kind).unwrap();
    Signer::generate(key, &subject("quickstart-transport"), DAY * 365, now()).unwrap()
}

fn names() -> Vec<AlternativeName> {
    let dns = |name: &str| AlternativeName::Dns(name.to_owned());
    vec![
        AlternativeName::Other {
            oid: COMMON_NAME.to_vec(),
            value: "quickstart-es-default-0.node.quickstart.ns.es.local".to_owned(),
        },
        dns("quickstart-es-default-0.node.quickstart.ns.es.local"),
        dns("quickstart-es-transport.ns.svc"),
        AlternativeName::Ip("10.1.2.3".parse().unwrap()),
        AlternativeName::Ip("::1".parse().unwrap()),
        dns("*.quickstart-es-default.ns.svc"),
    ]
}

fn leaf(signer: &Signer, kind: KeyKind) -> Certificate {
    let key = SubjectKey::generate(kind).unwrap();
    signer.sign(&key, &subject("a.b"), &names(), DAY, now()).unwrap()
}

/// The extensions: type, whether it is critical.
fn extensions(certificate: &Certificate) -> Vec<(String, bool)> {
    let (_, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
    parsed.iter_extensions().map(|extension| (extension.oid.to_id_string(), extension.critical)).collect()
}

#[test]
fn an_authority_has_what_the_reference_gives_it() {
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
        let signer = signer(kind);
        let certificate = signer.certificate();
        assert_eq!(certificate.subject(), Some(&subject("quickstart-transport")));
        assert_eq!(certificate.validity().not_before, now() - SignedDuration::from_mins(10));
        assert_eq!(certificate.validity().not_after, now() + DAY * 365);
        assert!(certificate.is_authority() && certificate.subject_key_id().is_some());
        assert_eq!(certificate.authority_key_id(), None);
        let (_, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
        assert!(parsed.raw_serial().len() <= 17, "128 bits and perhaps a sign");
        let mut seen = extensions(certificate);
        seen.sort();
        // key identifier, key usage, basic constraints, extended key usage
        let expected = [("2.5.29.14", false), ("2.5.29.15", true), ("2.5.29.19", true), ("2.5.29.37", false)];
        assert_eq!(seen, expected.map(|(oid, critical)| (oid.to_owned(), critical)));
        let constraints = parsed.basic_constraints().unwrap().unwrap();
        assert_eq!(constraints.value.path_len_constraint, None);
        let usage = *parsed.key_usage().unwrap().unwrap().value;
        // Digital signature is bit 0, certificate signature bit 5.
        assert_eq!(usage.flags, 1 | 1 << 5);
    }
}

#[test]
fn a_leaf_has_what_the_reference_gives_it() {
    let signer = signer(KeyKind::EcdsaP256);
    let leaf = leaf(&signer, KeyKind::EcdsaP256);
    assert_eq!(leaf.names(), Some(names().as_slice()));
    assert_eq!(leaf.subject_key_id(), None);
    assert!(!leaf.is_authority() && leaf.leads_to(signer.certificate()));
    let mut seen = extensions(&leaf);
    seen.sort();
    // key usage, alternative names, authority's key identifier, extended key usage
    let expected = [("2.5.29.15", true), ("2.5.29.17", false), ("2.5.29.35", false), ("2.5.29.37", false)];
    assert_eq!(seen, expected.map(|(oid, critical)| (oid.to_owned(), critical)));
    let (_, parsed) = X509Certificate::from_der(leaf.der()).unwrap();
    // Digital signature is bit 0, key encipherment bit 2.
    assert_eq!(parsed.key_usage().unwrap().unwrap().value.flags, 1 | 1 << 2);
    let usages = parsed.extended_key_usage().unwrap().unwrap().value.clone();
    assert!(usages.server_auth && usages.client_auth);
}

/// RFC 5280 §4.2.1.6: `[0] { type, [0] EXPLICIT value }`; Elasticsearch's parser takes nothing else.
#[test]
fn an_other_name_is_a_tagged_string() {
    let leaf = leaf(&signer(KeyKind::EcdsaP256), KeyKind::EcdsaP256);
    let (_, parsed) = X509Certificate::from_der(leaf.der()).unwrap();
    let extension = parsed
        .iter_extensions()
        .find(|extension| matches!(extension.parsed_extension(), ParsedExtension::SubjectAlternativeName(_)))
        .unwrap();
    let value = b"quickstart-es-default-0.node.quickstart.ns.es.local";
    let length = u8::try_from(value.len()).unwrap();
    let mut expected = vec![0xa0, length + 9, 0x06, 3, 0x55, 4, 3, 0xa0, length + 2, 0x0c, length];
    expected.extend_from_slice(value);
    // A sequence of more than 127 bytes has a head of three.
    assert_eq!(&extension.value[3..3 + expected.len()], expected.as_slice());
}

#[test]
fn a_renewal_keeps_key_identifier_and_subject_so_that_old_leaves_lead_to_it() {
    for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
        let old = signer(kind);
        let leaf = leaf(&old, KeyKind::EcdsaP256);
        let later = now() + DAY * 364;
        let new = old.renew(DAY * 365, later).unwrap();
        assert!(leaf.leads_to(new.certificate()));
        assert_eq!(new.certificate().public_key(), old.certificate().public_key());
        assert_eq!(new.certificate().subject_key_id(), old.certificate().subject_key_id());
        assert_eq!(new.certificate().validity().not_after, later + DAY * 365);
        assert_ne!(new.certificate().fingerprint(), old.certificate().fingerprint());
    }
}

#[test]
fn another_authority_of_the_same_name_is_another_authority() {
    let leaf = leaf(&signer(KeyKind::EcdsaP256), KeyKind::EcdsaP256);
    let other = signer(KeyKind::EcdsaP256);
    assert!(!leaf.is_signed_by(other.certificate()));
}

#[test]
fn keys_are_taken_in_all_forms_and_given_back_as_they_were() {
    for (arguments, kind) in [
        (["genrsa", "-traditional", "2048"].as_slice(), KeyKind::Rsa2048),
        (&["genrsa", "2048"], KeyKind::Rsa2048),
        (&["ecparam", "-name", "prime256v1", "-genkey", "-noout"], KeyKind::EcdsaP256),
        (&["ecparam", "-name", "secp384r1", "-genkey"], KeyKind::EcdsaP256),
    ] {
        let Some(pem) = openssl(arguments, "") else { return };
        let key = SubjectKey::from_pem(&pem).unwrap();
        assert_eq!(key.pem().as_str(), pem);
        assert_eq!(key.kind(), kind, "{arguments:?}");
        let signer = Signer::generate(key, &subject("its own"), DAY, now()).unwrap();
        let again = Signer::from_pem(&signer.certificate().pem(), &pem).unwrap();
        assert!(leaf(&again, kind).leads_to(signer.certificate()));
    }
}

/// What another implementation reads of it.
#[test]
fn openssl_agrees() {
    let signer = signer(KeyKind::Rsa2048);
    let leaf = leaf(&signer, KeyKind::Rsa2048);
    let Some(text) = openssl(&["x509", "-noout", "-text", "-nameopt", "RFC2253"], &leaf.pem()) else {
        return;
    };
    for line in [
        "Issuer: CN=quickstart-transport,OU=quickstart",
        "Subject: CN=a.b,OU=quickstart",
        "Not Before: Nov 21 11:50:00 2026 GMT",
        "Not After : Nov 22 12:00:00 2026 GMT",
        "Digital Signature, Key Encipherment",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "::quickstart-es-default-0.node.quickstart.ns.es.local, \
         DNS:quickstart-es-default-0.node.quickstart.ns.es.local, DNS:quickstart-es-transport.ns.svc, \
         IP Address:10.1.2.3, IP Address:0:0:0:0:0:0:0:1, DNS:*.quickstart-es-default.ns.svc",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    assert!(!text.contains("Basic Constraints") && !text.contains("Subject Key Identifier"));
}

/// What openssl prints, or nothing where there is none: then the test says so.
fn openssl(arguments: &[&str], input: &str) -> Option<String> {
    use std::io::Write as _;
    use std::process::Stdio;
    let child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not by println!, which the test runner keeps back when a test passes.
        let _ = writeln!(std::io::stdout(), "SKIPPED: {test}: there is no openssl");
        return None;
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}
