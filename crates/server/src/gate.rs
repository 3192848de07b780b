//! Who may call what: credentials, scopes, and whether a browser's request comes from the console's own pages.
//!
//! A bearer token is taken from `Authorization`, a session from the cookie `__Host-parapet`; who sends both is the token's holder.
//! Browsers attach cookies to requests that other sites make them send, so an unsafe request with a cookie must carry the
//! session's CSRF token in `x-csrf-token` and must not say that it comes from elsewhere (`Origin`, `Sec-Fetch-Site`).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, Uri};
use parapet_access::{Denied, Principal, Scope, Secret, Session};

use crate::app::{App, Shared};
use crate::guard::Place;
use crate::metrics::Refusal;
use crate::problem::{Kind, Problem};

/// The session cookie. With the prefix `__Host-` browsers take it only over TLS and give it to no other host.
pub(crate) const SESSION_COOKIE: &str = "__Host-parapet";
/// The header that carries the CSRF token.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// The longest any answer may take to begin; queries end long before, by limits of their own.
const DEADLINE: Duration = Duration::from_secs(90);

/// What a caller proved themselves with.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    Bearer(Arc<Secret>),
    Cookie(Arc<Secret>),
}

/// Who called; in the extensions of every request that passed the gate.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) credential: Credential,
    /// Kept by whatever goes on after the handler has returned, such as a stream.
    _place: Arc<Place>,
}

/// Lets through who may read.
pub(crate) async fn reading(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    pass(&app, Scope::Read, request, next).await
}

/// Lets through who may manage.
pub(crate) async fn managing(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    pass(&app, Scope::Admin, request, next).await
}

async fn pass(app: &Shared, scope: Scope, mut request: Request, next: Next) -> Result<Response, Problem> {
    let refuse = |refusal| move |problem| app.refuse(refusal, problem);
    let credential = Credential::from_headers(request.headers()).map_err(refuse(Refusal::Credentials))?;
    let (principal, session) = app
        .admit(credential.as_ref(), scope)
        .map_err(|denied| app.refuse(Refusal::Credentials, denied.into()))?;
    if let Some(session) = session
        && !request.method().is_safe()
    {
        check_same_origin(request.headers(), request.uri()).map_err(refuse(Refusal::Forged))?;
        check_csrf(request.headers(), &session).map_err(refuse(Refusal::Forged))?;
    }
    let Some(place) = app.guard.enter(principal.key()) else {
        let problem = Kind::TooManyRequests.because("too many requests at once with these credentials");
        return Err(app.refuse(Refusal::Concurrency, problem.retry_after(Duration::from_secs(1))));
    };
    if let Some(credential) = credential {
        request.extensions_mut().insert(Caller { principal, credential, _place: Arc::new(place) });
    }
    in_time(app, next.run(request)).await
}

/// The answer, or that there was none in time.
pub(crate) async fn in_time(app: &App, answer: impl Future<Output = Response>) -> Result<Response, Problem> {
    tokio::time::timeout(DEADLINE, answer).await.map_err(|_| {
        app.refuse(
            Refusal::Deadline,
            Kind::Unavailable.because("the answer took too long").retry_after(DEADLINE),
        )
    })
}

impl App {
    /// Who holds `credential`, provided they may do `scope`; and their session if it is one.
    pub(crate) fn admit(
        &self,
        credential: Option<&Credential>,
        scope: Scope,
    ) -> Result<(Principal, Option<Session>), Denied> {
        let accounts = &self.state.accounts;
        match credential {
            None => accounts.authenticate_bearer(None, scope).map(|principal| (principal, None)),
            Some(Credential::Bearer(header)) => {
                accounts.authenticate_bearer(Some(header.expose()), scope).map(|principal| (principal, None))
            }
            Some(Credential::Cookie(cookie)) => {
                let session = accounts.session(cookie.expose())?;
                let principal = session.principal();
                if !principal.scopes.allow(scope) {
                    return Err(Denied::Scope { needed: scope });
                }
                Ok((principal, Some(session)))
            }
        }
    }

    /// Counts a refusal on its way out.
    pub(crate) fn refuse(&self, refusal: Refusal, problem: Problem) -> Problem {
        self.state.metrics.refused(refusal);
        problem
    }
}

impl Credential {
    /// What the request presents; `None` if it presents nothing.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut authorizations = headers.get_all(AUTHORIZATION).iter();
        if let Some(header) = authorizations.next() {
            // Which of two would count is for an attacker to choose.
            if authorizations.next().is_some() {
                return Err(Denied::Malformed.into());
            }
            let text = header.to_str().map_err(|_| Problem::from(Denied::Malformed))?;
            return Ok(Some(Self::Bearer(Arc::new(Secret::from(text.to_owned())))));
        }
        Ok(session_of(headers)?.map(|cookie| Self::Cookie(Arc::new(cookie))))
    }
}

/// The value of the session cookie; two of them are malformed.
pub fn session_of(headers: &HeaderMap) -> Result<Option<Secret>, Denied> {
    let mut found = None;
    for header in headers.get_all(COOKIE) {
        // Cookies of other programs on the same host may be anything.
        let Ok(text) = header.to_str() else { continue };
        for pair in text.split(';') {
            let Some((SESSION_COOKIE, value)) = pair.trim().split_once('=') else { continue };
            if found.replace(Secret::from(value.to_owned())).is_some() {
                return Err(Denied::Malformed);
            }
        }
    }
    Ok(found)
}

/// Refuses what a browser says another site made it send. Other clients say nothing, and send no cookies by themselves.
pub(crate) fn check_same_origin(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let from_elsewhere = || Kind::ForgedRequest.because("the request comes from another site");
    if let Some(site) = text("sec-fetch-site".parse().unwrap_or(ORIGIN))
        && !["same-origin", "none"].contains(&site)
    {
        return Err(from_elsewhere());
    }
    if let Some(origin) = text(ORIGIN) {
        let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(HOST));
        if origin.strip_prefix("https://").is_none_or(|origin| Some(origin) != host) {
            return Err(from_elsewhere());
        }
    }
    Ok(())
}

/// Refuses what lacks the session's CSRF token.
pub(crate) fn check_csrf(headers: &HeaderMap, session: &Session) -> Result<(), Problem> {
    let sent = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    match sent {
        Some(sent) if session.is_csrf_token(sent) => Ok(()),
        Some(_) => Err(Kind::ForgedRequest.because("the header x-csrf-token is not this session's")),
        None => Err(Kind::ForgedRequest.because("the header x-csrf-token is missing")),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn whose_origin() {
        let check = |pairs: &[(&'static str, &'static str)], uri: &str, expect: bool| {
            let result = check_same_origin(&headers(pairs), &uri.parse().unwrap());
            assert_eq!(result.is_ok(), expect, "{pairs:?} {uri}");
        };
        check(&[("host", "localhost:8443")], "/x", true);
        check(&[("host", "localhost:8443"), ("origin", "https://localhost:8443")], "/x", true);
        check(&[("origin", "https://localhost:8443")], "https://localhost:8443/x", true);
        check(&[("host", "localhost:8443"), ("origin", "http://localhost:8443")], "/x", false);
        check(&[("host", "localhost:8443"), ("origin", "https://localhost:9443")], "/x", false);
        check(&[("host", "localhost:8443"), ("origin", "null")], "/x", false);
        check(&[("host", "localhost:8443"), ("origin", "https://evil.example")], "/x", false);
        check(&[("host", "a"), ("sec-fetch-site", "same-origin")], "/x", true);
        check(&[("host", "a"), ("sec-fetch-site", "none")], "/x", true);
        check(&[("host", "a"), ("sec-fetch-site", "same-site")], "/x", false);
        check(&[("host", "a"), ("sec-fetch-site", "cross-site")], "/x", false);
    }

    #[test]
    fn which_cookie() {
        let check = |cookie: &'static str, expect: Result<Option<&str>, ()>| {
            let got = session_of(&headers(&[("cookie", cookie)])).map_err(drop);
            let got = got.as_ref().map(|found| found.as_ref().map(Secret::expose));
            assert_eq!(got, expect.as_ref().copied(), "{cookie}");
        };
        check("__Host-parapet=abc", Ok(Some("abc")));
        check("a=b; __Host-parapet=abc; c=d", Ok(Some("abc")));
        check("parapet=abc; X__Host-parapet=abc; __host-parapet=abc", Ok(None));
        check("__Host-parapet=abc; __Host-parapet=def", Err(()));
        check("", Ok(None));
    }
}
