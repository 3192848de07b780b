//! What the audit says of pods, against Kubernetes' own fixtures and evaluator of the Pod Security Standards; both come with
//! a Go module, and `tests/pss` asks it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::counts::Counts;
use crate::process::Step;
use crate::tools::FETCHED_WITHIN;
use crate::workspace::Workspace;

/// The variables that `crates/audit/tests/it/published.rs` reads.
const FIXTURES: &str = "PARAPET_PSS_FIXTURES";
const EVALUATOR: &str = "PARAPET_PSS_EVALUATOR";
const MODULE: &str = "k8s.io/pod-security-admission";

/// The same step with what the tests need, or as it is where there is no Go.
pub(crate) fn prepare(workspace: &Workspace, tests: Step) -> Result<Step> {
    let module = workspace.root.join("tests/pss");
    if Step::new("go", ["version"], &module).output().is_none() {
        println!("Kubernetes' own Pod Security Standards can't be built without Go; their tests say SKIPPED");
        return Ok(tests);
    }
    let folder = workspace.own_dir().join("pss");
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let program = folder.join("evaluator");
    Step::new("go", ["build", "-o"], &module).arg(&program).arg(".").within(FETCHED_WITHIN).run()?;
    let sources = Step::new("go", ["list", "-m", "-f", "{{.Dir}}", MODULE], &module)
        .output()
        .with_context(|| format!("go doesn't know where {MODULE} is"))?;
    let fixtures = PathBuf::from(sources.trim()).join("test/testdata");
    Ok(tests.env(FIXTURES, fixtures).env(EVALUATOR, program))
}

/// Replays the fixtures and asks the evaluator, and nothing else.
pub(crate) fn verify(workspace: &Workspace) -> Result<Counts> {
    let tests = Step::cargo(
        workspace,
        ["test", "--locked", "-p", "parapet-audit", "--test", "it", "published::", "--", "--nocapture"],
    );
    prepare(workspace, tests)?.run_counted()
}
