//! What both faces share: from a request's head to permission or refusal.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri, Version};

use crate::audit_line::{AuditLines, Subject};
use crate::headers::{self, HeaderFault, HeaderRules, Hop};
use crate::metrics::Counted;
use crate::{
    CanonicalPath, CanonicalQuery, Decide, Decision, Grant, Inquiry, Metrics, PathFault, PathRules, Peer,
    QueryFault, Refusal, RefuseReason,
};

/// How requests are read and rewritten, for as long as the engine lives.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Which spellings of a path are accepted.
    pub paths: PathRules,
    /// What the upstream is told, and not told.
    pub headers: HeaderRules,
    /// Which decisions have an audit line.
    pub audit: AuditLines,
    /// Requests at once. 0: no bound.
    pub requests: usize,
}

/// Reads, asks, counts, rewrites.
#[derive(Debug)]
pub struct Engine<D> {
    decide: D,
    policy: Policy,
    metrics: Metrics,
    in_flight: Arc<AtomicUsize>,
}

/// A request in canonical form.
#[derive(Debug)]
pub(crate) struct Canonical {
    pub(crate) path: CanonicalPath,
    pub(crate) query: CanonicalQuery,
    pub(crate) host: HeaderValue,
    /// What is written into the upstream's request line.
    pub(crate) target: PathAndQuery,
}

/// A request that may pass.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) canonical: Canonical,
    pub(crate) grant: Grant,
    pub(crate) place: Place,
}

/// One request in flight, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    in_flight: Arc<AtomicUsize>,
    _counted: Counted,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<D: Decide> Engine<D> {
    /// An engine that asks `decide`.
    pub fn new(decide: D, policy: Policy, metrics: Metrics) -> Self {
        Self { decide, policy, metrics, in_flight: Arc::default() }
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// May this request pass? Counts and writes the audit line either way. `also` may object to what was decided.
    pub(crate) async fn admit(
        &self,
        parts: &Parts,
        peer: &Peer,
        also: impl FnOnce(&CanonicalPath) -> Result<(), Refusal>,
    ) -> Result<Admitted, Refusal> {
        let begun = (self.policy.audit != AuditLines::Off).then(Instant::now);
        let took = || begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        let judged = match self.enter() {
            Ok(place) => self.judge(parts, peer).await.map(|(canonical, grant)| (canonical, grant, place)),
            Err(refusal) => Err(refusal),
        };
        let judged = judged.and_then(|judged| also(&judged.0.path).map(|()| judged));
        let subject = Subject { method: &parts.method, path: parts.uri.path(), peer: peer.address };
        match judged {
            Ok((canonical, grant, place)) => {
                self.metrics.allowed(grant.reason);
                if self.policy.audit == AuditLines::All {
                    self.policy.audit.write(&subject, &Decision::Allow(grant.clone()), took());
                }
                Ok(Admitted { canonical, grant, place })
            }
            Err(refusal) => {
                self.metrics.refused(refusal.reason);
                if self.policy.audit != AuditLines::Off {
                    self.policy.audit.write(&subject, &Decision::Refuse(refusal.clone()), took());
                }
                Err(refusal)
            }
        }
    }

    /// Whether the same request would pass again: for what outlives its request.
    pub(crate) async fn still_admits(&self, parts: &Parts, canonical: &Canonical, peer: &Peer) -> bool {
        matches!(self.ask(parts, canonical, peer).await, Decision::Allow(_))
    }

    /// Takes out of the headers what the upstream may not see, and writes in what the gate knows. `address` is the peer's,
    /// [`headers::written`].
    pub(crate) fn rewrite(
        &self,
        parts: &mut Parts,
        admitted: &Admitted,
        (peer, address): (&Peer, Option<&HeaderValue>),
        secure: bool,
    ) {
        let rules = &self.policy.headers;
        let forwarded_for = headers::scrub(&mut parts.headers, rules, peer);
        let hop = Hop { address, host: &admitted.canonical.host, secure };
        headers::inject(&mut parts.headers, rules, hop, &admitted.grant, forwarded_for);
        parts.headers.insert(HOST, admitted.canonical.host.clone());
    }

    async fn judge(&self, parts: &Parts, peer: &Peer) -> Result<(Canonical, Grant), Refusal> {
        let canonical = canonical(parts, self.policy.paths)?;
        match self.ask(parts, &canonical, peer).await {
            Decision::Allow(grant) if headers::can_tell(&self.policy.headers, &grant) => {
                Ok((canonical, grant))
            }
            Decision::Allow(_) => {
                Err(Refusal::new(StatusCode::UNAUTHORIZED, RefuseReason::BadCredentials, "Unauthorized"))
            }
            Decision::Refuse(refusal) => Err(refusal),
        }
    }

    async fn ask(&self, parts: &Parts, canonical: &Canonical, peer: &Peer) -> Decision {
        let Parts { method, headers, .. } = parts;
        let Canonical { path, query, .. } = canonical;
        self.decide.decide(&Inquiry { method, path, query, headers, peer }).await
    }

    fn enter(&self) -> Result<Place, Refusal> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Place { in_flight: Arc::clone(&self.in_flight), _counted: self.metrics.in_flight() };
        if self.policy.requests > 0 && before >= self.policy.requests {
            return Err(Refusal::undecided(RefuseReason::Overload, Duration::from_secs(1)));
        }
        Ok(place)
    }
}

/// Reads a request's head, or says why it has more than one meaning.
fn canonical(parts: &Parts, rules: PathRules) -> Result<Canonical, Refusal> {
    check_method(&parts.method)?;
    let host = host(parts)?;
    if headers::only(&parts.headers, AUTHORIZATION).is_err() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            RefuseReason::AmbiguousCredentials,
            "Bad Request: more than one Authorization header",
        ));
    }
    headers::check(&parts.headers).map_err(|fault| match fault {
        HeaderFault::Nominated => malformed("Connection names a header that isn't the connection's"),
        HeaderFault::Connection => malformed("Connection isn't a list of names"),
        HeaderFault::Expectation => {
            Refusal::new(StatusCode::EXPECTATION_FAILED, RefuseReason::Malformed, "Expectation Failed")
        }
    })?;
    let whole = parts.uri.path_and_query().ok_or_else(|| malformed("the target has no path"))?;
    let path = CanonicalPath::parse(whole.path(), rules).map_err(bad_path)?;
    let query = CanonicalQuery::parse(whole.query()).map_err(bad_query)?;
    let target = if whole.query().is_none() { whole.clone() } else { rewritten(&path, &query)? };
    Ok(Canonical { path, query, host, target })
}

fn rewritten(path: &CanonicalPath, query: &CanonicalQuery) -> Result<PathAndQuery, Refusal> {
    let mut text = path.wire().to_owned();
    query.write(&mut text);
    PathAndQuery::try_from(text).map_err(|_| malformed("the target is too long"))
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    let known = *method != Method::CONNECT && *method != Method::TRACE;
    if known && method.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        Ok(())
    } else {
        Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, RefuseReason::Method, "Method Not Allowed"))
    }
}

/// The one host that the target and `Host` agree on.
fn host(parts: &Parts) -> Result<HeaderValue, Refusal> {
    let header = headers::host_of(&parts.headers).map_err(|()| malformed("Host isn't one plain name"))?;
    let authority = authority(&parts.uri)?;
    match (header, authority) {
        (None, None) => Err(malformed("Host is missing")),
        (Some(header), None) => Ok(header.clone()),
        (Some(header), Some(authority)) if header.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
            Ok(header.clone())
        }
        (Some(_), Some(_)) => Err(malformed("Host and the target's authority differ")),
        // HTTP/2 has no Host; in HTTP/1 an absolute target doesn't replace it.
        (None, Some(authority)) if parts.version == Version::HTTP_2 => HeaderValue::from_str(authority)
            .ok()
            .filter(headers::is_host)
            .ok_or_else(|| malformed("the authority isn't one plain name")),
        (None, Some(_)) => Err(malformed("Host is missing")),
    }
}

fn authority(uri: &Uri) -> Result<Option<&str>, Refusal> {
    let Some(authority) = uri.authority() else { return Ok(None) };
    match uri.scheme_str() {
        Some("http" | "https") => Ok(Some(authority.as_str())),
        _ => Err(malformed("the target is neither a path nor an http URL")),
    }
}

fn malformed(what: &'static str) -> Refusal {
    let body: Cow<'static, str> = format!("Bad Request: {what}").into();
    Refusal::new(StatusCode::BAD_REQUEST, RefuseReason::Malformed, body)
}

fn bad_path(fault: PathFault) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, RefuseReason::Path, format!("Bad Request: {fault}"))
}

fn bad_query(fault: QueryFault) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, RefuseReason::Query, format!("Bad Request: {fault}"))
}
