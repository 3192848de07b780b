//! The check: for each cluster, what the engine says against what the kernel does.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use parapet_reach::model::Cluster;
use parapet_reach::{DecodeOptions, Endpoint, IpBlockPods, PodId, Protocol, Reachability};
use serde_json::Value;

use crate::random::{Family, OUTSIDE, cluster};
use crate::topology::{Topology, missing, net};
use crate::worker::{Order, Outcome, PORTS};
use crate::{matrix, nft, tiers};

/// Where the kernel shows its SCTP sockets, if it has any.
const SCTP: &str = "/proc/net/sctp";
/// Mismatches that are printed.
const PRINTED: usize = 20;

/// What to check.
pub(crate) struct Options {
    pub(crate) clusters: u32,
    pub(crate) pods: u8,
    pub(crate) seed: Option<u64>,
    pub(crate) matrix: Option<PathBuf>,
}

/// Runs it; fails if the kernel disagrees anywhere.
#[expect(clippy::print_stdout, reason = "the result of a command line tool")]
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(why) = missing() {
        println!("SKIPPED: kernel check: {why}");
        return Ok(ExitCode::SUCCESS);
    }
    let seed = options.seed.unwrap_or_else(rand::random);
    let cases = cases(options, seed)?;
    let pods: BTreeSet<IpAddr> = cases.iter().flat_map(|case| addresses(&case.objects)).collect();
    let all: Vec<IpAddr> = pods.into_iter().chain(OUTSIDE).collect();
    let topology = Topology::make(&all)?;
    let mut workers: Vec<Worker> = all
        .iter()
        .enumerate()
        .map(|(index, address)| Worker::start(&topology, index, *address))
        .collect::<Result<_>>()?;
    let (mut probes, mut v6) = (0_u64, 0_u64);
    let mut allowed = 0_u64;
    let mut wrong = Vec::new();
    let mut failed = 0;
    let administered = cases.iter().filter(|case| tiers::any(&case.objects)).count();
    let mut progress = std::io::stderr();
    for (round, case) in cases.iter().enumerate() {
        let before = wrong.len();
        if progress.is_terminal() {
            let _ = write!(progress, "\rcluster {} of {}", round + 1, cases.len());
        }
        topology.load(&nft::ruleset(&case.objects)).with_context(|| format!("{}: rules", case.name))?;
        let round = u16::try_from(round % 20_000).expect("below 20000");
        let said = Said::of(case)?;
        // Everybody is asked before anybody's answer is awaited: they probe at the same time.
        let here: Vec<usize> = (0..all.len()).filter(|index| said.knows(all[*index])).collect();
        let targets: Vec<IpAddr> = here.iter().map(|index| all[*index]).collect();
        for index in &here {
            let targets = targets.iter().copied().filter(|target| *target != all[*index]).collect();
            workers[*index].ask(&Order { round, targets })?;
        }
        for index in &here {
            let source = all[*index];
            let outcomes = workers[*index].answer()?;
            let asked = targets.iter().filter(|target| **target != source).flat_map(|target| {
                PORTS
                    .into_iter()
                    .flat_map(move |port| [(*target, Protocol::Tcp, port), (*target, Protocol::Udp, port)])
            });
            for ((target, protocol, port), outcome) in asked.zip(outcomes) {
                // Nobody here has a say about two addresses outside.
                let expect = said.allowed(source, target, protocol, port);
                probes += 1;
                v6 += u64::from(target.is_ipv6());
                allowed += u64::from(outcome == Outcome::Allowed);
                let agrees = match outcome {
                    Outcome::Allowed => expect,
                    Outcome::Denied => !expect,
                    Outcome::Lost => false,
                };
                if !agrees {
                    let protocol = protocol.name();
                    wrong.push(format!(
                        "{}: {source} => {target} {protocol} {port}: the engine says {}, the kernel {outcome:?}",
                        case.name,
                        if expect { "allowed" } else { "denied" }
                    ));
                }
            }
        }
        failed += usize::from(wrong.len() > before);
    }
    drop(workers);
    println!(
        "seed {seed}: {} clusters ({administered} with administrators' policies), {probes} probes ({v6} over IPv6, {allowed} allowed), {} mismatches",
        cases.len(),
        wrong.len()
    );
    if !Path::new(SCTP).exists() {
        println!(
            "SCTP is left to the tables and the oracle: this kernel has no SCTP sockets ({SCTP} is missing)"
        );
    }
    wrong.iter().take(PRINTED).for_each(|line| println!("{line}"));
    println!("{} passed, {failed} failed", cases.len() - failed);
    // A check in which everything is allowed, or nothing, would prove nothing.
    ensure!(allowed > 0 && allowed < probes, "every probe had the same outcome");
    ensure!(administered > 0 || options.clusters < 20, "no cluster had administrators' policies");
    ensure!(v6 > 0 || options.clusters < 2, "nothing was probed over IPv6");
    if !wrong.is_empty() {
        bail!("the kernel and the engine disagree; --seed {seed} repeats it");
    }
    Ok(ExitCode::SUCCESS)
}

struct Case {
    name: String,
    objects: Vec<Value>,
}

fn cases(options: &Options, seed: u64) -> Result<Vec<Case>> {
    let random = (0..options.clusters).map(|index| Case {
        name: format!("random cluster {index}"),
        // By turns of IPv4 and of IPv6.
        objects: cluster(
            seed.wrapping_add(u64::from(index)),
            options.pods,
            if index % 2 == 0 { Family::V4 } else { Family::V6 },
        ),
    });
    let mut cases: Vec<Case> = random.collect();
    if let Some(path) = &options.matrix {
        cases.extend(matrix::read(path)?.into_iter().map(|(name, objects)| Case { name, objects }));
    }
    Ok(cases)
}

fn addresses(objects: &[Value]) -> impl Iterator<Item = IpAddr> {
    objects.iter().filter_map(|object| object["status"]["podIP"].as_str()?.parse().ok())
}

/// What the engine says of one case.
struct Said {
    verdicts: Vec<(IpAddr, IpAddr, parapet_reach::PortSet)>,
    known: Vec<IpAddr>,
}

impl Said {
    fn of(case: &Case) -> Result<Self> {
        let (cluster, problems) =
            Cluster::from_objects(case.objects.iter().cloned(), &DecodeOptions::default());
        ensure!(!cluster.incomplete, "{}: {problems:?}", case.name);
        // The kernel's blocks cover whatever has the address.
        let options = parapet_reach::Options { ip_block_pods: IpBlockPods::Always, ..Default::default() };
        let reach = Reachability::compute(&cluster, &options);
        let mut ends: Vec<(IpAddr, Endpoint)> = Vec::new();
        for (index, pod) in cluster.pods.iter().enumerate() {
            ends.extend(pod.addresses.iter().map(|address| (*address, Endpoint::Pod(PodId(index)))));
        }
        // Nobody talks to another family.
        let is_v6 = ends.first().is_some_and(|(address, _)| address.is_ipv6());
        let outside = OUTSIDE.into_iter().filter(|address| address.is_ipv6() == is_v6);
        ends.extend(outside.map(|address| (address, Endpoint::Address(address))));
        let mut verdicts = Vec::new();
        for (source, from) in &ends {
            for (target, to) in ends.iter().filter(|(target, _)| target != source) {
                verdicts.push((*source, *target, reach.connections(*from, *to)));
            }
        }
        verdicts.sort_by_key(|(source, target, _)| (*source, *target));
        Ok(Self { verdicts, known: ends.into_iter().map(|(address, _)| address).collect() })
    }

    fn knows(&self, address: IpAddr) -> bool {
        self.known.contains(&address)
    }

    fn allowed(&self, source: IpAddr, target: IpAddr, protocol: Protocol, port: u16) -> bool {
        let at =
            self.verdicts.binary_search_by_key(&(source, target), |(source, target, _)| (*source, *target));
        at.is_ok_and(|at| self.verdicts[at].2.contains(protocol, port))
    }
}

/// A process in one namespace.
struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(topology: &Topology, index: usize, address: IpAddr) -> Result<Self> {
        let own = std::env::current_exe().context("this program has no path")?;
        let mut child = Command::new("nsenter")
            .arg(net(&topology.namespace(index)))
            .arg(own)
            .args(["worker", &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start a worker")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("a worker has no output")?);
        let mut worker = Self { child, input, output };
        ensure!(worker.line()? == "ready\n", "a worker could not listen");
        Ok(worker)
    }

    fn ask(&mut self, order: &Order) -> Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.input.as_mut().context("the worker has ended")?.write_all(&line).context("a worker has ended")
    }

    fn answer(&mut self) -> Result<Vec<Outcome>> {
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line).context("a worker has ended")?;
        Ok(line)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.input = None;
        let _ = self.child.wait();
    }
}
