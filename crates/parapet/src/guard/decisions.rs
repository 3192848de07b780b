//! What decides on requests, put together from the settings.

use std::sync::Arc;

use anyhow::Context as _;
use parapet_guard::Clock;
use parapet_guard::authn::{
    Authenticators, CertificateAuthenticator, Fetcher, OidcAuthenticator, TokenAuthenticator, Tokens,
};
use parapet_guard::authz::{
    AccessReviewer, AttributeSource, DecisionMetrics, Gate, GateRules, PathGlobs, StaticRules,
};
use parapet_guard::review::{ReviewMetrics, Reviews};
use parapet_guard::settings::{OidcSettings, Settings};
use parapet_pki::{PairPaths, Reloading, ServerTls};
use prometheus_client::registry::Registry;

/// The gates, and the issuer whose keys must be kept fresh, if there is one.
pub(super) struct Decisions {
    /// In front of the upstream.
    pub(super) gate: Gate,
    /// In front of the guard's own metrics: the path is what is asked about.
    pub(super) own: Gate,
    pub(super) issuer: Option<Arc<OidcAuthenticator>>,
}

pub(super) fn decisions(
    settings: &Settings,
    api_server: kube::Client,
    callers: Option<Reloading<ServerTls>>,
    registry: &mut Registry,
) -> anyhow::Result<Decisions> {
    let clock = Clock::system();
    let metrics = DecisionMetrics::register(registry);
    let reviews = ReviewMetrics::register(registry);
    let reviews = Arc::new(Reviews::new(api_server, settings.reviews.clone(), clock.clone(), reviews));
    let issuer = match &settings.oidc {
        Some(oidc) => Some(Arc::new(issuer(oidc, clock.clone(), metrics.clone())?)),
        None => None,
    };
    let tokens = match &issuer {
        Some(issuer) => Tokens::Oidc(Arc::clone(issuer)),
        None => Tokens::Review(TokenAuthenticator::new(
            Arc::clone(&reviews),
            settings.tokens.clone(),
            clock.clone(),
            metrics.clone(),
        )),
    };
    let certificates = match (&settings.client_authorities, callers) {
        (Some((_, rules)), Some(tls)) => {
            Some(CertificateAuthenticator::new(tls, *rules, clock.clone(), metrics.clone()))
        }
        _ => None,
    };
    let access = Arc::new(AccessReviewer::new(reviews, settings.access, clock, metrics));
    let authenticators = Arc::new(Authenticators { certificates, tokens });
    let own = GateRules {
        allow: None,
        ignore: PathGlobs::default(),
        attributes: AttributeSource::Path,
        rules: StaticRules::default(),
        path_prefix: String::new(),
        ..settings.gate.clone()
    };
    Ok(Decisions {
        own: Gate::new(own, Arc::clone(&authenticators), Arc::clone(&access)),
        gate: Gate::new(settings.gate.clone(), authenticators, access),
        issuer,
    })
}

fn issuer(oidc: &OidcSettings, clock: Clock, metrics: DecisionMetrics) -> anyhow::Result<OidcAuthenticator> {
    let (_, authorities) = PairPaths { pair: None, trust: oidc.authorities.clone() }
        .load()
        .context("--oidc-ca-file: can't use the file")?;
    let fetcher = Fetcher::new(authorities.as_ref()).context("--oidc-issuer")?;
    Ok(OidcAuthenticator::new(oidc.rules.clone(), fetcher, clock, metrics))
}
