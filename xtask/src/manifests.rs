//! The operator's manifests for `kubectl apply`: made of its chart, committed, compared by a test.

use anyhow::Result;

use crate::process::Step;
use crate::workspace::Workspace;

/// Writes them again: the test that compares them does it when told to.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    Step::cargo(workspace, ["test", "--quiet", "--locked", "-p", "parapet", "--no-default-features"])
        .arg("--features=guard,operator")
        .arg("--test=operator")
        .arg("--")
        .arg("manifests::")
        .arg("chart::each_profile_renders_what_is_committed")
        .arg("configuration::every_key_is_in_the_documentation")
        .env("UPDATE_GENERATED", "1")
        .env(crate::testbed::REQUIRED, "1")
        .run()?;
    Step::new(
        "git",
        ["status", "--short", "--", "deploy", "crates/parapet/tests/operator", "docs/operator.md"],
        &workspace.root,
    )
    .run()
}
