//! Own events and spans, as records on their way to a sink.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parapet_signal::{
    Batch, Delivery, DeliveryError, Grouped, LogRecord, Resource, Scope, SeverityNumber, Sink, Value,
};
use tracing::span::{Attributes, Id, Record as NewFields};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::counters::{Loss, Metrics};
use crate::feedback::{self, Throttle};
use crate::queue::{Item, Queue, Record};
use crate::spans::{Ids, Open};
use crate::visit::Fields;
use crate::{Clock, Identity};

/// What a second of a busy process says, several times over, and about 4 MB at the usual size of a record.
const QUEUE_RECORDS: usize = 8192;
/// One group commit of the store.
const BATCH_RECORDS: usize = 512;
/// The console shows own telemetry about as fast as anyone else's.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// A `tracing` layer that turns events into log records and spans into spans, and delivers them. Clones share one queue: one
/// clone is the layer, another runs the delivery.
///
/// Events and spans are kept in memory, [bounded](QUEUE_RECORDS), until a sink has acknowledged them: they are lost in a crash.
/// A span is recorded when it closes. Fields `otel.name` and `otel.kind` give a span another name and a kind; an event at
/// ERROR marks its span as failed.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    resource: Arc<Resource>,
    version: String,
    clock: Clock,
    ids: Ids,
    queue: Queue,
    throttle: Throttle,
    stopped: AtomicBool,
    metrics: Metrics,
}

impl Recorder {
    /// `seed` is where the ids of traces and spans come from: random in a real process.
    pub fn new(identity: &Identity, clock: Clock, seed: u64, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            resource: Arc::new(identity.resource()),
            version: identity.version.clone(),
            ids: Ids::seeded(seed),
            queue: Queue::new(QUEUE_RECORDS, BATCH_RECORDS, metrics.clone()),
            throttle: Throttle::new(clock()),
            stopped: AtomicBool::new(false),
            clock,
            metrics,
        }))
    }

    /// Records nothing more and forgets what waits: for a process whose own telemetry nobody wants. [`Recorder::run`] ends
    /// with it, too.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
        while !self.0.queue.take().is_empty() {}
    }

    /// Delivers until `shutdown` resolves, then what is left, each batch once. While the sink does not take records they
    /// wait in the queue, and its oldest are dropped when it is full; one warning marks the start of such a time.
    pub async fn run(&self, sink: Arc<dyn Sink>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut failing = false;
        'run: loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break 'run,
                () = self.0.queue.batch_waits() => {}
                () = tokio::time::sleep(BATCH_DELAY) => {}
            }
            for batch in self.0.batches(self.0.queue.take()) {
                while let Err(error) = self.0.deliver(&*sink, batch.clone()).await {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(reason = error.reason(), "own telemetry is not taken; it waits");
                    }
                    tokio::select! {
                        () = &mut shutdown => {
                            self.0.metrics.lost(Loss::ShuttingDown, batch.len() as u64);
                            break 'run;
                        }
                        () = tokio::time::sleep(error.retry_after()) => {}
                    }
                }
                if std::mem::take(&mut failing) {
                    tracing::info!("own telemetry is taken again");
                }
            }
        }
        self.drain(&*sink).await;
        self.stop();
    }

    async fn drain(&self, sink: &dyn Sink) {
        let mut failed = false;
        loop {
            let items = self.0.queue.take();
            if items.is_empty() {
                return;
            }
            for batch in self.0.batches(items) {
                let records = batch.len() as u64;
                failed = failed || self.0.deliver(sink, batch).await.is_err();
                if failed {
                    self.0.metrics.lost(Loss::ShuttingDown, records);
                }
            }
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("resource", &self.0.resource).finish_non_exhaustive()
    }
}

impl Shared {
    async fn deliver(&self, sink: &dyn Sink, batch: Batch) -> Result<(), DeliveryError> {
        let signal = batch.signal();
        match feedback::muted(sink.deliver(Delivery { source: None, batch })).await {
            Ok(receipt) => {
                self.metrics.delivered(signal, receipt.kept);
                self.metrics.lost(Loss::Refused, receipt.refused.iter().map(|refused| refused.rows).sum());
                Ok(())
            }
            Err(error) => {
                self.metrics.delivery_failed(error.reason());
                Err(error)
            }
        }
    }

    /// One batch of logs and one of spans, where there are any, grouped by target: a target is the scope.
    fn batches(&self, items: Vec<Item>) -> Vec<Batch> {
        let (mut logs, mut spans) = (BTreeMap::new(), BTreeMap::new());
        for Item { target, record } in items {
            match record {
                Record::Log(log) => logs.entry(target).or_insert_with(Vec::new).push(log),
                Record::Span(span) => spans.entry(target).or_insert_with(Vec::new).push(span),
            }
        }
        let logs = (!logs.is_empty()).then(|| Batch::Logs(self.grouped(logs)));
        let spans = (!spans.is_empty()).then(|| Batch::Spans(self.grouped(spans)));
        logs.into_iter().chain(spans).collect()
    }

    fn grouped<T>(&self, by_target: BTreeMap<&'static str, Vec<T>>) -> Vec<Grouped<T>> {
        let group = |(target, records): (&'static str, Vec<T>)| Grouped {
            resource: Arc::clone(&self.resource),
            scope: Arc::new(Scope {
                name: target.to_owned(),
                version: self.version.clone(),
                attributes: parapet_signal::Attributes::new(),
            }),
            records,
        };
        by_target.into_iter().map(group).collect()
    }

    fn push(&self, target: &'static str, record: Record) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        if feedback::is_on_ingest_path(target) && !self.throttle.admit((self.clock)()) {
            self.metrics.lost(Loss::Throttled, 1);
        } else {
            self.queue.push(Item { target, record });
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let span = ctx.span(id).expect("the registry knows a span that it has just made");
        let parent = match span.parent() {
            None => None,
            Some(parent) => match parent.extensions().get::<Open>() {
                Some(open) => Some(open.ids()),
                None => return,
            },
        };
        if !feedback::may_record(attributes.metadata()) {
            return;
        }
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let open = Open::new(&self.0.ids, parent, attributes.metadata().name(), fields, (self.0.clock)());
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &NewFields<'_>, ctx: Context<'_, S>) {
        let span = ctx.span(id).expect("only an open span is given fields");
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            open.record(fields);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        let other = ctx.span(follows).and_then(|span| span.extensions().get::<Open>().map(Open::ids));
        if let (Some(span), Some(other)) = (ctx.span(id), other)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            open.follows(other);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let metadata = event.metadata();
        if !feedback::may_record(metadata) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.message.unwrap_or_default();
        let mut ids = None;
        if let Some(span) = ctx.event_span(event)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            ids = Some(open.ids());
            if *metadata.level() == Level::ERROR {
                open.fail(&message);
            }
        }
        let now = (self.0.clock)();
        let mut attributes = fields.attributes;
        for (name, value) in fields.otel {
            attributes.set(name, value);
        }
        if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
            attributes.set("code.file.path", file);
            attributes.set("code.line.number", i64::from(line));
        }
        let log = LogRecord {
            time: now,
            observed_time: now,
            severity_number: severity(*metadata.level()),
            severity_text: metadata.level().as_str().to_owned(),
            body: Value::Str(message),
            event_name: String::new(),
            attributes,
            trace_id: ids.map(|(trace, _)| trace),
            span_id: ids.map(|(_, span)| span),
        };
        self.0.push(metadata.target(), Record::Log(log));
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let span = ctx.span(&id).expect("a closing span is still known");
        let open = span.extensions_mut().remove::<Open>();
        if let Some(open) = open {
            self.0.push(span.metadata().target(), Record::Span(open.close((self.0.clock)())));
        }
    }
}

fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::TRACE => SeverityNumber::TRACE,
        Level::DEBUG => SeverityNumber::DEBUG,
        Level::INFO => SeverityNumber::INFO,
        Level::WARN => SeverityNumber::WARN,
        Level::ERROR => SeverityNumber::ERROR,
    }
}
