//! `parapet up`: its flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  parapet up --demo                                 a small live system to look at
  parapet up --logs '/srv/app/*.log'                also read these files
  parapet up --open-traffic '/var/log/opentraffic/*_traffic*.log'
  parapet up --manifests deploy/                    who can reach whom, on the console's page Posture
  parapet up --config parapet.yaml                  the same as keys of a file (docs/reference/configuration.md)

What it observes unless told otherwise: /var/log/pods where readable, this host, itself, and what arrives by OTLP.
Everything it opens is TLS and asks for a login or a token; at the first start it makes a CA and a first admin.";

/// Arguments of `parapet up`, as typed.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UpArguments {
    /// Read the configuration from this YAML file; a key may be set there or by its flag, not both.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Keep all data in this folder [default: $XDG_DATA_HOME/parapet or ~/.local/share/parapet].
    #[arg(long, value_name = "DIR", env = "PARAPET_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Add a small live system to look at: a toy API gateway and three services, labelled as demo.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Read log files that match (containers' or plain lines; may be repeated).
    #[arg(long, value_name = "GLOB", help_heading = "What to observe")]
    pub(crate) logs: Vec<String>,
    /// Read API-gateway open-traffic event logs that match (may be repeated).
    #[arg(long, value_name = "GLOB", help_heading = "What to observe")]
    pub(crate) open_traffic: Vec<String>,
    /// Don't read /var/log/pods.
    #[arg(long, help_heading = "What to observe")]
    pub(crate) no_pod_logs: bool,
    /// Don't measure this host's CPU, memory, disks and network.
    #[arg(long, help_heading = "What to observe")]
    pub(crate) no_host: bool,
    /// Don't keep this process's own logs, traces and metrics.
    #[arg(long, help_heading = "What to observe")]
    pub(crate) no_self: bool,
    /// Show who can reach whom in these manifests, a file or a folder and those in it (may be repeated).
    #[arg(long, value_name = "PATH", help_heading = "What to observe")]
    pub(crate) manifests: Vec<PathBuf>,
    /// Console and API [default: 127.0.0.1:8443].
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Listeners (TLS, authenticated)")]
    pub(crate) console_listen: Option<SocketAddr>,
    /// OTLP over gRPC [default: 127.0.0.1:4317].
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Listeners (TLS, authenticated)")]
    pub(crate) otlp_grpc_listen: Option<SocketAddr>,
    /// OTLP over HTTP [default: 127.0.0.1:4318].
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Listeners (TLS, authenticated)")]
    pub(crate) otlp_http_listen: Option<SocketAddr>,
    /// Another name or address for the certificate, besides localhost (may be repeated).
    #[arg(long, value_name = "NAME", help_heading = "Listeners (TLS, authenticated)")]
    pub(crate) tls_name: Vec<String>,
    /// Accept listener addresses that other machines can reach.
    #[arg(long, help_heading = "Listeners (TLS, authenticated)")]
    pub(crate) allow_remote: bool,
    /// When ready, write addresses and credentials' places to this file as JSON (for scripts; readable by its owner alone).
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or per target as in `info,parapet_store=debug`.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Give the first admin a new password, print it once, and end the admin's sessions.
    #[arg(long)]
    pub(crate) reset_admin_password: bool,
}
