//! How reachability grows: generated clusters up to a million pods; list, diff and the edit of one policy.
//!
//! Without arguments it starts itself once per size, so that each has its own peak of memory. `--json` prints one JSON
//! object a line: name, value, unit, target, pass. `--size PODSxPOLICIES` measures one size in this process.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a bench prints what it measures"
)]

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use parapet_reach::model::{
    Block, Cluster, ContainerPort, Labels, Namespace, NetworkPolicy, Peer, Pod, PolicyPort, Rule, Selector,
    WorkloadRef,
};
use parapet_reach::{Change, Diff, Edited, Options, Protocol, Reachability, render};

/// The sizes of the issue, and doublings in between for the growth.
const SIZES: [(usize, usize); 6] = [
    (10_000, 5_000),
    (25_000, 5_000),
    (50_000, 5_000),
    (100_000, 5_000),
    (200_000, 5_000),
    (1_000_000, 5_000),
];

/// Design targets at 100 k pods and 5 k policies: list, memory, one-policy edit.
const TARGET_LIST: Duration = Duration::from_secs(2);
const TARGET_MEMORY_MIB: f64 = 500.0;
const TARGET_EDIT: Duration = Duration::from_millis(50);

/// Edits measured per size; the slowest counts.
const EDITS: usize = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    match arguments.iter().position(|argument| argument == "--size") {
        Some(at) => {
            let (pods, policies) = arguments[at + 1].split_once('x').unwrap();
            measure(pods.parse().unwrap(), policies.parse().unwrap(), json);
            ExitCode::SUCCESS
        }
        // `cargo test --benches` runs benches too; one small size says that it works.
        None if !arguments.iter().any(|argument| argument == "--bench") => {
            measure(1_000, 100, json);
            ExitCode::SUCCESS
        }
        None => every_size(json),
    }
}

fn every_size(json: bool) -> ExitCode {
    let own = std::env::current_exe().unwrap();
    let mut fine = true;
    for (pods, policies) in SIZES {
        let mut command = Command::new(&own);
        command.arg("--size").arg(format!("{pods}x{policies}"));
        if json {
            command.arg("--json");
        }
        fine &= command.status().unwrap().success();
    }
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Report {
    size: String,
    json: bool,
}

impl Report {
    fn say(&self, what: &str, value: f64, unit: &str, target: Option<f64>) {
        let name = format!("reach {} {what}", self.size);
        let pass = target.map(|target| value <= target);
        if self.json {
            let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| format!("{value}"));
            let pass = pass.map_or("null".to_owned(), |pass| pass.to_string());
            let target = number(target);
            println!(
                r#"{{"name":"{name}","value":{value:.3},"unit":"{unit}","target":{target},"pass":{pass}}}"#
            );
        } else {
            let verdict = match (target, pass) {
                (Some(target), Some(true)) => format!("  (target {target} {unit}: met)"),
                (Some(target), _) => format!("  (target {target} {unit}: MISSED)"),
                _ => String::new(),
            };
            println!("{name:<45} {value:>14.3} {unit}{verdict}");
        }
    }
}

fn measure(pods: usize, policies: usize, json: bool) {
    let report = Report { size: format!("{pods}x{policies}"), json };
    let cluster = generate(pods, policies);
    let aim = pods == 100_000;
    let options = Options::default();
    report.say("memory of the model", memory_mib("VmRSS"), "MiB", None);

    let start = Instant::now();
    let mut reachability = Reachability::compute(&cluster, &options);
    let computed = start.elapsed();
    let (mut rows, mut pairs) = (0u64, 0u128);
    reachability.rows(|row| {
        rows += 1;
        let sources: u64 = row.source_classes.iter().map(|class| reachability.class_size(*class)).sum();
        for group in &row.groups {
            let destinations: u64 =
                group.classes.iter().map(|class| reachability.class_size(class as usize)).sum();
            pairs += u128::from(sources) * u128::from(destinations);
        }
    });
    let listed = start.elapsed();
    report.say("classes", reachability.class_count() as f64, "", None);
    report.say("different rows", rows as f64, "", None);
    report.say("allowed pod pairs", pairs as f64, "", None);
    report.say("compute", milliseconds(computed), "ms", None);
    report.say("compute + list", milliseconds(listed), "ms", aim.then(|| milliseconds(TARGET_LIST)));
    report.say("peak memory after list", memory_mib("VmHWM"), "MiB", aim.then_some(TARGET_MEMORY_MIB));

    let mut slowest = Duration::ZERO;
    let mut recomputed = 0;
    for edit in 0..EDITS {
        let mut policy = cluster.network_policies[edit * cluster.network_policies.len() / EDITS].clone();
        policy.isolates_ingress = true;
        let app = Selector::labels([("app", format!("app-{}", edit * 7 % 20))]);
        let ports = Some(vec![PolicyPort::one(Protocol::Tcp, 9_000 + edit as u16)]);
        policy.ingress.push(Rule { peers: Some(vec![Peer::Pods { namespaces: None, pods: app }]), ports });
        let start = Instant::now();
        recomputed += usize::from(reachability.edit(Change::Put(policy)) == Edited::Recomputed);
        slowest = slowest.max(start.elapsed());
    }
    report.say(
        "one-policy edit, slowest",
        milliseconds(slowest),
        "ms",
        aim.then(|| milliseconds(TARGET_EDIT)),
    );
    report.say("edits that recomputed all", recomputed as f64, "", None);

    let before = Reachability::compute(&cluster, &options);
    let start = Instant::now();
    let changes = Diff::new(&before, &reachability).count();
    report.say("diff after the edits", milliseconds(start.elapsed()), "ms", None);
    report.say("changed class pairs", changes as f64, "", None);
    let start = Instant::now();
    let lines = render::diff_lines(&before, &reachability, false).len();
    report.say("diff as lines", milliseconds(start.elapsed()), "ms", None);
    report.say("lines of the diff", lines as f64, "", None);
    report.say("peak memory", memory_mib("VmHWM"), "MiB", None);
}

/// Workloads of ten pods, ten workloads or more to a namespace; policies as clusters have them: default-deny per
/// namespace, then applications that admit their callers, by label, by namespace, by address, by port name and range.
fn generate(pods: usize, policies: usize) -> Cluster {
    let workloads = (pods / 10).max(1);
    let namespaces = (workloads / 20).clamp(1, 2_000);
    let mut cluster = Cluster::default();
    for index in 0..namespaces {
        let labels = Labels::from([("team", format!("team-{}", index % 50))]);
        cluster.namespaces.push(Namespace::new(&format!("ns-{index:04}"), &labels));
    }
    let ports: [std::sync::Arc<[ContainerPort]>; 3] = [8080, 8443, 9090].map(|port| {
        let protocol = Protocol::Tcp;
        vec![ContainerPort { name: Some("http".into()), protocol, port, host_port: None }].into()
    });
    for workload in 0..workloads {
        let namespace = cluster.namespaces[workload % namespaces].name.clone();
        let name = format!("app-{}", workload / namespaces);
        let labels: Labels = [
            ("app", name.clone()),
            ("tier", format!("tier-{}", workload % 3)),
            ("version", format!("v{}", workload % 4)),
        ]
        .into_iter()
        .collect();
        for replica in 0..pods / workloads {
            let mut pod = Pod::new(&namespace, &format!("{name}-{replica}"), labels.clone());
            pod.namespace = namespace.clone();
            pod.workload = WorkloadRef { kind: "ReplicaSet".into(), name: name.as_str().into() };
            pod.ports = ports[workload % 3].clone();
            cluster.pods.push(pod);
        }
    }
    for index in 0..policies {
        let namespace = format!("ns-{:04}", index % namespaces);
        let mut policy = NetworkPolicy::new(&namespace, &format!("policy-{index}"), Selector::everything());
        let round = index / namespaces;
        policy.isolates_ingress = true;
        if round == 0 {
            policy.isolates_egress = index % 2 == 0;
            policy.egress = vec![dns()];
        } else {
            let app = |number: usize| Selector::labels([("app", format!("app-{number}"))]);
            policy.pod_selector = app(round);
            policy.ingress.push(caller(index, app(round + 1)));
            if index % 2 == 0 {
                policy.isolates_egress = true;
                policy.egress.push(caller(index + 1, app(round + 2)));
                policy.egress.push(outside(index));
            }
        }
        cluster.network_policies.push(policy);
    }
    cluster.normalise();
    cluster
}

fn caller(index: usize, app: Selector) -> Rule {
    let namespaces = match index % 4 {
        0 => None,
        1 => Some(Selector::labels([("team", format!("team-{}", index % 50))])),
        2 => Some(Selector::labels([("kubernetes.io/metadata.name", format!("ns-{:04}", index % 100))])),
        _ => Some(Selector::everything()),
    };
    let port = match index % 5 {
        0 => PolicyPort::Named { protocol: Some(Protocol::Tcp), name: "http".to_owned() },
        1 => {
            PolicyPort::Range { protocol: Protocol::Tcp, first: 8000, last: 8000 + (index % 9) as u16 * 100 }
        }
        _ => PolicyPort::one(Protocol::Tcp, 8080 + (index % 7) as u16),
    };
    Rule { peers: Some(vec![Peer::Pods { namespaces, pods: app }]), ports: Some(vec![port]) }
}

fn dns() -> Rule {
    let ports = vec![PolicyPort::one(Protocol::Udp, 53), PolicyPort::one(Protocol::Tcp, 53)];
    let peer =
        Peer::Pods { namespaces: Some(Selector::everything()), pods: Selector::labels([("app", "app-0")]) };
    Rule { peers: Some(vec![peer]), ports: Some(ports) }
}

fn outside(index: usize) -> Rule {
    let cidr = format!("10.{}.0.0/16", index % 40).parse().unwrap();
    let except = vec![format!("10.{}.{}.0/24", index % 40, index % 8).parse().unwrap()];
    let ports = Some(vec![PolicyPort::one(Protocol::Tcp, 443)]);
    Rule { peers: Some(vec![Peer::Block(Block { cidr, except })]), ports }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A line of `/proc/self/status`; 0 where there is none.
fn memory_mib(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kib = found.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
