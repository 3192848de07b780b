//! An HTTPS client that trusts one CA and carries one bearer token.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::{Value, json};

/// An HTTP client; cheap to clone, clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    token: Option<Arc<str>>,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// `Retry-After`, if it named seconds.
    pub retry_after: Option<Duration>,
    /// The body, whole.
    pub body: Bytes,
}

/// The answer of `POST /api/v1/sql`.
#[derive(Clone, Debug, Deserialize)]
pub struct Table {
    /// The rows, each with one value a column.
    pub rows: Vec<Vec<Value>>,
    /// Whether there were more rows than asked for.
    pub truncated: bool,
}

impl Client {
    /// A client that trusts the CA in a PEM file, and nobody else.
    pub fn new(ca_file: &Path, token: &str) -> Result<Self> {
        let pem =
            std::fs::read(ca_file).with_context(|| format!("failed to read the CA {}", ca_file.display()))?;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            roots.add(certificate.context("the CA file is no PEM")?).context("the CA is no certificate")?;
        }
        Self::with(roots, Some(token))
    }

    /// A client for plain HTTP to a peer on loopback.
    pub fn plain() -> Result<Self> {
        Self::with(rustls::RootCertStore::empty(), None)
    }

    fn with(roots: rustls::RootCertStore, token: Option<&str>) -> Result<Self> {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .context("the TLS provider lacks the default protocol versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, token: token.map(|token| token.trim().into()) })
    }

    /// Sends a request and reads the whole answer. An error means that no complete answer came: whether the request was
    /// carried out is not known.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).context("a malformed request")?;
        let answer = self.http.request(request).await.with_context(|| format!("no answer from {url}"))?;
        let status = answer.status();
        let retry_after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body =
            answer.into_body().collect().await.with_context(|| format!("half an answer from {url}"))?;
        Ok(Answer { status, retry_after, body: body.to_bytes() })
    }

    /// A GET that must succeed, its answer as JSON.
    pub async fn get(&self, url: &str) -> Result<Value> {
        let answer = self.send(Method::GET, url, &[], Bytes::new()).await?;
        if !answer.status.is_success() {
            bail!("{url} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{url} answered no JSON"))
    }

    /// Runs a query through the API of the server at `api` (its console's URL).
    pub async fn sql(&self, api: &str, query: &str) -> Result<Table> {
        let body = json!({"query": query, "max_rows": 10_000, "timeout_ms": 60_000}).to_string();
        let url = format!("{}/api/v1/sql", api.trim_end_matches('/'));
        let json = [("content-type", "application/json")];
        let answer = self.send(Method::POST, &url, &json, body.into()).await?;
        if !answer.status.is_success() {
            bail!("`{query}` was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        serde_json::from_slice(&answer.body).context("the SQL answer is not what the API describes")
    }
}

impl Table {
    /// The numbers of a single row, such as counts.
    pub fn numbers(&self) -> Result<Vec<i64>> {
        let [row] = self.rows.as_slice() else { bail!("expected one row, got {}", self.rows.len()) };
        row.iter().map(number).collect()
    }
}

/// A whole number as JSON has it: a number, a number as text (64 bits don't fit in a double), or null for a sum of nothing.
pub fn number(value: &Value) -> Result<i64> {
    match value {
        Value::Null => Ok(0),
        Value::String(text) => text.parse().with_context(|| format!("{text:?} is no whole number")),
        other => other
            .as_i64()
            .or_else(|| other.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64))
            .with_context(|| format!("{other} is no whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_however_json_writes_them() {
        let table = Table {
            rows: vec![vec![json!(3), json!("9007199254740993"), json!(null), json!(2.0)]],
            truncated: false,
        };
        assert_eq!(table.numbers().unwrap(), [3, 9_007_199_254_740_993, 0, 2]);
        assert!(number(&json!(2.5)).is_err());
        assert!(Table { rows: vec![], truncated: false }.numbers().is_err());
    }
}
