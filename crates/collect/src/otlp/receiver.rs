//! One receiver: admission, delivery and counting, whatever the protocol.

use std::fmt::Write as _;
use std::sync::Arc;

use ::http::HeaderMap;
use parapet_signal::otlp::Decoded;
use parapet_signal::{Delivery, Sink, SourceId};

use super::export::{Export, Outcome};
use super::limits::{Charge, InFlight};
use super::status::Tally;
use super::{Gate, Limits, ReceiverStatus, Refused};
use crate::{Clock, Metrics, metrics};

/// What a receiver is made of.
#[derive(Clone)]
pub struct Options {
    /// Where records go.
    pub sink: Arc<dyn Sink>,
    /// Who may send.
    pub gate: Arc<dyn Gate>,
    /// Its bounds.
    pub limits: Limits,
    /// Time of records that bring none.
    pub clock: Arc<dyn Clock>,
    /// The crate's counters.
    pub metrics: Metrics,
    /// Where it will listen, for the status page.
    pub address: String,
}

/// An OTLP receiver. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Receiver(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) name: &'static str,
    pub(super) limits: Limits,
    sink: Arc<dyn Sink>,
    gate: Arc<dyn Gate>,
    pub(super) clock: Arc<dyn Clock>,
    metrics: Metrics,
    address: String,
    in_flight: InFlight,
    tally: Tally,
}

impl Receiver {
    /// A receiver whose figures go by `name`, which also is the `source` label of its metrics.
    pub(super) fn new(name: &'static str, options: Options) -> Self {
        let Options { sink, gate, limits, clock, metrics, address } = options;
        let in_flight = InFlight::new(&limits);
        let tally = Tally::default();
        Self(Arc::new(Inner { name, limits, sink, gate, clock, metrics, address, in_flight, tally }))
    }

    /// Its figures since the start.
    pub fn status(&self) -> ReceiverStatus {
        let (accepted_total, refused) = self.0.tally.snapshot();
        ReceiverStatus {
            name: self.0.name,
            kind: "otlp",
            address: self.0.address.clone(),
            accepted_total,
            refused,
        }
    }
}

impl Inner {
    /// Lets a request in and gives it a place, or says why not. Looks at headers only.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<Charge, Refused> {
        let authorization = match headers.get(::http::header::AUTHORIZATION) {
            None => None,
            Some(value) => Some(value.to_str().map_err(|_| super::Denied::Invalid)?),
        };
        let admitted = self.gate.admit(authorization).await?;
        tracing::trace!(receiver = self.name, who = admitted.who, "request admitted");
        self.in_flight.enter()
    }

    /// Resolves when everything that the outcome does not name as rejected is durable.
    pub(super) async fn deliver<E: Export>(
        &self,
        decoded: Decoded,
        source: Option<(SourceId, u64)>,
    ) -> Result<Outcome, Refused> {
        let Decoded { batch, rejected } = decoded;
        let receipt = if batch.is_empty() {
            parapet_signal::Receipt::default()
        } else {
            self.sink.deliver(Delivery { source, batch }).await?
        };
        for (defect, count) in rejected.iter() {
            self.refuse_records::<E>(defect.reason(), count);
        }
        let mut outcome = Outcome { rejected: rejected.total(), message: rejected.to_string() };
        for refused in receipt.refused {
            self.refuse_records::<E>(refused.refusal.reason(), refused.rows);
            outcome.rejected += refused.rows;
            let separator = if outcome.message.is_empty() { "" } else { "; " };
            let noun = if refused.rows == 1 { "record" } else { "records" };
            let sentence = refused.refusal.sentence();
            // Writing to a string cannot fail.
            let _ = write!(outcome.message, "{separator}{} {noun}: {sentence}", refused.rows);
        }
        self.tally.accept(receipt.kept);
        let labels = metrics::Accepted { source: self.name, signal: E::SIGNAL.name() };
        self.metrics.accepted.get_or_create(&labels).inc_by(receipt.kept);
        Ok(outcome)
    }

    /// Counts a request refused as a whole.
    pub(super) fn count_refused(&self, refused: &Refused) {
        let reason = refused.reason();
        tracing::debug!(receiver = self.name, reason, error = %refused, "request refused");
        self.tally.refuse(reason, 1);
        let labels = metrics::RefusedRequests { receiver: self.name, reason };
        self.metrics.refused_requests.get_or_create(&labels).inc();
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        let labels = metrics::Receiver { receiver: self.name };
        self.metrics.request_bytes.get_or_create(&labels).inc_by(bytes as u64);
    }

    fn refuse_records<E: Export>(&self, reason: &'static str, count: u64) {
        self.tally.refuse(reason, count);
        let labels = metrics::RefusedRecords { source: self.name, signal: E::SIGNAL.name(), reason };
        self.metrics.refused_records.get_or_create(&labels).inc_by(count);
    }
}

/// The sender's numbering, if it has one.
pub(super) fn source(headers: &HeaderMap) -> Result<Option<(SourceId, u64)>, Refused> {
    let (source, position) = match (headers.get("parapet-source"), headers.get("parapet-position")) {
        (None, None) => return Ok(None),
        (Some(source), Some(position)) => (source, position),
        _ => return Err(Refused::SourceHeaders),
    };
    let source = source.to_str().ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    let position = position.to_str().ok().and_then(|text| text.parse().ok());
    match (source, position) {
        (Some(source), Some(position)) => Ok(Some((SourceId(source), position))),
        _ => Err(Refused::SourceHeaders),
    }
}
