//! A machine of its own for a real node: this program again, in namespaces of network, mounts and processes of its own.
//!
//! They end with their first process, and with them all that containers leave behind otherwise: shims, mounts, bridges. The
//! network has no way out. What namespaces don't hold are control groups, which the outer process removes, or its sandbox's
//! watchdog when that one is killed; and a few settings of the kernel, of which the machine sees files of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::sandbox::Sandbox;

/// Set for the inner process: the name of the machine, which is that of its control group.
const NAME: &str = "PARAPET_TESTBED_MACHINE";
/// The kubelet would set these for everybody; no namespace holds them.
const SETTINGS: [&str; 5] = [
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
];
/// Folders that containerd and the kubelet use whatever they are told; in the machine they are empty, and its own.
const PRIVATE: [&str; 4] = ["/run/containerd", "/var/log/pods", "/var/log/containers", "/var/lib/kubelet"];
/// The programs that a node is made of, besides Kubernetes' own.
const PROGRAMS: [&str; 6] = ["unshare", "ip", "nft", "containerd", "ctr", "runc"];
/// Where distributions put the plugins of container networks.
pub(crate) const PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Why there can't be a real node here, in words that say what to do; `None`: there can.
pub fn machine_lacks() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("a real node needs root".to_owned());
    }
    let missing = PROGRAMS.into_iter().find(|program| !is_in_path(program));
    let missing =
        missing.or_else(|| plugins().is_none().then_some("the bridge plugin of container networks"));
    if let Some(missing) = missing {
        return Some(format!(
            "a real node needs {missing}: install containerd, runc, containernetworking-plugins, nftables and iproute2"
        ));
    }
    let tried = namespaces().arg("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
    (!tried.is_ok_and(|status| status.success()))
        .then(|| "a real node needs namespaces of its own, which are not allowed here".to_owned())
}

/// The machine that this process is the first one of; `None`: it runs outside.
pub fn machine() -> Option<String> {
    env::var(NAME).ok().filter(|name| !name.is_empty())
}

/// Runs this program again, with the same arguments, as the first process of a new machine; how it ended. Nothing of the
/// machine is left then, also if one of the two is killed.
pub fn run_in_machine() -> Result<ExitStatus> {
    let sandbox = Sandbox::new()?;
    let name = sandbox.dir().file_name().and_then(|name| name.to_str()).context("a sandbox has a name")?;
    sandbox.at_end(&put_back(name))?;
    let program = env::current_exe().context("this program has no path")?;
    let mut command = namespaces();
    // Whatever is made there goes with the outer sandbox.
    command.arg(program).args(env::args_os().skip(1)).env(NAME, name).env("TMPDIR", sandbox.dir());
    let mut child = command.spawn().context("failed to start unshare")?;
    sandbox.started(child.id());
    let status = child.wait().context("failed to wait for the machine")?;
    sandbox.ended(child.id());
    Ok(status)
}

/// Called first in the machine: its network, its private folders, its control groups.
pub(crate) fn prepare(name: &str, address: &str) -> Result<()> {
    run("mount", &["--make-rshared", "/"])?;
    for folder in PRIVATE {
        fs::create_dir_all(folder).with_context(|| format!("failed to create {folder}"))?;
        run("mount", &["-t", "tmpfs", "tmpfs", folder])?;
    }
    // The kubelet's volumes are mounts that containers are to see.
    run("mount", &["--make-rshared", "/var/lib/kubelet"])?;
    for setting in SETTINGS {
        let path = format!("/proc/sys/{setting}");
        let Ok(value) = fs::read(&path) else { continue };
        let own = env::temp_dir().join(setting.replace('/', "-"));
        fs::write(&own, value).with_context(|| format!("failed to write {}", own.display()))?;
        run("mount", &["--bind", &own.to_string_lossy(), &path])?;
    }
    for words in [
        "link set lo up",
        "link add node0 type veth peer name node0p",
        "link set node0p up",
        &format!("address add {address}/24 dev node0"),
        "link set node0 up",
        // Addresses of Services need a route, or the kernel gives up before it translates them.
        "route add default dev node0",
    ] {
        run("ip", &words.split(' ').collect::<Vec<_>>())?;
    }
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("failed to let the node forward")?;
    for folder in hierarchies()? {
        let group = folder.join(name);
        fs::create_dir_all(&group).with_context(|| format!("failed to create {}", group.display()))?;
    }
    Ok(())
}

/// The folder of the plugins of container networks.
pub(crate) fn plugins() -> Option<&'static str> {
    PLUGINS.into_iter().find(|folder| Path::new(folder).join("bridge").is_file())
}

/// One per controller with version 1 of control groups, the only one with version 2.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return Ok(vec![root.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(root).context("failed to list the control groups")? {
        let folder = entry.context("failed to list the control groups")?.path();
        // Beside the others there may be one of version 2 without controllers.
        if folder.is_dir() && !folder.join("cgroup.controllers").exists() {
            found.push(folder);
        }
    }
    Ok(found)
}

fn namespaces() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child"]);
    command.arg("--mount-proc");
    command
}

/// A script for the outside. A group can be removed when its last process is gone, which takes the kernel a moment.
fn put_back(name: &str) -> String {
    format!(
        "for look in $(seq 100); do\n  \
           find /sys/fs/cgroup -depth -type d -path '*/{name}*' -exec rmdir {{}} + 2>/dev/null\n  \
           [ -n \"$(find /sys/fs/cgroup -maxdepth 2 -type d -name '{name}')\" ] || break\n  \
           sleep 0.1\n\
         done\n"
    )
}

fn is_in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("failed to start {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{program} {}` failed: {}", arguments.join(" "), said.trim());
    }
    Ok(())
}
