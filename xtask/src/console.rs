//! The console: build, unit tests, lints, and its end-to-end tests in a browser.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};

use crate::counts::Counts;
use crate::process::Step;
use crate::server;
use crate::tools::{self, Tool};
use crate::workspace::Workspace;

/// What the built console is made of, relative to `console/`.
const SOURCES: &[&str] =
    &["src", "public", "index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json"];

/// Builds `console/dist`.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    npm(workspace, &["run", "build"])?.run()
}

/// Builds `console/dist` unless it is newer than everything that it is made of.
pub(crate) fn build_if_changed(workspace: &Workspace) -> Result<()> {
    let console = workspace.console();
    let built = modified(&console.join("dist/index.html"));
    let changed = SOURCES.iter().filter_map(|source| newest(&console.join(source))).max();
    match (built, changed) {
        (Some(built), Some(changed)) if built > changed => Ok(()),
        _ => build(workspace),
    }
}

/// Lints and type-checks it.
pub(crate) fn lint(workspace: &Workspace) -> Result<()> {
    npm(workspace, &["run", "lint"])?.run()?;
    npm(workspace, &["run", "typecheck"])?.run()
}

/// Writes the API's types from its committed description; the unit tests compare the two.
pub(crate) fn write_api_types(workspace: &Workspace) -> Result<()> {
    npm(workspace, &["run", "api-types"])?.run()
}

/// Its unit tests.
pub(crate) fn unit_tests(workspace: &Workspace) -> Result<Counts> {
    npm(workspace, &["run", "test"])?.env("CI", "1").run_counted()
}

/// Its end-to-end tests: a server with the demo system, and a real Chromium.
pub(crate) fn e2e(workspace: &Workspace) -> Result<Counts> {
    Tool::Chromium.ensure(workspace)?;
    let chromium = tools::chromium(workspace).context("Chromium was there a moment ago")?;
    let binary = server::build(workspace, "dev")?;
    npm(workspace, &["run", "e2e"])?
        .env("CI", "1")
        .env("CHROMIUM", chromium)
        .env("PARAPET_BIN", binary)
        .run_counted()
}

fn npm(workspace: &Workspace, args: &[&str]) -> Result<Step> {
    let console = workspace.console();
    tools::npm_ci(workspace, &console)?;
    Ok(Step::new("npm", ["--silent"].iter().chain(args), &console))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let inside = fs::read_dir(path).into_iter().flatten().flatten().filter_map(|entry| newest(&entry.path()));
    inside.chain(modified(path)).max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
