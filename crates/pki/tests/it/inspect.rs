//! Chains that are wrong in one way each, and what is said about them.

use std::net::TcpListener;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parapet_pki::inspect::{Code, Found, Question, Severity, ask, judge, read};
use parapet_pki::{
    Authority, AuthorityOptions, Bundle, ClientCertificates, LeafOptions, Names, ServerProfile, Trust, Usage,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConnection;
use rustls::pki_types::ServerName;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn now() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn authority(name: &str, days: i32) -> Authority {
    let common_name = Some(name.to_owned());
    Authority::generate_with(
        &AuthorityOptions { life: DAY * days, common_name, ..AuthorityOptions::default() },
        now(),
    )
    .unwrap()
}

/// Made by others' tools: root, intermediate, leaf, and the leaf's key, PEM each.
struct Chain {
    root: String,
    intermediate: String,
    leaf: String,
    key: String,
}

fn chain(root_is_authority: bool) -> Chain {
    let time =
        |days: i64| time::OffsetDateTime::from_unix_timestamp(now().as_second() + days * 86_400).unwrap();
    let params = |name: &str, authority: bool, days| {
        let mut params = CertificateParams::new(match authority {
            true => vec![],
            false => vec!["localhost".to_owned()],
        })
        .unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (time(-1), time(days));
        params.use_authority_key_identifier_extension = true;
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }
        params
    };
    let (root_key, middle_key, leaf_key) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root_params = params("root", true, 400);
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, root_key);
    let middle_params = params("intermediate", root_is_authority, 200);
    let intermediate = middle_params.signed_by(&middle_key, &root_issuer).unwrap();
    let middle_issuer = Issuer::new(middle_params, middle_key);
    let leaf = params("leaf", false, 90).signed_by(&leaf_key, &middle_issuer).unwrap();
    Chain {
        root: root.pem(),
        intermediate: intermediate.pem(),
        leaf: leaf.pem(),
        key: leaf_key.serialize_pem(),
    }
}

fn question<'a>(trust: Option<&'a Bundle>) -> Question<'a> {
    Question { now: now(), within: SignedDuration::ZERO, trust, name: None }
}

fn codes(found: &Found, question: &Question<'_>) -> Vec<(Code, Option<usize>)> {
    let findings = judge(found, question).unwrap();
    for finding in &findings {
        assert!(!finding.message.is_empty() && !finding.advice.is_empty());
    }
    findings.iter().map(|finding| (finding.code, finding.certificate)).collect()
}

#[track_caller]
fn check(pem: &[&str], question: &Question<'_>, expect: &[(Code, Option<usize>)]) {
    let found = read(pem.concat().as_bytes()).unwrap();
    assert_eq!(codes(&found, question), expect);
}

#[test]
fn a_chain_is_right_in_one_order_alone() {
    let Chain { root, intermediate, leaf, key } = &chain(true);
    let trust = &Bundle::from_pem(root.as_bytes()).unwrap();
    let asked = &question(Some(trust));
    check(&[leaf, intermediate], asked, &[]);
    check(&[leaf, intermediate, key], asked, &[]);
    check(&[key, leaf, "some text\n", intermediate], asked, &[]);
    check(&[leaf, intermediate, root], asked, &[(Code::RootSent, Some(2))]);
    check(&[leaf, root, intermediate], asked, &[(Code::WrongOrder, Some(0)), (Code::WrongOrder, Some(2))]);
    check(
        &[intermediate, leaf],
        asked,
        &[(Code::AuthorityAsLeaf, Some(0)), (Code::WrongOrder, Some(1)), (Code::Unrelated, Some(1))],
    );
    check(&[leaf], asked, &[(Code::IssuerMissing, Some(0))]);
    check(
        &[leaf, root],
        asked,
        &[(Code::IssuerMissing, Some(0)), (Code::Unrelated, Some(1)), (Code::RootSent, Some(1))],
    );
    check(&[leaf, intermediate, intermediate], asked, &[(Code::Duplicate, Some(2))]);
    check(&[leaf], &question(None), &[]);
    check(&[root, intermediate], asked, &[]);
}

#[test]
fn a_key_must_be_the_first_certificates() {
    let Chain { root, intermediate, leaf, .. } = &chain(true);
    let other = KeyPair::generate().unwrap().serialize_pem();
    let trust = &Bundle::from_pem(root.as_bytes()).unwrap();
    check(&[leaf, intermediate, &other], &question(Some(trust)), &[(Code::KeyMismatch, Some(0))]);
    let found = read([leaf.as_str(), &other].concat().as_bytes()).unwrap();
    let said = format!("{:?} {found:?}", judge(&found, &question(None)).unwrap());
    for line in other.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!said.contains(line), "a private key is never shown");
    }
    assert_eq!(found.keys(), 1);
}

#[test]
fn what_did_not_sign_as_an_authority_is_no_authority() {
    let Chain { root, intermediate, leaf, .. } = &chain(false);
    let trust = &Bundle::from_pem(root.as_bytes()).unwrap();
    let found = read([leaf.as_str(), intermediate].concat().as_bytes()).unwrap();
    let said = codes(&found, &question(Some(trust)));
    assert!(said.contains(&(Code::NotAnAuthority, Some(1))), "{said:?}");
    assert!(said.contains(&(Code::Refused, Some(0))), "{said:?}");
}

#[test]
fn a_replaced_authority_is_told_from_an_unknown_one() {
    let (old, new) = (authority("ca", 365), authority("ca", 365));
    let unknown = authority("another", 365);
    let leaf = old.issue(&Names::new([]).unwrap(), now()).unwrap();
    let pem = leaf.certificate_pem();
    let of = |authority: &Authority| Bundle::new([authority.certificate().clone()]).unwrap();
    check(&[&pem], &question(Some(&of(&old))), &[]);
    check(&[&pem], &question(Some(&of(&new))), &[(Code::IssuerReplaced, Some(0))]);
    check(&[&pem], &question(Some(&of(&unknown))), &[(Code::IssuerMissing, Some(0))]);
}

#[test]
fn a_signature_of_another_key_is_seen() {
    // Two authorities of one name and no key identifiers to tell them apart.
    let params = || {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let wrong = params().self_signed(&other).unwrap().pem();
    let issuer = Issuer::new(params(), key);
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "leaf");
    let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().pem();
    let found = read([leaf, wrong].concat().as_bytes()).unwrap();
    assert!(codes(&found, &question(None)).contains(&(Code::BadSignature, Some(0))));
}

#[test]
fn times_are_compared_with_now_and_soon() {
    let ca = authority("ca", 100);
    let leaf = ca.issue(&Names::new([]).unwrap(), now()).unwrap();
    let pem = leaf.certificate_pem();
    let trust = &Bundle::new([ca.certificate().clone()]).unwrap();
    let at = |after: SignedDuration, within| Question { now: now() + after, within, ..question(Some(trust)) };
    check(&[&pem], &at(SignedDuration::ZERO, SignedDuration::ZERO), &[]);
    check(&[&pem], &at(SignedDuration::ZERO, DAY * 89), &[]);
    check(&[&pem], &at(SignedDuration::ZERO, DAY * 91), &[(Code::ExpiresSoon, Some(0))]);
    check(&[&pem], &at(DAY * 80, SignedDuration::ZERO), &[(Code::RenewalDue, Some(0))]);
    check(&[&pem], &at(DAY * 91, SignedDuration::ZERO), &[(Code::Expired, Some(0))]);
    check(&[&pem], &at(-DAY, SignedDuration::ZERO), &[(Code::NotYetValid, Some(0))]);
    let expired = &[(Code::Expired, Some(0)), (Code::IssuerExpired, Some(0))];
    check(&[&pem], &at(DAY * 101, SignedDuration::ZERO), expired);
    let soon = &[(Code::ExpiresSoon, Some(0)), (Code::IssuerExpired, Some(0))];
    check(&[&pem], &at(SignedDuration::ZERO, DAY * 101), soon);
    // An authority by itself, and in a bundle.
    check(&[ca.certificate_pem()], &at(DAY * 101, SignedDuration::ZERO), &[(Code::Expired, Some(0))]);
}

#[test]
fn a_leaf_that_outlives_its_issuer_is_seen() {
    let key = KeyPair::generate().unwrap();
    let ca = authority("ca", 365);
    let issuer =
        Issuer::from_ca_cert_der(ca.certificate(), KeyPair::from_pem(&ca.key_pem()).unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = time::OffsetDateTime::from_unix_timestamp(now().as_second() - 60).unwrap();
    params.not_after = time::OffsetDateTime::from_unix_timestamp(now().as_second() + 400 * 86_400).unwrap();
    params.use_authority_key_identifier_extension = true;
    let leaf = params.signed_by(&key, &issuer).unwrap().pem();
    let trust = &Bundle::new([ca.certificate().clone()]).unwrap();
    check(&[&leaf], &question(Some(trust)), &[(Code::OutlivesIssuer, Some(0))]);
    check(
        &[&leaf, ca.certificate_pem()],
        &question(None),
        &[(Code::OutlivesIssuer, Some(0)), (Code::RootSent, Some(1))],
    );
}

#[test]
fn names_and_usages_are_compared_with_what_is_asked() {
    let ca = authority("ca", 365);
    let trust = &Bundle::new([ca.certificate().clone()]).unwrap();
    let leaf = ca.issue(&Names::only(["a.example"]).unwrap(), now()).unwrap().certificate_pem();
    let named = |name: &str| Question {
        name: Some(ServerName::try_from(name.to_owned()).unwrap()),
        ..question(Some(trust))
    };
    check(&[&leaf], &named("a.example"), &[]);
    check(&[&leaf], &named("b.example"), &[(Code::WrongName, Some(0))]);
    let nameless = ca.issue(&Names::only([]).unwrap(), now()).unwrap().certificate_pem();
    check(&[&nameless], &question(Some(trust)), &[(Code::NoNames, Some(0))]);
    let options = LeafOptions { usage: Usage::Client, ..LeafOptions::default() };
    let client = ca.issue_with(&options, &Names::only(["a.example"]).unwrap(), now()).unwrap();
    check(&[&client.certificate_pem()], &named("a.example"), &[(Code::NotForServers, Some(0))]);
}

#[test]
fn what_is_no_certificate_is_an_error() {
    for bad in [&b""[..], b"text", b"\x30\x82\x01\x00", b"-----BEGIN CERTIFICATE-----\nAAAA\n"] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
    let damaged = read(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert_eq!(judge(&damaged, &question(None)).unwrap_err().0, 0);
    assert!(read(&vec![b'-'; 2 << 20]).is_err());
    let ca = authority("ca", 365);
    assert_eq!(read(ca.certificate()).unwrap().certificates.len(), 1, "DER too");
    let facts = read(ca.certificate()).unwrap().facts().unwrap().remove(0);
    assert_eq!((facts.subject.as_str(), facts.key.as_str()), ("CN=ca", "ECDSA P-256"));
    assert!(facts.self_signed && facts.authority);
    assert_eq!(facts.validity(), ca.validity());
}

#[test]
fn a_server_is_asked_for_what_it_shows_without_being_trusted() {
    let ca = authority("ca", 365);
    let pair = ca.issue(&Names::only(["a.example"]).unwrap(), now()).unwrap().pair();
    for (client_certificates, asks) in
        [(ClientCertificates::NotAsked, false), (ClientCertificates::Required, true)]
    {
        let trust = Trust::new(Bundle::new([ca.certificate().clone()]).unwrap()).unwrap();
        let profile = ServerProfile { client_certificates, ..ServerProfile::default() };
        let config = Arc::new(profile.config(&pair, Some(&trust)).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut connection = ServerConnection::new(config).unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut socket).is_ok() {}
        });
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let peer = ask(&mut stream, ServerName::try_from("b.example").unwrap()).unwrap();
        assert_eq!(peer.chain, pair.chain());
        assert_eq!(peer.version.as_deref(), Some("TLSv1_3"));
        assert_eq!(peer.asks_for_certificate, asks);
        drop(stream);
        serving.join().unwrap();
    }
    // Something that speaks, but not TLS.
    let mut clear: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    struct Deaf<'a>(&'a mut &'static [u8]);
    impl std::io::Read for Deaf<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buf)
        }
    }
    impl std::io::Write for Deaf<'_> {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert!(ask(&mut Deaf(&mut clear), ServerName::try_from("b.example").unwrap()).is_err());
}

#[test]
fn findings_are_worst_first() {
    let Chain { leaf, intermediate, root, .. } = &chain(true);
    let found = read([leaf.as_str(), intermediate, root].concat().as_bytes()).unwrap();
    let late = Question { now: now() + DAY * 300, ..question(None) };
    let severities: Vec<Severity> =
        judge(&found, &late).unwrap().iter().map(|finding| finding.severity).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b) && severities.len() >= 3, "{severities:?}");
}
