//! The gate of `crates/guard` before what only some may have of the console's listener: `/metrics`, and what manages.
//!
//! Who is calling is asked of the accounts. `/metrics` has no other gate; what manages has the router's own behind this one,
//! which asks for the session's CSRF token besides.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use parapet_access::{Accounts, Denied, Principal, PrincipalKind, Scope};
use parapet_guard::{
    AllowReason, AuthnMethod, Consumed, Decide, Decision, Engine, Grant, GuardLayer, HeaderRules, Identity,
    Inquiry, Metrics, Peer, Policy, Refusal, RefuseReason,
};
use tower::{Layer as _, Service as _};

/// Where everything that the process counts is.
const METRICS: &str = "/metrics";
/// What manages: `GET` and `POST` here, and each token below.
const TOKENS: &str = "/api/v1/tokens";
/// Requests behind the gate at once: a few scrapers and one who manages.
const AT_ONCE: usize = 64;

/// `router` behind the gate, for a listener that puts its peer's [`SocketAddr`] into each request.
pub(crate) fn guarded(router: Router, accounts: Accounts, metrics: Metrics) -> Router {
    let headers = HeaderRules { pass_authorization: true, pass_cookies: true, ..HeaderRules::default() };
    let policy = Policy { headers, requests: AT_ONCE, ..Policy::default() };
    let gate =
        GuardLayer::new(Arc::new(Engine::new(Scoped(accounts), policy, metrics))).answering(|refusal| {
            parapet_server::refusal(refusal.status, refusal.body.to_string(), refusal.retry_after)
        });
    router.layer(from_fn(move |request, next| pass(gate.clone(), request, next)))
}

async fn pass(gate: GuardLayer<Scoped>, mut request: Request, next: Next) -> Response {
    if needed(request.uri().path()).is_none() {
        return next.run(request).await;
    }
    let address = request.extensions().get::<SocketAddr>().copied();
    request.extensions_mut().insert(Peer { address, ..Peer::default() });
    match gate.layer(next).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What a caller of this path must be allowed; none where the router decides alone.
fn needed(path: &str) -> Option<Scope> {
    match path {
        METRICS => Some(Scope::Read),
        TOKENS => Some(Scope::Admin),
        _ => path.strip_prefix(TOKENS)?.starts_with('/').then_some(Scope::Admin),
    }
}

/// Lets through whose token or session has the scope that the path needs.
struct Scoped(Accounts);

#[async_trait]
impl Decide for Scoped {
    async fn decide(&self, inquiry: &Inquiry<'_>) -> Decision {
        let Some(needed) = needed(inquiry.path) else {
            return Decision::Refuse(Refusal::new(
                StatusCode::NOT_FOUND,
                RefuseReason::PathNotAllowed,
                "there is nothing here",
            ));
        };
        match self.admit(inquiry.headers, needed) {
            Ok((principal, consumed)) => Decision::Allow(Grant {
                identity: Some(Arc::new(identity(&principal))),
                reason: AllowReason::Account,
                consumed,
            }),
            Err(denied) => Decision::Refuse(refusal(denied)),
        }
    }
}

impl Scoped {
    fn admit(&self, headers: &HeaderMap, needed: Scope) -> Result<(Principal, Consumed), Denied> {
        // The engine has refused a second `Authorization`. Who sends a cookie too is the token's holder, as in the router.
        if let Some(header) = headers.get(AUTHORIZATION) {
            let header = header.to_str().map_err(|_| Denied::Malformed)?;
            let principal = self.0.authenticate_bearer(Some(header), needed)?;
            return Ok((principal, Consumed::Bearer));
        }
        let Some(cookie) = parapet_server::session_of(headers)? else {
            return self.0.authenticate_bearer(None, needed).map(|principal| (principal, Consumed::None));
        };
        let principal = self.0.session(cookie.expose())?.principal();
        match principal.scopes.allow(needed) {
            true => Ok((principal, Consumed::None)),
            false => Err(Denied::Scope { needed }),
        }
    }
}

fn identity(principal: &Principal) -> Identity {
    let uid = match &principal.kind {
        PrincipalKind::User { .. } => String::new(),
        PrincipalKind::Token { id, .. } => id.clone(),
    };
    Identity {
        user: principal.key(),
        uid,
        groups: principal.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
        extra: Default::default(),
        method: AuthnMethod::Account,
        expires: None,
    }
}

fn refusal(denied: Denied) -> Refusal {
    let reason = match denied {
        Denied::Missing => RefuseReason::NoCredentials,
        Denied::Malformed | Denied::Unknown => RefuseReason::BadCredentials,
        Denied::Expired => RefuseReason::Expired,
        Denied::Scope { .. } => RefuseReason::Denied,
    };
    let status = if denied.is_known_caller() { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
    Refusal::new(status, reason, denied.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_what() {
        for (path, expect) in [
            ("/metrics", Some(Scope::Read)),
            ("/metrics/", None),
            ("/metricsx", None),
            ("/api/v1/tokens", Some(Scope::Admin)),
            ("/api/v1/tokens/", Some(Scope::Admin)),
            ("/api/v1/tokens/0123", Some(Scope::Admin)),
            ("/api/v1/tokens/0123/x", Some(Scope::Admin)),
            ("/api/v1/tokensx", None),
            ("/api/v1/logs", None),
            ("/", None),
        ] {
            assert_eq!(needed(path), expect, "{path}");
        }
    }
}
