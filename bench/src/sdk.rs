//! Clients that nobody here wrote: Python's and Node's OpenTelemetry SDKs, and curl. Each sends the same things; each
//! signal must be found through the API with its fields.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::server::{Launch, Ready, Server};

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary.
    pub parapet: PathBuf,
    /// A Python with the OpenTelemetry SDK.
    pub python: PathBuf,
    /// The directory of the clients' scripts: `tests/sdk`.
    pub scripts: PathBuf,
}

/// The checks of a run; prints each.
#[derive(Debug, Default)]
struct Checks {
    passed: u64,
    failed: u64,
}

impl Checks {
    fn check(&mut self, client: &str, what: &str, found: &Value, expect: &Value) {
        if contains(found, expect) {
            self.passed += 1;
            println!("{client}: {what} … ok");
        } else {
            self.failed += 1;
            println!("{client}: {what} … FAILED\n  expected {expect}\n  found    {found}");
        }
    }
}

/// Runs every client; returns how many checks passed and failed.
pub async fn run(options: Options) -> Result<(u64, u64)> {
    let Options { parapet, python, scripts } = options;
    let dir = tempfile::Builder::new().prefix("parapet-sdk-").tempdir().context("no temporary directory")?;
    let args = ["--no-host", "--no-self", "--no-pod-logs"].map(str::to_owned).to_vec();
    let launch =
        Launch { binary: parapet, data: dir.path().join("data"), run_dir: dir.path().to_owned(), args };
    let server = launch.start().await?;
    let token = std::fs::read_to_string(server.ready.credentials_dir.join("otlp.token"));
    let token = token.context("failed to read the token for sending")?.trim().to_owned();
    let mut checks = Checks::default();

    for (name, protocol) in [("python-grpc", "grpc"), ("python-http", "http")] {
        let mut command = Command::new(&python);
        command.arg(scripts.join("python/send.py")).arg(protocol);
        let sent = otel_client(command, name, protocol, &server.ready, &token).await;
        checks.check(name, "ends well", &ended(&sent), &json!(true));
        all_signals(&server, name, &mut checks).await?;
    }
    for (name, protocol) in
        [("node-grpc", "grpc"), ("node-http-protobuf", "http/protobuf"), ("node-http-json", "http/json")]
    {
        let mut command = Command::new("node");
        command.arg(scripts.join("node/send.mjs"));
        let sent = otel_client(command, name, protocol, &server.ready, &token).await;
        checks.check(name, "ends well", &ended(&sent), &json!(true));
        all_signals(&server, name, &mut checks).await?;
    }
    curl(&server, &scripts, &token, &mut checks).await?;
    server.stop().await?;
    Ok((checks.passed, checks.failed))
}

fn ended(sent: &Result<()>) -> Value {
    match sent {
        Ok(()) => json!(true),
        Err(error) => json!(format!("{error:#}")),
    }
}

/// Runs an SDK with the environment that `parapet up` tells people to set.
async fn otel_client(
    mut command: Command,
    service: &str,
    protocol: &str,
    ready: &Ready,
    token: &str,
) -> Result<()> {
    let endpoint = if protocol == "grpc" { &ready.otlp_grpc_url } else { &ready.otlp_http_url };
    command
        // Proxies and CAs of whoever runs the tests are not the client's business.
        .env_clear()
        .envs(["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", if protocol == "http" { "http/protobuf" } else { protocol })
        .env("OTEL_EXPORTER_OTLP_CERTIFICATE", &ready.ca_file)
        .env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{token}"))
        .env("OTEL_SERVICE_NAME", service)
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,k8s.namespace.name=shop")
        .envs(
            ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"]
                .map(|name| (name, "otlp")),
        );
    let output = command.stdin(Stdio::null()).output().await.context("failed to start the client")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !errors.trim().is_empty() {
        bail!("{}: {}", output.status, errors.trim());
    }
    Ok(())
}

/// What each SDK sent, looked for.
async fn all_signals(server: &Server, service: &str, checks: &mut Checks) -> Result<()> {
    let (api, admin) = (format!("{}/api/v1", server.ready.console_url.trim_end_matches('/')), &server.admin);
    let logs = admin
        .get(&format!("{api}/logs?from=now-15m&to=now&service={service}&q=%22card%20expired%22"))
        .await?;
    let log = &logs["rows"][0];
    checks.check(service, "the log record", log, &the_log_record(service));
    checks.check(service, "one log record", &json!(logs["rows"].as_array().map_or(0, Vec::len)), &json!(1));
    let resource = json!({"k8s_namespace_name": "shop", "resource": {"deployment.environment.name": "test"}});
    checks.check(service, "the log's resource", log, &resource);

    let traces = admin.get(&format!("{api}/traces?from=now-15m&to=now&service={service}")).await?;
    let found = &traces["rows"][0];
    let expect = json!({"root_name": "checkout", "root_service": service, "span_count": 2, "error_count": 1});
    checks.check(service, "the trace in the list", found, &expect);
    let trace_id = found["trace_id"].as_str().unwrap_or_default();
    checks.check(service, "the log belongs to the trace", &log["trace_id"], &json!(trace_id));
    let trace = if trace_id.is_empty() {
        json!(null)
    } else {
        admin.get(&format!("{api}/traces/{trace_id}")).await?
    };
    let root = span(&trace, "checkout");
    let expect = json!({"kind": "server", "service_name": service, "parent_span_id": null, "scope_name": "sdk-test",
        "attributes": {"http.request.method": "POST", "cart.items": 3}});
    checks.check(service, "the root span", &root, &expect);
    let expect = json!({"kind": "client", "parent_span_id": root["span_id"], "span_id": log["span_id"], "status_code": "error",
        "status_message": "card expired", "events": [{"name": "exception"}]});
    checks.check(service, "the failed span", &span(&trace, "charge card"), &expect);

    // An SDK may report more than once until it is shut down; the values stay the same.
    let query = format!(
        "SELECT DISTINCT name, kind, value, count, sum, unit FROM metrics WHERE service_name = '{service}' AND name LIKE 'shop.%' ORDER BY name"
    );
    let metrics = json!(admin.sql(&server.ready.console_url, &query).await?.rows);
    let expect = json!([
        ["shop.carts", "sum", -2.0, null, null, null],
        ["shop.checkout.duration", "histogram", null, 1, 0.25, "s"],
        ["shop.orders", "sum", 3.0, null, null, "{order}"],
        ["shop.stock", "gauge", 17.0, null, null, null],
    ]);
    checks.check(service, "the metrics", &metrics, &expect);
    Ok(())
}

/// The fields of the log record that every client sends.
fn the_log_record(service: &str) -> Value {
    json!({
        "body": "payment refused: card expired", "severity_number": 17, "severity_text": "ERROR", "service_name": service,
        "attributes": {"payment.attempt": 2, "payment.card": "….4242", "payment.retry": true},
    })
}

fn span(trace: &Value, name: &str) -> Value {
    let spans = trace["spans"].as_array().into_iter().flatten();
    spans.clone().find(|span| span["name"] == name).cloned().unwrap_or(Value::Null)
}

/// OTLP/HTTP with JSON by curl: plain, gzipped, without a token, and with a body that is none.
async fn curl(server: &Server, scripts: &Path, token: &str, checks: &mut Checks) -> Result<()> {
    let template =
        std::fs::read_to_string(scripts.join("curl/logs.json")).context("failed to read curl/logs.json")?;
    let url = format!("{}/v1/logs", server.ready.otlp_http_url.trim_end_matches('/'));
    let api = format!("{}/api/v1", server.ready.console_url.trim_end_matches('/'));
    let time = jiff::Timestamp::now().as_nanosecond().to_string();
    for (service, gzip) in [("curl-json", false), ("curl-json-gzip", true)] {
        let body = template.replace("SERVICE", service).replace("TIME", &time);
        let status = post(&server.ready, &url, Some(token), gzip, body.as_bytes()).await?;
        checks.check(service, "is answered", &json!(status), &json!("200"));
        let logs = server.admin.get(&format!("{api}/logs?from=now-15m&to=now&service={service}")).await?;
        let mut expect = the_log_record(service);
        expect["trace_id"] = json!("5b8efff798038103d269b633813fc60c");
        expect["span_id"] = json!("eee19b7ec3c1b174");
        checks.check(service, "the log record", &logs["rows"][0], &expect);
    }
    let body = template.replace("SERVICE", "curl-refused").replace("TIME", &time);
    let status = post(&server.ready, &url, None, false, body.as_bytes()).await?;
    checks.check("curl", "without a token", &json!(status), &json!("401"));
    let status = post(&server.ready, &url, Some("ppt_nobody_nothing"), false, body.as_bytes()).await?;
    checks.check("curl", "with a wrong token", &json!(status), &json!("401"));
    let status = post(&server.ready, &url, Some(token), false, &body.as_bytes()[..body.len() / 2]).await?;
    checks.check("curl", "with half a body", &json!(status), &json!("400"));
    let query = "SELECT count(*) FROM logs WHERE service_name = 'curl-refused'";
    let kept = server.admin.sql(&server.ready.console_url, query).await?;
    checks.check("curl", "nothing refused is kept", &json!(kept.numbers()?), &json!([0]));
    let ready = server
        .admin
        .send(Method::GET, &format!("{}/readyz", server.ready.console_url), &[], Bytes::new())
        .await?;
    checks.check("curl", "the server is ready after all that", &json!(ready.status.as_u16()), &json!(200));
    Ok(())
}

/// Posts JSON by curl and returns the status. The token goes in by a header file, not by an argument that `ps` shows.
async fn post(ready: &Ready, url: &str, token: Option<&str>, gzip: bool, body: &[u8]) -> Result<String> {
    let headers = tempfile::NamedTempFile::new().context("no temporary file")?;
    let mut lines = "content-type: application/json\n".to_owned();
    if let Some(token) = token {
        lines.push_str(&format!("authorization: Bearer {token}\n"));
    }
    if gzip {
        lines.push_str("content-encoding: gzip\n");
    }
    std::fs::write(headers.path(), lines).context("failed to write the headers")?;
    let compress = if gzip { "gzip -c | " } else { "" };
    let script = format!(
        "{compress}curl --silent --show-error --output /dev/null --write-out '%{{http_code}}' --cacert \"$1\" --header @\"$2\" \
         --data-binary @- \"$3\""
    );
    let mut child = Command::new("sh")
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .args(["-c", &script, "sh"])
        .arg(&ready.ca_file)
        .arg(headers.path())
        .arg(url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start curl")?;
    let mut stdin = child.stdin.take().expect("stdin was piped above");
    stdin.write_all(body).await.context("failed to hand the body to curl")?;
    drop(stdin);
    let output = child.wait_with_output().await.context("failed to wait for curl")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `found` has everything that `expect` has: objects may have more keys; numbers are compared as numbers.
fn contains(found: &Value, expect: &Value) -> bool {
    match (found, expect) {
        (Value::Object(found), Value::Object(expect)) => {
            expect.iter().all(|(key, value)| contains(found.get(key).unwrap_or(&Value::Null), value))
        }
        (Value::Array(found), Value::Array(expect)) => {
            found.len() == expect.len()
                && found.iter().zip(expect).all(|(found, expect)| contains(found, expect))
        }
        (Value::Number(found), Value::Number(expect)) => found.as_f64() == expect.as_f64(),
        (found, expect) => found == expect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_keys_are_fine_other_values_are_not() {
        let found = json!({"a": 1, "b": [{"c": 2.0, "d": 3}], "e": null});
        for expect in [json!({"a": 1.0}), json!({"b": [{"c": 2}]}), json!({"missing": null}), json!({})] {
            assert!(contains(&found, &expect), "{expect}");
        }
        for expect in [json!({"a": 2}), json!({"b": []}), json!({"b": [{"x": 1}]}), json!({"e": 0}), json!(1)]
        {
            assert!(!contains(&found, &expect), "{expect}");
        }
    }
}
