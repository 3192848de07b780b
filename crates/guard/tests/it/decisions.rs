//! What the gate decides, asked directly: its API server is a socket, its clock is the test's.

mod caches;
mod certificates;
mod credentials;
mod openid;
mod outages;
mod rights;
mod said;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use parapet_guard::authn::{
    Authenticators, CertificateAuthenticator, TokenAuthenticator, TokenRules, Tokens,
};
use parapet_guard::authz::{
    AccessReviewer, AccessRules, AttributeSource, DecisionMetrics, Gate, GateRules, PathGlobs, StaticRules,
    VerbMapping,
};
use parapet_guard::review::{ReviewLimits, ReviewMetrics, Reviews};
use parapet_guard::{
    AllowReason, CanonicalPath, CanonicalQuery, Clock, Decide as _, Decision, Grant, Inquiry, PathRules,
    Peer, Refusal, RefuseReason,
};
use prometheus_client::registry::Registry;
use rustls_pki_types::CertificateDer;

use crate::reviews::ReviewServer;

/// Long enough for an answer that comes, on a machine that is busy, too; short enough to wait for one that doesn't.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);
/// Where the test's clock begins: 2026.
pub(super) const BEGINNING: u64 = 1_780_000_000;

/// A clock that stands until it is moved.
#[derive(Clone, Default)]
pub(super) struct Time {
    passed: Arc<AtomicU64>,
    /// What the wall's clock was set by besides.
    set: Arc<AtomicI64>,
}

impl Time {
    pub(super) fn pass(&self, seconds: u64) {
        self.passed.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Somebody sets the wall's clock.
    pub(super) fn jump(&self, seconds: i64) {
        self.set.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn clock(&self) -> Clock {
        let (wall, steady) = (self.clone(), self.clone());
        let passed = |time: &Self| time.passed.load(Ordering::SeqCst);
        let seconds = move || (BEGINNING + passed(&wall)) as i64 + wall.set.load(Ordering::SeqCst);
        Clock::new(
            move || Timestamp::from_second(seconds()).unwrap(),
            move || Duration::from_secs(passed(&steady)),
        )
    }
}

/// A gate and what it depends on.
pub(super) struct World {
    pub(super) server: ReviewServer,
    pub(super) gate: Gate,
    pub(super) time: Time,
    registry: Registry,
}

/// What differs from a gate of default flags.
pub(super) struct Options {
    pub(super) rules: GateRules,
    pub(super) tokens: TokenRules,
    pub(super) access: AccessRules,
    pub(super) certificates: Option<Box<dyn FnOnce(Clock, DecisionMetrics) -> CertificateAuthenticator>>,
    pub(super) issuer: Option<Box<dyn FnOnce(Clock, DecisionMetrics) -> Tokens>>,
    pub(super) tls: bool,
}

impl Default for Options {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self {
            rules: GateRules {
                allow: None,
                ignore: PathGlobs::default(),
                attributes: AttributeSource::Path,
                rules: StaticRules::default(),
                verbs: VerbMapping::Krp,
                krp: false,
                path_prefix: String::new(),
                brief: false,
            },
            tokens: TokenRules {
                audiences: Vec::new(),
                accept_unchecked_audience: false,
                good_for: ten,
                bad_for: ten,
                stale_for: Duration::ZERO,
                entries: 1_000,
                bad_per_source: None,
            },
            access: AccessRules {
                allowed_for: ten,
                denied_for: ten,
                stale_for: Duration::ZERO,
                entries: 1_000,
            },
            certificates: None,
            issuer: None,
            tls: false,
        }
    }
}

impl World {
    /// With default options, a token `good` of `alice` in `dev`, who may get `/metrics`.
    pub(super) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(super) async fn with(options: Options) -> Self {
        let Options { rules, tokens, access, certificates, issuer, tls } = options;
        let server = ReviewServer::start().await;
        server.knows("good", "alice", &["dev"]);
        server.allows("alice", "get", "/metrics");
        let time = Time::default();
        let clock = time.clock();
        let mut registry = Registry::default();
        let metrics = DecisionMetrics::register(&mut registry);
        let limits = ReviewLimits { deadline: DEADLINE, attempt: DEADLINE / 4, ..ReviewLimits::default() };
        let client = if tls { credentials::by_tls(&server).await } else { server.client() };
        let reviews = Reviews::new(client, limits, clock.clone(), ReviewMetrics::register(&mut registry));
        let reviews = Arc::new(reviews);
        let access = AccessReviewer::new(Arc::clone(&reviews), access, clock.clone(), metrics.clone());
        let tokens = match issuer {
            Some(issuer) => issuer(clock.clone(), metrics.clone()),
            None => Tokens::Review(TokenAuthenticator::new(reviews, tokens, clock.clone(), metrics.clone())),
        };
        let certificates = certificates.map(|certificates| certificates(clock, metrics));
        let gate = Gate::new(rules, Authenticators { certificates, tokens }, access);
        Self { server, gate, time, registry }
    }

    /// GET with one token.
    pub(super) async fn get(&self, target: &str, token: &str) -> Result<Grant, Refusal> {
        self.ask(Method::GET, target, &[("authorization", &format!("Bearer {token}"))]).await
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
    ) -> Result<Grant, Refusal> {
        self.ask_from(method, target, headers, &peer("192.0.2.1:1")).await
    }

    pub(super) async fn ask_from(
        &self,
        method: Method,
        target: &str,
        lines: &[(&str, &str)],
        peer: &Peer,
    ) -> Result<Grant, Refusal> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let path = CanonicalPath::parse(path, PathRules::Strict).unwrap();
        let query = CanonicalQuery::parse(query).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let inquiry = Inquiry { method: &method, path: &path, query: &query, headers: &headers, peer };
        match self.gate.decide(&inquiry).await {
            Decision::Allow(grant) => Ok(grant),
            Decision::Refuse(refusal) => Err(refusal),
        }
    }

    /// TokenReviews and SubjectAccessReviews that were asked so far.
    pub(super) fn asked(&self) -> (usize, usize) {
        (self.server.token_reviews().len(), self.server.access_reviews().len())
    }

    /// The value of a line of the metrics that begins so, or 0.
    pub(super) fn counted(&self, beginning: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text.lines().find(|line| line.starts_with(beginning));
        line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |value| value.parse().unwrap())
    }
}

pub(super) fn peer(address: &str) -> Peer {
    Peer { address: Some(address.parse::<SocketAddr>().unwrap()), certificates: Arc::default() }
}

pub(super) fn peer_with(certificates: Vec<CertificateDer<'static>>) -> Peer {
    Peer { address: None, certificates: certificates.into() }
}

/// A token that looks like a JWT with these claims; nobody signed it.
pub(super) fn jwt(claims: &serde_json::Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256","kid":"1"}"#), part(&claims.to_string()), part("signature"))
}

#[track_caller]
pub(super) fn allowed(decision: Result<Grant, Refusal>, by: AllowReason) -> Grant {
    let grant = decision.unwrap_or_else(|refusal| panic!("refused: {refusal:?}"));
    assert_eq!(grant.reason, by);
    grant
}

#[track_caller]
pub(super) fn refused(decision: Result<Grant, Refusal>, status: u16, reason: RefuseReason) -> Refusal {
    let refusal = match decision {
        Ok(grant) => panic!("allowed: {grant:?}"),
        Err(refusal) => refusal,
    };
    assert_eq!((refusal.status.as_u16(), refusal.reason), (status, reason), "{refusal:?}");
    refusal
}
