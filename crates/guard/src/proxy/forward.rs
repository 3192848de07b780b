//! One request: admitted or refused, rewritten, sent on, answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{Client, Handle, tunnel};
use crate::body::{Answer, Outgoing};
use crate::upstream::{Upstream, UpstreamError};
use crate::{CanonicalPath, Decide, Engine, Refusal, RefuseReason, answer, headers};

/// Of the body of a refused request: what fits into a socket's buffers, which is what a sender has sent before it looks.
const UNREAD: usize = 256 * 1024;
/// And as long as that takes over a slow line.
const UNREAD_TIME: Duration = Duration::from_millis(500);

/// Forwards what the engine admits to the upstream.
#[derive(Debug)]
pub struct Forward<D> {
    pub(super) engine: Arc<Engine<D>>,
    pub(super) upstream: Upstream,
    pub(super) tunnels: TunnelRules,
}

/// Where WebSockets are let through, and for how long.
#[derive(Debug, Clone)]
pub struct TunnelRules {
    /// Paths, exact or with a final `/*`. None: no upgrade at all.
    pub paths: Vec<String>,
    /// After this long a tunnel is closed.
    pub lifetime: Duration,
    /// How often the request that opened a tunnel is decided anew.
    pub recheck: Duration,
}

impl Default for TunnelRules {
    fn default() -> Self {
        Self { paths: Vec::new(), lifetime: Duration::from_secs(3600), recheck: Duration::from_secs(60) }
    }
}

impl TunnelRules {
    fn allow(&self, path: &CanonicalPath) -> bool {
        path.is_plain()
            && self.paths.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) if start.ends_with('/') => path.starts_with(start),
                _ => **pattern == **path,
            })
    }
}

/// What a request's `Upgrade` comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upgrading {
    /// There is none, or none that is ever passed on; it is left out.
    No,
    /// A WebSocket.
    WebSocket,
}

impl<D: Decide + 'static> Forward<D> {
    /// Forwards to `upstream`.
    pub fn new(engine: Arc<Engine<D>>, upstream: Upstream, tunnels: TunnelRules) -> Self {
        Self { engine, upstream, tunnels }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        client: &Arc<Client>,
    ) -> Result<Response<Answer>, Refusal>
    where
        D: 'static,
    {
        let (mut parts, body) = request.into_parts();
        let upgrading = upgrading(&parts);
        let may_upgrade = |path: &CanonicalPath| match upgrading {
            Upgrading::No => Ok(()),
            Upgrading::WebSocket => self.may_upgrade(&parts, path),
        };
        let admitted = match self.engine.admit(&parts, &client.peer, may_upgrade).await {
            Ok(admitted) => admitted,
            Err(refusal) => {
                // On the heap, as all that is rare: a request carries its state about wherever it goes.
                Box::pin(take_unread(&parts, body)).await;
                return Err(refusal);
            }
        };
        let asked = (upgrading == Upgrading::WebSocket).then(|| Arc::new(copy(&parts)));
        let peer = (&client.peer, client.address.as_ref());
        self.engine.rewrite(&mut parts, &admitted, peer, client.secure);
        let place = admitted.place;
        let target = admitted.canonical.target.clone();
        if let Some(asked) = asked {
            let asked = tunnel::Asked { parts: asked, canonical: admitted.canonical };
            return Box::pin(self.open_tunnel(parts, target, asked, client, place)).await;
        }
        parts.extensions.clear();
        let outgoing = Request::from_parts(parts, Outgoing::new(body));
        let answered = self.upstream.send(outgoing, target, client.worker).await;
        let answered = answered.map_err(|error| self.failed(&error))?;
        let mut answered = answered.map(|body| Answer::upstream(body, place));
        headers::scrub_response(answered.headers_mut());
        *answered.version_mut() = Version::HTTP_11;
        Ok(answered)
    }

    fn may_upgrade(&self, parts: &Parts, path: &CanonicalPath) -> Result<(), Refusal> {
        if !self.tunnels.allow(path) {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                RefuseReason::Upgrade,
                "Forbidden: no upgrades here",
            ));
        }
        if headers::has_body(&parts.headers) || parts.method != Method::GET {
            let body = "Bad Request: an upgrade has no body";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, RefuseReason::Upgrade, body));
        }
        Ok(())
    }

    /// Logs and counts what went wrong with the upstream; what the caller is told says nothing of it.
    pub(super) fn failed(&self, error: &UpstreamError) -> Refusal {
        let refusal = error.refusal();
        self.engine.metrics().failed(refusal.reason);
        tracing::warn!(
            reason = refusal.reason.as_str(),
            error = error as &dyn std::error::Error,
            "the upstream gave no answer"
        );
        refusal
    }
}

impl<D: Decide + 'static> Handle for Forward<D> {
    async fn handle(self: Arc<Self>, request: Request<Incoming>, client: Arc<Client>) -> Response<Answer> {
        match self.answer(request, &client).await {
            Ok(response) => response,
            Err(refusal) => answer::refused(&refusal, Answer::text),
        }
    }

    fn unreadable(&self, client: &Client, fault: &'static str) {
        self.engine.metrics().refused(RefuseReason::Malformed);
        self.engine.policy().audit.unreadable(client.peer.address, fault);
    }

    fn stalled(&self) {
        self.engine.metrics().stream_stalled();
    }

    fn sweep(&self) {
        self.upstream.sweep();
    }
}

/// Takes a short body that nobody wants: otherwise the connection ends with it unread, and a sender that is still writing
/// sees a reset instead of the refusal. HTTP/2 has no such trouble, and who waits to be asked isn't asked.
async fn take_unread(parts: &Parts, mut body: Incoming) {
    if body.is_end_stream() || parts.version == Version::HTTP_2 || parts.headers.contains_key(EXPECT) {
        return;
    }
    let taking = async {
        let mut left = UNREAD;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            if length > left {
                return;
            }
            left -= length;
        }
    };
    // Whether it took all makes no difference to the answer.
    let _ = tokio::time::timeout(UNREAD_TIME, taking).await;
}

fn upgrading(parts: &Parts) -> Upgrading {
    let only_websocket = |headers: &HeaderMap| {
        headers::only(headers, UPGRADE)
            .is_ok_and(|value| value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket")))
    };
    let asked = parts.headers.get_all(CONNECTION).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade")))
    });
    if parts.version == Version::HTTP_11 && asked && only_websocket(&parts.headers) {
        Upgrading::WebSocket
    } else {
        Upgrading::No
    }
}

/// The request as it came, to be decided on again.
fn copy(parts: &Parts) -> Parts {
    let mut copy = Request::new(()).into_parts().0;
    copy.method = parts.method.clone();
    copy.uri = parts.uri.clone();
    copy.version = parts.version;
    copy.headers = parts.headers.clone();
    copy
}
