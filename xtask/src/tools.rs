//! The programs that steps need: found, installed by package name where that is allowed, or named with the exact command.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::Step;
use crate::workspace::Workspace;

/// A program that a step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Node and npm, for the console.
    Node,
    /// A real browser.
    Chromium,
    /// Python with the `venv` module.
    Python,
    /// curl.
    Curl,
    /// nftables and the tools for network namespaces: the kernel check.
    Nftables,
    /// rsyslog, the peer of the tail bench.
    Rsyslog,
    /// Prometheus, which scrapes through the guard.
    Prometheus,
    /// h2load, which loads the guard over HTTP/1.1 and HTTP/2.
    H2load,
    /// nginx, a peer of the guard bench.
    Nginx,
    /// containerd and what a node needs besides.
    Containerd,
}

/// How long what is fetched from elsewhere may take: minutes, with a slow line.
pub(crate) const FETCHED_WITHIN: Duration = Duration::from_secs(10 * 60);
/// The oldest Node that Vite, which builds the console, runs on.
const OLDEST_NODE: u32 = 20;
/// The oldest Python that the OpenTelemetry SDK supports.
const OLDEST_PYTHON: u32 = 9;

impl Tool {
    /// Finds it, or installs it where that needs no password, or says how.
    pub(crate) fn ensure(self, workspace: &Workspace) -> Result<()> {
        if self.is_there(workspace) {
            return Ok(());
        }
        let command = format!("apt-get install -y --no-install-recommends {}", self.packages().join(" "));
        if !may_install(workspace) {
            bail!("{} is missing; install it with\n\n    sudo {command}\n\n{}", self.what(), self.hint());
        }
        eprintln!("{} is missing; installing it", self.what());
        Step::new("apt-get", ["update", "-qq"], &workspace.root).within(FETCHED_WITHIN).run()?;
        Step::new("apt-get", command.split(' ').skip(1), &workspace.root)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .within(FETCHED_WITHIN)
            .run()
            .with_context(|| format!("{} could not be installed by `{command}`", self.what()))?;
        if !self.is_there(workspace) {
            bail!("`{command}` did not bring {}. {}", self.what(), self.hint());
        }
        Ok(())
    }

    /// Whether it can be used as it is.
    pub(crate) fn is_there(self, workspace: &Workspace) -> bool {
        let output = |program: &str, args: &[&str]| Step::new(program, args, &workspace.root).output();
        match self {
            Self::Node => {
                output("npm", &["--version"]).is_some()
                    && output("node", &["--version"])
                        .and_then(|v| node_major(&v))
                        .is_some_and(|v| v >= OLDEST_NODE)
            }
            Self::Chromium => chromium(workspace).is_some(),
            Self::Python => {
                let probe =
                    format!("import sys, venv, ensurepip; sys.exit(sys.version_info < (3, {OLDEST_PYTHON}))");
                output("python3", &["-c", &probe]).is_some()
            }
            Self::Curl => output("curl", &["--version"]).is_some(),
            Self::Rsyslog => {
                output("rsyslogd", &["-v"]).is_some() || output("/usr/sbin/rsyslogd", &["-v"]).is_some()
            }
            Self::Prometheus => output("prometheus", &["--version"]).is_some(),
            Self::Nftables => output("nft", &["--version"]).is_some() && output("ip", &["-V"]).is_some(),
            Self::Containerd => {
                ["containerd", "runc"].iter().all(|program| output(program, &["--version"]).is_some())
                    && Self::Nftables.is_there(workspace)
                    && ["/usr/lib/cni/bridge", "/opt/cni/bin/bridge"]
                        .iter()
                        .any(|path| Path::new(path).exists())
            }
            Self::H2load => output("h2load", &["--version"]).is_some(),
            Self::Nginx => output("nginx", &["-v"]).is_some() || output("/usr/sbin/nginx", &["-v"]).is_some(),
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Node => "Node 20 or newer with npm (builds the console)",
            Self::Chromium => "Chromium (the browser of the end-to-end tests)",
            Self::Python => "Python 3.9 or newer with venv (a client in the tests)",
            Self::Curl => "curl (a client in the tests)",
            Self::Nftables => "nftables and iproute2 (the kernel check)",
            Self::Rsyslog => "rsyslog (a peer of the tail bench)",
            Self::Prometheus => "Prometheus (a client in the tests of the guard)",
            Self::H2load => "h2load (a client in the tests of the guard, and its bench's load)",
            Self::Nginx => "nginx (a peer of the guard bench)",
            Self::Containerd => "containerd with runc and network plugins (a real node)",
        }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["nodejs", "npm"],
            Self::Chromium => &["chromium"],
            Self::Python => &["python3", "python3-venv"],
            Self::Curl => &["curl", "ca-certificates"],
            Self::Nftables => &["nftables", "iproute2"],
            Self::Rsyslog => &["rsyslog"],
            Self::Prometheus => &["prometheus"],
            Self::H2load => &["nghttp2-client"],
            Self::Nginx => &["nginx-light"],
            Self::Containerd => &[
                "containerd",
                "runc",
                "containernetworking-plugins",
                "nftables",
                "iproute2",
                "iptables",
                "ipset",
                "conntrack",
            ],
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Node => {
                "If your distribution's Node is older than 20, take one from nodejs.org or your version manager."
            }
            Self::Chromium => "A Chromium or Chrome elsewhere can be named with CHROMIUM=/path/to/it.",
            Self::Python
            | Self::Curl
            | Self::Nftables
            | Self::Rsyslog
            | Self::Prometheus
            | Self::H2load
            | Self::Nginx
            | Self::Containerd => "Other systems call the packages by similar names.",
        }
    }
}

/// The browser's path: `$CHROMIUM`, else the first that the usual names find.
pub(crate) fn chromium(workspace: &Workspace) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(PathBuf::from(named)).filter(|path| path.exists());
    }
    ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| {
        let found = Step::new("sh", ["-c", &format!("command -v {name}")], &workspace.root).output()?;
        Some(PathBuf::from(found.trim()))
    })
}

/// A Python environment in the cache that holds what a requirements file of the repository lists, made again when that
/// changed; the path of its `python`.
pub(crate) fn python_with(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    Tool::Python.ensure(workspace)?;
    let home = workspace.cache.join("python").join(name);
    let (python, stamp) = (home.join("bin/python"), home.join("installed.txt"));
    let requirements = workspace.root.join(requirements);
    let wanted =
        fs::read(&requirements).with_context(|| format!("failed to read {}", requirements.display()))?;
    if python.exists() && fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    Step::new("python3", ["-m", "venv", "--clear"], &workspace.root).arg(&home).run()?;
    Step::new(&python, ["-m", "pip", "install", "--quiet", "-r"], &workspace.root)
        .arg(&requirements)
        .within(FETCHED_WITHIN)
        .run()?;
    fs::write(&stamp, wanted).with_context(|| format!("failed to write {}", stamp.display()))?;
    Ok(python)
}

/// Runs `npm ci` in `dir` if its lock file changed since the last time.
pub(crate) fn npm_ci(workspace: &Workspace, dir: &Path) -> Result<()> {
    Tool::Node.ensure(workspace)?;
    let lock = dir.join("package-lock.json");
    let locked = fs::read(&lock).with_context(|| format!("failed to read {}", lock.display()))?;
    // Beside what it describes: whoever removes node_modules removes the stamp.
    let stamp = dir.join("node_modules/.installed-from-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == locked) {
        return Ok(());
    }
    Step::new("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], dir)
        .env("PUPPETEER_SKIP_DOWNLOAD", "1")
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
        .within(FETCHED_WITHIN)
        .run()?;
    fs::write(&stamp, locked).with_context(|| format!("failed to write {}", stamp.display()))
}

fn may_install(workspace: &Workspace) -> bool {
    let output = |program: &str, args: &[&str]| Step::new(program, args, &workspace.root).output();
    output("apt-get", &["--version"]).is_some() && output("id", &["-u"]).is_some_and(|id| id.trim() == "0")
}

fn node_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::node_major;

    #[test]
    fn nodes_version_is_read() {
        assert_eq!(node_major("v20.20.2\n"), Some(20));
        assert_eq!(node_major("20"), None);
        assert_eq!(node_major("vX.1"), None);
    }
}
