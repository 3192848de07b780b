//! rsyslog, from the distribution's package: copies a file as it grows, without parsing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;
use tokio::time::sleep;

use crate::usage::Usage;

use super::{fill_in, start};

/// Copies `file`, whose size is `bytes`, and returns what that took; an error if rsyslog can't be had or doesn't copy.
pub async fn copy(file: &Path, bytes: u64, root: &Path) -> Result<Usage> {
    fs::create_dir_all(root).with_context(|| format!("failed to create {}", root.display()))?;
    let configuration = root.join("rsyslog.conf");
    let text =
        fill_in(include_str!("../../peers/rsyslog/rsyslog.conf"), &[("@ROOT@", root), ("@FILE@", file)]);
    fs::write(&configuration, text).context("failed to write rsyslog.conf")?;
    let program =
        ["/usr/sbin/rsyslogd", "/usr/bin/rsyslogd"].into_iter().find(|path| Path::new(path).exists());
    let program = program.context("install it with `apt-get install rsyslog`")?;
    let mut command = Command::new(program);
    command.arg("-n").arg("-f").arg(&configuration).arg("-i").arg(root.join("pid"));
    let mut child = start(&mut command, root, "rsyslog.log")?;
    let pid = child.id().context("rsyslog has no process id")?;
    let out = root.join("out.log");
    let mut usage = None;
    // The last buffer stays with rsyslog until it ends, so "done" is when the copy stops growing near its end.
    let mut seen = (0, 0_u32);
    while seen.1 < 10 {
        if let Some(status) = child.try_wait().context("failed to look at rsyslog")? {
            bail!("rsyslog ended: {status}; see {}", root.join("rsyslog.log").display());
        }
        let size = fs::metadata(&out).map_or(0, |metadata| metadata.len());
        if size >= bytes {
            usage = Some(Usage::of(pid)?);
            break;
        }
        let quiet = if size == seen.0 && size > bytes / 100 * 99 { seen.1 + 1 } else { 0 };
        seen = (size, quiet);
        usage = Some(Usage::of(pid)?);
        sleep(Duration::from_millis(100)).await;
    }
    child.kill().await.context("failed to stop rsyslog")?;
    usage.context("rsyslog was not measured")
}
