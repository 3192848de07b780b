//! Who is known by a token of an OpenID issuer, whose keys come over a real connection.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parapet_guard::authn::{ClaimRules, Fetcher, OidcAuthenticator, OidcRules, SigningAlgorithm, Tokens};
use parapet_guard::{AllowReason, AuthnMethod, RefuseReason};
use parapet_pki::Bundle;
use parapet_testbed::{Authority, Leaf};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{BEGINNING, Options, World, allowed, refused};

const ES256: SigningAlgorithm = SigningAlgorithm::Library(Algorithm::ES256);

/// A key that signs ES256, under a name.
struct Key {
    id: &'static str,
    private: EncodingKey,
}

impl Key {
    fn new(id: &'static str) -> Self {
        let pem = Authority::new(id).unwrap().key();
        Self { id, private: EncodingKey::from_ec_pem(pem.as_bytes()).unwrap() }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.private, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(jwk).unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }
}

#[derive(Default)]
struct State {
    /// What it says it is called, if not its address.
    name: Option<String>,
    keys: Vec<Value>,
    fetched: usize,
}

struct Issuer {
    address: String,
    authority: Authority,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    async fn start(keys: &[&Key]) -> Self {
        let authority = Authority::new("issuer").unwrap();
        let pair =
            authority.sign(Leaf { common_name: "issuer", names: &["127.0.0.1"], ..Leaf::default() }).unwrap();
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
        let address = format!("https://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let issuer = Self { address, authority, state };
        issuer.publish(keys);
        let (state, address) = (Arc::clone(&issuer.state), issuer.address.clone());
        // Ends with the runtime of the test.
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state, address) = (acceptor.clone(), Arc::clone(&state), address.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| {
                        let answer = answer(&request, &state, &address);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let builder = hyper::server::conn::http1::Builder::new();
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        issuer
    }

    fn publish(&self, keys: &[&Key]) {
        let mut keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        // Kinds that nobody here uses are left out, not tripped over.
        keys.push(json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "later"}));
        keys.push(json!({"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}));
        self.state.lock().unwrap().keys = keys;
    }

    fn fetched(&self) -> usize {
        self.state.lock().unwrap().fetched
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.address, "aud": ["gate"], "exp": BEGINNING + 600, "email": "alice@example.org",
            "email_verified": true, "groups": ["dev"],
        })
    }

    /// A gate that knows this issuer, and the task that fetches its keys.
    async fn world(&self, algorithms: Vec<SigningAlgorithm>) -> (World, Arc<OidcAuthenticator>) {
        let rules = OidcRules {
            claims: ClaimRules {
                issuer: self.address.clone(),
                audience: "gate".to_owned(),
                username: "email".to_owned(),
                username_prefix: "oidc:".to_owned(),
                groups: "groups".to_owned(),
                groups_prefix: "oidc:".to_owned(),
                system_names: false,
            },
            algorithms,
            good_for: Duration::from_secs(10),
        };
        let bundle = Bundle::from_pem(self.authority.certificate().as_bytes()).unwrap();
        let (keep, kept) = std::sync::mpsc::channel();
        let options = Options {
            issuer: Some(Box::new(move |clock, metrics| {
                let fetcher = Fetcher::new(Some(&bundle)).unwrap();
                let issuer = Arc::new(OidcAuthenticator::new(rules, fetcher, clock, metrics));
                keep.send(Arc::clone(&issuer)).unwrap();
                Tokens::Oidc(issuer)
            })),
            ..Options::default()
        };
        let world = World::with(options).await;
        world.server.allows("oidc:alice@example.org", "get", "/metrics");
        (world, kept.recv().unwrap())
    }

    async fn ready_world(&self, algorithms: Vec<SigningAlgorithm>) -> World {
        let (world, authenticator) = self.world(algorithms).await;
        let running = Arc::clone(&authenticator);
        tokio::spawn(async move { running.run().await });
        authenticator.ready().await;
        world
    }
}

fn answer(request: &Request<Incoming>, state: &Mutex<State>, address: &str) -> Response<Full<Bytes>> {
    let mut state = state.lock().unwrap();
    let document = match request.uri().path() {
        "/.well-known/openid-configuration" => {
            let name = state.name.clone().unwrap_or_else(|| address.to_owned());
            json!({"issuer": name, "jwks_uri": format!("{address}/keys")})
        }
        "/keys" => {
            state.fetched += 1;
            json!({"keys": state.keys})
        }
        other => panic!("{other} was asked for"),
    };
    Response::new(Full::new(document.to_string().into()))
}

#[tokio::test]
async fn nobody_gets_in_before_the_keys_are_there() {
    let key = Key::new("1");
    let issuer = Issuer::start(&[&key]).await;
    let (world, _) = issuer.world(vec![ES256]).await;
    let refusal = refused(
        world.get("/metrics", &key.sign(&issuer.claims())).await,
        503,
        RefuseReason::ReviewUnavailable,
    );
    assert!(refusal.retry_after.is_some());
}

#[tokio::test]
async fn a_good_token_of_an_issuer() {
    let key = Key::new("1");
    let issuer = Issuer::start(&[&key]).await;
    let world = issuer.ready_world(vec![ES256]).await;
    let grant = allowed(world.get("/metrics", &key.sign(&issuer.claims())).await, AllowReason::Review);
    let identity = grant.identity.unwrap();
    assert_eq!((identity.user.as_str(), identity.method), ("oidc:alice@example.org", AuthnMethod::Oidc));
    assert_eq!(identity.groups, ["oidc:dev", "system:authenticated"]);
    assert_eq!(world.asked().0, 0, "the API server isn't asked about tokens");
    world.time.pass(600);
    refused(world.get("/metrics", &key.sign(&issuer.claims())).await, 401, RefuseReason::Expired);
}

#[tokio::test]
async fn a_token_signed_on_the_largest_curve() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(66);
    let public = json!({
        "kty": "EC", "crv": "P-521", "alg": "ES512", "use": "sig", "kid": "large",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    });
    let issuer = Issuer::start(&[&Key::new("1")]).await;
    issuer.state.lock().unwrap().keys.push(public);
    let sign = |kid: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "ES512", "kid": kid})), part(&issuer.claims()));
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let world = issuer.ready_world(vec![ES256, SigningAlgorithm::Es512]).await;
    let grant = allowed(world.get("/metrics", &sign("large")).await, AllowReason::Review);
    assert_eq!(grant.identity.unwrap().user, "oidc:alice@example.org");
    // The key of the other kind has this name.
    refused(world.get("/metrics", &sign("1")).await, 401, RefuseReason::BadCredentials);
    let strict = issuer.ready_world(vec![ES256]).await;
    refused(strict.get("/metrics", &sign("large")).await, 401, RefuseReason::BadCredentials);
}

#[tokio::test]
async fn forged_tokens() {
    let key = Key::new("1");
    let issuer = Issuer::start(&[&key]).await;
    let world = issuer.ready_world(vec![ES256]).await;
    let claims = issuer.claims();
    let good = key.sign(&claims);
    let (_, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let hmac = |id: &str, secret: &[u8]| {
        let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let other = Key::new("1").sign(&claims);
    let changed = URL_SAFE_NO_PAD.encode(claims.to_string().replace("alice", "admin"));
    let public = issuer.state.lock().unwrap().keys[0].to_string();
    for (what, token) in [
        ("another key under the same name", other),
        ("no signature", format!("{}.{payload}.", header(r#"{"alg":"none","kid":"1"}"#))),
        ("an empty signature", format!("{}.{payload}.", header(r#"{"alg":"ES256","kid":"1"}"#))),
        ("the public key as a secret", hmac("1", public.as_bytes())),
        ("a secret that the issuer publishes", hmac("secret", b"secret")),
        ("other claims", format!("{}.{changed}.{signature}", header(r#"{"alg":"ES256","kid":"1"}"#))),
        (
            "a key that the token brings",
            format!(
                "{}.{payload}.{signature}",
                header(r#"{"alg":"ES256","kid":"2","jku":"https://evil.example/"}"#)
            ),
        ),
        (
            "an algorithm that is not allowed",
            format!("{}.{payload}.{signature}", header(r#"{"alg":"ES384","kid":"1"}"#)),
        ),
        ("no token at all", "a.b.c".to_owned()),
    ] {
        let decision = world.get("/metrics", &token).await;
        let refusal = decision.expect_err(what);
        assert_eq!((refusal.status.as_u16(), refusal.reason), (401, RefuseReason::BadCredentials), "{what}");
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_strangers_cannot_make_us_ask_for_more() {
    let (old, new) = (Key::new("1"), Key::new("2"));
    let issuer = Issuer::start(&[&old]).await;
    let world = issuer.ready_world(vec![ES256]).await;
    assert_eq!(issuer.fetched(), 1);
    issuer.publish(&[&old, &new]);
    allowed(world.get("/metrics", &new.sign(&issuer.claims())).await, AllowReason::Review);
    assert_eq!(issuer.fetched(), 2);
    let stranger = Key::new("3");
    for n in 0..20 {
        let mut claims = issuer.claims();
        claims["n"] = json!(n);
        refused(world.get("/metrics", &stranger.sign(&claims)).await, 401, RefuseReason::BadCredentials);
    }
    assert_eq!(issuer.fetched(), 2);
    world.time.pass(10);
    refused(world.get("/metrics", &stranger.sign(&issuer.claims())).await, 401, RefuseReason::BadCredentials);
    assert_eq!(issuer.fetched(), 3);
}

#[tokio::test]
async fn an_issuer_of_another_name_is_not_believed() {
    let key = Key::new("1");
    let issuer = Issuer::start(&[&key]).await;
    issuer.state.lock().unwrap().name = Some(format!("{}/", issuer.address));
    let (world, authenticator) = issuer.world(vec![ES256]).await;
    let running = Arc::clone(&authenticator);
    tokio::spawn(async move { running.run().await });
    while world.counted("parapet_guard_reloads_total{what=\"oidc_keys\",result=\"failure\"}") < 1.0 {
        tokio::task::yield_now().await;
    }
    let token = key.sign(&issuer.claims());
    refused(world.get("/metrics", &token).await, 503, RefuseReason::ReviewUnavailable);
    assert_eq!(issuer.fetched(), 0);
}
