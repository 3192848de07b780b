//! Whom a server lets in by certificate, and what becomes of that when trust changes.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parapet_pki::{
    Authority, Bundle, ClientCertificates, ClientProfile, LeafOptions, MinVersion, Names, Pair, PkiError,
    ServerProfile, Trust, Usage,
};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, ServerConfig};

use crate::wire::shake;

struct World {
    authority: Authority,
    server: Arc<Pair>,
}

impl World {
    fn new() -> Self {
        let authority = Authority::generate(Timestamp::now()).unwrap();
        let server = authority.issue(&Names::new([]).unwrap(), Timestamp::now()).unwrap().pair();
        Self { authority, server }
    }

    fn server(&self, profile: &ServerProfile, trust: Option<&Trust>) -> Arc<ServerConfig> {
        Arc::new(profile.config(&self.server, trust).unwrap())
    }

    fn client(&self, pair: Option<&Pair>) -> Arc<ClientConfig> {
        Arc::new(ClientProfile::default().config(&bundle(&self.authority), pair).unwrap())
    }
}

fn bundle(authority: &Authority) -> Bundle {
    Bundle::new([authority.certificate().clone()]).unwrap()
}

fn client_of(authority: &Authority, usage: Usage) -> Arc<Pair> {
    let options = LeafOptions { usage, common_name: "prometheus".to_owned(), ..LeafOptions::default() };
    authority.issue_with(&options, &Names::only([]).unwrap(), Timestamp::now()).unwrap().pair()
}

fn profile(client_certificates: ClientCertificates) -> ServerProfile {
    ServerProfile { client_certificates, ..ServerProfile::default() }
}

#[test]
fn a_required_certificate_must_be_trusted() {
    let world = World::new();
    let clients = Authority::generate(Timestamp::now()).unwrap();
    let strangers = Authority::generate(Timestamp::now()).unwrap();
    let trust = Trust::new(bundle(&clients)).unwrap();
    let server = world.server(&profile(ClientCertificates::Required), Some(&trust));
    let known = client_of(&clients, Usage::Client);
    assert!(shake(&server, &world.client(Some(&known))).is_ok());
    assert!(shake(&server, &world.client(None)).is_err());
    assert!(shake(&server, &world.client(Some(&client_of(&strangers, Usage::Client)))).is_err());
    assert!(shake(&server, &world.client(Some(&client_of(&clients, Usage::Server)))).is_err());
    assert!(matches!(
        profile(ClientCertificates::Required).config(&world.server, None),
        Err(PkiError::NoTrust)
    ));
}

#[test]
fn a_certificate_that_is_only_asked_for_is_judged_afterwards() {
    let world = World::new();
    let clients = Authority::generate(Timestamp::now()).unwrap();
    let strangers = Authority::generate(Timestamp::now()).unwrap();
    let trust = Trust::new(bundle(&clients)).unwrap();
    let server = world.server(&profile(ClientCertificates::Asked), Some(&trust));
    let now = Timestamp::now();
    let shown = |pair: Option<&Pair>| {
        let (server, _) = shake(&server, &world.client(pair)).unwrap();
        server.peer_certificates().map(|chain| chain.to_vec())
    };
    assert_eq!(shown(None), None);
    let known = shown(Some(&client_of(&clients, Usage::Client))).unwrap();
    trust.accepts_client(&known, now).unwrap();
    assert!(trust.accepts_client(&known, now + SignedDuration::from_hours(24 * 91)).is_err(), "expired");
    assert!(trust.accepts_client(&known, now - SignedDuration::from_hours(1)).is_err(), "not yet valid");
    assert!(trust.accepts_client(&[], now).is_err());
    for untrusted in [client_of(&strangers, Usage::Client), client_of(&clients, Usage::Server)] {
        let shown = shown(Some(&untrusted)).unwrap();
        assert!(trust.accepts_client(&shown, now).is_err());
    }
}

#[test]
fn whoever_shows_a_certificate_must_have_its_key() {
    // Somebody who saw a trusted certificate go by, and signs with a key of their own.
    #[derive(Debug)]
    struct Thief(Arc<rustls::sign::CertifiedKey>);
    impl rustls::client::ResolvesClientCert for Thief {
        fn resolve(
            &self,
            _: &[&[u8]],
            _: &[rustls::SignatureScheme],
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let world = World::new();
    let clients = Authority::generate(Timestamp::now()).unwrap();
    let trust = Trust::new(bundle(&clients)).unwrap();
    let seen = client_of(&clients, Usage::Client).chain().to_vec();
    let own = client_of(&clients, Usage::Client).certified();
    let stolen = rustls::sign::CertifiedKey::new(seen, Arc::clone(&own.key));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = world.server(&profile(ClientCertificates::Asked), Some(&trust));
        let mut roots = rustls::RootCertStore::empty();
        roots.add(world.authority.certificate().clone()).unwrap();
        let thief = Thief(Arc::new(stolen.clone()));
        let client = ClientConfig::builder_with_provider(parapet_pki::provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(thief));
        assert!(shake(&server, &Arc::new(client)).is_err(), "{version:?}");
    }
}

#[test]
fn a_session_is_resumed_with_the_configuration_that_it_began_with_and_no_other() {
    let world = World::new();
    let clients = Authority::generate(Timestamp::now()).unwrap();
    let trust = Trust::new(bundle(&clients)).unwrap();
    let required = profile(ClientCertificates::Required);
    let server = world.server(&required, Some(&trust));
    let client = world.client(Some(&client_of(&clients, Usage::Client)));
    let kind = |server| shake(server, &client).map(|(server, _)| server.handshake_kind().unwrap());
    assert_eq!(kind(&server), Ok(HandshakeKind::Full));
    assert_eq!(kind(&server), Ok(HandshakeKind::Resumed));
    // The same trust, reloaded: the next generation knows nothing of the sessions before it.
    let again = world.server(&required, Some(&trust));
    assert_eq!(kind(&again), Ok(HandshakeKind::Full));
    // A client whose authority is trusted no longer does not get in by resuming.
    let others = Trust::new(bundle(&Authority::generate(Timestamp::now()).unwrap())).unwrap();
    assert!(kind(&world.server(&required, Some(&others))).is_err());
}

#[test]
fn versions_and_cipher_suites_are_what_was_asked() {
    use rustls::CipherSuite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as TLS12_SUITE, TLS13_AES_256_GCM_SHA384 as TLS13_SUITE,
    };
    let world = World::new();
    let server = |min_version, cipher_suites: &[_]| {
        let cipher_suites = cipher_suites.to_vec();
        ServerProfile { min_version, cipher_suites, ..ServerProfile::default() }
    };
    let both = server(MinVersion::Tls12, &[TLS12_SUITE, TLS13_SUITE]);
    let (server_side, _) = shake(&world.server(&both, None), &world.client(None)).unwrap();
    assert_eq!(server_side.negotiated_cipher_suite().unwrap().suite(), TLS13_SUITE);
    assert_eq!(server_side.protocol_version(), Some(ProtocolVersion::TLSv1_3));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(world.authority.certificate().clone()).unwrap();
    let old = ClientConfig::builder_with_provider(parapet_pki::provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let old = Arc::new(old);
    let (server_side, _) = shake(&world.server(&both, None), &old).unwrap();
    assert_eq!(server_side.negotiated_cipher_suite().unwrap().suite(), TLS12_SUITE);
    assert!(shake(&world.server(&server(MinVersion::Tls13, &[]), None), &old).is_err());
    assert!(server(MinVersion::Tls13, &[TLS12_SUITE]).config(&world.server, None).is_err(), "none is left");
}
