//! Every test there is, and one summary.

use anyhow::{Result, bail};

use crate::process::Step;
use crate::summary::Summary;
use crate::tools::Tool;
use crate::workspace::Workspace;
use crate::{clients, console, image, kernel, node, pss, sarif, testbed};

/// How often the server is killed in a test run.
const CRASH_CYCLES: u32 = 25;

/// How many random clusters the kernel is asked about in a test run.
const KERNEL_CLUSTERS: u32 = 50;

/// Runs every test, all of them even when one fails, and prints the table and the line `N passed, N failed`.
pub(crate) fn run(workspace: &Workspace, fast: bool) -> Result<()> {
    let mut summary = Summary::default();
    let needed: &[Tool] = if fast {
        &[Tool::Node]
    } else {
        &[Tool::Node, Tool::Chromium, Tool::Python, Tool::Curl, Tool::Prometheus, Tool::H2load]
    };
    summary.step("tools", || {
        needed.iter().try_for_each(|tool| tool.ensure(workspace)).map(|()| Default::default())
    });
    // The binary holds the console, so this comes first.
    summary.step("console: build", || console::build_if_changed(workspace).map(|()| Default::default()));
    summary.step("console: unit tests", || console::unit_tests(workspace));
    let mut cargo_test = Step::cargo(workspace, ["test", "--workspace", "--locked", "--no-fail-fast"]);
    summary.step("testbed: build", || {
        if testbed::prepare(workspace)? {
            cargo_test = cargo_test.clone().env(testbed::REQUIRED, "1");
        }
        Ok(Default::default())
    });
    summary.step("pss: build", || {
        cargo_test = pss::prepare(workspace, cargo_test.clone())?;
        Ok(Default::default())
    });
    // Apart from the run, which may not be silent for long.
    summary.step("cargo test: build", || {
        Step::cargo(workspace, ["test", "--workspace", "--locked", "--no-run"])
            .run()
            .map(|()| Default::default())
    });
    summary.step("cargo test", || cargo_test.run_counted());
    if fast {
        println!("\nleft out by --fast: real clients, browser, crash cycles");
    } else {
        summary.step("real clients", || clients::sdk(workspace));
        summary.step("browser", || console::e2e(workspace));
        summary.step("kernel check", || kernel::verify(workspace, KERNEL_CLUSTERS, None));
        summary.step("sarif", || sarif::validate(workspace));
        summary.step("image", || image::verify(workspace, None));
        summary.step("node", || node::verify(workspace, None));
        summary.step("crash cycles", || clients::crash(workspace, "dev", CRASH_CYCLES, None));
    }
    println!("\n{summary}");
    match summary.failed() {
        0 => Ok(()),
        failed => bail!("{failed} tests or steps failed"),
    }
}
