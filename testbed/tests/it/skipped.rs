//! A machine without a testbed: tests that need it say that they were skipped, or fail where it is required.

use std::process::{Command, Output};

use anyhow::Result;
use parapet_testbed::{Cluster, REQUIRED};

/// Set, the test below asks for a cluster that can't be there.
const ASKING: &str = "PARAPET_TESTBED_ASKING";

fn ask_where_nothing_is_built(required: bool) -> Result<Output> {
    let empty = tempfile::tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "skipped::a_missing_testbed_is_seen"]);
    command.env(ASKING, "1").env("PARAPET_CACHE", empty.path());
    command.env_remove("KUBEBUILDER_ASSETS").env_remove(REQUIRED);
    if required {
        command.env(REQUIRED, "1");
    }
    Ok(command.output()?)
}

#[tokio::test]
async fn a_missing_testbed_is_seen() -> Result<()> {
    if std::env::var_os(ASKING).is_some() {
        assert!(Cluster::shared().await.is_none());
        return Ok(());
    }
    let skipped = ask_where_nothing_is_built(false)?;
    let said = String::from_utf8_lossy(&skipped.stdout);
    assert!(skipped.status.success(), "{said}");
    let line = "SKIPPED: skipped::a_missing_testbed_is_seen: the testbed is not built";
    assert!(said.contains(line), "{said}");
    let failed = ask_where_nothing_is_built(true)?;
    assert!(!failed.status.success());
    Ok(())
}
