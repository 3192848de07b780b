//! One load by h2load, and what it cost the process that answered.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;

use super::subjects::{Subject, Track};
use crate::peer::prepare;
use crate::usage::Usage;

/// Requests that are sent first, so that decisions are remembered and connections to the upstream open.
const WARM_UP: u32 = 500;

/// How requests travel to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Protocol {
    pub(super) name: &'static str,
    args: &'static [&'static str],
    is_http2: bool,
}

pub(super) const PROTOCOLS: [Protocol; 2] = [
    Protocol { name: "HTTP/1.1", args: &["--h1"], is_http2: false },
    // Ten streams a connection: what a browser or an ingress has open.
    Protocol { name: "HTTP/2", args: &["-m", "10"], is_http2: true },
];

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) protocol: Protocol,
    pub(super) connections: u32,
    pub(super) seconds: u32,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) requests_per_second: f64,
    /// Of the process that answers, user and system time.
    pub(super) cpu_micros: f64,
    pub(super) p50_millis: f64,
    pub(super) p99_millis: f64,
}

impl Outcome {
    /// Requests that one CPU-second answers.
    pub(super) fn per_core(&self) -> f64 {
        1e6 / self.cpu_micros
    }
}

/// Loads `subject`; every request must be answered with 200.
pub(super) async fn measure(subject: &Subject, token: &str, load: Load, dir: &Path) -> Result<Outcome> {
    let Load { protocol, connections, seconds } = load;
    let url = match subject.track {
        Track::Direct if protocol.is_http2 => format!("http://127.0.0.1:{}/metrics", subject.http2_port),
        Track::Direct => format!("http://127.0.0.1:{}/metrics", subject.port),
        _ => format!("https://127.0.0.1:{}/metrics", subject.port),
    };
    let h2load = |amount: [&str; 2]| {
        let mut command = Command::new("h2load");
        command.args(protocol.args).args(["-t", "1", "-c", &connections.to_string()]).args(amount);
        command.args(["-H", &format!("authorization: Bearer {token}")]);
        command
    };
    prepare(h2load(["-n", &WARM_UP.to_string()]).arg(&url)).await?;
    let log = dir.join("h2load.tsv");
    let _ = fs::remove_file(&log);
    let before = Usage::of(subject.pid)?;
    let said = prepare(h2load(["-D", &seconds.to_string()]).arg("--log-file").arg(&log).arg(&url)).await?;
    let after = Usage::of(subject.pid)?;
    let times = times(&fs::read_to_string(&log).context("h2load wrote no log")?)
        .with_context(|| format!("{} did not answer every request:\n{said}", subject.name))?;
    let requests = times.len() as f64;
    let at = |part: f64| times[((requests - 1.0) * part) as usize] as f64 / 1e3;
    Ok(Outcome {
        requests_per_second: requests / f64::from(seconds),
        cpu_micros: (after.cpu_seconds - before.cpu_seconds) * 1e6 / requests,
        p50_millis: at(0.5),
        p99_millis: at(0.99),
    })
}

/// The times of all requests in microseconds, sorted, from h2load's log: start, status, duration.
fn times(log: &str) -> Result<Vec<u64>> {
    let mut times = Vec::new();
    for line in log.lines() {
        let mut columns = line.split('\t').skip(1);
        let (status, micros) = (columns.next().context("no status")?, columns.next().context("no duration")?);
        match status {
            "200" => times.push(micros.parse().with_context(|| format!("{line:?} has no duration"))?),
            // What was under way when time was up.
            "-1" => {}
            _ => bail!("a request was answered with {status}"),
        }
    }
    if times.is_empty() {
        bail!("no request was answered");
    }
    times.sort_unstable();
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_h2load_is_read() {
        assert_eq!(times("17\t200\t30\n18\t200\t10\n19\t-1\t5\n").unwrap(), [10, 30]);
        assert!(times("17\t200\t30\n18\t403\t10\n").is_err());
        assert!(times("").is_err());
    }
}
