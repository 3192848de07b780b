//! Connections, faults and the journal; what is answered is `answer`'s.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::answer::{Answer, Asked, answer};
use crate::handle::Shared;
use crate::{Call, Fault};

type Body = BoxBody<Bytes, anyhow::Error>;

/// Serves connections until it is dropped.
pub(crate) async fn accept(listener: TcpListener, tls: bool, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // The listener's end is the test's end.
                let Ok((stream, _)) = accepted else { return };
                if shared.fault() != Some(Fault::Down) {
                    let shared = Arc::clone(&shared);
                    connections.spawn(async move {
                        // Whoever connects and goes away sees it himself.
                        let _ = connection(stream, tls, shared).await;
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, tls: bool, shared: Arc<Shared>) -> Result<()> {
    if !tls {
        return serve(TokioIo::new(stream), shared).await;
    }
    let config = shared.tls().ok_or_else(|| anyhow!("no certificate yet"))?;
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    serve(TokioIo::new(stream), shared).await
}

async fn serve<I>(io: I, shared: Arc<Shared>) -> Result<()>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(move |request| respond(request, Arc::clone(&shared)));
    hyper::server::conn::http1::Builder::new().serve_connection(io, service).await?;
    Ok(())
}

/// An error closes the connection.
async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    let user = parts.headers.get(AUTHORIZATION).and_then(|value| user_of(value.to_str().ok()?, &shared));
    let mut call = Call {
        at: std::time::Instant::now(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        user,
        body,
        status: 0,
        refused: false,
    };
    let fault = shared.fault_of(&call.path);
    match &fault {
        Some(Fault::Down) => {
            shared.record(call);
            return Err(anyhow!("down"));
        }
        Some(Fault::Hang) => {
            shared.record(call);
            return std::future::pending().await;
        }
        Some(Fault::Slow(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Status(status, body)) => {
            call.status = *status;
            shared.record(call);
            let mut response = Response::new(full(body.clone()));
            *response.status_mut() = StatusCode::from_u16(*status)?;
            return Ok(response);
        }
        Some(Fault::Garbage | Fault::CutShort | Fault::AnotherCertificate) | None => {}
    }
    let answer = if call.user.is_some() {
        let asked = Asked { method: &call.method, path: &call.path, query: &call.query, body: &call.body };
        answer(&mut shared.state(), &asked)
    } else {
        Answer::error(401, "security_exception", "missing authentication credentials for REST request")
    };
    call.status = answer.status;
    call.refused = answer.refused;
    shared.record(call);
    let text = answer.body.to_string();
    let body = match fault {
        Some(Fault::Garbage) => full("{\"status\": <html>".to_owned()),
        Some(Fault::CutShort) => half(text),
        _ => full(text),
    };
    let mut response = Response::builder()
        .status(answer.status)
        .header(CONTENT_TYPE, "application/json")
        .header("x-elastic-product", "Elasticsearch");
    if answer.status == 401 {
        response = response.header(WWW_AUTHENTICATE, "Basic realm=\"security\"");
    }
    Ok(response.body(body)?)
}

fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {}).boxed()
}

fn half(text: String) -> Body {
    let bytes = Bytes::from(text);
    let first = bytes.slice(..bytes.len() / 2);
    let frames = [Ok(Frame::data(first)), Err(anyhow!("cut short"))];
    StreamBody::new(futures::stream::iter(frames)).boxed()
}

/// The user of `Basic …`, if the password is right.
fn user_of(header: &str, shared: &Shared) -> Option<String> {
    let decoded = BASE64_STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    shared.knows(user, password).then(|| user.to_owned())
}
