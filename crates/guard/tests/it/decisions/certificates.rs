//! Who is known by a certificate that was shown in the handshake.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use parapet_guard::authn::{CertificateAuthenticator, CertificateRules};
use parapet_guard::{AllowReason, AuthnMethod, Consumed, RefuseReason};
use parapet_pki::{
    ClientCertificates, Material, Metrics, PkiError, Reloading, ServerProfile, ServerTls, Source, reloading,
};
use parapet_testbed::{Authority, Leaf, Pair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::{Options, World, allowed, peer_with, refused};

/// A server's pair and whom it trusts, changed by tests.
#[derive(Clone)]
struct Trusting {
    pair: Pair,
    trust: Arc<Mutex<String>>,
    changed: Arc<Notify>,
}

impl Trusting {
    fn new(trust: &Authority) -> Self {
        let names = Leaf { common_name: "server", names: &["localhost"], ..Leaf::default() };
        let pair = Authority::new("servers").unwrap().sign(names).unwrap();
        let trust = Arc::new(Mutex::new(trust.certificate().to_owned()));
        Self { pair, trust, changed: Arc::default() }
    }

    fn now_trusts(&self, pem: &str) {
        *self.trust.lock().unwrap() = pem.to_owned();
        self.changed.notify_one();
    }

    /// The configuration, followed as long as the test's runtime runs.
    fn follow(&self) -> Reloading<ServerTls> {
        let profile =
            ServerProfile { client_certificates: ClientCertificates::Asked, ..ServerProfile::default() };
        let options = parapet_pki::Options {
            settle: Duration::ZERO,
            ..parapet_pki::Options::new("test", Metrics::default())
        };
        let (tls, reloader) = reloading(self.clone(), profile, options).unwrap();
        tokio::spawn(reloader.run(std::future::pending()));
        tls
    }
}

impl Source for Trusting {
    fn read(&self) -> Result<Material, PkiError> {
        let (certificate, key) = (self.pair.certificate.clone(), self.pair.key.clone());
        let pair = Some((certificate.into_bytes(), Zeroizing::new(key.into_bytes())));
        Ok(Material { pair, trust: Some(self.trust.lock().unwrap().clone().into_bytes()) })
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn client(authority: &Authority, name: &str, organization: Option<&str>) -> CertificateDer<'static> {
    der(&authority.sign(Leaf { common_name: name, organization, names: &[] }).unwrap().certificate)
}

async fn world(tls: Reloading<ServerTls>, rules: CertificateRules) -> World {
    let options = Options {
        certificates: Some(Box::new(move |clock, metrics| {
            CertificateAuthenticator::new(tls, rules, clock, metrics)
        })),
        ..Options::default()
    };
    World::with(options).await
}

#[tokio::test]
async fn a_certificate_names_a_user_and_groups() {
    let authority = Authority::new("clients").unwrap();
    let world = world(Trusting::new(&authority).follow(), CertificateRules::default()).await;
    let peer = peer_with(vec![client(&authority, "alice", Some("dev"))]);
    for _ in 0..2 {
        let grant = allowed(world.ask_from(Method::GET, "/metrics", &[], &peer).await, AllowReason::Review);
        let identity = grant.identity.unwrap();
        assert_eq!((identity.user.as_str(), identity.method), ("alice", AuthnMethod::Certificate));
        assert_eq!(identity.groups, ["dev", "system:authenticated"]);
        assert!(identity.extra["authentication.kubernetes.io/credential-id"][0].starts_with("X509SHA256="));
        assert_eq!(grant.consumed, Consumed::None);
    }
    assert_eq!(world.asked(), (0, 1));
    assert_eq!(world.counted("parapet_guard_cache_lookups_total{cache=\"certificate\",result=\"hit\"}"), 1.0);
}

#[tokio::test]
async fn certificates_that_name_nobody() {
    let authority = Authority::new("clients").unwrap();
    let world = world(Trusting::new(&authority).follow(), CertificateRules::default()).await;
    let foreign = Authority::new("clients").unwrap();
    let server = Leaf { common_name: "alice", names: &["localhost"], ..Leaf::default() };
    let chains = [
        ("of another authority", vec![client(&foreign, "alice", None)]),
        ("a server's", vec![der(&authority.sign(server).unwrap().certificate)]),
        ("the authority's own", vec![der(authority.certificate())]),
        ("without a name", vec![client(&authority, "", None)]),
        ("of Kubernetes' own user", vec![client(&authority, "system:admin", None)]),
        ("of Kubernetes' own group", vec![client(&authority, "alice", Some("system:masters"))]),
        ("with a line end", vec![client(&authority, "alice\r\nx: y", None)]),
        ("no certificate", vec![CertificateDer::from(vec![0x30, 0x82, 0xff])]),
        ("a long chain", vec![client(&authority, "alice", None); 11]),
    ];
    for (what, chain) in chains {
        let decision = world.ask_from(Method::GET, "/metrics", &[], &peer_with(chain)).await;
        assert_eq!(decision.unwrap_err().status, 401, "{what}");
    }
    // A bad certificate does a good token no harm.
    let peer = peer_with(vec![client(&foreign, "mallory", None)]);
    let good = [("authorization", "Bearer good")];
    allowed(world.ask_from(Method::GET, "/metrics", &good, &peer).await, AllowReason::Review);
}

#[tokio::test]
async fn names_of_kubernetes_itself_if_asked_for() {
    let authority = Authority::new("clients").unwrap();
    let rules = CertificateRules { system_names: true, ..CertificateRules::default() };
    let world = world(Trusting::new(&authority).follow(), rules).await;
    let scraper = "system:serviceaccount:openshift-monitoring:prometheus-k8s";
    world.server.allows(scraper, "get", "/metrics");
    let peer = peer_with(vec![client(&authority, scraper, None)]);
    allowed(world.ask_from(Method::GET, "/metrics", &[], &peer).await, AllowReason::Review);
}

/// The reference and TLS itself look at a certificate once, when the connection begins.
#[tokio::test]
async fn a_certificate_ends_on_a_connection_that_stands() {
    let authority = Authority::new("clients").unwrap();
    let world = world(Trusting::new(&authority).follow(), CertificateRules::default()).await;
    let peer = peer_with(vec![client(&authority, "alice", None)]);
    allowed(world.ask_from(Method::GET, "/metrics", &[], &peer).await, AllowReason::Review);
    // The test's authority signs until the year 4096.
    world.time.pass(70_000_000_000);
    refused(world.ask_from(Method::GET, "/metrics", &[], &peer).await, 401, RefuseReason::Expired);
}

#[tokio::test]
async fn an_authority_that_is_no_longer_trusted() {
    let (old, new) = (Authority::new("old").unwrap(), Authority::new("new").unwrap());
    let trusting = Trusting::new(&old);
    let tls = trusting.follow();
    let mut changes = tls.subscribe();
    let world = world(tls, CertificateRules::default()).await;
    let [of_old, of_new] = [&old, &new].map(|authority| peer_with(vec![client(authority, "alice", None)]));
    let get = |peer| world.ask_from(Method::GET, "/metrics", &[], peer);
    allowed(get(&of_old).await, AllowReason::Review);
    refused(get(&of_new).await, 401, RefuseReason::BadCredentials);
    trusting.now_trusts("not PEM");
    trusting.now_trusts(&format!("{}{}", old.certificate(), new.certificate()));
    changes.changed().await.unwrap();
    allowed(get(&of_old).await, AllowReason::Review);
    allowed(get(&of_new).await, AllowReason::Review);
    trusting.now_trusts(new.certificate());
    changes.changed().await.unwrap();
    refused(get(&of_old).await, 401, RefuseReason::BadCredentials);
    allowed(get(&of_new).await, AllowReason::Review);
}
