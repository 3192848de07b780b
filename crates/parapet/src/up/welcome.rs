//! What `parapet up` tells when it is ready: to people on standard output, to scripts in the ready file.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use parapet_access::Secret;
use parapet_fs::Fs;
use serde::Serialize;

use crate::config::default_data_folder;
use crate::credentials::OTLP_TOKEN;

/// Where everything is.
pub(crate) struct Welcome {
    pub(crate) console: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) ca_file: PathBuf,
    pub(crate) credentials: PathBuf,
    pub(crate) admin: Admin,
    pub(crate) demo: bool,
}

/// What is told of the first admin's password.
pub(crate) enum Admin {
    /// Name and password, made in this start; never shown again.
    Made(String, Secret),
    /// It is the one from before.
    Known,
    /// It is where the configuration says.
    Kept,
}

/// The ready file. The password is in it only when it was made in this start.
#[derive(Serialize)]
struct Ready<'a> {
    pid: u32,
    console_url: String,
    otlp_grpc_url: String,
    otlp_http_url: String,
    ca_file: &'a Path,
    credentials_dir: &'a Path,
    username: Option<&'a str>,
    password: Option<&'a str>,
}

impl Welcome {
    /// The address for people and clients on this machine: a name that the certificate holds.
    pub(crate) fn url(address: SocketAddr) -> String {
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            format!("https://localhost:{}", address.port())
        } else {
            format!("https://{address}")
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(text, "  {key:<10} {value}");
        };
        line("Console", &Self::url(self.console));
        match &self.admin {
            Admin::Made(name, password) => {
                line("User", name);
                line(
                    "Password",
                    &format!(
                        "{}   (shown this once; --reset-admin-password makes a new one)",
                        password.expose()
                    ),
                );
            }
            Admin::Known => line(
                "User",
                "admin, with the password from the first start (--reset-admin-password makes a new one)",
            ),
            Admin::Kept => line("User", "admin, with the password that access.adminPassword names"),
        }
        line("CA", &format!("{}   (trust it in the browser, or accept the warning)", self.ca_file.display()));
        line("Data", &self.data.display().to_string());
        if self.demo {
            line(
                "Demo",
                "a toy gateway and three services are running; their data is labelled parapet.demo=true",
            );
        }
        // Where commands look without being told, they need not be told.
        let from = match default_data_folder() {
            Ok(usual) if usual == self.data => String::new(),
            _ => format!(" --data '{}'", self.data.display()),
        };
        let _ = write!(
            text,
            "\nSend OTLP from this machine:\n\n\
             export OTEL_EXPORTER_OTLP_ENDPOINT={}\n\
             export OTEL_EXPORTER_OTLP_PROTOCOL=grpc      # http/protobuf: {}\n\
             export OTEL_EXPORTER_OTLP_CERTIFICATE='{}'\n\
             export OTEL_EXPORTER_OTLP_HEADERS=\"authorization=Bearer%20$(cat '{}')\"\n\
             \nLook from here: `parapet logs{from} --follow`, `parapet sql{from} 'SELECT count(*) FROM logs'`. Ctrl-C stops.\n",
            Self::url(self.otlp_grpc),
            Self::url(self.otlp_http),
            self.ca_file.display(),
            self.credentials.join(OTLP_TOKEN).display(),
        );
        text
    }

    /// For scripts: JSON in a file that its owner alone may read, complete as soon as it exists.
    pub(crate) fn write_ready_file(&self, fs: &dyn Fs, path: &Path) -> anyhow::Result<()> {
        let (username, password) = match &self.admin {
            Admin::Made(name, password) => (Some(name.as_str()), Some(password.expose())),
            Admin::Known | Admin::Kept => (None, None),
        };
        let ready = Ready {
            pid: std::process::id(),
            console_url: Self::url(self.console),
            otlp_grpc_url: Self::url(self.otlp_grpc),
            otlp_http_url: Self::url(self.otlp_http),
            ca_file: &self.ca_file,
            credentials_dir: &self.credentials,
            username,
            password,
        };
        let path = std::path::absolute(path).context("no such place for the ready file")?;
        parapet_fs::replace(fs, &path, serde_json::to_string_pretty(&ready)?.as_bytes())
            .with_context(|| format!("can't write {}", path.display()))
    }
}
