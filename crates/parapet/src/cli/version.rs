//! `parapet version`: what this binary is made of.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::exit::Failure;

/// As in Cargo.lock; a test compares.
const RUSTLS: &str = "0.23.46";
/// As in Cargo.lock; a test compares.
const AWS_LC_RS: &str = "1.19.0";

/// Arguments of `parapet version`.
#[derive(Args, Debug)]
pub(crate) struct VersionArguments {
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// A line for each.
    Text,
    /// One JSON object.
    Json,
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    features: Vec<&'static str>,
    rustls: &'static str,
    aws_lc_rs: &'static str,
    /// Whether this build is to use the FIPS module alone.
    fips_build: bool,
    /// Whether the module says that it is in FIPS mode; none when this build does no TLS.
    fips_enabled: Option<bool>,
}

impl VersionArguments {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let version = Version {
            version: env!("CARGO_PKG_VERSION"),
            features: features(),
            rustls: RUSTLS,
            aws_lc_rs: AWS_LC_RS,
            fips_build: cfg!(feature = "fips"),
            fips_enabled: fips_enabled(),
        };
        let text = match self.output {
            Output::Text => version.text(),
            Output::Json => {
                let json = serde_json::to_string_pretty(&version).context("can't write the version")?;
                format!("{json}\n")
            }
        };
        std::io::stdout().write_all(text.as_bytes()).context("can't write to standard output")?;
        Ok(())
    }
}

impl Version {
    fn text(&self) -> String {
        let fips = match (self.fips_build, self.fips_enabled) {
            (_, None) => "no TLS in this build",
            (true, Some(true)) => "yes",
            // Every role refuses to start like this.
            (true, Some(false)) => "NO, although this is a FIPS build",
            (false, _) => "no",
        };
        format!(
            "parapet    {}\nfeatures   {}\nrustls     {}\naws-lc-rs  {}\nFIPS       {fips}\n",
            self.version,
            self.features.join(", "),
            self.rustls,
            self.aws_lc_rs
        )
    }
}

fn features() -> Vec<&'static str> {
    let all = [
        ("fips", cfg!(feature = "fips")),
        ("guard", cfg!(feature = "guard")),
        ("operator", cfg!(feature = "operator")),
        ("posture", cfg!(feature = "posture")),
        ("up", cfg!(feature = "up")),
    ];
    all.into_iter().filter(|(_, built_in)| *built_in).map(|(name, _)| name).collect()
}

#[cfg(any(feature = "guard", feature = "operator", feature = "up"))]
fn fips_enabled() -> Option<bool> {
    Some(parapet_pki::fips_enabled())
}

#[cfg(not(any(feature = "guard", feature = "operator", feature = "up")))]
fn fips_enabled() -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_versions_are_those_that_are_built() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
        for (name, version) in [("rustls", super::RUSTLS), ("aws-lc-rs", super::AWS_LC_RS)] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{name} is no longer {version}");
        }
    }
}
