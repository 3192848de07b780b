//! The scripted Elasticsearch as a client sees it, over real sockets.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use parapet_scripted_elasticsearch::{Fault, Member, Options, Progress, Script, ScriptedElasticsearch};
use parapet_testbed::{Authority, Leaf};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const USER: &str = "elastic-internal";

struct Client {
    elasticsearch: ScriptedElasticsearch,
    config: Arc<ClientConfig>,
    password: &'static str,
}

impl Client {
    async fn new() -> Result<Self> {
        let elasticsearch = ScriptedElasticsearch::start(Options::default()).await?;
        let authority = Authority::new("quickstart-http")?;
        let leaf = authority.sign(Leaf { names: &["localhost"], ..Leaf::default() })?;
        elasticsearch.serve_tls(&leaf.certificate, &leaf.key)?;
        elasticsearch.set_password(USER, "right");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { elasticsearch, config: Arc::new(config), password: "right" })
    }

    async fn with_nodes(names: &[&str]) -> Result<Self> {
        let client = Self::new().await?;
        for name in names {
            client.elasticsearch.join(Member::new(name, "8.15.3"));
        }
        Ok(client)
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
        let stream = TcpStream::connect(self.elasticsearch.https()).await?;
        let name = ServerName::try_from("localhost")?;
        let stream = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let credentials = BASE64_STANDARD.encode(format!("{USER}:{}", self.password));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", format!("Basic {credentials}"))
            .body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        connection.abort();
        Ok((status, serde_json::from_slice(&bytes).context("the answer is not JSON")?))
    }

    async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.call("GET", path, Value::Null).await?.1)
    }
}

#[tokio::test]
async fn it_says_who_it_is_once_it_is_formed() -> Result<()> {
    let client = Client::new().await?;
    assert_eq!(client.get("/").await?["cluster_uuid"], "_na_");
    client.elasticsearch.join(Member::new("quickstart-es-default-0", "8.15.3"));
    let root = client.get("/").await?;
    assert_eq!(root["cluster_uuid"], "uuid-of-quickstart");
    assert_eq!(root["version"]["number"], "8.15.3");
    Ok(())
}

#[tokio::test]
async fn who_is_not_known_is_not_answered() -> Result<()> {
    let mut client = Client::with_nodes(&["a"]).await?;
    client.password = "wrong";
    let (status, _) = client.call("GET", "/_cluster/health", Value::Null).await?;
    assert_eq!(status, 401);
    assert_eq!(client.elasticsearch.calls()[0].user, None);
    Ok(())
}

#[tokio::test]
async fn calls_that_are_not_scripted_are_refused_and_remembered() -> Result<()> {
    let client = Client::with_nodes(&["a"]).await?;
    for (method, path) in [("GET", "/_cluster/state"), ("PATCH", "/"), ("GET", "/_cat/shards")] {
        assert_eq!(client.call(method, path, Value::Null).await?.0, 501, "{method} {path}");
    }
    assert_eq!(client.elasticsearch.refused().len(), 3);
    Ok(())
}

#[tokio::test]
async fn every_call_of_the_operator_is_answered() -> Result<()> {
    let client = Client::with_nodes(&["a", "b", "c"]).await?;
    client.elasticsearch.state(|state| state.kibana_tokens.insert("default_kibana".to_owned()));
    let id = Member::new("c", "").id();
    let shutdown = format!("/_nodes/{id}/shutdown");
    let nothing = Value::Null;
    let calls = [
        ("GET", "/", nothing.clone(), 200),
        ("GET", "/_cluster/health", nothing.clone(), 200),
        ("GET", "/_cluster/health?wait_for_events=languid&timeout=0s", nothing.clone(), 200),
        (
            "PUT",
            "/_cluster/settings",
            json!({"persistent": {"cluster": {"routing.allocation.enable": "primaries"}}}),
            200,
        ),
        ("GET", "/_cluster/settings?flat_settings=true", nothing.clone(), 200),
        ("GET", "/_cat/shards?format=json", nothing.clone(), 200),
        ("GET", "/_nodes/_all/no-metrics", nothing.clone(), 200),
        ("GET", "/_nodes/_master", nothing.clone(), 200),
        ("GET", "/_nodes/shutdown", nothing.clone(), 200),
        ("PUT", shutdown.as_str(), json!({"type": "remove", "reason": "1"}), 200),
        ("GET", shutdown.as_str(), nothing.clone(), 200),
        ("DELETE", shutdown.as_str(), nothing.clone(), 200),
        ("DELETE", shutdown.as_str(), nothing.clone(), 404),
        ("POST", "/_cluster/voting_config_exclusions?node_names=c", nothing.clone(), 200),
        ("DELETE", "/_cluster/voting_config_exclusions?wait_for_removal=false", nothing.clone(), 200),
        ("GET", "/_license", nothing.clone(), 200),
        ("POST", "/_license/start_basic?acknowledge=true", nothing.clone(), 403),
        ("POST", "/_license/start_trial?acknowledge=true", nothing.clone(), 200),
        ("PUT", "/_license", json!({"licenses": [{"uid": "u", "type": "platinum"}]}), 200),
        ("POST", "/_flush", nothing.clone(), 200),
        ("POST", "/_flush/synced", nothing.clone(), 400),
        ("GET", "/_security/service/elastic/kibana/credential", nothing.clone(), 200),
        ("GET", "/_internal/desired_nodes/_latest", nothing.clone(), 404),
        ("PUT", "/_internal/desired_nodes/h/1", json!({"nodes": []}), 200),
        ("GET", "/_internal/desired_nodes/_latest", nothing.clone(), 200),
        ("DELETE", "/_internal/desired_nodes", nothing.clone(), 200),
        ("POST", "/_security/api_key", json!({"name": "k"}), 200),
        ("PUT", "/_security/api_key/key-2", json!({"metadata": {}}), 404),
        ("POST", "/_security/cross_cluster/api_key", json!({"name": "k", "access": {}}), 200),
        ("DELETE", "/_security/api_key", json!({"name": "k"}), 200),
    ];
    for (method, path, body, expected) in calls {
        let (status, answer) = client.call(method, path, body).await?;
        assert_eq!(status, expected, "{method} {path}: {answer}");
    }
    assert!(client.elasticsearch.refused().is_empty());
    Ok(())
}

#[tokio::test]
async fn settings_are_merged_and_null_removes_them() -> Result<()> {
    let client = Client::with_nodes(&["a"]).await?;
    let path = "/_cluster/settings?flat_settings=true";
    client.call("PUT", path, json!({"persistent": {"a": {"b": 1, "c": true}, "d.e": ["x"]}})).await?;
    let (_, answer) = client.call("PUT", path, json!({"persistent": {"a": {"b": null}}})).await?;
    assert_eq!(answer["persistent"], json!({"a.c": "true", "d.e": ["x"]}));
    assert_eq!(
        client.get("/_cluster/settings").await?["persistent"],
        json!({"a": {"c": "true"}, "d": {"e": ["x"]}})
    );
    Ok(())
}

#[tokio::test]
async fn a_removed_node_is_emptied_first_or_says_why_not() -> Result<()> {
    let client = Client::with_nodes(&["a", "b", "c"]).await?;
    client.elasticsearch.state(|state| {
        state.create_index("logs", 3, 1);
        state.shards.set_held(true);
    });
    let path = format!("/_nodes/{}/shutdown", Member::new("c", "").id());
    client.call("PUT", &path, json!({"type": "remove", "reason": "scale down"})).await?;
    let status = async || anyhow::Ok(client.get(&path).await?["nodes"][0]["status"].clone());
    assert_eq!(status().await?, "IN_PROGRESS");
    client.elasticsearch.state(|state| {
        state.shards.set_held(false);
        state.settle();
    });
    assert_eq!(status().await?, "COMPLETE");
    let why = "no node may hold it".to_owned();
    client.elasticsearch.state(|state| state.script = Script::Always(Progress::Stalled, why));
    let record = client.get(&path).await?["nodes"][0].clone();
    assert_eq!(record["status"], "STALLED");
    assert_eq!(record["shard_migration"]["explanation"], "no node may hold it");
    Ok(())
}

#[tokio::test]
async fn without_a_majority_of_masters_there_is_no_answer_and_it_is_counted() -> Result<()> {
    let client = Client::with_nodes(&["a", "b", "c"]).await?;
    client.elasticsearch.leave("a");
    client.elasticsearch.leave("b");
    for path in ["/_cluster/health", "/_nodes/shutdown"] {
        assert_eq!(client.call("GET", path, Value::Null).await?.0, 503, "{path}");
    }
    assert_eq!(client.elasticsearch.state(|state| state.voting.times_lost()), 1);
    client.elasticsearch.join(Member::new("b", "8.15.3"));
    assert_eq!(client.get("/_cluster/health").await?["status"], "green");
    Ok(())
}

#[tokio::test]
async fn it_follows_whoever_says_which_nodes_there_are() -> Result<()> {
    let client = Client::new().await?;
    let (pods, members) = tokio::sync::watch::channel(vec![Member::new("a", "8.15.3")]);
    client.elasticsearch.follow(members);
    let nodes = async |wanted: usize| loop {
        let (status, answer) = client.call("GET", "/_nodes/_all/no-metrics", Value::Null).await?;
        if status == 200 && answer["_nodes"]["total"] == wanted {
            return anyhow::Ok(answer);
        }
        tokio::task::yield_now().await;
    };
    nodes(1).await?;
    pods.send(vec![Member::new("a", "8.15.3"), Member::new("b", "8.16.0")])?;
    let answer = nodes(2).await?;
    assert_eq!(answer["nodes"][Member::new("b", "").id()]["version"], "8.16.0");
    Ok(())
}

#[tokio::test]
async fn faults_are_what_they_say() -> Result<()> {
    let client = Client::with_nodes(&["a"]).await?;
    let elasticsearch = &client.elasticsearch;
    for fault in
        [Fault::Down, Fault::Garbage, Fault::CutShort, Fault::unavailable(), Fault::AnotherCertificate]
    {
        elasticsearch.set_fault(Some(fault.clone()));
        assert!(client.get("/").await.is_err(), "{fault:?}");
    }
    elasticsearch.set_fault(Some(Fault::Hang));
    tokio::select! {
        answer = client.get("/") => anyhow::bail!("an answer: {answer:?}"),
        () = async {
            while elasticsearch.calls().last().is_none_or(|call| call.status != 0) {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    elasticsearch.set_fault(None);
    elasticsearch.fail_next("/_cluster", Fault::Status(500, "{}".to_owned()));
    assert_eq!(client.call("GET", "/", Value::Null).await?.0, 200);
    assert_eq!(client.call("GET", "/_cluster/health", Value::Null).await?.0, 500);
    assert_eq!(client.call("GET", "/_cluster/health", Value::Null).await?.0, 200);
    Ok(())
}
