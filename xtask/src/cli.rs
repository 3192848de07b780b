//! The commands, as `cargo xtask --help` lists them.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use crate::workspace::Workspace;
use crate::{
    check, clients, console, fuzz, image, kernel, manifests, node, process, pss, server, test, testbed,
};

/// Builds, runs, tests and measures Parapet. Start with `cargo xtask up`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
#[command(
    after_help = "Builds and downloaded tools are kept in one cache for every checkout: $PARAPET_CACHE, else \
                        ~/.cache/parapet. A CARGO_TARGET_DIR that is set is left as it is. xtask itself is built where \
                        plain cargo builds (a few seconds), because cargo's configuration can't name a home directory."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything and start it with a small live system to look at; Ctrl-C stops it
    ///
    /// Prints the address, the first admin and password, the CA file and the OTLP settings to paste. Data is kept: a
    /// second start finds it again. Arguments after `--` go to `parapet up`, for example `-- --data /tmp/p --logs '/var/log/*.log'`.
    Up {
        /// Observe this machine only, without the demo system
        #[arg(long)]
        no_demo: bool,
        /// Passed on to `parapet up`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Build the console into console/dist
    Console,
    /// Build the console and the binary, and print where the binary is
    Build {
        /// Cargo profile
        #[arg(long, default_value = "dev")]
        profile: String,
    },
    /// Run every test there is and print one summary
    Test {
        /// Leave out what starts whole processes: real clients, browser, crash cycles
        #[arg(long)]
        fast: bool,
    },
    /// Everything CI asks besides tests: format, lints, types, dependency direction, generated files
    Check,
    /// Compare the dependencies between crates with the allowed ones, and look for banned libraries
    CheckDeps,
    /// Kill the server with SIGKILL at random moments while it is written to; every acknowledged record must be there once
    Crash {
        /// How often to kill it
        #[arg(long, default_value_t = 25)]
        cycles: u32,
        /// Repeats a run's moments and data; printed by each run
        #[arg(long)]
        seed: Option<u64>,
        /// Cargo profile of the server
        #[arg(long, default_value = "dev")]
        profile: String,
    },
    /// Measure, beside a peer where one can be had
    Bench {
        /// What to measure
        what: Bench,
        /// Cargo profile of the server and of the generators
        #[arg(long, default_value = "release")]
        profile: String,
        /// One JSON object a line: name, value, unit, target, pass
        #[arg(long)]
        json: bool,
        /// Passed on to the bench, for example `-- --rows 1e8`
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Send with clients nobody here wrote (Python's and Node's OpenTelemetry SDKs, curl) and look for every signal
    Sdk,
    /// A real Kubernetes control plane on this machine, for tests and for people
    #[command(subcommand)]
    Testbed(testbed::Testbed),
    /// Use the console in a real Chromium
    E2e,
    /// Ask Linux itself whether the reachability engine is right: random clusters as network namespaces and nftables rules
    ///
    /// Needs root, iproute2 and nftables; says SKIPPED without them. Touches nothing outside of namespaces it made.
    VerifyKernel {
        /// How many clusters
        #[arg(long, default_value_t = 50)]
        clusters: u32,
        /// Repeats a run's clusters; printed by each run
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Ask Kubernetes' own evaluator, and its fixtures, whether the audit's Pod Security Standards are right
    ///
    /// Needs Go, which fetches the module `k8s.io/pod-security-admission`; says SKIPPED without it.
    VerifyPss,
    /// Fuzz a parser of foreign bytes; without a target, lists them
    Fuzz {
        /// Name of the fuzz target
        target: Option<String>,
        /// Seconds to run
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Make a container image without a daemon: an OCI layout, to be copied to a registry by any client
    Image(image::ImageArguments),
    /// Run the image's programs as its user, on a root file system that nobody writes to
    ///
    /// Needs root; says SKIPPED without it.
    VerifyImage {
        /// A binary that is there already, in place of the one that tests run
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,
    },
    /// Install the operator's image on a real node (containerd, kubelet, kube-proxy), and look at what it does there
    ///
    /// Needs root, containerd, runc, the plugins of container networks, nftables and iproute2; says SKIPPED without them. The
    /// node lives in namespaces of its own and is gone with them.
    VerifyNode {
        /// A binary that is there already, in place of the one that tests run
        #[arg(long, value_name = "PATH")]
        binary: Option<PathBuf>,
    },
    /// Write again what is made of the operator's chart and keys: deploy/operator, rendered profiles, the table in docs/operator.md
    Manifests,
    /// Write the generated references again (OpenAPI, command line)
    Docs,
    /// Install a git hook that runs `cargo xtask check` before each push
    Hooks,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    /// OTLP to durable rows; peer: Loki
    Ingest,
    /// Newest page, needle, histogram, a year's panel; peer: DuckDB
    Page,
    /// A container's log file to rows; peer: rsyslog
    Tail,
    /// The gate in front of a metrics endpoint; peers: a Go proxy of the reference's parts, controller-runtime, nginx
    Guard,
    /// Many Elasticsearch clusters on a real control plane: until all objects exist, and idle; beside the reference's figures
    Operator,
    /// Who can talk to whom in generated clusters of up to a million pods; no server, no peer
    Reach,
}

pub(crate) fn run(Cli { command }: Cli) -> Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Up { no_demo, args } => server::up(&workspace, !no_demo, &args),
        Command::Console => console::build(&workspace),
        Command::Build { profile } => {
            let binary = server::build(&workspace, &profile)?;
            println!("{}", binary.display());
            Ok(())
        }
        Command::Test { fast } => test::run(&workspace, fast),
        Command::Check => check::run(&workspace),
        Command::CheckDeps => check::dependencies(&workspace),
        Command::Crash { cycles, seed, profile } => {
            clients::crash(&workspace, &profile, cycles, seed)?.all_passed()
        }
        Command::Bench { what: Bench::Reach, profile, json, args } => {
            clients::bench_reach(&workspace, &profile, json, &args)
        }
        Command::Bench { what, profile, json, args } => {
            clients::bench(&workspace, what.name(), &profile, json, &args)
        }
        Command::Sdk => clients::sdk(&workspace)?.all_passed(),
        Command::Testbed(action) => testbed::run(&workspace, action),
        Command::E2e => console::e2e(&workspace)?.all_passed(),
        Command::VerifyKernel { clusters, seed } => kernel::verify(&workspace, clusters, seed)?.all_passed(),
        Command::VerifyPss => pss::verify(&workspace)?.all_passed(),
        Command::Fuzz { target, seconds } => fuzz::run(&workspace, target.as_deref(), seconds),
        Command::Image(arguments) => image::run(&workspace, arguments),
        Command::VerifyImage { binary } => image::verify(&workspace, binary)?.all_passed(),
        Command::VerifyNode { binary } => node::verify(&workspace, binary)?.all_passed(),
        Command::Manifests => manifests::write(&workspace),
        Command::Docs => check::regenerate(&workspace),
        Command::Hooks => hooks(&workspace),
    }
}

impl Bench {
    fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Page => "page",
            Self::Tail => "tail",
            Self::Guard => "guard",
            Self::Operator => "operator",
            Self::Reach => "reach",
        }
    }
}

fn hooks(workspace: &Workspace) -> Result<()> {
    process::Step::new("git", ["config", "core.hooksPath", "xtask/hooks"], &workspace.root).run()?;
    println!("`cargo xtask check` now runs before each push; `git config --unset core.hooksPath` undoes it");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
