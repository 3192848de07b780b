//! Whose certificates and tokens are believed, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::SettingsError;
use super::arguments::GuardArguments;
use crate::authn::{CertificateRules, ClaimRules, OidcRules, SigningAlgorithm, TokenRules, UnknownAlgorithm};
use crate::authz::AccessRules;
use crate::review::ReviewLimits;

/// How long answers hold unless told otherwise: Kubernetes' own default.
const CACHED: Duration = Duration::from_secs(10);
/// The reference's times: of tokens, of a yes, of a no.
const KRP_CACHED: [Duration; 3] =
    [Duration::from_secs(120), Duration::from_secs(300), Duration::from_secs(30)];
/// An API server that is away for longer is no upgrade of its node.
const STALE_LIMIT: Duration = Duration::from_secs(600);
/// The longest time that anything is remembered: the reference's longest.
const CACHED_LIMIT: Duration = KRP_CACHED[1];
/// Answers kept, of each kind; the reference's bound of the one that it bounds.
const ENTRIES: u64 = 8_192;
/// Bad tokens per second and at once that one address may cause reviews by: far more than a client that has a wrong
/// token by mistake, far less than what disturbs an API server.
const BAD_TOKENS: (f64, u32) = (10.0, 50);
/// client-go's burst if none is given.
const BURST: u32 = 10;
/// Longer ones keep callers waiting for nothing.
const REVIEW_LIMIT: Duration = Duration::from_secs(60);

/// Whose tokens are believed.
#[derive(Clone, Debug, PartialEq)]
pub struct OidcSettings {
    /// What tokens must be.
    pub rules: OidcRules,
    /// Authorities to know the issuer by. None: the machine's.
    pub authorities: Option<PathBuf>,
}

pub(super) fn client_authorities(
    arguments: &GuardArguments,
    oidc: bool,
    warnings: &mut Vec<String>,
) -> Option<(PathBuf, CertificateRules)> {
    let path = arguments.client_ca_file.clone()?;
    if oidc && arguments.krp_compat {
        warnings
            .push("--client-ca-file has no effect beside --oidc-issuer, as in kube-rbac-proxy".to_owned());
        return None;
    }
    let rules = CertificateRules {
        system_names: arguments.allow_system_names || arguments.krp_compat,
        any_usage: arguments.krp_compat,
    };
    Some((path, rules))
}

pub(super) fn oidc(
    arguments: &GuardArguments,
    warnings: &mut Vec<String>,
) -> Result<Option<OidcSettings>, SettingsError> {
    let issuer = arguments.oidc_issuer.clone();
    if issuer.is_empty() {
        if !arguments.oidc_client_id.is_empty() || arguments.oidc_ca_file.is_some() {
            return Err(SettingsError::flag("oidc-issuer", "is needed for the other --oidc flags"));
        }
        return Ok(None);
    }
    if !issuer.starts_with("https://") || issuer.parse::<http::Uri>().is_err() || issuer.contains(['?', '#'])
    {
        let message = format!("expected an https address without a query, got {issuer:?}");
        return Err(SettingsError::flag("oidc-issuer", message));
    }
    if arguments.oidc_client_id.is_empty() {
        let message = "is needed: without it any token of the issuer would do";
        return Err(SettingsError::flag("oidc-clientID", message));
    }
    if arguments.oidc_username_claim.is_empty() {
        return Err(SettingsError::flag("oidc-username-claim", "is empty"));
    }
    if !arguments.auth_token_audiences.is_empty() {
        warnings.push("--auth-token-audiences has no effect beside --oidc-issuer".to_owned());
    }
    let algorithms = arguments.oidc_sign_alg.iter().map(|name| algorithm(name.trim()));
    let claims = ClaimRules {
        issuer,
        audience: arguments.oidc_client_id.clone(),
        username: arguments.oidc_username_claim.clone(),
        username_prefix: arguments.oidc_username_prefix.clone(),
        groups: arguments.oidc_groups_claim.clone(),
        groups_prefix: arguments.oidc_groups_prefix.clone(),
        system_names: arguments.allow_system_names || arguments.krp_compat,
    };
    let algorithms = algorithms.collect::<Result<_, _>>()?;
    let rules = OidcRules { claims, algorithms, good_for: CACHED };
    Ok(Some(OidcSettings { rules, authorities: arguments.oidc_ca_file.clone() }))
}

fn algorithm(name: &str) -> Result<SigningAlgorithm, SettingsError> {
    name.parse().map_err(|error: UnknownAlgorithm| {
        SettingsError::flag("oidc-sign-alg", format!("{error}, got {name:?}"))
    })
}

pub(super) fn caches(arguments: &GuardArguments) -> Result<(TokenRules, AccessRules), SettingsError> {
    let [tokens, allowed, denied] = if arguments.krp_compat { KRP_CACHED } else { [CACHED; 3] };
    for (flag, given) in
        [("cache-allowed", arguments.cache_allowed), ("cache-denied", arguments.cache_denied)]
    {
        if let Some(given) = given.filter(|&given| given > CACHED_LIMIT) {
            return Err(SettingsError::flag(flag, format!("expected 5m or less, got {given:?}")));
        }
    }
    let stale_for = arguments.stale_allow;
    if stale_for > STALE_LIMIT {
        return Err(SettingsError::flag("stale-allow", format!("expected 10m or less, got {stale_for:?}")));
    }
    let token_rules = TokenRules {
        audiences: arguments.auth_token_audiences.iter().filter(|name| !name.is_empty()).cloned().collect(),
        accept_unchecked_audience: arguments.krp_compat,
        good_for: arguments.cache_allowed.unwrap_or(tokens),
        bad_for: arguments.cache_denied.unwrap_or(tokens),
        stale_for,
        entries: ENTRIES,
        bad_per_source: Some(BAD_TOKENS),
    };
    let access_rules = AccessRules {
        allowed_for: arguments.cache_allowed.unwrap_or(allowed),
        denied_for: arguments.cache_denied.unwrap_or(denied),
        stale_for,
        entries: ENTRIES,
    };
    Ok((token_rules, access_rules))
}

pub(super) fn reviews(rate: f64, burst: u32, deadline: Duration) -> Result<ReviewLimits, SettingsError> {
    if !rate.is_finite() || rate < 0.0 {
        return Err(SettingsError::flag("kube-api-qps", format!("expected a number from 0, got {rate}")));
    }
    if deadline.is_zero() || deadline > REVIEW_LIMIT {
        let message = format!("expected more than 0s and at most 60s, got {deadline:?}");
        return Err(SettingsError::flag("review-timeout", message));
    }
    let burst = if burst == 0 { BURST } else { burst };
    let default = ReviewLimits::default();
    Ok(ReviewLimits {
        deadline,
        attempt: default.attempt.min(deadline),
        rate: (rate > 0.0).then_some((rate, burst)),
        ..default
    })
}
