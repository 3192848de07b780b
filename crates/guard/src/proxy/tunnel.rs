//! WebSockets: the one upgrade there is, on the paths that allow it, for as long as its caller may have it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::client::conn::http1;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use super::{Client, Forward};
use crate::body::{Answer, Outgoing};
use crate::engine::{Canonical, Place};
use crate::metrics::TunnelEnded;
use crate::upstream::{AnswerBody, UpstreamError};
use crate::{Decide, Refusal, headers};

/// The request that asked for a tunnel, with its credentials.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) parts: Arc<Parts>,
    pub(super) canonical: Canonical,
}

impl<D: Decide + 'static> Forward<D> {
    /// Sends the upgrade on. Whatever the upstream answers but 101 with the same protocol is an answer like any other.
    pub(super) async fn open_tunnel(
        &self,
        mut parts: Parts,
        target: PathAndQuery,
        asked: Asked,
        client: &Arc<Client>,
        place: Place,
    ) -> Result<Response<Answer>, Refusal> {
        let ours = parts.extensions.remove::<OnUpgrade>();
        parts.extensions.clear();
        parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let mut answered = self.ask_upgrade(parts, target).await.map_err(|error| self.failed(&error))?;
        if answered.status() != StatusCode::SWITCHING_PROTOCOLS {
            let mut answered = answered.map(|body| Answer::upstream(AnswerBody::Shared(body), place));
            headers::scrub_response(answered.headers_mut());
            return Ok(answered);
        }
        let agreed = headers::only(answered.headers(), UPGRADE).is_ok_and(|value| {
            value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        });
        let Some(ours) = ours.filter(|_| agreed) else { return Err(self.failed(&UpstreamError::Upgrade)) };
        let theirs = hyper::upgrade::on(&mut answered);
        // From here on the client's bytes are not HTTP.
        client.tunnel.store(true, Ordering::Release);
        client.tunnels().spawn(Self::carry(
            Arc::clone(&self.engine),
            self.tunnels.clone(),
            ours,
            theirs,
            asked,
            Arc::clone(client),
            place,
        ));
        headers::scrub_response(answered.headers_mut());
        answered.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        answered.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        Ok(answered.map(|_| Answer::text("")))
    }

    async fn ask_upgrade(
        &self,
        mut parts: Parts,
        target: PathAndQuery,
    ) -> Result<Response<hyper::body::Incoming>, UpstreamError> {
        parts.uri = Uri::from(self.upstream.target(target)?);
        parts.version = Version::HTTP_11;
        let stream = self.upstream.dedicated().await?;
        let handshake = http1::Builder::new().handshake(TokioIo::new(stream)).await;
        let (mut sender, link) = handshake.map_err(UpstreamError::Exchange)?;
        tokio::spawn(async move {
            if let Err(error) = link.with_upgrades().await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a connection to the upstream ended"
                );
            }
        });
        sender
            .send_request(Request::from_parts(parts, Outgoing::empty()))
            .await
            .map_err(UpstreamError::Exchange)
    }

    async fn carry(
        engine: Arc<crate::Engine<D>>,
        rules: super::TunnelRules,
        ours: OnUpgrade,
        theirs: OnUpgrade,
        asked: Asked,
        client: Arc<Client>,
        _place: Place,
    ) {
        let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) else { return };
        let counted = engine.metrics().tunnel();
        let mut closing = client.closing.clone();
        let mut closed = pin!(async move { drop(closing.wait_for(|closing| *closing).await) });
        let mut expired = pin!(tokio::time::sleep(rules.lifetime));
        // Beside the copying: while an API server takes its time to answer, bytes go on.
        let mut revoked = pin!(async {
            loop {
                tokio::time::sleep(rules.recheck).await;
                if !engine.still_admits(&asked.parts, &asked.canonical, &client.peer).await {
                    return;
                }
            }
        });
        let mut copying = pin!(copy(ours, theirs));
        let reason = tokio::select! {
            () = copying.as_mut() => TunnelEnded::Closed,
            () = expired.as_mut() => TunnelEnded::Expired,
            () = closed.as_mut() => TunnelEnded::Draining,
            () = revoked.as_mut() => TunnelEnded::Revoked,
        };
        drop(counted);
        engine.metrics().tunnel_ended(reason);
        tracing::debug!(reason = reason.as_str(), path = asked.canonical.path.wire(), "a tunnel ended");
    }
}

async fn copy(ours: Upgraded, theirs: Upgraded) {
    let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
    // A tunnel that breaks has ended, no matter how.
    let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
}
