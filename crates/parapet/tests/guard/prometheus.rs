//! A real Prometheus that scrapes through the guard, by token and by client certificate.

use std::process::Command;
use std::time::Duration;

use parapet_testbed::{Authority, Leaf, Process, free_port, skip};
use serde_json::{Value, json};

use crate::curl::curl;
use crate::upstream::written;
use crate::world::World;

/// Prometheus tells what it has scraped only to those who ask.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A Prometheus with one target.
pub(crate) struct Prometheus {
    _process: Process,
    url: String,
}

impl Prometheus {
    /// Scrapes `https://ADDRESS/metrics` with more settings of the scrape job (`tls_config`, `authorization` …). `None`: it
    /// is not installed, and the test has been reported as skipped.
    pub(crate) async fn scraping(world: &World, address: &str, settings: Value) -> Option<Self> {
        if Command::new("prometheus").arg("--version").output().is_err() {
            skip("Prometheus is not installed (`apt-get install prometheus`)");
            return None;
        }
        let mut job = json!({
            "job_name": "guarded",
            "scheme": "https",
            // Not what one would choose: the first scrape comes at a random moment of the first interval.
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [{"targets": [address]}],
        });
        let settings = settings.as_object().expect("settings are an object").clone();
        job.as_object_mut().expect("it is written so above").extend(settings);
        let port = free_port().unwrap();
        // JSON is YAML.
        let config =
            world.file(&format!("prometheus-{port}.yml"), &json!({"scrape_configs": [job]}).to_string());
        let sandbox = world.cluster.sandbox();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={config}"))
            .arg(format!(
                "--storage.tsdb.path={}",
                sandbox.dir().join(format!("prometheus-{port}")).display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = sandbox.start(&format!("{}-prometheus-{port}", world.namespace), command).unwrap();
        Some(Self { _process: process, url: format!("http://127.0.0.1:{port}") })
    }

    /// Waits for the first scrape; what Prometheus says of it: nothing, or the error.
    pub(crate) async fn first_scrape(&self) -> Result<(), String> {
        loop {
            let targets = self.ask("/api/v1/targets?state=active").await;
            let target = &targets["data"]["activeTargets"][0];
            match target["health"].as_str() {
                Some("up") => return Ok(()),
                Some("down") => return Err(target["lastError"].as_str().unwrap_or_default().to_owned()),
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// The value of a series with one element, once it is stored.
    pub(crate) async fn value(&self, series: &str) -> String {
        loop {
            let answer = self.ask(&format!("/api/v1/query?query={series}")).await;
            if let Some(value) = answer["data"]["result"][0]["value"][1].as_str() {
                return value.to_owned();
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Null until it answers.
    async fn ask(&self, path: &str) -> Value {
        let answer = curl(&format!("{}{path}", self.url), &[]).await;
        assert!(answer.status < 400 || answer.status == 503, "{path}: {answer:?}");
        serde_json::from_str(&answer.body).unwrap_or_default()
    }
}

/// `127.0.0.1:PORT` of a guard.
pub(crate) fn address(url: &str) -> &str {
    url.strip_prefix("https://").expect("a guard's URL is of this form")
}

#[tokio::test]
async fn prometheus_scrapes_with_a_token_file() {
    let Some(world) = World::new("prometheus-token").await else { return };
    let guard = world.guard(&[]).await;
    let token = world.file("token", &world.token().await);
    let settings = json!({"bearer_token_file": token, "tls_config": {"insecure_skip_verify": true}});
    let Some(without) = Prometheus::scraping(&world, address(&guard.url), settings.clone()).await else {
        return;
    };
    let refused = without.first_scrape().await.unwrap_err();
    assert!(refused.contains("403"), "{refused}");
    world.grant_metrics().await;
    let with = Prometheus::scraping(&world, address(&guard.url), settings).await.unwrap();
    // What was refused is remembered for ten seconds; Prometheus comes again.
    assert_eq!(with.value("behind_the_guard").await, "1");
    assert_eq!(with.first_scrape().await, Ok(()));
}

#[tokio::test]
async fn prometheus_scrapes_with_a_client_certificate() {
    let Some(world) = World::new("prometheus-certificate").await else { return };
    let subject = "{kind: User, name: prometheus, apiGroup: rbac.authorization.k8s.io}";
    world.grant_metrics_to(subject, "prometheus").await;
    let sandbox = world.cluster.sandbox();
    let authority = Authority::new("monitoring").unwrap();
    let ca = world.file("ca.crt", authority.certificate());
    let name = "elastic-operator-metrics.elastic-system.svc";
    let serving = authority.sign(Leaf { common_name: name, organization: None, names: &[name] }).unwrap();
    let (certificate, key) = written(&serving, sandbox, "prometheus-certificate-serving");
    let guard = world
        .guard(&[
            &format!("--client-ca-file={ca}"),
            &format!("--tls-cert-file={certificate}"),
            &format!("--tls-private-key-file={key}"),
        ])
        .await;
    let client = authority.sign(Leaf { common_name: "prometheus", ..Leaf::default() }).unwrap();
    let (certificate, key) = written(&client, sandbox, "prometheus-certificate-client");
    let checked = json!({"ca_file": ca, "server_name": name});
    let mut settings = json!({ "tls_config": checked.clone() });
    settings["tls_config"]["cert_file"] = certificate.into();
    settings["tls_config"]["key_file"] = key.into();
    let Some(prometheus) = Prometheus::scraping(&world, address(&guard.url), settings).await else { return };
    assert_eq!(prometheus.first_scrape().await, Ok(()));
    let nobody =
        Prometheus::scraping(&world, address(&guard.url), json!({ "tls_config": checked })).await.unwrap();
    let refused = nobody.first_scrape().await.unwrap_err();
    assert!(refused.contains("401"), "{refused}");
}
