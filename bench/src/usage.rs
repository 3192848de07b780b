//! What a process used, as Linux counts it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// The unit of times in `/proc`: Linux's USER_HZ, 100 on every architecture that Parapet is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time and memory of a process up to now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// User and system CPU time, in seconds, all threads.
    pub cpu_seconds: f64,
    /// Memory now, in bytes.
    pub rss_bytes: u64,
    /// The part of it that is the process's own: not pages of its program, which the system can drop and read again.
    pub anonymous_bytes: u64,
    /// The most memory it had at once, in bytes.
    pub peak_rss_bytes: u64,
}

impl Usage {
    /// Reads `/proc/PID`.
    pub fn of(pid: u32) -> Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))
        };
        parse(&read("stat")?, &read("status")?)
    }
}

fn parse(stat: &str, status: &str) -> Result<Usage> {
    // The second field is the program's name in brackets, which may hold spaces and brackets itself.
    let after_name = stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| -> Result<u64> {
        fields.get(index).and_then(|field| field.parse().ok()).context("/proc/PID/stat is too short")
    };
    let kilobytes = |key: &str| -> Result<u64> {
        let line = status
            .lines()
            .find(|line| line.starts_with(key))
            .with_context(|| format!("no {key} in status"))?;
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .with_context(|| format!("{key} is no number"))
    };
    Ok(Usage {
        // utime and stime are fields 14 and 15 of proc(5), 11 and 12 after the name.
        cpu_seconds: (ticks(11)? + ticks(12)?) as f64 / TICKS_PER_SECOND,
        rss_bytes: kilobytes("VmRSS:")? * 1024,
        anonymous_bytes: kilobytes("RssAnon:")? * 1024,
        peak_rss_bytes: kilobytes("VmHWM:")? * 1024,
    })
}

/// Bytes of all files below `path` (what is allocated for them may differ).
pub fn bytes_below(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            // Gone since it was listed: a file that was replaced.
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        let status = "Name:\ta) b\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t     512 kB\n";
        let usage = parse(stat, status).unwrap();
        assert_eq!(
            usage,
            Usage { cpu_seconds: 3.0, rss_bytes: 1 << 20, anonymous_bytes: 1 << 19, peak_rss_bytes: 2 << 20 }
        );
    }

    #[test]
    fn our_own_process_can_be_read() {
        assert!(Usage::of(std::process::id()).unwrap().rss_bytes > 0);
    }
}
