//! A sink that records, a gate with one token, and a server on a free port.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use parapet_collect::otlp::{Admitted, Denied, Gate, Limits, Options};
use parapet_collect::{Clock, Metrics};
use parapet_signal::{Delivery, DeliveryError, Receipt, Sink, SourceId, UnixNanos};
use tokio::sync::watch;

pub(crate) const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
pub(crate) const TOKEN: &str = "Bearer ppt_a_good";

/// What the next delivery is answered with.
pub(crate) enum Script {
    Refuse(DeliveryError),
    Receipt(Receipt),
}

/// Keeps deliveries in memory, applies each source's positions once, and answers as scripted.
#[derive(Default)]
pub(crate) struct RecordingSink {
    state: Mutex<State>,
    kept: watch::Sender<usize>,
    attempts: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Script>,
    busy: bool,
    kept: Vec<Delivery>,
    high_water: HashMap<SourceId, u64>,
}

impl RecordingSink {
    pub(crate) fn script(&self, script: Script) {
        self.state.lock().unwrap().script.push_back(script);
    }

    /// Refuses everything until it is called with `false`.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.state.lock().unwrap().busy = busy;
    }

    pub(crate) fn kept(&self) -> Vec<Delivery> {
        self.state.lock().unwrap().kept.clone()
    }

    /// Waits until what was kept satisfies `enough`.
    pub(crate) async fn until(&self, mut enough: impl FnMut(&[Delivery]) -> bool) -> Vec<Delivery> {
        let mut kept = self.kept.subscribe();
        kept.wait_for(|_| enough(&self.state.lock().unwrap().kept)).await.unwrap();
        self.kept()
    }

    pub(crate) fn attempts(&self) -> usize {
        *self.attempts.borrow()
    }

    /// Waits for `count` more attempts to deliver.
    pub(crate) async fn until_attempts(&self, count: usize) {
        self.attempts.subscribe().wait_for(|seen| *seen >= count).await.unwrap();
    }
}

impl Sink for RecordingSink {
    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<Receipt, DeliveryError>> {
        async move {
            self.attempts.send_modify(|count| *count += 1);
            let receipt = {
                let mut state = self.state.lock().unwrap();
                if state.busy {
                    let retry_after = std::time::Duration::from_millis(1);
                    return Err(DeliveryError::Busy { reason: "wal", retry_after });
                }
                match state.script.pop_front() {
                    Some(Script::Refuse(error)) => return Err(error),
                    Some(Script::Receipt(receipt)) => {
                        state.kept.push(delivery);
                        receipt
                    }
                    None => {
                        let kept = delivery.batch.len() as u64;
                        if let Some((source, position)) = delivery.source {
                            let high = state.high_water.get(&source).copied();
                            if high.is_some_and(|high| position <= high) {
                                return Ok(Receipt::default());
                            }
                            state.high_water.insert(source, position);
                        }
                        state.kept.push(delivery);
                        Receipt { kept, refused: Vec::new() }
                    }
                }
            };
            self.kept.send_modify(|count| *count += 1);
            Ok(receipt)
        }
        .boxed()
    }

    fn high_water(&self, source: SourceId) -> Option<u64> {
        self.state.lock().unwrap().high_water.get(&source).copied()
    }
}

pub(crate) struct OneToken;

impl Gate for OneToken {
    fn admit<'a>(&'a self, authorization: Option<&'a str>) -> BoxFuture<'a, Result<Admitted, Denied>> {
        async move {
            match authorization {
                None => Err(Denied::Missing),
                Some(TOKEN) => Ok(Admitted { who: "test".into() }),
                Some("Bearer ppt_a_reader") => Err(Denied::Forbidden),
                Some(_) => Err(Denied::Invalid),
            }
        }
        .boxed()
    }
}

pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixNanos {
        NOW
    }
}

pub(crate) fn options(sink: &Arc<RecordingSink>, limits: Limits) -> Options {
    Options {
        sink: sink.clone(),
        gate: Arc::new(OneToken),
        limits,
        clock: Arc::new(FixedClock),
        metrics: Metrics::default(),
        address: "127.0.0.1:0".into(),
    }
}

/// Serves until the test's runtime ends.
pub(crate) async fn serve(router: axum::Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let executor = hyper_util::rt::TokioExecutor::new();
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper_util::server::conn::auto::Builder::new(executor)
                    .serve_connection(io, service)
                    .await;
            });
        }
    });
    address
}
