//! Who is known, by tokens that the API server reviews.

use std::sync::Arc;

use http::Method;
use parapet_guard::{AllowReason, AuthnMethod, Consumed, RefuseReason};
use parapet_testbed::{Authority, Leaf};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::{Options, World, allowed, refused};
use crate::reviews::ReviewServer;

/// A client that reaches the server by TLS, as it would a real one.
pub(super) async fn by_tls(server: &ReviewServer) -> kube::Client {
    let authority = Authority::new("api").unwrap();
    let pair = authority.sign(Leaf { common_name: "api", names: &["127.0.0.1"], ..Leaf::default() }).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(parapet_pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, behind) = (listener.local_addr().unwrap(), server.address);
    // Ends with the runtime of the test.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let mut behind = TcpStream::connect(behind).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
            });
        }
    });
    let mut config = kube::Config::new(format!("https://{address}").parse().unwrap());
    config.default_retry = false;
    let root = CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap();
    config.root_cert = Some(vec![root.to_vec()]);
    kube::Client::try_from(config).unwrap()
}

#[tokio::test]
async fn a_good_token() {
    let world = World::with(Options { tls: true, ..Options::default() }).await;
    let grant = allowed(world.get("/metrics", "good").await, AllowReason::Review);
    let identity = grant.identity.unwrap();
    assert_eq!((identity.user.as_str(), identity.uid.as_str()), ("alice", "u-1"));
    assert_eq!(identity.groups, ["dev", "system:authenticated"]);
    assert_eq!(identity.method, AuthnMethod::Token);
    assert_eq!(grant.consumed, Consumed::Bearer);
    assert_eq!(world.server.token_reviews(), [json!({"token": "good"})], "no audiences unless told");
}

#[tokio::test]
async fn no_token_and_bad_tokens() {
    let world = World::new().await;
    let answer = refused(world.ask(Method::GET, "/metrics", &[]).await, 401, RefuseReason::NoCredentials);
    assert_eq!(answer.body, "Unauthorized");
    refused(world.get("/metrics", "bad").await, 401, RefuseReason::BadCredentials);
    world.server.answers("no", json!({"authenticated": false}));
    refused(world.get("/metrics", "no").await, 401, RefuseReason::BadCredentials);
    world.server.answers("nameless", json!({"authenticated": true}));
    refused(world.get("/metrics", "nameless").await, 401, RefuseReason::BadCredentials);
    let split = json!({"authenticated": true, "user": {"username": "a\r\nx: y"}});
    world.server.answers("split", split);
    refused(world.get("/metrics", "split").await, 401, RefuseReason::BadCredentials);
    for value in ["Basic YTpi", "Bearer", "Bearer a b", "Bearer a,b"] {
        let decision = world.ask(Method::GET, "/metrics", &[("authorization", value)]).await;
        assert_eq!(decision.unwrap_err().status, 401, "{value}");
    }
    assert_eq!(world.asked().0, 4, "what can't be a token isn't asked about");
}

#[tokio::test]
async fn two_places_for_tokens_are_ambiguous() {
    let world = World::new().await;
    let twice = [("authorization", "Bearer good"), ("authorization", "Bearer good")];
    refused(world.ask(Method::GET, "/metrics", &twice).await, 400, RefuseReason::AmbiguousCredentials);
    assert_eq!(world.asked(), (0, 0));
}

#[tokio::test]
async fn a_token_of_a_websocket() {
    let world = World::new().await;
    // "good" in base64url.
    let protocol = "base64url.bearer.authorization.k8s.io.Z29vZA";
    let lines = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-protocol", &format!("{protocol}, chat")),
    ];
    let grant = allowed(world.ask(Method::GET, "/metrics", &lines).await, AllowReason::Review);
    assert_eq!(grant.consumed, Consumed::WebSocketProtocol(protocol.to_owned()));
}

fn audience(accept_unchecked_audience: bool) -> Options {
    let mut options = Options::default();
    options.tokens.audiences = vec!["gate".to_owned(), "other".to_owned()];
    options.tokens.accept_unchecked_audience = accept_unchecked_audience;
    options
}

#[tokio::test]
async fn audiences() {
    let world = World::with(audience(false)).await;
    let user = json!({"username": "alice"});
    world.server.answers("gates", json!({"authenticated": true, "user": user, "audiences": ["x", "gate"]}));
    world.server.answers("wrong", json!({"authenticated": true, "user": user, "audiences": ["x"]}));
    allowed(world.get("/metrics", "gates").await, AllowReason::Review);
    assert_eq!(world.server.token_reviews(), [json!({"token": "gates", "audiences": ["gate", "other"]})]);
    refused(world.get("/metrics", "wrong").await, 401, RefuseReason::Audience);
    // An authenticator that knows nothing of audiences has not checked them.
    refused(world.get("/metrics", "good").await, 401, RefuseReason::Audience);
    world.server.answers("empty", json!({"authenticated": true, "user": user, "audiences": []}));
    refused(world.get("/metrics", "empty").await, 401, RefuseReason::Audience);
}

#[tokio::test]
async fn unchecked_audiences_are_accepted_for_compatibility_alone() {
    let world = World::with(audience(true)).await;
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    world
        .server
        .answers("wrong", json!({"authenticated": true, "user": {"username": "alice"}, "audiences": ["x"]}));
    refused(world.get("/metrics", "wrong").await, 401, RefuseReason::Audience);
}
