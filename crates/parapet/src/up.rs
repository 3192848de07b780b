//! `parapet up`: agent and server in one process. Each part is built once, in [`Running::start`], and stopped in the opposite order.

mod certificates;
mod collectors;
mod demo;
mod given;
mod guarded;
mod listeners;
pub(crate) mod metrics;
mod password;
mod pipeline;
#[cfg(feature = "posture")]
mod posture;
mod secrets;
mod welcome;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parapet_access::{Accounts, Scope};
use parapet_collect::otlp::Receiver;
use parapet_fs::{Fs, OsFs};
use parapet_query::Engine;
use parapet_server::posture::PostureSource;
use parapet_signal::Sink;
use parapet_store::{Recovery, Store, SystemClock};
use parapet_telemetry::{Identity, Recorder, Style};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::up::UpArguments;
use crate::client::Endpoint;
use crate::config::Config;
use crate::credentials;
use crate::exit::{Failure, OrExit as _, Reason};
use crate::gate::TokenGate;
use certificates::Certificates;
use collectors::Collectors;
use demo::Demonstration;
use given::Given;
use listeners::Listeners;
use metrics::Metrics;
use password::KeptPassword;
use welcome::{Admin, Welcome};

/// Name of the user that the first start makes.
const FIRST_ADMIN: &str = "admin";
/// How often coarse account data (last use of tokens) is written, if there is any.
const ACCOUNTS_FLUSH: Duration = Duration::from_secs(60);

/// Runs until Ctrl-C or SIGTERM.
pub(crate) fn run(arguments: UpArguments) -> Result<(), Failure> {
    let config = Config::resolve(arguments).or_exit(Reason::Usage)?;
    parapet_pki::assert_fips().or_exit(Reason::Failed)?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let identity = Identity::of_this_process(env!("CARGO_PKG_VERSION"));
    let options = parapet_telemetry::Options {
        level: config.log_level.clone(),
        style: Style::of_stderr(),
        identity: identity.clone(),
    };
    let recorder = parapet_telemetry::init(options, metrics.telemetry.clone()).or_exit(Reason::Usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("parapet")
        .build()
        .context("can't start the runtime")?;
    let ended = runtime.block_on(async {
        let running = Running::start(&config, registry, metrics, identity, recorder).await?;
        running.greet(&config)?;
        stop_asked().await?;
        running.stop().await;
        Ok(())
    });
    // A query that ignores its end must not keep the process from ending: everything durable is durable by now.
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

/// Everything that runs.
struct Running {
    fs: Arc<dyn Fs>,
    store: Store,
    accounts: Accounts,
    listeners: Listeners,
    collectors: Collectors,
    demonstration: Option<Demonstration>,
    secrets: parapet_secrets::Store,
    own: Vec<JoinHandle<()>>,
    /// Turns true when the parts that produce and serve should end.
    closing: watch::Sender<bool>,
    /// Turns true after them: what the process said of its own end is delivered too.
    last: watch::Sender<bool>,
    welcome: Welcome,
}

impl Running {
    async fn start(
        config: &Config,
        mut registry: Registry,
        metrics: Metrics,
        identity: Identity,
        recorder: Recorder,
    ) -> Result<Self, Failure> {
        let fs: Arc<dyn Fs> = Arc::new(OsFs);
        let data = std::path::absolute(&config.data).context("no such place for the data folder")?;
        let (store, recovery) = open_store(config, &fs, &data, &mut registry)?;
        let certificates =
            Certificates::open(fs.clone(), &data.join("pki"), &config.listen.names).or_exit(Reason::Data)?;
        let (accounts, admin) = open_accounts(config, &fs, &data, metrics.access.clone()).await?;
        let credentials = credentials::folder(&data);
        parapet_fs::ensure_dir(&*fs, &credentials).context("can't make the credentials folder")?;
        let token = |file, scope| credentials::ensure_token(&*fs, &accounts, &credentials, file, scope);
        token(credentials::CLI_TOKEN, Scope::Admin)?;
        let otlp_token = token(credentials::OTLP_TOKEN, Scope::Ingest)?;

        let (closing, closed) = watch::channel(false);
        let (last, ended) = watch::channel(false);
        let secrets = secrets::open(&config.secrets, &metrics.secrets).await?;
        let password = match &config.admin_password {
            Some(password) => Some(KeptPassword::open(&secrets, password, &accounts, FIRST_ADMIN).await?),
            None => None,
        };
        let given = match &config.listen.tls {
            Some(tls) => Some(Given::open(&secrets, tls, fs.clone(), &data.join("pki")).await?),
            None => None,
        };
        let tls = given.as_ref().map_or_else(|| certificates.server_config(), Given::server_config);
        let bound =
            listeners::Bound::bind(&config.listen, tls.or_exit(Reason::Data)?, &metrics.listen).await?;
        let sink: Arc<dyn Sink> = Arc::new(store.clone());
        let (grpc, http) = receivers(&sink, &accounts, &metrics, &bound);
        let collectors = Collectors::start(config, &fs, &data, &sink, &metrics.collect)?;
        let registry = Arc::new(registry);
        let pipeline = Arc::new(pipeline::Pipeline::new(
            [grpc.0.clone(), http.0.clone()],
            collectors.status(),
            certificates.clone(),
            secrets.clone(),
        ));
        let engine = Engine::new(store.clone(), parapet_query::Config::default(), metrics.query.clone());
        let api = parapet_server::router(parapet_server::State {
            engine,
            store: store.clone(),
            recovery,
            accounts: accounts.clone(),
            pipeline: pipeline.clone(),
            posture: posture_of(config)?,
            registry: registry.clone(),
            metrics: metrics.server.clone(),
            clock: Arc::new(jiff::Timestamp::now),
            version: env!("CARGO_PKG_VERSION"),
            demo: config.demo,
            metrics_are_guarded: true,
            shutdown: closed.clone(),
        });
        let api = guarded::guarded(api, accounts.clone(), metrics.guard.clone());
        let welcome = Welcome {
            console: bound.console.local_addr(),
            otlp_grpc: bound.otlp_grpc.local_addr(),
            otlp_http: bound.otlp_http.local_addr(),
            ca_file: given.as_ref().map_or_else(|| certificates.ca_file(), Given::ca_file),
            credentials,
            data: data.clone(),
            admin: match &password {
                // Made because an account has one; it opens nothing.
                Some(_) => Admin::Kept,
                None => admin.map_or(Admin::Known, |(name, password)| Admin::Made(name, password)),
            },
            demo: config.demo,
        };
        let listeners = bound.serve(api, grpc.1, http.1, &closed);
        let mut own = vec![
            certificates.spawn_renewal(metrics.pki.clone(), closed.clone()),
            spawn_accounts_flush(accounts.clone(), closed.clone()),
        ];
        own.extend(given.map(|given| given.spawn_renewal(closed.clone())));
        own.extend(password.map(|password| password.spawn_rotation(closed.clone())));
        if config.collect.own {
            own.extend(spawn_own_telemetry(config, &sink, registry, &metrics, &identity, recorder, &ended));
        } else {
            recorder.stop();
        }
        let demonstration = if config.demo {
            Some(Demonstration::start(&data, &certificates, &welcome, otlp_token).await?)
        } else {
            None
        };
        pipeline.set_ready();
        Ok(Self {
            fs,
            store,
            accounts,
            listeners,
            collectors,
            demonstration,
            secrets,
            own,
            closing,
            last,
            welcome,
        })
    }

    /// Tells people and scripts that it is ready.
    fn greet(&self, config: &Config) -> Result<(), Failure> {
        let Welcome { console, ca_file, credentials, .. } = &self.welcome;
        let endpoint = Endpoint { url: Welcome::url(*console), ca_file: ca_file.clone() };
        credentials::write_endpoint(&*self.fs, credentials, &endpoint)?;
        if let Some(path) = &config.ready_file {
            self.welcome.write_ready_file(&*self.fs, path)?;
        }
        let welcome = format!("Parapet is up.\n\n{}\n", self.welcome.text());
        if let Err(error) = std::io::stdout().lock().write_all(welcome.as_bytes()) {
            // Whoever closed standard output can't be told; what runs goes on.
            tracing::warn!(%error, "the welcome could not be printed");
        }
        Ok(())
    }

    /// Ends the sources first, so that what they read is acknowledged, then the listeners, then the store.
    async fn stop(self) {
        tracing::info!("stopping");
        if let Some(demonstration) = self.demonstration {
            demonstration.stop().await;
        }
        self.closing.send_replace(true);
        self.collectors.stop().await;
        self.listeners.stopped().await;
        self.secrets.close().await;
        self.last.send_replace(true);
        for task in self.own {
            if let Err(error) = task.await {
                tracing::error!(%error, "a background task failed");
            }
        }
        if let Err(error) = self.accounts.flush() {
            tracing::warn!(%error, "the last use of tokens could not be saved");
        }
        let store = self.store;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        match closed {
            Ok(Ok(())) => tracing::info!("stopped"),
            Ok(Err(error)) => {
                tracing::error!(%error, "the store did not close cleanly; the next start replays its log");
            }
            Err(error) => {
                tracing::error!(%error, "the store did not close cleanly; the next start replays its log");
            }
        }
    }
}

fn open_store(
    config: &Config,
    fs: &Arc<dyn Fs>,
    data: &std::path::Path,
    registry: &mut Registry,
) -> Result<(Store, Recovery), Failure> {
    let options = parapet_store::Options {
        fs: fs.clone(),
        dir: data.to_owned(),
        config: config.store.clone(),
        clock: Arc::new(SystemClock),
    };
    let (store, recovery) = Store::open(options, registry)
        .with_context(|| format!("can't open the data folder {}", data.display()))
        .or_exit(Reason::Data)?;
    store.start_background().or_exit(Reason::Failed)?;
    Ok((store, recovery))
}

async fn open_accounts(
    config: &Config,
    fs: &Arc<dyn Fs>,
    data: &std::path::Path,
    metrics: parapet_access::Metrics,
) -> Result<(Accounts, Option<(String, parapet_access::Secret)>), Failure> {
    let path = data.join("accounts.json");
    let clock: parapet_access::Clock = Arc::new(jiff::Timestamp::now);
    let accounts = Accounts::open(fs.clone(), path, clock, metrics).or_exit(Reason::Data)?;
    let (for_hashing, reset) = (accounts.clone(), config.reset_admin_password);
    let made = tokio::task::spawn_blocking(move || match for_hashing.create_first_admin()? {
        None if reset => for_hashing.reset_password(FIRST_ADMIN).map(Some),
        made => Ok(made),
    });
    let password = made.await.context("making the first admin failed")?.or_exit(Reason::Data)?;
    Ok((accounts, password.map(|password| (FIRST_ADMIN.to_owned(), password))))
}

#[cfg(feature = "posture")]
fn posture_of(config: &Config) -> Result<Option<Arc<dyn PostureSource>>, Failure> {
    posture::source(config)
}

#[cfg(not(feature = "posture"))]
fn posture_of(config: &Config) -> Result<Option<Arc<dyn PostureSource>>, Failure> {
    if config.manifests.is_empty() {
        return Ok(None);
    }
    let error = anyhow::anyhow!("this program was built without the feature posture; leave --manifests out");
    Err(Failure::new(Reason::Usage, error))
}

type Served = (Receiver, axum::Router);

fn receivers(
    sink: &Arc<dyn Sink>,
    accounts: &Accounts,
    metrics: &Metrics,
    bound: &listeners::Bound,
) -> (Served, Served) {
    let options = |address: String| parapet_collect::otlp::Options {
        sink: sink.clone(),
        gate: Arc::new(TokenGate(accounts.clone())),
        limits: parapet_collect::otlp::Limits::default(),
        clock: Arc::new(parapet_collect::SystemClock),
        metrics: metrics.collect.clone(),
        address,
    };
    (
        Receiver::grpc(options(bound.otlp_grpc.local_addr().to_string())),
        Receiver::http(options(bound.otlp_http.local_addr().to_string())),
    )
}

fn spawn_accounts_flush(accounts: Accounts, mut closed: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while tokio::time::timeout(ACCOUNTS_FLUSH, closed.wait_for(|closed| *closed)).await.is_err() {
            let accounts = accounts.clone();
            if accounts.has_unsaved() {
                match tokio::task::spawn_blocking(move || accounts.flush()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the last use of tokens could not be saved"),
                    Err(error) => tracing::warn!(%error, "the last use of tokens could not be saved"),
                }
            }
        }
    })
}

fn spawn_own_telemetry(
    config: &Config,
    sink: &Arc<dyn Sink>,
    registry: Arc<Registry>,
    metrics: &Metrics,
    identity: &Identity,
    recorder: Recorder,
    ended: &watch::Receiver<bool>,
) -> [JoinHandle<()>; 2] {
    let scraper = parapet_telemetry::metrics::Scraper::new(
        registry,
        identity,
        parapet_telemetry::system_clock(),
        metrics.telemetry.clone(),
    );
    let (every, to) = (config.collect.measure_every, sink.clone());
    let scraping = tokio::spawn(scraper.run(every, to, turned(ended.clone())));
    let (sink, ended) = (sink.clone(), ended.clone());
    let recording = tokio::spawn(async move { recorder.run(sink, turned(ended)).await });
    [scraping, recording]
}

/// Resolves when the flag turns true, or can't any more.
async fn turned(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone: the process is ending.
    let _ = flag.wait_for(|flag| *flag).await;
}

async fn stop_asked() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("can't wait for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("can't wait for Ctrl-C")?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
