//! What `parapet audit -o sarif` writes, against the schema that OASIS published; `tests/sarif` knows it.

use std::fs;

use anyhow::{Context as _, Result};

use crate::counts::Counts;
use crate::process::Step;
use crate::server;
use crate::workspace::Workspace;

/// What is audited: one set full of findings, one without any.
const EXAMPLES: [&str; 2] = ["source-documents", "hardened"];

/// Audits the examples and validates what comes out.
pub(crate) fn validate(workspace: &Workspace) -> Result<Counts> {
    let tests = workspace.root.join("tests/sarif");
    if Step::new("go", ["version"], &tests).output().is_none() {
        println!("SKIPPED: sarif: the schema comes with a Go module, and there is no Go");
        return Ok(Counts { skipped: 1, ..Counts::default() });
    }
    let binary = server::build(workspace, "dev")?;
    let folder = workspace.cache.join("sarif");
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let mut check = Step::new("go", ["run", "."], &tests);
    for example in EXAMPLES {
        let written = folder.join(format!("{example}.sarif"));
        Step::new(
            &binary,
            ["audit", "--recursive", "--exit-zero", "-o", "sarif", "--output"],
            &workspace.root,
        )
        .arg(&written)
        .arg(format!("examples/{example}"))
        .run()?;
        check = check.arg(&written);
    }
    check.run_counted()
}
