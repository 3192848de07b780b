//! Tests that hang: whoever says nothing for too long is ended, so that what comes after it still runs.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// The processes that one started, those that they started, and so on; nearest first. Linux' `/proc` tells.
fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The program's name, in brackets, may hold anything; its state and its parent come after it.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((process, parent))
        })
        .collect();
    let mut found = vec![of];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(process, _)| *process));
        at += 1;
    }
    found.split_off(1)
}

/// So often they are looked for: each look finds what was started during the one before.
const LOOKS: usize = 20;

/// Ends all that a runner started, not the runner itself: it goes on with its next test program. Returns how many there
/// were; with none it is the runner that hangs, and it is ended.
pub(crate) fn end_those_of(runner: u32) -> Result<usize> {
    let mut found = descendants(runner);
    for _ in 0..LOOKS {
        // Whoever is stopped starts nothing that would be left over, with our output in its hands.
        signal("-STOP", &found)?;
        let again = descendants(runner);
        let all = again.iter().all(|process| found.contains(process));
        found = again;
        if all {
            break;
        }
    }
    signal("-KILL", if found.is_empty() { std::slice::from_ref(&runner) } else { &found })?;
    Ok(found.len())
}

fn signal(signal: &str, processes: &[u32]) -> Result<()> {
    if processes.is_empty() {
        return Ok(());
    }
    Command::new("kill")
        .arg(signal)
        .args(processes.iter().map(u32::to_string))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("failed to start `kill`")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _};

    use super::*;

    #[test]
    fn what_a_runner_started_is_ended_and_the_runner_goes_on() {
        // While it is looked for it starts more, each of which holds the output open.
        let busy = "echo begun; i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i + 1)); done; wait";
        let script = format!("sh -c '{busy}; echo never' ; echo went on");
        let mut runner = Command::new("sh")
            .args(["-c", &script])
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(runner.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "begun\n");
        assert!(end_those_of(runner.id()).unwrap() >= 1);
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "went on\n");
        assert!(runner.wait().unwrap().success());
    }

    #[test]
    fn a_runner_that_hangs_itself_is_ended() {
        let mut runner = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        assert_eq!(end_those_of(runner.id()).unwrap(), 0);
        assert!(!runner.wait().unwrap().success());
    }
}
