//! One request, one answer: HTTPS to configured addresses, with the configured authorities alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::sync::RwLock;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{Address, MAX_SECRET_BYTES, ProviderName, SecretBytes, SecretError};

/// How long one request may take; Vault's own limit is 90 s, but a read that takes long is not worth waiting for.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// How long connecting may take before the next address is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than between two looks, so that a quiet process keeps its connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// The values and the JSON around them, some of it escaped.
const MAX_ANSWER: u64 = 2 * MAX_SECRET_BYTES as u64;
/// Standby to active, and once more if that changed meanwhile.
const MAX_REDIRECTS: u32 = 2;

/// The HTTP API of one cluster.
pub(super) struct Api {
    addresses: Vec<Address>,
    /// The address that answered last.
    favourite: AtomicUsize,
    ca_file: PathBuf,
    client: RwLock<Connected>,
    namespace: Option<HeaderValue>,
}

struct Connected {
    ca_pem: Vec<u8>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A request to come.
pub(super) struct Call {
    step: &'static str,
    method: Method,
    path: String,
    token: Option<SecretBytes>,
    body: Bytes,
}

/// A body that may hold secrets.
pub(super) type AnswerBody = Zeroizing<Vec<u8>>;

impl Call {
    pub(super) fn get(step: &'static str, path: String) -> Self {
        Self { step, method: Method::GET, path, token: None, body: Bytes::new() }
    }

    pub(super) fn post(step: &'static str, path: String, body: &impl serde::Serialize) -> Self {
        Self { step, method: Method::POST, path, token: None, body: encode(body) }
    }

    pub(super) fn put(step: &'static str, path: String, body: &impl serde::Serialize) -> Self {
        Self { method: Method::PUT, ..Self::post(step, path, body) }
    }

    pub(super) fn with(self, token: &SecretBytes) -> Self {
        Self { token: Some(token.clone()), ..self }
    }
}

/// JSON in a buffer that is wiped when hyper has sent it.
fn encode(body: &impl serde::Serialize) -> Bytes {
    let mut buffer = Zeroizing::new(Vec::with_capacity(4096));
    serde_json::to_writer(&mut *buffer, body).expect("strings and numbers are JSON");
    Bytes::from_owner(Wiped(buffer))
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Api {
    /// # Errors
    /// The CA file can't be read or holds no certificate.
    pub(super) fn new(
        name: &ProviderName,
        addresses: Vec<Address>,
        ca_file: PathBuf,
        namespace: Option<&str>,
    ) -> Result<Self, SecretError> {
        let unusable = |why: String| SecretError::Configuration { provider: name.to_string(), why };
        let namespace = namespace
            .map(HeaderValue::from_str)
            .transpose()
            .map_err(|_| unusable("its namespace is no text for a header".to_owned()))?;
        let ca_pem = std::fs::read(&ca_file)
            .map_err(|error| unusable(format!("can't read caFile {}: {error}", ca_file.display())))?;
        let client = client(&ca_pem)
            .ok_or_else(|| unusable(format!("caFile {} holds no usable certificate", ca_file.display())))?;
        Ok(Self {
            addresses,
            favourite: AtomicUsize::new(0),
            ca_file,
            client: RwLock::new(Connected { ca_pem, client }),
            namespace,
        })
    }

    /// The body of a successful answer; any other status is an error.
    pub(super) async fn call(&self, call: Call) -> Result<AnswerBody, SecretError> {
        let step = call.step;
        let (status, body) = self.call_any(call).await?;
        expect_success(step, status)?;
        Ok(body)
    }

    /// Status and body; throttling and servers that are out of order are errors.
    pub(super) async fn call_any(&self, call: Call) -> Result<(u16, AnswerBody), SecretError> {
        self.reload_authorities().await;
        match timeout(CALL_TIMEOUT, self.try_addresses(&call)).await {
            Ok(result) => result,
            Err(_) => Err(SecretError::TimedOut(CALL_TIMEOUT)),
        }
    }

    /// Each address once, beginning with the one that answered last, until one can be connected to.
    async fn try_addresses(&self, call: &Call) -> Result<(u16, AnswerBody), SecretError> {
        let first = self.favourite.load(Ordering::Relaxed);
        let mut last = None;
        for turn in 0..self.addresses.len() {
            let position = (first + turn) % self.addresses.len();
            match self.follow(call, &self.addresses[position]).await {
                Ok(answer) => {
                    self.favourite.store(position, Ordering::Relaxed);
                    return Ok(answer);
                }
                // Another may be up. A call that changes something isn't sent twice: it may have been done.
                Err(error @ SecretError::Unreachable { step: CONNECT, .. }) => last = Some(error),
                Err(error @ SecretError::Status { status: 503, .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("there is at least one address"))
    }

    /// To `address`, or to where it sends us, if that is one of the addresses too.
    async fn follow(&self, call: &Call, address: &Address) -> Result<(u16, AnswerBody), SecretError> {
        let mut address = address.clone();
        for _ in 0..=MAX_REDIRECTS {
            let (status, headers, body) = self.send(call, &address).await?;
            match status {
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    // Only the place is taken from it: what is asked for stays ours.
                    address = redirected(&headers)
                        .filter(|to| self.addresses.contains(to))
                        .ok_or(SecretError::Redirect)?;
                }
                StatusCode::TOO_MANY_REQUESTS => {
                    return Err(SecretError::Throttled { retry_after: retry_after(&headers) });
                }
                // 412: this node hasn't yet what another wrote.
                status if status.is_server_error() || status == StatusCode::PRECONDITION_FAILED => {
                    return Err(SecretError::Status { step: call.step, status: status.as_u16() });
                }
                status => return Ok((status.as_u16(), bounded(body).await?)),
            }
        }
        Err(SecretError::Redirect)
    }

    async fn send(
        &self,
        call: &Call,
        address: &Address,
    ) -> Result<(StatusCode, HeaderMap, Incoming), SecretError> {
        let uri: Uri = format!("{address}/v1/{}", call.path)
            .parse()
            .map_err(|_| SecretError::Malformed("the path makes no address"))?;
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            headers.insert("x-vault-namespace", namespace.clone());
        }
        if !call.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = &call.token {
            let token = Bytes::from_owner(Wiped(Zeroizing::new(token.expose().to_vec())));
            let mut token = HeaderValue::from_maybe_shared(token)
                .map_err(|_| SecretError::Malformed("the token is no text for a header"))?;
            token.set_sensitive(true);
            headers.insert("x-vault-token", token);
        }
        let client = self.client.read().await.client.clone();
        let response = client.request(request).await.map_err(|error| {
            let step = if error.is_connect() { CONNECT } else { "talk to Vault" };
            SecretError::Unreachable { step, source: Box::new(error) }
        })?;
        let (head, body) = response.into_parts();
        Ok((head.status, head.headers, body))
    }

    /// Connections made from now on trust what the file says now; an unusable file changes nothing.
    async fn reload_authorities(&self) {
        let Ok(ca_pem) = tokio::fs::read(&self.ca_file).await else { return };
        if self.client.read().await.ca_pem == ca_pem {
            return;
        }
        match client(&ca_pem) {
            Some(client) => *self.client.write().await = Connected { ca_pem, client },
            None => {
                tracing::warn!(path = %self.ca_file.display(), "the new CA file is unusable; the old one stays");
            }
        }
    }
}

const CONNECT: &str = "connect to Vault";

/// Trusts the authorities in `ca_pem` and no others; speaks HTTP/1.1, whose library logs no headers.
fn client(ca_pem: &[u8]) -> Option<Client<HttpsConnector<HttpConnector>, Full<Bytes>>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.ok()?).ok()?;
    }
    if roots.is_empty() {
        return None;
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(2)
        .build(https);
    Some(client)
}

fn redirected(headers: &HeaderMap) -> Option<Address> {
    Address::of(&headers.get(LOCATION)?.to_str().ok()?.parse().ok()?)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

pub(super) fn expect_success(step: &'static str, status: u16) -> Result<(), SecretError> {
    match status {
        200..=299 => Ok(()),
        401 | 403 => Err(SecretError::Denied("the token or its policies")),
        404 => Err(SecretError::NotFound),
        status => Err(SecretError::Status { step, status }),
    }
}

async fn bounded(mut body: Incoming) -> Result<AnswerBody, SecretError> {
    let announced = body.size_hint().lower();
    if announced > MAX_ANSWER {
        return Err(SecretError::TooLarge);
    }
    // Room for all that was announced: a buffer that grows leaves copies behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(usize::try_from(announced).unwrap_or_default()));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| SecretError::Unreachable {
            step: "read Vault's answer",
            source: Box::new(error),
        })?;
        if let Some(data) = frame.data_ref() {
            if (whole.len() + data.len()) as u64 > MAX_ANSWER {
                return Err(SecretError::TooLarge);
            }
            whole.extend_from_slice(data);
        }
    }
    Ok(whole)
}
