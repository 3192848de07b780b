//! Steps that drive a running server from outside, through the driver in `bench/`.

use anyhow::Result;

use crate::counts::Counts;
use crate::process::Step;
use crate::server;
use crate::testbed;
use crate::tools::{self, Tool};
use crate::workspace::Workspace;

/// Kills the server again and again; counts the checks that held.
pub(crate) fn crash(workspace: &Workspace, profile: &str, cycles: u32, seed: Option<u64>) -> Result<Counts> {
    let driver = driver(workspace, profile)?;
    let mut step = driver.arg("crash").arg("--cycles").arg(cycles.to_string());
    if let Some(seed) = seed {
        step = step.arg("--seed").arg(seed.to_string());
    }
    step.run_counted()
}

/// Runs a bench.
pub(crate) fn bench(
    workspace: &Workspace,
    what: &str,
    profile: &str,
    json: bool,
    args: &[String],
) -> Result<()> {
    let mut step = match what {
        "guard" => {
            for tool in [Tool::H2load, Tool::Nginx] {
                tool.ensure(workspace)?;
            }
            role_driver(workspace, profile, "guard")?
        }
        "operator" => role_driver(workspace, profile, "operator")?,
        _ => driver(workspace, profile)?,
    };
    step = step.arg("bench").arg(what);
    match what {
        "tail" if !Tool::Rsyslog.is_there(workspace) => optional(Tool::Rsyslog.ensure(workspace)),
        "page" => match tools::python_with(workspace, "duckdb", "bench/peers/duckdb/requirements.txt") {
            Ok(python) => step = step.arg("--duckdb-python").arg(python),
            Err(error) => optional(Err(error)),
        },
        _ => {}
    }
    if json {
        step = step.arg("--json");
    }
    for arg in args {
        step = step.arg(arg);
    }
    step.run()
}

/// Measures reachability: the engine is pure, so its own crate's bench needs no server.
pub(crate) fn bench_reach(workspace: &Workspace, profile: &str, json: bool, args: &[String]) -> Result<()> {
    let mut step = Step::cargo(workspace, ["bench", "--locked", "-p", "parapet-reach", "--bench", "scale"]);
    step = step.arg("--profile").arg(profile).arg("--");
    if json {
        step = step.arg("--json");
    }
    for arg in args {
        step = step.arg(arg);
    }
    step.run()
}

/// Sends with other people's clients and looks for what they sent.
pub(crate) fn sdk(workspace: &Workspace) -> Result<Counts> {
    Tool::Curl.ensure(workspace)?;
    let node_client = workspace.root.join("tests/sdk/node");
    tools::npm_ci(workspace, &node_client)?;
    let python = tools::python_with(workspace, "sdk", "tests/sdk/python/requirements.txt")?;
    let step = driver(workspace, "dev")?.arg("sdk").arg("--python").arg(python);
    step.arg("--scripts").arg(workspace.root.join("tests/sdk")).run_counted()
}

/// The driver, ready to take its command, with the server's binary built beside it.
fn driver(workspace: &Workspace, profile: &str) -> Result<Step> {
    let parapet = server::build(workspace, profile)?;
    // Named together: alone, the driver would build half of the dependencies a second time, with fewer features.
    Step::cargo(
        workspace,
        ["build", "--locked", "-p", "parapet", "-p", "parapet-bench", "--profile", profile],
    )
    .run()?;
    let driver = server::own_copy(workspace, profile, "parapet-bench")?;
    Ok(Step::new(driver, ["--parapet"], &workspace.root).arg(parapet).arg("--cache").arg(&workspace.cache))
}

/// The driver of the benches on a control plane, where the server isn't needed: the binary holds one role alone, and the
/// driver, which does little itself, is built for development.
fn role_driver(workspace: &Workspace, profile: &str, role: &str) -> Result<Step> {
    testbed::prepare(workspace)?;
    let alone = ["--no-default-features", "--features", role, "--profile", profile];
    Step::cargo(workspace, ["build", "--locked", "-p", "parapet"].into_iter().chain(alone)).run()?;
    let parapet = server::own_copy(workspace, profile, "parapet")?;
    Step::cargo(workspace, ["build", "--workspace", "--locked", "--bin", "parapet-bench"]).run()?;
    let driver = server::own_copy(workspace, "dev", "parapet-bench")?;
    Ok(Step::new(driver, ["--parapet"], &workspace.root).arg(parapet).arg("--cache").arg(&workspace.cache))
}

/// A peer that can't be had leaves a visible line, and the bench goes on without it.
fn optional(outcome: Result<()>) {
    if let Err(error) = outcome {
        eprintln!("peer: not available ({error:#})");
    }
}
