//! Configuration of `parapet up`: what the user wrote ([`file::File`], the flags) and what the program uses ([`Config`]).
//!
//! A key may be set in the file or by its flag, never by both: two values for one key are an error, not a precedence rule.

pub(crate) mod file;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::up::UpArguments;
use anyhow::{Context as _, anyhow, bail, ensure};
use file::File;
use parapet_secrets::SecretRef;

/// Port of the console and the API.
pub(crate) const CONSOLE_PORT: u16 = 8443;
/// IANA's port for OTLP over gRPC.
pub(crate) const OTLP_GRPC_PORT: u16 = 4317;
/// IANA's port for OTLP over HTTP.
pub(crate) const OTLP_HTTP_PORT: u16 = 4318;
/// How long a replaced password still opens: whoever shares it hears of the new one within an hour.
const PASSWORD_OVERLAP: Duration = Duration::from_secs(3600);
/// Longer is no rotation but two passwords.
const PASSWORD_OVERLAP_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often the host and the process are measured.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// All that `parapet up` needs to know; every value checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) demo: bool,
    pub(crate) listen: Listen,
    pub(crate) collect: Collect,
    /// Files and folders of manifests whose posture is shown.
    pub(crate) manifests: Vec<PathBuf>,
    pub(crate) store: parapet_store::Config,
    pub(crate) log_level: String,
    pub(crate) ready_file: Option<PathBuf>,
    pub(crate) reset_admin_password: bool,
    pub(crate) secrets: parapet_secrets::Configuration,
    pub(crate) admin_password: Option<AdminPassword>,
}

/// The first admin's password, where somebody else keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdminPassword {
    pub(crate) reference: SecretRef,
    /// How long one that was replaced still opens.
    pub(crate) overlap: Duration,
}

/// Where it listens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listen {
    pub(crate) console: SocketAddr,
    pub(crate) otlp_grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
    /// Names and addresses in the certificate besides localhost.
    pub(crate) names: Vec<String>,
    /// Set by `--allow-remote`: addresses beyond loopback are meant.
    pub(crate) allow_remote: bool,
    /// A certificate that somebody else issues.
    pub(crate) tls: Option<file::Tls>,
}

/// What it observes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Collect {
    pub(crate) pod_logs: bool,
    pub(crate) logs: Vec<String>,
    pub(crate) open_traffic: Vec<String>,
    pub(crate) gateway_name: String,
    pub(crate) gateway_region: Option<String>,
    pub(crate) multiline_first_line: Option<String>,
    pub(crate) host: bool,
    pub(crate) own: bool,
    pub(crate) measure_every: Duration,
}

impl Config {
    /// Reads the file that `arguments` name, if any, and joins it with them.
    pub(crate) fn resolve(arguments: UpArguments) -> anyhow::Result<Self> {
        let file = match &arguments.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        Self::join(arguments, file)
    }

    fn join(arguments: UpArguments, file: File) -> anyhow::Result<Self> {
        // Exhaustive, so that a new flag or key cannot be forgotten here.
        let UpArguments {
            config: path,
            data,
            demo,
            logs,
            open_traffic,
            no_pod_logs,
            no_host,
            no_self,
            manifests,
            console_listen,
            otlp_grpc_listen,
            otlp_http_listen,
            tls_name,
            allow_remote,
            ready_file,
            log_level,
            reset_admin_password,
        } = arguments;
        let File { data: file_data, demo: file_demo, listen, access, collect, posture, store, log, secrets } =
            file;
        let file::Listen { console, otlp_grpc, otlp_http, names, allow_remote: file_allow_remote, tls } =
            listen;
        let file::Collect {
            pod_logs,
            logs: file_logs,
            open_traffic: file_open_traffic,
            gateway_name,
            gateway_region,
            multiline_first_line,
            host,
            own,
            measure_every,
        } = collect;
        let one = Once { path: path.as_deref() };

        let measure_every = measure_every.map_or(MEASURE_EVERY, |every| every.0);
        ensure!(
            measure_every >= Duration::from_secs(1),
            "collect.measureEvery: expected 1s or more, got {measure_every:?}"
        );
        if let Some(pattern) = &multiline_first_line {
            regex::Regex::new(pattern)
                .context("collect.multilineFirstLine: expected a regular expression")?;
        }
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listen = Listen {
            console: one
                .of("listen.console", "--console-listen", console_listen, console)?
                .unwrap_or(loopback(CONSOLE_PORT)),
            otlp_grpc: one
                .of("listen.otlpGrpc", "--otlp-grpc-listen", otlp_grpc_listen, otlp_grpc)?
                .unwrap_or(loopback(OTLP_GRPC_PORT)),
            otlp_http: one
                .of("listen.otlpHttp", "--otlp-http-listen", otlp_http_listen, otlp_http)?
                .unwrap_or(loopback(OTLP_HTTP_PORT)),
            names: one.of("listen.names", "--tls-name", some(tls_name), names)?.unwrap_or_default(),
            allow_remote: one
                .of("listen.allowRemote", "--allow-remote", on(allow_remote), file_allow_remote)?
                .unwrap_or(false),
            tls,
        };
        listen.check()?;
        let demo = one.of("demo", "--demo", on(demo), file_demo)?.unwrap_or(false);
        if let Some(tls) = &listen.tls {
            check_tls(tls, &secrets)?;
            ensure!(
                !demo,
                "listen.tls: the demo trusts Parapet's own authority alone; leave one of the two out"
            );
        }
        let admin_password = admin_password(access, &secrets)?;
        ensure!(
            !(reset_admin_password && admin_password.is_some()),
            "--reset-admin-password: the password is the secret that access.adminPassword names; leave one of the two out"
        );
        Ok(Self {
            data: match one.of("data", "--data", data, file_data)? {
                Some(folder) => folder,
                None => default_data_folder()?,
            },
            demo,
            listen,
            collect: Collect {
                pod_logs: one
                    .of("collect.podLogs", "--no-pod-logs", off(no_pod_logs), pod_logs)?
                    .unwrap_or(true),
                logs: one.of("collect.logs", "--logs", some(logs), file_logs)?.unwrap_or_default(),
                open_traffic: one
                    .of("collect.openTraffic", "--open-traffic", some(open_traffic), file_open_traffic)?
                    .unwrap_or_default(),
                gateway_name: gateway_name.unwrap_or_else(|| "API-Gateway".to_owned()),
                gateway_region,
                multiline_first_line,
                host: one.of("collect.host", "--no-host", off(no_host), host)?.unwrap_or(true),
                own: one.of("collect.self", "--no-self", off(no_self), own)?.unwrap_or(true),
                measure_every,
            },
            manifests: one
                .of("posture.manifests", "--manifests", some(manifests), posture.manifests)?
                .unwrap_or_default(),
            store: store_config(store)?,
            log_level: one
                .of("log.level", "--log-level", log_level, log.level)?
                .unwrap_or_else(|| "info".to_owned()),
            ready_file,
            reset_admin_password,
            secrets,
            admin_password,
        })
    }
}

impl Listen {
    fn check(&self) -> anyhow::Result<()> {
        for (key, address) in
            [("console", self.console), ("otlp-grpc", self.otlp_grpc), ("otlp-http", self.otlp_http)]
        {
            ensure!(
                self.allow_remote || address.ip().is_loopback(),
                "--{key}-listen {address} is reachable from other machines; if that is meant, say --allow-remote"
            );
        }
        Ok(())
    }
}

/// Certificate and key come from a provider that there is, and change together.
fn check_tls(tls: &file::Tls, secrets: &parapet_secrets::Configuration) -> anyhow::Result<()> {
    let location = tls.certificate.secret_ref.location();
    let all = [
        ("certificate", Some(&tls.certificate)),
        ("privateKey", Some(&tls.private_key)),
        ("authority", tls.authority.as_ref()),
    ];
    for (key, source) in all {
        let Some(source) = source else { continue };
        check_provider(&format!("listen.tls.{key}"), &source.secret_ref, secrets)?;
        ensure!(
            source.secret_ref.location() == location,
            "listen.tls.{key}.secretRef: expected a key of {location}, the secret of the certificate: they must change at once"
        );
    }
    Ok(())
}

fn admin_password(
    access: file::Access,
    secrets: &parapet_secrets::Configuration,
) -> anyhow::Result<Option<AdminPassword>> {
    let file::Access { admin_password, password_overlap } = access;
    let Some(source) = admin_password else {
        ensure!(password_overlap.is_none(), "access.passwordOverlap: there is no access.adminPassword");
        return Ok(None);
    };
    check_provider("access.adminPassword", &source.secret_ref, secrets)?;
    let overlap = password_overlap.map_or(PASSWORD_OVERLAP, |overlap| overlap.0);
    ensure!(
        overlap <= PASSWORD_OVERLAP_LIMIT,
        "access.passwordOverlap: expected 7d or less, got {overlap:?}"
    );
    Ok(Some(AdminPassword { reference: source.secret_ref, overlap }))
}

fn check_provider(
    key: &str,
    reference: &SecretRef,
    secrets: &parapet_secrets::Configuration,
) -> anyhow::Result<()> {
    let provider = &reference.provider;
    ensure!(
        secrets.providers.contains_key(provider),
        "{key}.secretRef.provider: no provider is named {provider}; secrets.providers has {}",
        match secrets.providers.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ") {
            names if names.is_empty() => "none".to_owned(),
            names => names,
        }
    );
    Ok(())
}

fn store_config(file: file::Store) -> anyhow::Result<parapet_store::Config> {
    let file::Store { retention, flush_age } = file;
    let mut config = parapet_store::Config::default();
    for (table, keep) in retention {
        let days = match table.as_str() {
            "logs" => &mut config.retention_days.logs,
            "spans" => &mut config.retention_days.spans,
            "metrics" => &mut config.retention_days.metrics,
            "traffic" => &mut config.retention_days.traffic,
            "trafficHourly" => &mut config.rollup_retention_days,
            _ => bail!(
                "store.retention.{table}: no such table; expected one of logs, spans, metrics, traffic, trafficHourly"
            ),
        };
        *days = whole_days(keep.0).ok_or_else(|| {
            anyhow!("store.retention.{table}: expected whole days, such as 30d; got {:?}", keep.0)
        })?;
    }
    if let Some(age) = flush_age {
        ensure!(age.0 >= Duration::from_secs(1), "store.flushAge: expected 1s or more, got {:?}", age.0);
        config.flush_age_seconds = age.0.as_secs();
    }
    Ok(config)
}

fn whole_days(duration: Duration) -> Option<u32> {
    const DAY: u64 = 86_400;
    let seconds = duration.as_secs();
    (duration.subsec_nanos() == 0 && seconds >= DAY && seconds.is_multiple_of(DAY))
        .then(|| u32::try_from(seconds / DAY).ok())
        .flatten()
}

/// `$XDG_DATA_HOME/parapet`, or `~/.local/share/parapet`.
pub(crate) fn default_data_folder() -> anyhow::Result<PathBuf> {
    let base = match std::env::var_os("XDG_DATA_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => match std::env::var_os("HOME").filter(|value| !value.is_empty()) {
            Some(home) => Path::new(&home).join(".local/share"),
            None => bail!("there is no HOME to put a data folder in; say --data DIR"),
        },
    };
    Ok(base.join("parapet"))
}

/// Takes the one value that a key has.
struct Once<'a> {
    path: Option<&'a Path>,
}

impl Once<'_> {
    fn of<T>(
        &self,
        key: &str,
        flag: &str,
        given: Option<T>,
        written: Option<T>,
    ) -> anyhow::Result<Option<T>> {
        match (given, written) {
            (Some(_), Some(_)) => bail!(
                "{key} has two values: by {flag}, and in {}; remove one",
                self.path.unwrap_or(Path::new("the file")).display()
            ),
            (given, written) => Ok(given.or(written)),
        }
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
fn on(flag: bool) -> Option<bool> {
    flag.then_some(true)
}
fn off(flag: bool) -> Option<bool> {
    flag.then_some(false)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn resolve(flags: &[&str], yaml: &str) -> anyhow::Result<Config> {
        let arguments = ["parapet", "up", "--data", "d"].iter().chain(flags);
        let Command::Up(up) = Arguments::try_parse_from(arguments).unwrap().command else { panic!("not up") };
        Config::join(*up, crate::yaml::parse(yaml, Path::new("parapet.yaml"))?)
    }

    #[track_caller]
    fn refused(flags: &[&str], yaml: &str, expected: &[&str]) {
        let error = format!("{:#}", resolve(flags, yaml).unwrap_err());
        for part in expected {
            assert!(error.contains(part), "{part:?} is missing in: {error}");
        }
    }

    #[test]
    fn nothing_said_means_loopback_and_everything_that_is_there() {
        let config = resolve(&[], "").unwrap();
        assert_eq!(config.listen.console, "127.0.0.1:8443".parse().unwrap());
        assert!(config.collect.pod_logs && config.collect.host && config.collect.own);
        assert!(!config.demo);
    }

    #[test]
    fn unknown_keys_wrong_types_and_bad_durations_name_file_line_and_key() {
        refused(&[], "demo: true\nlisten:\n  konsole: 1\n", &["parapet.yaml:3", "konsole", "console"]);
        refused(&[], "collect:\n  host: maybe\n", &["parapet.yaml:2", "collect.host", "bool"]);
        refused(
            &[],
            "store:\n  flushAge: soon\n",
            &["parapet.yaml:2", "store.flushAge", "duration such as 5m"],
        );
        refused(&[], "listen:\n  console: here\n", &["parapet.yaml:2", "listen.console", "socket address"]);
        refused(&[], "store:\n  retention:\n    lugs: 3d\n", &["store.retention.lugs", "logs"]);
        refused(&[], "store:\n  retention:\n    logs: 3h\n", &["store.retention.logs", "whole days"]);
        refused(&[], "demo: true\ndemo: false\n", &["parapet.yaml:2", "demo"]);
    }

    #[test]
    fn two_values_for_one_key_are_refused() {
        refused(&["--demo"], "demo: false", &["demo", "--demo", "two values"]);
        refused(
            &["--manifests", "a"],
            "posture: {manifests: [b]}",
            &["posture.manifests", "--manifests", "two values"],
        );
    }

    #[test]
    fn listening_beyond_loopback_must_be_said() {
        refused(&["--console-listen", "0.0.0.0:1"], "", &["--allow-remote"]);
        assert!(resolve(&["--console-listen", "0.0.0.0:1", "--allow-remote"], "").is_ok());
    }

    #[test]
    fn a_certificate_is_named_by_references_that_lead_somewhere() {
        let yaml = |key: &str| {
            format!(
                "secrets: {{providers: {{mounted: {{file: {{root: /s}}}}}}}}\nlisten:\n  tls:\n    \
                 certificate: {{secretRef: {{provider: mounted, path: web, key: tls.crt}}}}\n    privateKey: {key}\n"
            )
        };
        let key = |rest: &str| yaml(&format!("{{secretRef: {{{rest}}}}}"));
        assert!(resolve(&[], &key("provider: mounted, path: web, key: tls.key")).is_ok());
        refused(&[], &yaml("'-----BEGIN PRIVATE KEY-----'"), &["parapet.yaml:5", "listen.tls.privateKey"]);
        refused(&[], &key("provider: mounted, path: ../web, key: k"), &["parapet.yaml:5", "secretRef.path"]);
        refused(
            &[],
            &key("provider: mouted, path: web, key: k"),
            &["listen.tls.privateKey.secretRef.provider", "mouted", "mounted"],
        );
        refused(
            &[],
            &key("provider: mounted, path: api, key: k"),
            &["listen.tls.privateKey.secretRef", "mounted:web"],
        );
        refused(&["--demo"], &key("provider: mounted, path: web, key: tls.key"), &["listen.tls", "demo"]);
    }

    #[test]
    fn the_admins_password_is_a_reference_and_nothing_else_sets_it() {
        let yaml = |rest: &str| {
            format!("secrets: {{providers: {{mounted: {{file: {{root: /s}}}}}}}}\naccess:\n  {rest}\n")
        };
        let reference = |provider| {
            yaml(&format!(
                "adminPassword: {{secretRef: {{provider: {provider}, path: admin, key: password}}}}"
            ))
        };
        let password = resolve(&[], &reference("mounted")).unwrap().admin_password.unwrap();
        assert_eq!(password.overlap, Duration::from_secs(3600));
        refused(&[], &reference("other"), &["access.adminPassword.secretRef.provider", "other", "mounted"]);
        refused(&[], &yaml("adminPassword: hunter2"), &["parapet.yaml:3", "access.adminPassword"]);
        refused(&[], &yaml("passwordOverlap: 1h"), &["access.passwordOverlap", "access.adminPassword"]);
        let long = reference("mounted") + "  passwordOverlap: 8d\n";
        refused(&[], &long, &["access.passwordOverlap", "7d"]);
        refused(
            &["--reset-admin-password"],
            &reference("mounted"),
            &["--reset-admin-password", "access.adminPassword"],
        );
    }

    #[test]
    fn file_values_are_used() {
        let config = resolve(&[], "store: {retention: {logs: 3days}}\ncollect: {logs: [/a/*.log]}").unwrap();
        assert_eq!(config.store.retention_days.logs, 3);
        assert_eq!(config.collect.logs, ["/a/*.log"]);
        let config = resolve(&[], "posture: {manifests: [deploy]}").unwrap();
        assert_eq!(config.manifests, [PathBuf::from("deploy")]);
        refused(&[], "posture:\n  manifest: [a]\n", &["parapet.yaml:2", "manifest", "manifests"]);
    }
}
