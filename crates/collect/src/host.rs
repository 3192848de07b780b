//! The host's CPU, memory, file systems and network, under OTel's names (`system.*`).
//!
//! Points go to the sink like any others; when it refuses them they are dropped and counted: a figure that is late is
//! not worth keeping up with.

use std::sync::Arc;
use std::time::Duration;

use parapet_signal::{
    Attributes, Batch, Delivery, Grouped, Metric, MetricData, Number, Point, PointValue, Resource, Scope,
    Sink, Temporality, UnixNanos,
};
use sysinfo::{Disks, MemoryRefreshKind, Networks, System};
use tokio::sync::oneshot;

use crate::metrics::{Accepted, Reason, RefusedRecords};
use crate::{Clock, Metrics};

/// What is measured, how often, and for whom.
#[derive(Clone)]
pub struct Options {
    /// Where points go.
    pub sink: Arc<dyn Sink>,
    /// The time of the points.
    pub clock: Arc<dyn Clock>,
    /// The crate's counters.
    pub metrics: Metrics,
    /// Resource attributes; `host.name` is added if it is not there.
    pub resource: Attributes,
    /// Time between two measurements. CPU figures need at least 200 ms.
    pub interval: Duration,
}

/// Why measuring could not start.
#[derive(Debug, thiserror::Error)]
#[error("the host cannot be measured: {0}")]
pub struct HostError(sysinfo::Error);

/// The host being measured, by a task whose reading happens on blocking threads.
#[derive(Debug)]
pub struct Host {
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Host {
    /// Starts measuring, on the runtime it is called in. The first points come after one interval: CPU figures are
    /// differences.
    pub fn start(options: Options) -> Result<Self, HostError> {
        let mut probe = Probe::new(&options)?;
        let (stop, mut stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(options.interval);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            ticks.tick().await;
            loop {
                tokio::select! {
                    biased;
                    _ = &mut stopped => break,
                    _ = ticks.tick() => {}
                }
                let now = options.clock.now();
                let measured = tokio::task::spawn_blocking(move || {
                    let batch = probe.measure(now);
                    (probe, batch)
                });
                let Ok((back, batch)) = measured.await else { break };
                probe = back;
                deliver(&options, batch).await;
            }
            // Nobody waiting is fine.
            let _ = end.send(());
        });
        Ok(Self { stop: Some(stop), ended: Some(ended) })
    }

    /// Stops measuring; waits for what is under way.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
    }
}

async fn deliver(options: &Options, batch: Batch) {
    let (source, signal, points) = ("host", batch.signal().name(), batch.len() as u64);
    match options.sink.deliver(Delivery { source: None, batch }).await {
        Ok(receipt) => {
            options.metrics.accepted.get_or_create(&Accepted { source, signal }).inc_by(receipt.kept);
            for refused in receipt.refused {
                let labels = RefusedRecords { source, signal, reason: refused.refusal.reason() };
                options.metrics.refused_records.get_or_create(&labels).inc_by(refused.rows);
            }
        }
        Err(error) => {
            let reason = error.reason();
            tracing::debug!(reason, "host figures not delivered");
            options.metrics.refused_deliveries.get_or_create(&Reason { reason }).inc();
            let labels = RefusedRecords { source, signal, reason };
            options.metrics.refused_records.get_or_create(&labels).inc_by(points);
        }
    }
}

/// Reads the figures.
struct Probe {
    system: System,
    disks: Disks,
    networks: Networks,
    resource: Arc<Resource>,
    scope: Arc<Scope>,
    started: UnixNanos,
}

impl Probe {
    fn new(options: &Options) -> Result<Self, HostError> {
        let mut system = System::new().map_err(HostError)?;
        system.refresh_cpu_usage();
        let mut attributes = options.resource.clone();
        if attributes.get("host.name").is_none()
            && let Ok(name) = System::host_name()
        {
            attributes.set("host.name", name);
        }
        let boot = System::boot_time().ok().and_then(|seconds| i64::try_from(seconds).ok());
        let scope = Scope { name: String::from("parapet.host"), ..Scope::default() };
        Ok(Self {
            system,
            disks: Disks::new_with_refreshed_list().map_err(HostError)?,
            networks: Networks::new_with_refreshed_list().map_err(HostError)?,
            resource: Arc::new(Resource { attributes }),
            scope: Arc::new(scope),
            started: UnixNanos::from_millis(boot.unwrap_or_default().saturating_mul(1000)),
        })
    }

    fn measure(&mut self, now: UnixNanos) -> Batch {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory_specifics(MemoryRefreshKind::everything());
        self.disks.refresh(true);
        self.networks.refresh(true);
        let mut points = Points { now, started: self.started, points: Vec::new() };
        self.cpu(&mut points);
        self.memory(&mut points);
        self.file_systems(&mut points);
        self.network(&mut points);
        let records = points.points;
        Batch::Metrics(vec![Grouped { resource: self.resource.clone(), scope: self.scope.clone(), records }])
    }

    fn cpu(&self, points: &mut Points) {
        let cpus = self.system.cpus();
        let metric = gauge("system.cpu.utilization", "1", "Share of time that a logical CPU was busy");
        for (number, cpu) in cpus.iter().enumerate() {
            let attributes = Attributes::new().with("cpu.logical_number", number as i64);
            points.double(&metric, attributes, f64::from(cpu.usage()) / 100.0);
        }
        let metric = up_down("system.cpu.logical.count", "{cpu}", "Logical CPUs");
        points.int(&metric, Attributes::new(), cpus.len() as u64);
        if let Ok(load) = System::load_average() {
            for (name, value) in [
                ("system.cpu.load_average.1m", load.one),
                ("system.cpu.load_average.5m", load.five),
                ("system.cpu.load_average.15m", load.fifteen),
            ] {
                points.double(
                    &gauge(name, "{thread}", "Threads running or ready, averaged"),
                    Attributes::new(),
                    value,
                );
            }
        }
    }

    fn memory(&self, points: &mut Points) {
        let (total, available) = (self.system.total_memory(), self.system.available_memory());
        let states = [("used", total.saturating_sub(available)), ("free", available)];
        let usage = up_down("system.memory.usage", "By", "Memory in use and available to programs");
        let share =
            gauge("system.memory.utilization", "1", "Share of memory in use and available to programs");
        for (state, bytes) in states {
            let attributes = Attributes::new().with("system.memory.state", state);
            points.int(&usage, attributes.clone(), bytes);
            points.share(&share, attributes, bytes, total);
        }
        points.int(&up_down("system.memory.limit", "By", "Memory there is"), Attributes::new(), total);
        let usage = up_down("system.paging.usage", "By", "Swap in use and free");
        for (state, bytes) in [("used", self.system.used_swap()), ("free", self.system.free_swap())] {
            points.int(&usage, Attributes::new().with("system.paging.state", state), bytes);
        }
    }

    fn file_systems(&self, points: &mut Points) {
        let usage = up_down("system.filesystem.usage", "By", "Space in use and free");
        let share = gauge("system.filesystem.utilization", "1", "Share of the space in use");
        for disk in self.disks.iter() {
            let total = disk.total_space();
            let free = disk.available_space().min(total);
            let attributes = Attributes::new()
                .with("system.device", disk.name().to_string_lossy().into_owned())
                .with("system.filesystem.mountpoint", disk.mount_point().to_string_lossy().into_owned())
                .with("system.filesystem.type", disk.file_system().to_string_lossy().into_owned());
            for (state, bytes) in [("used", total - free), ("free", free)] {
                points.int(&usage, attributes.clone().with("system.filesystem.state", state), bytes);
            }
            points.share(&share, attributes, total - free, total);
        }
    }

    fn network(&self, points: &mut Points) {
        let bytes = counter("system.network.io", "By", "Bytes received and sent");
        let packets = counter("system.network.packet.count", "{packet}", "Packets received and sent");
        let errors = counter("system.network.errors", "{error}", "Errors while receiving and sending");
        for (interface, data) in self.networks.iter() {
            let figures = [
                (&bytes, data.total_received(), data.total_transmitted()),
                (&packets, data.total_packets_received(), data.total_packets_transmitted()),
                (&errors, data.total_errors_on_received(), data.total_errors_on_transmitted()),
            ];
            for (metric, received, sent) in figures {
                for (direction, value) in [("receive", received), ("transmit", sent)] {
                    let attributes = Attributes::new()
                        .with("network.interface.name", interface.to_string_lossy().into_owned())
                        .with("network.io.direction", direction);
                    points.int(metric, attributes, value);
                }
            }
        }
    }
}

struct Points {
    now: UnixNanos,
    started: UnixNanos,
    points: Vec<Point>,
}

impl Points {
    fn int(&mut self, metric: &Arc<Metric>, attributes: Attributes, value: u64) {
        self.push(metric, attributes, Number::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn double(&mut self, metric: &Arc<Metric>, attributes: Attributes, value: f64) {
        self.push(metric, attributes, Number::Double(value));
    }

    /// Nothing has no shares.
    fn share(&mut self, metric: &Arc<Metric>, attributes: Attributes, part: u64, whole: u64) {
        if whole > 0 {
            self.double(metric, attributes, part as f64 / whole as f64);
        }
    }

    fn push(&mut self, metric: &Arc<Metric>, attributes: Attributes, value: Number) {
        let start = metric.data.is_monotonic().then_some(self.started);
        let value = PointValue::Number(value);
        self.points.push(Point { metric: metric.clone(), start, time: self.now, attributes, value });
    }
}

fn gauge(name: &str, unit: &str, description: &str) -> Arc<Metric> {
    metric(name, unit, description, MetricData::Gauge)
}

fn up_down(name: &str, unit: &str, description: &str) -> Arc<Metric> {
    let data = MetricData::Sum { temporality: Temporality::Cumulative, monotonic: false };
    metric(name, unit, description, data)
}

fn counter(name: &str, unit: &str, description: &str) -> Arc<Metric> {
    let data = MetricData::Sum { temporality: Temporality::Cumulative, monotonic: true };
    metric(name, unit, description, data)
}

fn metric(name: &str, unit: &str, description: &str, data: MetricData) -> Arc<Metric> {
    Arc::new(Metric { name: name.into(), description: description.into(), unit: unit.into(), data })
}
