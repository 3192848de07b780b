//! The test's own hand on a server: what an operator does with the root token, over the API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server that can be set up.
pub(crate) struct Admin {
    pub(crate) address: String,
    pub(crate) ca_file: PathBuf,
    token: String,
}

impl Admin {
    pub(crate) fn new(address: &str, ca_file: &Path, token: &str) -> Self {
        Self { address: address.to_owned(), ca_file: ca_file.to_owned(), token: token.to_owned() }
    }

    /// Mounts, and the policies `parapet` (all of `app/`) and `nothing`.
    pub(crate) async fn prepare(&self) {
        self.call("POST", "sys/mounts/kv", &json!({"type": "kv", "options": {"version": "2"}})).await;
        self.call("POST", "sys/mounts/kv1", &json!({"type": "kv", "options": {"version": "1"}})).await;
        let rule = |path: &str| format!("path \"{path}\" {{ capabilities = [\"read\"] }}\n");
        let policy = rule("kv/data/app/*") + &rule("kv1/app/*") + &rule("database/creds/app");
        self.call("PUT", "sys/policies/acl/parapet", &json!({ "policy": policy })).await;
        self.call("PUT", "sys/policies/acl/nothing", &json!({"policy": rule("kv/data/none/*")})).await;
    }

    pub(crate) async fn put(&self, path: &str, data: Value) {
        self.expect("POST", &format!("kv/data/{path}"), &json!({ "data": data })).await;
    }

    /// `delete`, `undelete` or `destroy`.
    pub(crate) async fn versions(&self, action: &str, path: &str, version: u64) {
        let body = json!({ "versions": [version] });
        let method = if action == "destroy" { "PUT" } else { "POST" };
        // A real server takes both; the scripted one knows one.
        let method = if self.token == super::state::ROOT { "POST" } else { method };
        self.expect(method, &format!("kv/{action}/{path}"), &body).await;
    }

    pub(crate) async fn put_kv1(&self, path: &str, data: Value) {
        self.expect("POST", &format!("kv1/{path}"), &data).await;
    }

    pub(crate) async fn token(&self, policy: &str, ttl: &str, most: &str) -> String {
        let body = json!({"policies": [policy], "ttl": ttl, "explicit_max_ttl": most, "renewable": true});
        let answer = self.expect("POST", "auth/token/create", &body).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn revoke(&self, token: &str) {
        self.expect("POST", "auth/token/revoke", &json!({ "token": token })).await;
    }

    async fn expect(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let uri: Uri = format!("{}/v1/{path}", self.address).parse().unwrap();
        let authority = uri.authority().unwrap().clone();
        let ca = std::fs::read_to_string(&self.ca_file).unwrap();
        let tls = TlsConnector::from(Arc::clone(&parapet_pki::client_config(&ca).unwrap()));
        let tcp = TcpStream::connect(authority.as_str()).await.unwrap();
        let name = authority.host().to_owned().try_into().unwrap();
        let stream = tls.connect(name, tcp).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(uri.path())
            .header("host", authority.as_str())
            .header("x-vault-token", &self.token)
            .body(Full::<Bytes>::from(body.to_string()))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        connection.abort();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}
