//! The process itself, by the names of Prometheus' client libraries; read when asked.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

/// Registers them. A machine that doesn't tell them has none.
pub(super) fn register(registry: &mut Registry) {
    if let Ok(pid) = sysinfo::get_current_pid() {
        registry.register_collector(Box::new(ProcessCollector { pid }));
    }
}

#[derive(Debug)]
struct ProcessCollector {
    pid: Pid,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(mut system) = System::new() else { return Ok(()) };
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), false, what);
        match system.process(self.pid) {
            Some(process) => of(process, &mut encoder),
            None => Ok(()),
        }
    }
}

fn of(process: &Process, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let cpu = ConstCounter::new(process.accumulated_cpu_time() as f64 / 1000.0);
    let name = "process_cpu_seconds";
    let counter = encoder.encode_descriptor(name, "CPU time used", None, cpu.metric_type())?;
    cpu.encode(counter)?;
    let gauges = [
        ("process_resident_memory_bytes", "Memory in use", Some(process.memory())),
        ("process_virtual_memory_bytes", "Address space in use", Some(process.virtual_memory())),
        ("process_start_time_seconds", "When it started, since 1970", Some(process.start_time())),
        ("process_open_fds", "Open files and sockets", process.open_files().map(|count| count as u64)),
        ("process_max_fds", "How many may be open", process.open_files_limit().map(|count| count as u64)),
    ];
    for (name, help, value) in gauges {
        let Some(value) = value else { continue };
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
    }
    Ok(())
}
