//! Network namespaces: one for the node, one for each pod and each outside address, and the wires between them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// The addresses that every namespace sends everything to; nobody has them, a permanent neighbour stands for each.
const GATEWAYS: [&str; 2] = ["169.254.1.1", "fe80::1"];

/// The namespaces of one check; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Topology {
    prefix: String,
    addresses: Vec<IpAddr>,
}

impl Topology {
    /// Makes the node and a namespace for each of `addresses`.
    pub(crate) fn make(addresses: &[IpAddr]) -> Result<Self> {
        let topology = Self { prefix: format!("ppk{}", std::process::id()), addresses: addresses.to_vec() };
        topology.build()?;
        Ok(topology)
    }

    /// Name of the node's namespace.
    pub(crate) fn node(&self) -> String {
        format!("{}n", self.prefix)
    }

    /// Name of the namespace of an address.
    pub(crate) fn namespace(&self, index: usize) -> String {
        format!("{}e{index}", self.prefix)
    }

    fn build(&self) -> Result<()> {
        let node = self.node();
        let mut namespaces = format!("netns add {node}\n");
        for index in 0..self.addresses.len() {
            let _ = writeln!(namespaces, "netns add {}", self.namespace(index));
        }
        batch(None, false, &namespaces)?;
        let (mut wires, mut routes) = (String::new(), [String::new(), String::new()]);
        for (index, address) in self.addresses.iter().enumerate() {
            let there = self.namespace(index);
            let (near, far) = (mac(1, index), mac(2, index));
            let _ = writeln!(
                wires,
                "link add v{index} address {near} type veth peer name eth0 address {far} netns {there}"
            );
            let _ = writeln!(wires, "link set v{index} up");
            let routes = &mut routes[usize::from(address.is_ipv6())];
            let _ = writeln!(routes, "route add {} dev v{index}", alone(*address));
            let _ = writeln!(routes, "neigh add {address} lladdr {far} dev v{index} nud permanent");
        }
        // The node's own addresses are good at once: until then it can't answer a refused probe.
        let settings = "cd /proc/sys/net/ipv6/conf && for f in all default; do echo 0 > $f/accept_dad; done";
        run(Command::new("nsenter").arg(net(&node)).args(["sh", "-c", settings]), None)?;
        batch(Some(&node), false, &wires)?;
        batch(Some(&node), false, &routes[0])?;
        batch(Some(&node), true, &routes[1])?;
        for (index, address) in self.addresses.iter().enumerate() {
            let near = mac(1, index);
            let gateway = GATEWAYS[usize::from(address.is_ipv6())];
            // An address that nobody else has need not be asked for.
            let (nodad, scope) = if address.is_ipv6() { (" nodad", "") } else { ("", " scope link") };
            let text = format!(
                "link set lo up\naddr add {} dev eth0{nodad}\nlink set eth0 up\nroute add {gateway} dev eth0{scope}\n\
                 neigh add {gateway} lladdr {near} dev eth0 nud permanent\nroute add default via {gateway} dev eth0\n",
                alone(*address)
            );
            batch(Some(&self.namespace(index)), address.is_ipv6(), &text)?;
        }
        // The node only routes; and it answers each refused probe, which the kernel would otherwise ration.
        let settings = "cd /proc/sys/net/ipv4 && echo 1 > ip_forward && echo 0 > icmp_ratelimit && echo 0 > icmp_ratemask \
                        && for f in conf/*/rp_filter; do echo 0 > $f; done \
                        && cd /proc/sys/net/ipv6 && echo 1 > conf/all/forwarding && echo 0 > icmp/ratelimit && echo 0 > icmp/ratemask";
        run(Command::new("nsenter").arg(net(&node)).args(["sh", "-c", settings]), None)?;
        // With a ruleset loaded, flows are tracked; a finished one is forgotten at once, or the table would fill up.
        self.load(&crate::nft::ruleset(&[]))?;
        let settings = "cd /proc/sys/net/netfilter && for f in nf_conntrack_tcp_timeout_time_wait \
                        nf_conntrack_tcp_timeout_close nf_conntrack_tcp_timeout_close_wait \
                        nf_conntrack_tcp_timeout_last_ack nf_conntrack_tcp_timeout_fin_wait nf_conntrack_udp_timeout \
                        nf_conntrack_udp_timeout_stream; do echo 1 > $f; done";
        run(Command::new("nsenter").arg(net(&node)).args(["sh", "-c", settings]), None).map(drop)
    }

    /// Loads a ruleset into the node, in place of the one before.
    pub(crate) fn load(&self, rules: &str) -> Result<()> {
        let mut command = Command::new("nsenter");
        command.arg(net(&self.node())).args(["nft", "-f", "-"]);
        run(&mut command, Some(rules)).map(drop)
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        let mut names: Vec<String> = (0..self.addresses.len()).map(|index| self.namespace(index)).collect();
        names.push(self.node());
        for name in names {
            // Half of a topology is removed too: what was never made is no loss.
            let _ = Command::new("ip").args(["netns", "del", &name]).stderr(Stdio::null()).status();
        }
    }
}

/// The option of `nsenter` for a namespace.
pub(crate) fn net(namespace: &str) -> String {
    format!("--net=/run/netns/{namespace}")
}

/// What is missing to make namespaces and rules, if something is.
pub(crate) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables"), ("nsenter", "util-linux")] {
        if Command::new(program).arg("--version").output().is_err() {
            return Some(format!("{program} is missing (Debian package {package})"));
        }
    }
    let probe = format!("ppk{}x", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &probe]).output();
    let made = made.is_ok_and(|output| output.status.success());
    let _ = Command::new("ip").args(["netns", "del", &probe]).stderr(Stdio::null()).status();
    (!made).then(|| "this machine doesn't let root make network namespaces".to_owned())
}

fn mac(side: u8, index: usize) -> String {
    // Locally administered, as nobody sells them.
    format!("02:70:61:{side:02x}:{:02x}:{:02x}", index >> 8, index & 0xff)
}

/// The block of one address.
fn alone(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv6() { 128 } else { 32 })
}

fn batch(namespace: Option<&str>, v6: bool, lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    if v6 {
        command.arg("-6");
    }
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    command.args(["-batch", "-"]);
    run(&mut command, Some(lines)).map(drop)
}

fn run(command: &mut Command, input: Option<&str>) -> Result<Output> {
    let program = command.get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {program}"))?;
    let mut stdin = child.stdin.take().context("the child has no input")?;
    let text = input.unwrap_or_default().to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().with_context(|| format!("failed to wait for {program}"))?;
    // A program that failed early may not have read everything; its own words say more than a broken pipe.
    let _ = writer.join();
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}
