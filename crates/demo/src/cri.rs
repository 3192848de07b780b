//! Container logs as a container runtime writes them: `<pods>/<namespace>_<pod>_<uid>/<container>/0.log`, one
//! `<time> <stream> <P|F> <text>` a line.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use crate::rotating::{Bounds, Rotating};

/// Runtimes cut longer lines into partial ones: containerd's and CRI-O's limit.
const PART_BYTES: usize = 16 * 1024;

/// Where a container runs, and what its files are named after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pod {
    pub(crate) name: &'static str,
    pub(crate) uid: &'static str,
    pub(crate) container: &'static str,
}

/// The namespace of all demo pods.
pub(crate) const NAMESPACE: &str = "demo";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug)]
pub(crate) struct ContainerLog(Rotating);

impl ContainerLog {
    pub(crate) fn open(pods: &Path, pod: &Pod, bounds: Bounds) -> io::Result<Self> {
        let dir = pods.join(format!("{NAMESPACE}_{}_{}", pod.name, pod.uid)).join(pod.container);
        Rotating::open(&dir, "0.log", ("0.log.", ""), bounds).map(Self)
    }

    /// Writes what a program printed: one entry for each of its lines.
    pub(crate) fn print(&mut self, stream: Stream, text: &str, now: Timestamp) -> io::Result<()> {
        self.0.append(&lines(stream, text, now), now)
    }
}

fn lines(stream: Stream, text: &str, now: Timestamp) -> String {
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    let mut lines = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        let mut rest = line;
        loop {
            let (part, after) = rest.split_at(rest.floor_char_boundary(PART_BYTES));
            let tag = if after.is_empty() { 'F' } else { 'P' };
            writeln!(lines, "{now:.9} {stream} {tag} {part}").expect("a String takes any text");
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_printed_line_is_an_entry() {
        let now = Timestamp::from_nanosecond(1_700_000_000_000_000_001).unwrap();
        assert_eq!(
            lines(Stream::Stderr, "failed\n\n  at a.b(c)\n", now),
            "2023-11-14T22:13:20.000000001Z stderr F failed\n\
             2023-11-14T22:13:20.000000001Z stderr F \n\
             2023-11-14T22:13:20.000000001Z stderr F   at a.b(c)\n"
        );
    }

    #[test]
    fn long_lines_are_cut_into_partial_entries() {
        let text = lines(Stream::Stdout, &"x".repeat(2 * PART_BYTES + 1), Timestamp::UNIX_EPOCH);
        let tags: Vec<_> = text.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
        assert_eq!(tags, ["P", "P", "F"]);
        assert_eq!(text.lines().last().unwrap().split(' ').nth(3), Some("x"));
    }
}
