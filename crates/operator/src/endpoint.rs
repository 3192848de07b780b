//! What the operator serves for those who operate it: probes, and metrics, plain on loopback or behind the gate.
//!
//! The gate and the listeners are the guard's: bounded, and for metrics with TLS, a token review and an access review for
//! `get` on `/metrics`.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kube::Client;
use parapet_guard::authn::{Authenticators, TokenAuthenticator, TokenRules, Tokens};
use parapet_guard::authz::{
    AccessReviewer, AccessRules, AttributeSource, DecisionMetrics, Gate, GateRules, PathGlobs, StaticRules,
    VerbMapping,
};
use parapet_guard::proxy::{Listener, Operations, Readiness, Security};
use parapet_guard::review::{ReviewLimits, ReviewMetrics, Reviews};
use parapet_guard::{AllowReason, Clock, Consumed, Decide, Decision, Engine, Grant, Inquiry, Limits, Policy};
use parapet_pki::{
    Material, Names, Options, PairPaths, PkiError, Reloader, Reloading, SelfSigned, ServerProfile, ServerTls,
    Source, WatchedPair, reloading,
};
use prometheus_client::registry::Registry;
use tokio::task::JoinSet;

use crate::metrics::{CertificateReads, CountedReads};
use crate::settings::{MetricsSecurity, MetricsSettings};

/// How long answers of the API server about tokens and rights are good (those of the reference's own gate).
const REMEMBERED: Duration = Duration::from_secs(60);
/// How long a no is remembered: somebody is about to grant the right.
const REFUSED: Duration = Duration::from_secs(10);
/// How many answers are remembered: scrapers are few.
const ENTRIES: u64 = 1024;
/// Wrong tokens per second and at once that one address may have reviewed.
const BAD_TOKENS: (f64, u32) = (5.0, 20);
/// For requests in flight at the end: the pod has ten seconds for everything.
const DRAIN: Duration = Duration::from_secs(3);

/// Nothing can be served there.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address can't be bound.
    #[error("can't serve {what} at {address}")]
    Bind {
        /// What.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate can't be used.
    #[error("can't use the certificate of the metrics endpoint")]
    Certificate(#[from] PkiError),
}

/// What counts the endpoints' own doings; registered once.
#[derive(Clone, Debug)]
pub struct EndpointMetrics {
    guard: parapet_guard::Metrics,
    decisions: DecisionMetrics,
    reviews: ReviewMetrics,
    certificates: parapet_pki::Metrics,
    reads: CertificateReads,
}

impl EndpointMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            guard: parapet_guard::Metrics::register(registry),
            decisions: DecisionMetrics::register(registry),
            reviews: ReviewMetrics::register(registry),
            certificates: parapet_pki::Metrics::register(registry),
            reads: CertificateReads::register(registry),
        }
    }

    /// Those of certificates that are served and followed.
    pub fn certificates(&self) -> &parapet_pki::Metrics {
        &self.certificates
    }

    /// How often those were read.
    pub fn reads(&self) -> &CertificateReads {
        &self.reads
    }
}

/// Bound endpoints.
#[derive(Debug, Default)]
pub struct Endpoints {
    tasks: JoinSet<()>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// Where probes are answered.
    pub probes: Option<SocketAddr>,
}

/// What is to be served, and how.
#[derive(Clone)]
pub struct Serving {
    /// Metrics.
    pub metrics: Option<MetricsSettings>,
    /// Probes.
    pub probes: Option<SocketAddr>,
    /// Who reviews tokens and rights.
    pub reviewer: Client,
    /// What is told by `/readyz`.
    pub readiness: Readiness,
}

impl Endpoints {
    /// Binds and serves until `stop`. `render` writes the metrics.
    pub async fn serve(
        serving: Serving,
        counted: EndpointMetrics,
        render: impl Fn() -> String + Clone + Send + Sync + 'static,
        stop: impl Future<Output = ()> + Clone + Send + 'static,
    ) -> Result<Self, EndpointError> {
        let mut endpoints = Self::default();
        let Serving { metrics, probes, reviewer, readiness } = serving;
        let mut shared = None;
        if let Some(MetricsSettings { address, security }) = metrics {
            let (decide, security): (Arc<dyn Decide>, Security) = match security {
                MetricsSecurity::Plain => {
                    shared = Some(address);
                    (Arc::new(Anybody), Security::Plain)
                }
                MetricsSecurity::Guarded(folder) => {
                    let (tls, reloader) = certificate(folder.as_deref(), &counted)?;
                    endpoints.tasks.spawn(reloader.run(stop.clone()));
                    (Arc::new(gate(reviewer, &counted)), Security::Tls(tls))
                }
            };
            let engine = Arc::new(Engine::new(decide, Policy::default(), counted.guard.clone()));
            let operations = Operations::new(readiness.clone()).with_metrics(engine, render);
            let bound = endpoints
                .bind("metrics", address, security, operations, &counted, &readiness, stop.clone())
                .await?;
            endpoints.metrics = Some(bound);
        }
        if let Some(address) = probes {
            let same = shared.is_some_and(|metrics| metrics == address && address.port() != 0);
            endpoints.probes = match same {
                // One socket answers both.
                true => endpoints.metrics,
                false => {
                    let operations = Operations::new(readiness.clone());
                    let bound = endpoints
                        .bind("probes", address, Security::Plain, operations, &counted, &readiness, stop)
                        .await?;
                    Some(bound)
                }
            };
        }
        Ok(endpoints)
    }

    /// Returns when all have ended, after the stop.
    pub async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    #[expect(clippy::too_many_arguments, reason = "each is one part of a listener")]
    async fn bind(
        &mut self,
        what: &'static str,
        address: SocketAddr,
        security: Security,
        operations: Operations,
        counted: &EndpointMetrics,
        readiness: &Readiness,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<SocketAddr, EndpointError> {
        let limits = Limits { drain_deadline: DRAIN, ..Limits::default() };
        let listener = Listener::bind(what, address, security, limits, counted.guard.clone())
            .await
            .map_err(|source| EndpointError::Bind { what, address, source })?;
        let bound = listener.address();
        let readiness = readiness.clone();
        self.tasks.spawn(async move {
            listener.serve(Arc::new(operations), readiness, stop).await;
        });
        Ok(bound)
    }
}

/// Lets everybody read: on loopback, behind another gate.
struct Anybody;

#[async_trait]
impl Decide for Anybody {
    async fn decide(&self, _: &Inquiry<'_>) -> Decision {
        Decision::Allow(Grant { reason: AllowReason::IgnoredPath, identity: None, consumed: Consumed::None })
    }
}

fn gate(reviewer: Client, counted: &EndpointMetrics) -> Gate {
    let clock = Clock::system();
    let metrics = counted.decisions.clone();
    let reviews =
        Arc::new(Reviews::new(reviewer, ReviewLimits::default(), clock.clone(), counted.reviews.clone()));
    let tokens = TokenRules {
        audiences: Vec::new(),
        accept_unchecked_audience: false,
        good_for: REMEMBERED,
        bad_for: REFUSED,
        stale_for: Duration::ZERO,
        entries: ENTRIES,
        bad_per_source: Some(BAD_TOKENS),
    };
    let access = AccessRules {
        allowed_for: REMEMBERED,
        denied_for: REFUSED,
        stale_for: Duration::ZERO,
        entries: ENTRIES,
    };
    let tokens = TokenAuthenticator::new(Arc::clone(&reviews), tokens, clock.clone(), metrics.clone());
    let authenticators = Authenticators { certificates: None, tokens: Tokens::Review(tokens) };
    let rules = GateRules {
        allow: None,
        ignore: PathGlobs::default(),
        attributes: AttributeSource::Path,
        rules: StaticRules::default(),
        verbs: VerbMapping::Http,
        krp: false,
        path_prefix: String::new(),
        brief: false,
    };
    let access = AccessReviewer::new(reviews, access, clock, metrics);
    Gate::new(rules, Arc::new(authenticators), Arc::new(access))
}

type Certificate = (Reloading<ServerTls>, Reloader<CountedReads<Shown>, ServerProfile>);

fn certificate(folder: Option<&Path>, counted: &EndpointMetrics) -> Result<Certificate, EndpointError> {
    let options = Options::new("metrics", counted.certificates.clone());
    let pair = folder.map(|folder| (folder.join("tls.crt"), folder.join("tls.key")));
    let shown = match pair.filter(|(certificate, key)| certificate.exists() && key.exists()) {
        Some(pair) => Shown::Files(WatchedPair::new(PairPaths { pair: Some(pair), trust: None })),
        None => {
            let names = Names::new(["localhost", "127.0.0.1"])?;
            Shown::SelfSigned(SelfSigned::generate(names, Arc::clone(&options.clock))?)
        }
    };
    Ok(reloading(counted.reads.of(shown), ServerProfile::default(), options)?)
}

/// The certificate that scrapers see.
enum Shown {
    Files(WatchedPair),
    SelfSigned(SelfSigned),
}

impl Source for Shown {
    fn read(&self) -> Result<Material, PkiError> {
        match self {
            Self::Files(files) => files.read(),
            Self::SelfSigned(made) => made.read(),
        }
    }

    async fn changed(&self) {
        match self {
            Self::Files(files) => files.changed().await,
            Self::SelfSigned(made) => made.changed().await,
        }
    }
}
