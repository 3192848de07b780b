//! Asking an issuer: where its keys are, and which they are.

use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parapet_pki::Bundle;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::keys::KeySet;

/// Both documents are a few kilobytes.
const DOCUMENT_LIMIT: usize = 1 << 20;
/// One document, from name to last byte.
const DEADLINE: Duration = Duration::from_secs(10);
/// Where OpenID Connect Discovery 1.0 puts the description of an issuer.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Why an issuer's keys are not there.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// It isn't an `https` address.
    #[error("not an https address: {0:?}")]
    Address(String),
    /// None of the machine's certificate authorities could be read, and none were given.
    #[error("no certificate authorities to trust the issuer by")]
    NoRoots,
    /// TLS can't be set up.
    #[error("TLS to the issuer can't be set up")]
    Tls(#[from] rustls::Error),
    /// It wasn't reached.
    #[error("{address} was not reached")]
    Unreachable {
        /// What was asked for.
        address: String,
        /// Why.
        source: hyper_util::client::legacy::Error,
    },
    /// Its answer came too late.
    #[error("{0} did not answer in time")]
    Late(String),
    /// It answered something else than the document. Redirections are not followed.
    #[error("{address} answered {status}")]
    Status {
        /// What was asked for.
        address: String,
        /// What came.
        status: StatusCode,
    },
    /// Its answer ended early or was too long.
    #[error("the answer of {address} can't be read")]
    Body {
        /// What was asked for.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its answer isn't the document.
    #[error("the answer of {address} is not the document")]
    Json {
        /// What was asked for.
        address: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The document describes another issuer.
    #[error("the document describes the issuer {0:?}")]
    OtherIssuer(String),
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Asks by HTTPS.
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Fetcher {
    /// Trusts `authorities`, or what the machine trusts.
    pub fn new(authorities: Option<&Bundle>) -> Result<Self, OidcError> {
        let roots = match authorities {
            Some(authorities) => {
                let mut roots = RootCertStore::empty();
                for authority in authorities.certificates() {
                    roots.add(authority.clone())?;
                }
                roots
            }
            None => machine_roots()?,
        };
        let mut tls = ClientConfig::builder_with_provider(parapet_pki::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // The connector sets its own.
        tls.alpn_protocols.clear();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    pub(super) async fn keys(&self, issuer: &str) -> Result<KeySet, OidcError> {
        let address = https(&format!("{}{DISCOVERY}", issuer.trim_end_matches('/')))?;
        let document = self.document(&address).await?;
        let discovery: Discovery = serde_json::from_slice(&document)
            .map_err(|source| OidcError::Json { address: address.to_string(), source })?;
        if discovery.issuer != issuer {
            return Err(OidcError::OtherIssuer(discovery.issuer));
        }
        let address = https(&discovery.jwks_uri)?;
        let document = self.document(&address).await?;
        KeySet::from_json(&document)
            .map_err(|source| OidcError::Json { address: address.to_string(), source })
    }

    async fn document(&self, address: &Uri) -> Result<Bytes, OidcError> {
        let asked = async {
            let request = Request::get(address.clone())
                .body(Empty::new())
                .expect("an address that was parsed makes a request");
            let response = self.client.request(request).await;
            let response =
                response.map_err(|source| OidcError::Unreachable { address: address.to_string(), source })?;
            let status = response.status();
            if status != StatusCode::OK {
                return Err(OidcError::Status { address: address.to_string(), status });
            }
            let body = Limited::new(response.into_body(), DOCUMENT_LIMIT).collect().await;
            let body = body.map_err(|source| OidcError::Body { address: address.to_string(), source })?;
            Ok(body.to_bytes())
        };
        let late = || OidcError::Late(address.to_string());
        tokio::time::timeout(DEADLINE, asked).await.map_err(|_| late())?
    }
}

fn https(address: &str) -> Result<Uri, OidcError> {
    let wrong = || OidcError::Address(address.to_owned());
    let uri: Uri = address.parse().map_err(|_| wrong())?;
    if uri.scheme() == Some(&Scheme::HTTPS) && uri.host().is_some() { Ok(uri) } else { Err(wrong()) }
}

fn machine_roots() -> Result<RootCertStore, OidcError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the machine's certificate authorities can't be read");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() { Err(OidcError::NoRoots) } else { Ok(roots) }
}
