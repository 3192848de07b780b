//! A gate between a client and a recording upstream, with an API server to ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use parapet_guard::authn::{Authenticators, TokenAuthenticator, TokenRules, Tokens};
use parapet_guard::authz::{
    AccessReviewer, AccessRules, AttributeSource, DecisionMetrics, Gate, GateRules, GlobStyle, PathGlobs,
    ResourceTemplates, Rewrites, StaticRules, Template, VerbMapping,
};
use parapet_guard::proxy::{Drained, Forward, Listener, Readiness, Security, TunnelRules};
use parapet_guard::review::{ReviewLimits, ReviewMetrics, Reviews};
use parapet_guard::upstream::{Address, Protocol, UpstreamSettings};
use parapet_guard::{
    AuditLines, Clock, Engine, HeaderRules, IdentityHeaders, Limits, Metrics, PathRules, Policy,
};
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::reviews::ReviewServer;
use crate::upstream::Upstream;

/// A token that the API server knows as [`USER`]'s, who may get `/metrics` and everything below `/api/`.
pub(crate) const TOKEN: &str = "good-token";
/// Its holder.
pub(crate) const USER: &str = "system:serviceaccount:default:default";

/// What a test wants to be different.
pub(crate) struct Options {
    pub(crate) ignore: Vec<&'static str>,
    pub(crate) allow: Option<Vec<&'static str>>,
    pub(crate) rewrites: Option<Rewrites>,
    pub(crate) krp: bool,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) tunnels: TunnelRules,
    pub(crate) security: Security,
    pub(crate) cached_for: Duration,
    /// How long the API server may take.
    pub(crate) patience: ReviewLimits,
    /// Instead of the recording upstream.
    pub(crate) upstream: Option<UpstreamSettings>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ignore: Vec::new(),
            allow: None,
            rewrites: None,
            krp: false,
            policy: Policy {
                paths: PathRules::Strict,
                headers: HeaderRules {
                    identity: Some(IdentityHeaders::new(
                        HeaderName::from_static("x-remote-user"),
                        HeaderName::from_static("x-remote-groups"),
                        Some("|".to_owned()),
                    )),
                    ..HeaderRules::default()
                },
                audit: AuditLines::All,
                requests: 100,
            },
            limits: Limits { drain_deadline: Duration::from_secs(5), ..Limits::default() },
            tunnels: TunnelRules::default(),
            security: Security::Plain,
            cached_for: Duration::from_secs(10),
            patience: ReviewLimits {
                deadline: Duration::from_millis(2500),
                attempt: Duration::from_millis(1000),
                ..ReviewLimits::default()
            },
            upstream: None,
        }
    }
}

/// All of it.
pub(crate) struct World {
    pub(crate) guard: SocketAddr,
    pub(crate) upstream: Upstream,
    pub(crate) reviews: ReviewServer,
    pub(crate) readiness: Readiness,
    registry: Registry,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Drained>>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self::before(Upstream::start().await, options).await
    }

    /// With this upstream.
    pub(crate) async fn before(upstream: Upstream, options: Options) -> Self {
        let reviews = ReviewServer::start().await;
        reviews.knows(TOKEN, USER, &["system:serviceaccounts", "system:authenticated"]);
        reviews.allows(USER, "get", "/metrics");
        reviews.allows(USER, "get", "/api/*");
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let gate = gate(&reviews, &options, &mut registry);
        let engine = Arc::new(Engine::new(gate, options.policy, metrics.clone()));
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: upstream.address.port() };
        let settings = options.upstream.unwrap_or_else(|| UpstreamSettings::new(address, Protocol::Http1));
        let forward = parapet_guard::upstream::Upstream::new(settings, metrics.clone());
        let handler = Arc::new(Forward::new(engine, forward, options.tunnels));
        let any = "127.0.0.1:0".parse().unwrap();
        let listener =
            Listener::bind("secure", any, options.security, options.limits, metrics).await.unwrap();
        let guard = listener.address();
        let readiness = Readiness::not_yet("starting");
        readiness.set_ready();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving =
            tokio::spawn(listener.serve(handler, readiness.clone(), async move { drop(stopped.await) }));
        Self { guard, upstream, reviews, readiness, registry, stop: Some(stop), serving: Some(serving) }
    }

    /// The value of the first sample whose line begins with this.
    pub(crate) fn sample(&self, start: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("no {start} in\n{text}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// How many requests were refused for this reason.
    pub(crate) fn refused(&self, reason: &str) -> f64 {
        self.sample(&format!("parapet_guard_requests_total{{decision=\"refuse\",reason=\"{reason}\"}}"))
    }

    /// How many allowed requests came to nothing for this reason.
    pub(crate) fn failed(&self, reason: &str) -> f64 {
        self.sample(&format!("parapet_guard_upstream_failures_total{{reason=\"{reason}\"}}"))
    }

    /// Asks the listener to end, without waiting.
    pub(crate) fn stop(&mut self) -> JoinHandle<Drained> {
        drop(self.stop.take());
        self.serving.take().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

fn gate(reviews: &ReviewServer, options: &Options, registry: &mut Registry) -> Gate {
    let clock = Clock::system();
    let metrics = DecisionMetrics::register(registry);
    let limits = options.patience.clone();
    let asked =
        Arc::new(Reviews::new(reviews.client(), limits, clock.clone(), ReviewMetrics::register(registry)));
    let tokens = TokenRules {
        audiences: Vec::new(),
        accept_unchecked_audience: false,
        good_for: options.cached_for,
        bad_for: options.cached_for,
        stale_for: Duration::ZERO,
        entries: 1000,
        bad_per_source: None,
    };
    let authenticators = Authenticators {
        certificates: None,
        tokens: Tokens::Review(TokenAuthenticator::new(
            asked.clone(),
            tokens,
            clock.clone(),
            metrics.clone(),
        )),
    };
    let access = AccessRules {
        allowed_for: options.cached_for,
        denied_for: options.cached_for,
        stale_for: Duration::ZERO,
        entries: 1000,
    };
    let attributes = match &options.rewrites {
        None => AttributeSource::Path,
        Some(rewrites) => AttributeSource::Resource(Box::new(ResourceTemplates {
            namespace: Template::parse("{{ .Value }}").unwrap(),
            resource: Template::parse("pods").unwrap(),
            rewrites: Some(rewrites.clone()),
            ..ResourceTemplates::default()
        })),
    };
    let style = if options.krp { GlobStyle::Krp } else { GlobStyle::LastSegment };
    let rules = GateRules {
        allow: options
            .allow
            .as_ref()
            .map(|paths| PathGlobs::parse(paths.iter().copied(), GlobStyle::Segments).unwrap()),
        ignore: PathGlobs::parse(options.ignore.iter().copied(), style).unwrap(),
        attributes,
        rules: StaticRules::default(),
        verbs: VerbMapping::Krp,
        krp: options.krp,
        path_prefix: String::new(),
        brief: false,
    };
    Gate::new(rules, Arc::new(authenticators), Arc::new(AccessReviewer::new(asked, access, clock, metrics)))
}
