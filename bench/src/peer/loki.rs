//! Loki, built from its Go module into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::Method;
use prost::Message;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::client::Client;
use crate::otlp::Record;

use super::{fill_in, prepare, start};

const MODULE: &str = "github.com/grafana/loki/v3";
const VERSION: &str = "v3.7.8";
/// As in loki.yaml.
const URL: &str = "http://127.0.0.1:13100";

/// A running Loki.
#[derive(Debug)]
pub struct Loki {
    child: Child,
    client: Client,
    /// Its process.
    pub pid: u32,
    /// Everything that it writes.
    pub data: PathBuf,
}

/// Builds it once into the cache; minutes when cold.
pub async fn build(cache: &Path) -> Result<PathBuf> {
    let dir = cache.join("peers").join(format!("loki-{VERSION}"));
    // It is started in a folder of its own.
    let dir = std::path::absolute(dir).context("there is no current folder")?;
    let binary = dir.join("loki");
    if binary.exists() {
        return Ok(binary);
    }
    eprintln!("building Loki {VERSION} into {} (minutes, once)", dir.display());
    fs::create_dir_all(&dir).with_context(|| format!("failed to create {}", dir.display()))?;
    let go = |args: &[&str]| {
        let mut command = Command::new("go");
        command.args(args).current_dir(&dir).env("GOFLAGS", "-mod=mod");
        command
    };
    fs::write(dir.join("go.mod"), include_str!("../../peers/loki/go.mod"))
        .context("failed to write go.mod")?;
    let module = format!("{MODULE}@{VERSION}");
    let downloaded = prepare(&mut go(&["mod", "download", "-json", &module])).await?;
    let downloaded: serde_json::Value = serde_json::from_str(&downloaded).context("go answered no JSON")?;
    let its_own = downloaded["GoMod"].as_str().context("go names no go.mod of Loki")?;
    let its_own = fs::read_to_string(its_own).with_context(|| format!("failed to read {its_own}"))?;
    let recipe = format!("{}\n{}", include_str!("../../peers/loki/go.mod"), replace_lines(&its_own));
    fs::write(dir.join("go.mod"), recipe).context("failed to write go.mod")?;
    prepare(&mut go(&["get", &module])).await?;
    let package = format!("{MODULE}/cmd/loki");
    prepare(&mut go(&["build", "-trimpath", "-ldflags=-s -w", "-o", "loki", &package])).await?;
    Ok(binary)
}

/// The `replace` directives of a go.mod, but those to directories beside it, which a download does not have.
fn replace_lines(go_mod: &str) -> String {
    let mut lines = Vec::new();
    let mut in_block = false;
    for line in go_mod.lines().map(str::trim) {
        match line {
            "replace (" => in_block = true,
            ")" => in_block = false,
            _ if in_block && line.contains("=>") => lines.push(format!("replace {line}")),
            _ if line.starts_with("replace ") => lines.push(line.to_owned()),
            _ => {}
        }
    }
    lines.retain(|line| !line.contains("=> ./") && !line.contains("=> ../"));
    lines.push(String::new());
    lines.join("\n")
}

impl Loki {
    /// Starts it on an empty folder and waits until it takes lines.
    pub async fn start(binary: &Path, root: &Path) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("failed to create {}", root.display()))?;
        let configuration = root.join("loki.yaml");
        let text = fill_in(include_str!("../../peers/loki/loki.yaml"), &[("@DATA@", &root.join("data"))]);
        fs::write(&configuration, text).context("failed to write loki.yaml")?;
        let mut command = Command::new(binary);
        command.arg("-config.file").arg(&configuration);
        let mut child = start(&mut command, root, "loki.log")?;
        let pid = child.id().context("Loki has no process id")?;
        let client = Client::plain()?;
        loop {
            if let Some(status) = child.try_wait().context("failed to look at Loki")? {
                bail!("Loki ended while starting: {status}; see {}", root.join("loki.log").display());
            }
            let url = format!("{URL}/ready");
            if client
                .send(Method::GET, &url, &[], Bytes::new())
                .await
                .is_ok_and(|answer| answer.status.is_success())
            {
                break;
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(Self { child, client, pid, data: root.join("data") })
    }

    /// A sender for the bench: one call pushes one body made by [`body`].
    pub fn sender(&self) -> Client {
        self.client.clone()
    }

    /// Makes it write its chunks.
    pub async fn flush(&self) -> Result<()> {
        let answer = self.client.send(Method::POST, &format!("{URL}/flush"), &[], Bytes::new()).await?;
        if !answer.status.is_success() {
            bail!("Loki's flush answered {}", answer.status);
        }
        Ok(())
    }

    /// Ends it.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("failed to kill Loki")
    }
}

/// Pushes one body.
pub async fn push(client: &Client, body: Bytes) -> Result<()> {
    let headers = [("content-type", "application/x-protobuf")];
    let answer = client.send(Method::POST, &format!("{URL}/loki/api/v1/push"), &headers, body).await?;
    if !answer.status.is_success() {
        bail!("Loki answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    Ok(())
}

/// Records of one service as Loki's own push request: protobuf in a Snappy block, its fastest way in.
pub fn body(service: &str, records: impl IntoIterator<Item = Record>) -> Result<Bytes> {
    let entries = records
        .into_iter()
        .map(|record| Entry { timestamp: Some(Timestamp::from_nanos(record.time)), line: record.body })
        .collect();
    let request =
        PushRequest { streams: vec![Stream { labels: format!("{{service_name=\"{service}\"}}"), entries }] };
    let compressed = snap::raw::Encoder::new().compress_vec(&request.encode_to_vec());
    Ok(compressed.context("Snappy refused the request")?.into())
}

/// `logproto.PushRequest`, as far as it is needed.
#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Timestamp {
    fn from_nanos(nanos: u64) -> Self {
        let seconds = i64::try_from(nanos / 1_000_000_000).expect("u64 nanoseconds are few i64 seconds");
        let nanos = i32::try_from(nanos % 1_000_000_000).expect("less than a billion");
        Self { seconds, nanos }
    }
}

#[cfg(test)]
mod tests {
    use super::replace_lines;

    #[test]
    fn replacements_are_taken_over_but_local_ones() {
        let go_mod = "module x\n\nreplace a => b v1.0.0\n\nreplace (\n\tc v1 => d v2\n\te => ./pkg/push\n)\nrequire (\n\tf v1\n)\n";
        assert_eq!(replace_lines(go_mod), "replace a => b v1.0.0\nreplace c v1 => d v2\n");
    }
}
