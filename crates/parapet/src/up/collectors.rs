//! What `parapet up` reads by itself: log files, gateway event logs, the host.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use parapet_collect::files::{Files, Input, Pattern, SourceStatus, Tuning};
use parapet_collect::host::Host;
use parapet_collect::{container, host, opentraffic};
use parapet_fs::Fs;
use parapet_signal::{Attributes, Sink};

use crate::config::{Collect, Config};
use crate::exit::{Failure, OrExit as _, Reason};

/// The gateway of `--demo`, as its events name it.
const DEMO_GATEWAY: &str = "toy-gateway";

pub(crate) struct Collectors {
    files: FilesStatus,
    host: Option<Host>,
}

/// The files being followed; empty once they are not any more.
#[derive(Clone)]
pub(crate) struct FilesStatus(Arc<Mutex<Option<Files>>>);

impl FilesStatus {
    pub(crate) fn now(&self) -> Vec<SourceStatus> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.as_ref().map(Files::status).unwrap_or_default()
    }
}

impl Collectors {
    pub(crate) fn start(
        config: &Config,
        fs: &Arc<dyn Fs>,
        data: &Path,
        sink: &Arc<dyn Sink>,
        metrics: &parapet_collect::Metrics,
    ) -> Result<Self, Failure> {
        let folder = data.join("collect");
        parapet_fs::ensure_dir(&**fs, &folder).context("can't make the collectors' folder")?;
        let demo = config.demo.then(|| super::demo::folder(data));
        let files = Files::start(parapet_collect::files::Options {
            inputs: inputs(&config.collect, demo.as_deref()).or_exit(Reason::Usage)?,
            sink: sink.clone(),
            fs: fs.clone(),
            checkpoint: folder.join("files.json"),
            clock: Arc::new(parapet_collect::SystemClock),
            metrics: metrics.clone(),
            tuning: Tuning::default(),
        })
        .or_exit(Reason::Data)?;
        let host = if config.collect.host {
            let measured = host::Options {
                sink: sink.clone(),
                clock: Arc::new(parapet_collect::SystemClock),
                metrics: metrics.clone(),
                resource: Attributes::new(),
                interval: config.collect.measure_every,
            };
            Some(Host::start(measured).or_exit(Reason::Failed)?)
        } else {
            None
        };
        Ok(Self { files: FilesStatus(Arc::new(Mutex::new(Some(files)))), host })
    }

    pub(crate) fn status(&self) -> FilesStatus {
        self.files.clone()
    }

    /// Waits for what is under way, and saves the offsets.
    pub(crate) async fn stop(self) {
        let files = self.files.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(files) = files {
            files.stop().await;
        }
        if let Some(host) = self.host {
            host.stop().await;
        }
    }
}

fn inputs(collect: &Collect, demo: Option<&Path>) -> anyhow::Result<Vec<Input>> {
    let patterns = |globs: &[String], key: &str| -> anyhow::Result<Vec<Pattern>> {
        let parsed =
            globs.iter().map(|glob| absolute(glob)?.parse().with_context(|| format!("{key} {glob}")));
        parsed.collect()
    };
    let first_line = match &collect.multiline_first_line {
        Some(pattern) => Some(regex::bytes::Regex::new(pattern).context("collect.multilineFirstLine")?),
        None => None,
    };
    let options = container::Options { resource: Attributes::new(), first_line };
    let mut inputs = Vec::new();
    if collect.pod_logs {
        inputs.push(container::pods(vec![Pattern::from_str(container::POD_LOGS)?], options.clone()));
    }
    if !collect.logs.is_empty() {
        inputs.push(container::text_files(patterns(&collect.logs, "--logs")?, options.clone()));
    }
    if !collect.open_traffic.is_empty() {
        let gateway = opentraffic::Options {
            gateway_name: Some(collect.gateway_name.clone()),
            gateway_region: collect.gateway_region.clone(),
        };
        inputs.push(opentraffic::input(patterns(&collect.open_traffic, "--open-traffic")?, gateway));
    }
    if let Some(folder) = demo {
        let below = |glob: &str| folder.join(glob).to_string_lossy().parse::<Pattern>();
        let labelled = container::Options {
            resource: Attributes::new().with("parapet.demo", true),
            first_line: options.first_line,
        };
        inputs.push(container::pods(vec![below("pods/*/*/*.log")?], labelled));
        let gateway =
            opentraffic::Options { gateway_name: Some(DEMO_GATEWAY.to_owned()), gateway_region: None };
        inputs.push(opentraffic::input(vec![below("opentraffic/*_traffic*.log")?], gateway));
    }
    Ok(inputs)
}

/// A glob as typed is relative to where the command was typed.
fn absolute(glob: &str) -> anyhow::Result<String> {
    let path = std::path::absolute(glob).with_context(|| format!("no such place: {glob}"))?;
    path.into_os_string().into_string().map_err(|_| anyhow::anyhow!("{glob}: not UTF-8"))
}
