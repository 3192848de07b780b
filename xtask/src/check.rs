//! What CI asks besides tests.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::console;
use crate::deps::{self, Graph};
use crate::process::Step;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    Step::cargo(workspace, ["fmt", "--all", "--check"])
        .run()
        .context("run `cargo fmt --all` to format the code")?;
    dependencies(workspace)?;
    tracked_files(workspace)?;
    // Clippy builds the binary, which holds the console.
    console::build_if_changed(workspace)?;
    Step::cargo(
        workspace,
        ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"],
    )
    .run()?;
    console::lint(workspace)?;
    println!("every check passed");
    Ok(())
}

/// Checks the direction of dependencies and the absence of banned libraries.
pub(crate) fn dependencies(workspace: &Workspace) -> Result<()> {
    let cargo = |args: &str| {
        let step = Step::cargo(workspace, args.split(' '));
        step.output().with_context(|| format!("`{}` failed; is Cargo.lock up to date?", step.line()))
    };
    let graph = Graph::parse(&cargo("metadata --format-version 1 --no-deps")?)?;
    let mut violations = graph.violations();
    violations.extend(deps::banned(&cargo(
        "tree --workspace --locked --all-features --target all --prefix depth --format {p}",
    )?));
    if !violations.is_empty() {
        bail!("dependencies:\n  {}", violations.join("\n  "));
    }
    println!(
        "dependency direction: {} edges between our crates, all allowed; no banned library",
        graph.edges()
    );
    Ok(())
}

/// Writes generated references again: tests that compare committed files with what the code says write them when told to,
/// so `cargo xtask test` fails on a file that is out of date. The console's types come last, from the API's description.
pub(crate) fn regenerate(workspace: &Workspace) -> Result<()> {
    // Named together: alone, the server would build half of the dependencies a second time, with fewer features.
    Step::cargo(
        workspace,
        ["test", "--quiet", "-p", "parapet", "-p", "parapet-server", "--", "openapi", "reference"],
    )
    .env("UPDATE_GENERATED", "1")
    .env("UPDATE_REFERENCE", "1")
    .run()?;
    console::write_api_types(workspace)?;
    Step::new("git", ["status", "--short", "--", "docs", "crates", "console"], &workspace.root).run()
}

/// Where paths are others': manifests name those inside of their containers, and what a fuzzer found is nobody's text.
const OTHERS_PATHS: [&str; 4] =
    ["crates/audit/tests/fixtures/", "docs/rules/", "examples/source-documents/", "fuzz/seeds/"];

/// No tracked text file names a path of somebody's machine.
fn tracked_files(workspace: &Workspace) -> Result<()> {
    let step = Step::new("git", ["ls-files", "-z"], &workspace.root);
    let files = step.output().context("`git ls-files` failed; is this a clone?")?;
    let mut found = Vec::new();
    let mut checked = 0;
    for file in files.split('\0').filter(|file| !file.is_empty()) {
        // Pictures and fonts are not text, and a file removed but not yet committed is still listed.
        let Ok(text) = std::fs::read_to_string(workspace.root.join(file)) else { continue };
        if OTHERS_PATHS.iter().any(|folder| file.starts_with(folder)) {
            continue;
        }
        checked += 1;
        for (number, line) in text.lines().enumerate() {
            if let Some(path) = machine_path(line) {
                found.push(format!("{file}:{}: {path}", number + 1));
            }
        }
    }
    if !found.is_empty() {
        bail!("paths of one machine in tracked files:\n  {}", found.join("\n  "));
    }
    println!("tracked files: {checked} text files, none names a path of somebody's machine");
    Ok(())
}

/// The path in `line` that can only be somebody's own: a home directory, or this checkout's parent.
fn machine_path(line: &str) -> Option<&str> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).and_then(Path::to_str).unwrap_or("/");
    let own_with_slash = format!("{}/", own.trim_end_matches('/'));
    let roots = [concat!("/ro", "ot/"), concat!("/Us", "ers/"), &own_with_slash];
    roots
        .iter()
        .filter(|root| root.len() > 1)
        .filter_map(|root| line.find(*root).map(|at| (at, root)))
        .find(|(at, _)| {
            // A path inside a URL, a glob or another path is not absolute.
            !line[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || "._-}>)*".contains(c))
        })
        .map(|(at, root)| {
            let rest = &line[at + root.len()..];
            let end = rest.find(|c: char| c.is_whitespace() || "\"'`,)".contains(c)).unwrap_or(rest.len());
            &line[at..at + root.len() + end]
        })
        .filter(|path| path.len() > 6)
}

#[cfg(test)]
mod tests {
    use super::machine_path;

    #[test]
    fn home_directories_are_found_and_other_paths_are_not() {
        let home = concat!("/ro", "ot/.cache/x");
        assert_eq!(machine_path(&format!("see {home}, there")), Some(home));
        assert_eq!(machine_path(&format!("https://host{home}")), None);
        assert_eq!(machine_path("/var/log/pods and ~/.cache/parapet"), None);
    }
}
