//! A gateway's open-traffic event log that grows, is written in pieces, and rotates, with a tally of what is in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::Shared;

/// The file rotates at this size: several times in a run.
const ROTATE_BYTES: u64 = 300_000;
const SERVICES: [(&str, &str); 3] = [("Orders", "getOrder"), ("Stock", "listStock"), ("Payments", "pay")];
const STATUSES: [u16; 6] = [200, 200, 200, 201, 404, 500];

/// What the rollups are made of: hour (seconds since 1970), kind and service.
pub(super) type Key = (i64, &'static str, &'static str);

/// Sums of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) count: i64,
    pub(super) duration_ms: i64,
    pub(super) bytes_sent: i64,
}

/// What was written so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Lines, each of which must become one row.
    pub(super) lines: u64,
    /// Summaries and legs of number 0, which the rollups count.
    pub(super) rolled_up: BTreeMap<Key, Sums>,
}

/// The gateway. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    dir: PathBuf,
    seed: u64,
    tally: Arc<Mutex<Tally>>,
}

impl Gateway {
    pub(super) fn new(dir: &Path, seed: u64) -> Self {
        Self { dir: dir.to_owned(), seed, tally: Arc::default() }
    }

    pub(super) async fn tally(&self) -> Tally {
        self.tally.lock().await.clone()
    }

    pub(super) async fn lines(&self) -> u64 {
        self.tally.lock().await.lines
    }

    pub(super) async fn run(self, shared: Arc<Shared>) {
        if let Err(error) = self.write(&shared).await {
            shared.broken.lock().await.get_or_insert_with(|| format!("the gateway's log: {error:#}"));
        }
    }

    async fn write(&self, shared: &Shared) -> Result<()> {
        let mut rng = SmallRng::seed_from_u64(self.seed);
        let current = self.dir.join("group-1_instance-1_traffic.log");
        let mut rotated = 0_u32;
        let mut file = append(&current)?;
        for transaction in 0_u64.. {
            {
                let _writing = shared.pause.read().await;
                let mut tally = self.tally.lock().await;
                let text = lines_of(transaction, &mut rng, &mut tally);
                // A writer is often seen in the middle of a line.
                let middle = rng.random_range(0..text.len());
                file.write_all(&text.as_bytes()[..middle]).context("failed to append")?;
                if rng.random_ratio(1, 20) {
                    sleep(Duration::from_millis(rng.random_range(1..60))).await;
                }
                file.write_all(&text.as_bytes()[middle..]).context("failed to append")?;
                if file.metadata().context("failed to look at the log")?.len() > ROTATE_BYTES {
                    rotated += 1;
                    let aside = self.dir.join(format!("group-1_instance-1_traffic_{rotated}.log"));
                    fs::rename(&current, aside).context("failed to rotate")?;
                    file = append(&current)?;
                }
            }
            sleep(Duration::from_millis(rng.random_range(0..6))).await;
        }
        Ok(())
    }
}

fn append(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("failed to open {}", path.display()))
}

/// The lines of one transaction, counted: a summary, the client's leg, and a leg or two to back ends.
fn lines_of(transaction: u64, rng: &mut SmallRng, tally: &mut Tally) -> String {
    let late = if rng.random_ratio(1, 8) { rng.random_range(0..3 * 3600 * 1000) } else { 0 };
    let time = jiff::Timestamp::now().as_millisecond() - late;
    let (service, operation) = SERVICES[rng.random_range(0..SERVICES.len())];
    let status = STATUSES[rng.random_range(0..STATUSES.len())];
    let duration: i64 = rng.random_range(1..3000);
    let sent: i64 = rng.random_range(100..50_000);
    let hour = time.div_euclid(3_600_000) * 3600;

    let summary = tally.rolled_up.entry((hour, "summary", service)).or_default();
    summary.count += 1;
    let leg = tally.rolled_up.entry((hour, "leg", service)).or_default();
    leg.count += 1;
    leg.duration_ms += duration;
    leg.bytes_sent += sent;

    let envelope = |member: &str, value: Value| {
        let mut line = json!({
            "timestamp": time,
            "correlationId": format!("{transaction:024x}"),
            "processInfo": {"hostname": "gw-1", "groupId": "group-1", "groupName": "Edge", "serviceId": "instance-1",
                "version": "7.7.20230830"},
        });
        line[member] = value;
        line.to_string()
    };
    let path = format!("/{}/v1/{}", service.to_lowercase(), transaction % 1000);
    let word = if status < 400 { "success" } else { "failure" };
    let context = json!({"service": service, "monitor": true, "client": "c-1", "org": "Partners", "app": "Shop",
        "method": operation, "status": word, "duration": duration});
    let mut lines = vec![
        envelope(
            "transactionSummary",
            json!({"path": path, "protocol": "https", "protocolSrc": "8065", "status": word, "serviceContexts": [context]}),
        ),
        envelope("transactionElement", element(0, duration, sent, status, &path, service, operation)),
    ];
    for leg in 1..=rng.random_range(0..=2) {
        lines.push(envelope(
            "transactionElement",
            element(leg, duration / 2, sent / 2, status, &path, service, operation),
        ));
    }
    tally.lines += lines.len() as u64;
    lines.push(String::new());
    lines.join("\n")
}

fn element(
    leg: i32,
    duration: i64,
    sent: i64,
    status: u16,
    path: &str,
    service: &str,
    operation: &str,
) -> Value {
    json!({
        "leg": leg, "duration": duration, "serviceName": service, "operation": operation,
        "finalStatus": if status < 400 { "Pass" } else { "Fail" },
        "protocolInfo": {
            "http": {"uri": path, "status": status, "statusText": "", "method": "GET", "vhost": null, "wafStatus": 0,
                "bytesSent": sent, "bytesReceived": 140, "remoteName": "10.0.0.9", "remoteAddr": "10.0.0.9",
                "localAddr": "10.0.0.1", "remotePort": "51234", "localPort": "8065", "sslSubject": null, "authSubjectId": null},
            "recvHeader": null, "sentHeader": null, "recvPayload": null, "sentPayload": null,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tally_is_what_the_lines_say() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut tally = Tally::default();
        let text: String = (0..50).map(|n| lines_of(n, &mut rng, &mut tally)).collect();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len() as u64, tally.lines);
        let written = |kind: &str| lines.iter().filter(|line| line.get(kind).is_some()).count() as i64;
        let counted = |kind: &str| {
            tally.rolled_up.iter().filter(|(key, _)| key.1 == kind).map(|(_, s)| s.count).sum::<i64>()
        };
        assert_eq!(counted("summary"), written("transactionSummary"));
        let zero = lines.iter().filter(|line| line["transactionElement"]["leg"] == 0);
        assert_eq!(counted("leg"), zero.clone().count() as i64);
        let sent = zero
            .map(|line| line["transactionElement"]["protocolInfo"]["http"]["bytesSent"].as_i64().unwrap());
        assert_eq!(tally.rolled_up.values().map(|sums| sums.bytes_sent).sum::<i64>(), sent.sum::<i64>());
    }
}
