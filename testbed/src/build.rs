//! Building the programs from published Go modules, once for all checkouts of a user.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::programs::{COMPLETE, KUBE_ALL, PAUSE, Programs, build_dir};
use crate::versions::{GO_MOD, GO_SUM, MAIN_GO, PAUSE_GO, Versions};

/// The packages whose variables say which Kubernetes this is; without them feature gates take it for a version 0.
const VERSION_PACKAGES: &[&str] = &["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];

/// There is no Go compiler: the testbed can't be built on this machine.
#[derive(Debug, Clone, Copy)]
pub struct NoGo;

impl std::fmt::Display for NoGo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "no Go compiler found: install Go 1.24 or newer (https://go.dev/dl, or your distribution's golang \
             package), or set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver",
        )
    }
}

impl std::error::Error for NoGo {}

/// Builds what is missing, and returns where it is. Cold: about ten minutes on two cores; a build that is there: nothing.
///
/// # Errors
/// [`NoGo`] if there is no compiler (`error.is::<NoGo>()`); otherwise what Go said.
pub fn build() -> Result<Programs> {
    if let Some(programs) = Programs::find()? {
        return Ok(programs);
    }
    if !go_is_there() {
        return Err(NoGo.into());
    }
    let dir = build_dir()?;
    fs::create_dir_all(&dir).with_context(|| format!("failed to create {}", dir.display()))?;
    let lock = File::create(dir.join("lock")).context("failed to create the build's lock")?;
    lock.lock().context("failed to wait for another build")?;
    // Another process may have built it while this one waited.
    if Programs::built(&dir).is_none() {
        build_into(&dir, &Versions::read()?)?;
        fs::write(dir.join(COMPLETE), "").context("failed to mark the build as complete")?;
    }
    Programs::built(&dir).context("the build is not where it was put")
}

/// Writes the Go module again from `versions.yaml`, in `testbed/control-plane` of the checkout `root`.
pub fn pin(root: &Path) -> Result<()> {
    let dir = root.join("testbed/control-plane");
    let versions = Versions::read()?;
    let staging = versions.staging()?;
    let download = go(&dir)
        .args(["mod", "download", "-json", &format!("k8s.io/kubernetes@v{}", versions.kubernetes)])
        .env("GOFLAGS", "-mod=mod")
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start go")?;
    let download: serde_json::Value =
        serde_json::from_slice(&download.stdout).context("go answered no JSON")?;
    let its_own = download["GoMod"].as_str().context("go names no go.mod of Kubernetes")?;
    let its_own = fs::read_to_string(its_own).with_context(|| format!("failed to read {its_own}"))?;
    let line = |start: &str| its_own.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    let replaced = its_own.lines().filter(|line| line.contains("=> ./staging/")).filter_map(|line| {
        let module = line.split_whitespace().next()?;
        Some(format!("\t{module} => {module} v{staging}\n"))
    });
    let text = format!(
        "module parapet/testbed/control-plane\n\n{}\n\n{}\n\nrequire (\n\tgo.etcd.io/etcd/server/v3 v{}\n\
         \tk8s.io/component-base v{staging}\n\tk8s.io/kubernetes v{}\n)\n\n\
         // Kubernetes keeps these modules in its own tree; here they are the published ones of the same release.\n\
         replace (\n{})\n",
        line("go "),
        line("godebug "),
        versions.etcd,
        versions.kubernetes,
        replaced.collect::<String>(),
    );
    fs::write(dir.join("go.mod"), text).context("failed to write go.mod")?;
    run(go(&dir).args(["mod", "tidy"]))
}

#[allow(clippy::print_stderr, reason = "whoever started it waits for minutes and wants to know why")]
fn build_into(dir: &Path, versions: &Versions) -> Result<()> {
    eprintln!("building the testbed into {} (about ten minutes when cold, once)", dir.display());
    let source = dir.join("control-plane");
    fs::create_dir_all(&source).with_context(|| format!("failed to create {}", source.display()))?;
    for (name, text) in [("main.go", MAIN_GO), ("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        fs::write(source.join(name), text).with_context(|| format!("failed to write {name}"))?;
    }
    run(go(&source)
        .args(["build", "-ldflags", &version_flags(&versions.kubernetes)?, "-o"])
        .arg(dir.join(KUBE_ALL))
        .arg("."))?;
    let source = dir.join("pause-source");
    fs::create_dir_all(&source).with_context(|| format!("failed to create {}", source.display()))?;
    fs::write(source.join("main.go"), PAUSE_GO).context("failed to write main.go")?;
    run(go(&source).args(["build", "-ldflags", "-s -w", "-o"]).arg(dir.join(PAUSE)).arg("main.go"))?;
    for (package, version) in
        [("sigs.k8s.io/kwok/cmd/kwok", &versions.kwok), ("helm.sh/helm/v3/cmd/helm", &versions.helm)]
    {
        let package = format!("{package}@v{version}");
        run(go(dir).args(["install", "-ldflags", "-s -w", &package]).env("GOBIN", dir))?;
    }
    Ok(())
}

fn version_flags(version: &str) -> Result<String> {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next(), parts.next().context("kubernetes is no x.y.z")?);
    let mut flags = String::from("-s -w");
    for package in VERSION_PACKAGES {
        for (name, value) in [
            ("gitVersion", &*format!("v{version}")),
            ("gitMajor", major.unwrap_or_default()),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
        ] {
            flags.push_str(&format!(" -X {package}.{name}={value}"));
        }
    }
    Ok(flags)
}

fn go_is_there() -> bool {
    let found = Command::new("go").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// Go, without cgo and without traces of this machine, so that builds are the same everywhere.
fn go(dir: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(dir)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-buildvcs=false -trimpath")
        .stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<()> {
    // Standard output may belong to a command's answer, such as the kubeconfig's path.
    let status = command.stdout(std::io::stderr()).status().context("failed to start go")?;
    if !status.success() {
        bail!("`{command:?}` failed: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_programs_know_their_version() {
        let flags = super::version_flags("1.34.4").unwrap();
        assert!(flags.contains("-X k8s.io/component-base/version.gitVersion=v1.34.4"), "{flags}");
        assert!(flags.contains("-X k8s.io/client-go/pkg/version.gitMinor=34"), "{flags}");
        assert!(super::version_flags("1").is_err());
    }
}
