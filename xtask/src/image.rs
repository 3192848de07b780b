//! A container image of the binary, made without a daemon: an OCI layout that any registry client can copy.
//!
//! In it are the program, the shared libraries it names, the authorities that this machine trusts, and a user who is not
//! root: no shell, no package manager, nothing that is written to. The same inputs give the same bytes.

mod elf;
mod layout;
mod root;
mod verify;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::process::Step;
use crate::server;
use crate::workspace::Workspace;

pub(crate) use verify::{operator_and_gate, verify};

use elf::Architecture;
use layout::Image;
use root::Root;

/// Where the program lies, and the names by which manifests call it.
const FOLDER: &str = "usr/local/bin";
/// Of nobody: as distroless images have it, and as `runAsNonRoot` accepts it, because it is a number.
const USER: u32 = 65532;

#[derive(Args)]
pub(crate) struct ImageArguments {
    /// Which roles are in it
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// A binary that is there already; without it, one is built with the profile `dist`, the operator's with `dist-small`
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where the layout goes; what is there is replaced. Without it, a folder of the cache
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What it is to run on: amd64 or arm64; without it, what the binary or this machine is
    #[arg(long)]
    arch: Option<Architecture>,
    /// Build without shared libraries, for musl: `rustup target add` and a C compiler for it are needed
    #[arg(long = "static")]
    without_libraries: bool,
}

/// What an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Everything.
    All,
    /// `parapet operator` and `parapet guard`: one image for the operator and for the gate beside it.
    Operator,
    /// `parapet guard` alone, called as kube-rbac-proxy.
    Guard,
}

impl Role {
    /// What the image is called.
    fn name(self) -> &'static str {
        match self {
            Self::All => "parapet",
            Self::Operator => "parapet-operator",
            Self::Guard => "parapet-guard",
        }
    }

    /// What its container runs.
    fn entry(self) -> &'static str {
        match self {
            Self::All | Self::Operator => "parapet",
            Self::Guard => "kube-rbac-proxy",
        }
    }

    /// The other names of the program.
    fn links(self) -> &'static [&'static str] {
        match self {
            Self::All | Self::Operator => &["elastic-operator", "kube-rbac-proxy", "manager"],
            Self::Guard => &["kube-rbac-proxy"],
        }
    }

    fn features(self) -> &'static [&'static str] {
        match self {
            Self::All => &[],
            Self::Operator => &["--no-default-features", "--features", "guard,operator"],
            Self::Guard => &["--no-default-features", "--features", "guard"],
        }
    }

    /// What it is built with: fast, or small where that is worth more.
    fn profile(self) -> &'static str {
        match self {
            Self::All | Self::Guard => "dist",
            Self::Operator => "dist-small",
        }
    }
}

/// Makes the image, and says where it is and how large.
pub(crate) fn run(workspace: &Workspace, arguments: ImageArguments) -> Result<()> {
    let ImageArguments { role, binary, out, arch, without_libraries } = arguments;
    let binary = match binary {
        Some(binary) => binary,
        None => build(workspace, role, arch, without_libraries)?,
    };
    let out = out.unwrap_or_else(|| workspace.own_dir().join("images").join(role.name()));
    let root = Root::of(&binary, role)?;
    if let Some(arch) = arch
        && arch != root.architecture
    {
        bail!("{} is for {}, not for {arch}", binary.display(), root.architecture);
    }
    let libraries = root.libraries.len();
    let image = Image { name: role.name(), version: env!("CARGO_PKG_VERSION"), entry: role.entry(), root };
    let made = image.write(&out)?;
    println!("{}", out.display());
    println!("  {}:{} for linux/{}", role.name(), env!("CARGO_PKG_VERSION"), made.architecture);
    println!("  {}", made.digest);
    println!("  {:.1} MiB compressed, {libraries} shared libraries", made.bytes as f64 / f64::from(1 << 20));
    println!(
        "  for example: skopeo copy oci:{} docker://REGISTRY/{}:{}",
        out.display(),
        role.name(),
        env!("CARGO_PKG_VERSION")
    );
    Ok(())
}

fn build(workspace: &Workspace, role: Role, arch: Option<Architecture>, musl: bool) -> Result<PathBuf> {
    let arch = arch.or_else(Architecture::of_this_machine).context("name --arch: this machine is neither")?;
    let foreign = Some(arch) != Architecture::of_this_machine();
    if role == Role::All {
        // The console is part of it.
        crate::console::build_if_changed(workspace)?;
    }
    let profile = role.profile();
    let mut step = Step::cargo(workspace, ["build", "--locked", "-p", "parapet", "--profile", profile]);
    step = role.features().iter().fold(step, Step::arg);
    if !foreign && !musl {
        step.run()?;
        return server::own_copy(workspace, profile, "parapet");
    }
    let target = format!("{}-unknown-linux-{}", arch.of_rust(), if musl { "musl" } else { "gnu" });
    step.arg("--target")
        .arg(&target)
        .run()
        .with_context(|| format!("`rustup target add {target}` and a C compiler for it may be missing"))?;
    Ok(workspace.target.join(target).join(profile).join("parapet"))
}
