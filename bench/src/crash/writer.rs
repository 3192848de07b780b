//! A sender of numbered log records that repeats each batch until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use http::{Method, StatusCode};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{sleep, timeout};

use crate::lines::Lines;
use crate::otlp::{self, Record};

use super::{Endpoint, Shared, Up};

/// The service whose records these are.
pub(super) const SERVICE: &str = "crash-driver";
/// How long a sender waits when nothing better is known.
const AGAIN: Duration = Duration::from_millis(20);
/// A server that takes nothing for so long, kills and starts included, takes nothing any more.
const HANGS: Duration = Duration::from_secs(120);
/// Late records reach so far back: into hours whose segments and rollups exist already.
const LATE_SECONDS: u64 = 3 * 3600;

/// One sender. Clones are the same sender.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) id: u16,
    seed: u64,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn new(id: u16, seed: u64) -> Self {
        Self { id, seed, acknowledged: Arc::default() }
    }

    /// Records `0..acknowledged` of this writer were acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// What the body of this writer's record `number` starts with. Its order as text is the order of numbers.
    pub(super) fn label(id: u16, number: u64) -> String {
        format!("w{id:02} n{number:09}")
    }

    pub(super) async fn run(self, mut up: Up, shared: Arc<Shared>) {
        let mut rng = SmallRng::seed_from_u64(self.seed);
        let mut lines = Lines::new(rng.random());
        let source = format!("{:016x}", rng.random_range(1..u64::MAX));
        for position in 1_u64.. {
            let from = self.acknowledged();
            let size = rng.random_range(1..200);
            let body = batch(self.id, from..from + size, &mut rng, &mut lines);
            // Held until the batch is acknowledged, so that whoever compares sees no batch half known.
            let _writing = shared.pause.read().await;
            let headers =
                [otlp::PROTOBUF, ("parapet-source", &source), ("parapet-position", &position.to_string())];
            let acknowledged = timeout(HANGS, until_acknowledged(&mut up, &shared, &headers, &body)).await;
            let acknowledged =
                acknowledged.unwrap_or_else(|_| Err(anyhow!("not acknowledged for {} s", HANGS.as_secs())));
            if let Err(error) = acknowledged {
                shared.broken.lock().await.get_or_insert_with(|| format!("writer {}: {error:#}", self.id));
                return;
            }
            self.acknowledged.store(from + size, Ordering::SeqCst);
        }
    }
}

fn batch(id: u16, numbers: std::ops::Range<u64>, rng: &mut SmallRng, lines: &mut Lines) -> Bytes {
    let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).expect("the clock is past 1970");
    let records = numbers.map(|number| {
        let mut body = Writer::label(id, number);
        body.push(' ');
        let facts = lines.append(&mut body, 200);
        let late =
            if rng.random_ratio(1, 10) { rng.random_range(0..LATE_SECONDS) * 1_000_000_000 } else { 0 };
        let severity = if facts.status >= 500 { 17 } else { 9 };
        Record { time: now - late, severity, body, attributes: vec![("record.number", number as i64)] }
    });
    otlp::logs(SERVICE, records)
}

/// Sends until there is an acknowledgement; an error is an answer that no retry can help with.
async fn until_acknowledged(
    up: &mut Up,
    shared: &Shared,
    headers: &[(&str, &str)],
    body: &Bytes,
) -> Result<()> {
    loop {
        let endpoint = up.wait_for(Option::is_some).await.ok().and_then(|endpoint| endpoint.clone());
        let Some(endpoint) = endpoint else {
            // The run is over; nobody will compare this batch.
            std::future::pending().await
        };
        match send(&endpoint, headers, body).await? {
            Sent::Acknowledged => return Ok(()),
            Sent::Again(wait) => {
                shared.sent_again.fetch_add(1, Ordering::Relaxed);
                sleep(wait).await;
            }
        }
    }
}

enum Sent {
    Acknowledged,
    Again(Duration),
}

async fn send(endpoint: &Endpoint, headers: &[(&str, &str)], body: &Bytes) -> Result<Sent> {
    let Ok(answer) = endpoint.ingest.send(Method::POST, &endpoint.logs_url, headers, body.clone()).await
    else {
        return Ok(Sent::Again(AGAIN));
    };
    match answer.status {
        StatusCode::OK => match otlp::rejected(&answer.body)? {
            None => Ok(Sent::Acknowledged),
            Some((rows, why)) => bail!("{rows} records were refused: {why}"),
        },
        // Busy or closing. Not longer than a cycle takes, whatever the server asks for: it may not live that long.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Ok(Sent::Again(answer.retry_after.unwrap_or(AGAIN).min(Duration::from_millis(500))))
        }
        other => bail!("answered {other}: {}", String::from_utf8_lossy(&answer.body)),
    }
}
