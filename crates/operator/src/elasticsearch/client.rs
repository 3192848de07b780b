//! One cluster's HTTP client. Clones share its connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::body::{self, BodyError};
use super::dial::Connector;
use super::metrics::{CallOutcome, ElasticsearchMetrics};
use super::{ClientError, Dial, Endpoint, Password, Patience, trust};
use crate::mesh::Answer;

/// How long a connection that nobody uses is kept: three intervals of observation.
const IDLE: Duration = Duration::from_secs(30);
/// How much of an error's body is shown, in characters.
const REASON_CHARACTERS: usize = 300;

/// Who calls, and how long it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The operator's own user, `elastic-internal`.
    pub user: String,
    /// Its password.
    pub password: Password,
    /// How long a call may take, connecting included (`elasticsearch-client-timeout`).
    pub deadline: Duration,
}

/// Connections to one cluster. Clones share them.
#[derive(Clone)]
pub struct Transport {
    hyper: legacy::Client<HttpsConnector<Connector>, Full<Bytes>>,
}

impl Transport {
    /// Connections that trust only these certificates (PEM), whatever name they are for. Endpoints with the scheme `http`
    /// need none.
    pub fn new(trusted: Option<&str>, dial: Arc<dyn Dial>) -> Result<Self, ClientError> {
        let tls = trust::client_config(trusted)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector(dial));
        let hyper = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Self { hyper })
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

/// Calls one endpoint of a cluster. What the calls are is in `calls.rs`.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    endpoint: Endpoint,
    authorization: HeaderValue,
    deadline: Duration,
    patience: Option<Arc<Patience>>,
    metrics: ElasticsearchMetrics,
}

impl Client {
    /// A client of this endpoint.
    pub fn new(
        transport: Transport,
        endpoint: Endpoint,
        access: &Access,
        metrics: ElasticsearchMetrics,
    ) -> Self {
        let credentials = BASE64_STANDARD.encode(format!("{}:{}", access.user, access.password.reveal()));
        let mut authorization = HeaderValue::from_str(&format!("Basic {credentials}"))
            .expect("base64 has only characters that headers may have");
        authorization.set_sensitive(true);
        Self { transport, endpoint, authorization, deadline: access.deadline, patience: None, metrics }
    }

    /// Where it calls.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The same with a shorter deadline.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { deadline: deadline.min(self.deadline), ..self.clone() }
    }

    /// The same for a pass, whose calls all together may take no longer than it has patience.
    #[must_use]
    pub fn with_patience(&self, patience: &Arc<Patience>) -> Self {
        Self { patience: Some(Arc::clone(patience)), ..self.clone() }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None).await
    }

    /// A call that is answered with success and something that is `T`.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let call = Call::new(&method, path);
        let (status, bytes) = self.exchange(&call, method, path, body, body::ANSWER_BYTES).await?;
        self.counted(call.success(status, &bytes).and_then(|()| call.parse(&bytes)))
    }

    /// The status and the body, whatever they are, if there are any.
    pub(super) async fn answer(
        &self,
        method: Method,
        path: &str,
        most: usize,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let call = Call::new(&method, path);
        self.exchange(&call, method, path, None, most).await
    }

    pub(super) fn counted<T>(&self, result: Result<T, ClientError>) -> Result<T, ClientError> {
        let outcome = result.as_ref().map_or_else(ClientError::outcome, |_| CallOutcome::Answered);
        self.metrics.called(outcome);
        result
    }

    async fn exchange(
        &self,
        call: &Call,
        method: Method,
        path: &str,
        body: Option<&Value>,
        most: usize,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let left = self.patience.as_deref().map(Patience::left);
        let deadline = left.map_or(self.deadline, |left| left.min(self.deadline));
        if deadline.is_zero() {
            return self.counted(Err(ClientError::Spent { call: call.0.clone() }));
        }
        let begun = Instant::now();
        let exchanged = match self.request(call, method, path, body) {
            Ok(request) => tokio::time::timeout(deadline, self.send(call, request, most)).await,
            Err(error) => Ok(Err(error)),
        };
        let exchanged = exchanged.map_err(|_| ClientError::Deadline {
            call: call.0.clone(),
            endpoint: self.endpoint.to_string(),
            after: deadline,
        });
        if let Some(patience) = &self.patience {
            patience.spend(begun.elapsed(), exchanged.as_ref().err().map(ToString::to_string));
        }
        match exchanged.and_then(|result| result) {
            Ok(answer) => Ok(answer),
            Err(error) => self.counted(Err(error)),
        }
    }

    fn request(
        &self,
        call: &Call,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json")
            .header("x-elastic-product-origin", "cloud");
        let bytes = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        request.body(Full::new(bytes)).map_err(|source| ClientError::Request { call: call.0.clone(), source })
    }

    async fn send(
        &self,
        call: &Call,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let unreachable = |reason| ClientError::Unreachable {
            call: call.0.clone(),
            endpoint: self.endpoint.to_string(),
            reason,
        };
        let response: Response<_> =
            self.transport.hyper.request(request).await.map_err(|error| unreachable(causes(&error)))?;
        let status = response.status();
        let says = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let by = Answer::of(status.as_u16(), says("x-elastic-product"), says("server"), "");
        match body::collect(response.into_body(), most).await {
            Ok(bytes) if !status.is_success() && by != Answer::Elasticsearch => {
                Err(ClientError::Proxy { call: call.0.clone(), status, reason: reason(&bytes) })
            }
            Ok(bytes) => Ok((status, bytes)),
            Err(BodyError::TooLong) => Err(ClientError::TooLong { call: call.0.clone(), most }),
            Err(BodyError::Broken(error)) => Err(unreachable(causes(&*error))),
        }
    }
}

/// Method and path, for errors.
pub(super) struct Call(String);

impl Call {
    pub(super) fn new(method: &Method, path: &str) -> Self {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        Self(format!("{method} {path}"))
    }

    pub(super) fn success(&self, status: StatusCode, body: &[u8]) -> Result<(), ClientError> {
        if status.is_success() {
            return Ok(());
        }
        Err(ClientError::Status { call: self.0.clone(), status, reason: reason(body) })
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|source| ClientError::Malformed { call: self.0.clone(), source })
    }
}

/// What an error's body says: Elasticsearch's reason, or the beginning of whatever else it is.
fn reason(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(json) => match json.pointer("/error/reason").or_else(|| json.get("error_message")) {
            Some(Value::String(reason)) => reason.clone(),
            _ => json.to_string(),
        },
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let printable = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(REASON_CHARACTERS).collect()
}

/// An error with all of its causes, without those that only repeat the one before.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
