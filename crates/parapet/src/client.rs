//! A client of the API for the commands that ask a running server: where it is, whom it trusts, what it presents.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::default_data_folder;
use crate::exit::{Failure, OrExit as _, Reason};

/// The most an answer may hold; a page of 1 000 log rows of 1 MiB each does not fit, and says so.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Which server to ask. Without any of these: the one that `parapet up` started for this user.
#[derive(Args, Debug)]
pub(crate) struct ServerArguments {
    /// Data folder of the server to ask; its address and this user's credentials are read from there.
    #[arg(
        long,
        value_name = "DIR",
        env = "PARAPET_DATA",
        help_heading = "Server",
        global = true,
        conflicts_with = "server"
    )]
    data: Option<PathBuf>,
    /// Address of the server, such as https://parapet.example:8443.
    #[arg(
        long,
        value_name = "URL",
        env = "PARAPET_SERVER",
        help_heading = "Server",
        global = true,
        requires = "token_file"
    )]
    server: Option<String>,
    /// Trust this CA (PEM) for it.
    #[arg(long, value_name = "FILE", help_heading = "Server", global = true, requires = "server")]
    ca_file: Option<PathBuf>,
    /// Present the token in this file.
    #[arg(long, value_name = "FILE", help_heading = "Server", global = true, requires = "server")]
    token_file: Option<PathBuf>,
}

/// Where a running server's API is; `parapet up` leaves it beside the credentials.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Endpoint {
    /// Such as `https://localhost:8443`.
    pub(crate) url: String,
    /// The CA to trust, PEM.
    pub(crate) ca_file: PathBuf,
}

/// A connection to the API.
pub(crate) struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    authorization: String,
}

impl Client {
    /// Finds the server and the credentials that `arguments` name.
    pub(crate) fn connect(arguments: &ServerArguments) -> Result<Self, Failure> {
        let ServerArguments { data, server, ca_file, token_file } = arguments;
        let (base, ca_file, token_file) = match (server, token_file) {
            (Some(server), Some(token_file)) => {
                let ca_file = ca_file
                    .clone()
                    .ok_or_else(|| anyhow!("say --ca-file FILE: the CA that signed {server}'s certificate"))
                    .or_exit(Reason::Usage)?;
                (server.trim_end_matches('/').to_owned(), ca_file, token_file.clone())
            }
            _ => {
                let data = match data {
                    Some(data) => data.clone(),
                    None => default_data_folder().or_exit(Reason::Usage)?,
                };
                let credentials = crate::credentials::folder(&data);
                let endpoint = read_endpoint(&credentials).or_exit(Reason::Server)?;
                (endpoint.url, endpoint.ca_file, credentials.join(crate::credentials::CLI_TOKEN))
            }
        };
        let token = std::fs::read_to_string(&token_file)
            .with_context(|| format!("can't read the token in {}", token_file.display()))
            .or_exit(Reason::Usage)?;
        let ca = std::fs::read_to_string(&ca_file)
            .with_context(|| format!("can't read the CA in {}", ca_file.display()))
            .or_exit(Reason::Usage)?;
        let tls = parapet_pki::client_config(&ca)
            .with_context(|| format!("{} holds no usable CA", ca_file.display()))
            .or_exit(Reason::Usage)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(Arc::unwrap_or_clone(tls))
            .https_only()
            .enable_http1()
            .build();
        let http = HyperClient::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, base, authorization: format!("Bearer {}", token.trim()) })
    }

    /// GET `/api/v1/{path}` with these parameters; the answer's JSON.
    pub(crate) async fn get(&self, path: &str, parameters: &[(&str, String)]) -> Result<Value, Failure> {
        self.json(Method::GET, &with_query(path, parameters), None).await
    }

    /// POST a JSON body; the answer's JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.json(Method::POST, path, Some(body)).await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.json(Method::DELETE, path, None).await.map(drop)
    }

    /// GET a stream of server-sent events; hands the `data` of each to `on_event` until it or the server ends it.
    pub(crate) async fn follow(
        &self,
        path: &str,
        parameters: &[(&str, String)],
        mut on_event: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> Result<(), Failure> {
        let mut answer =
            self.send(Method::GET, &with_query(path, parameters), None, "text/event-stream").await?;
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        let mut pending = Vec::new();
        while let Some(frame) = answer.body_mut().frame().await {
            let frame = frame.context("the server ended the stream").or_exit(Reason::Server)?;
            let Ok(bytes) = frame.into_data() else { continue };
            pending.extend_from_slice(&bytes);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(data) = line.trim_end().strip_prefix("data:") {
                    on_event(data.trim_start())?;
                }
            }
            if pending.len() > MAX_ANSWER_BYTES {
                return Err(anyhow!("the server sent a line of more than {MAX_ANSWER_BYTES} bytes").into());
            }
        }
        Ok(())
    }

    async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let answer = self.send(method, path, body, "application/json").await?;
        if !answer.status().is_success() {
            return Err(refusal(answer).await);
        }
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let body = read(answer).await?;
        serde_json::from_slice(&body).context("the server's answer is no JSON").or_exit(Reason::Server)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        accept: &str,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1/{path}", self.base))
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, accept);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body)).context("not a server address").or_exit(Reason::Usage)?;
        self.http
            .request(request)
            .await
            .with_context(|| format!("can't reach {}; is `parapet up` running?", self.base))
            .or_exit(Reason::Server)
    }
}

fn read_endpoint(credentials: &Path) -> anyhow::Result<Endpoint> {
    let path = credentials.join(crate::credentials::ENDPOINT);
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("no server has been started here ({}); run `parapet up`, or say --server URL", path.display())
    })?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged; `parapet up` writes it anew", path.display()))
}

async fn read(answer: Response<Incoming>) -> Result<Bytes, Failure> {
    Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await
        .map(|body| body.to_bytes())
        .map_err(|error| anyhow!("the answer was cut off or too large: {error}"))
        .or_exit(Reason::Server)
}

/// A problem document (RFC 9457) as an error.
async fn refusal(answer: Response<Incoming>) -> Failure {
    #[derive(Deserialize)]
    struct Problem {
        title: String,
        detail: Option<String>,
    }
    let status = answer.status();
    let told = match read(answer).await {
        Ok(body) => match serde_json::from_slice::<Problem>(&body) {
            Ok(Problem { detail: Some(detail), .. }) => detail,
            Ok(Problem { title, .. }) => title,
            Err(_) => String::from_utf8_lossy(&body).into_owned(),
        },
        Err(failure) => return failure,
    };
    Failure::new(Reason::Server, anyhow!("{told} ({})", status.as_u16()))
}

fn with_query(path: &str, parameters: &[(&str, String)]) -> String {
    if parameters.is_empty() {
        return path.to_owned();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    format!("{path}?{}", query.finish())
}
