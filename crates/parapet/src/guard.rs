//! `parapet guard`: one gate in front of one upstream. Each part is built once, in [`serve`].

mod api_server;
mod certificates;
mod decisions;
mod logging;
mod sockets;
mod upstream;

use std::sync::Arc;

use anyhow::Context as _;
use parapet_guard::proxy::{Forward, Listener, Operations, Readiness, Security, TunnelRules, Workers};
use parapet_guard::settings::{GuardArguments, Settings};
use parapet_guard::{
    AuditLines, Decide, Engine, HeaderRules, IdentityHeaders, Limits, Metrics, PathRules, Policy,
};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::exit::{Failure, OrExit as _, Reason};
use decisions::Decisions;

/// Runs until SIGTERM or Ctrl-C.
pub(crate) fn run(arguments: GuardArguments) -> Result<(), Failure> {
    let settings = Settings::resolve(arguments).or_exit(Reason::Usage)?;
    logging::init(settings.verbosity)?;
    parapet_pki::assert_fips().or_exit(Reason::Usage)?;
    for warning in &settings.warnings {
        tracing::warn!(%warning, "this is how it was asked for");
    }
    // Connections live on threads of their own, of which this is the first.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let (stop, stopping) = watch::channel(false);
    let stopped = || {
        let mut stopping = stopping.clone();
        // An error is the end of the sender, which is the end of all.
        async move { drop(stopping.wait_for(|stop| *stop).await) }
    };
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let certificate_metrics = parapet_pki::Metrics::register(&mut registry);
    let mut background = JoinSet::new();

    let callers = match &settings.secure {
        Some(address) => {
            let authorities = settings.client_authorities.as_ref().map(|(path, _)| path.as_path());
            let (tls, reloader) = certificates::serving(
                &settings.serving,
                settings.http2.is_some(),
                address,
                authorities,
                certificate_metrics.clone(),
            )
            .or_exit(Reason::Usage)?;
            background.spawn(reloader.run(stopped()));
            Some(tls)
        }
        None => None,
    };
    let api_server = api_server::client(settings.kubeconfig.as_deref()).await.or_exit(Reason::Usage)?;
    let Decisions { gate, own, issuer } =
        decisions::decisions(&settings, api_server, callers.clone(), &mut registry).or_exit(Reason::Usage)?;
    if let Some(issuer) = issuer.clone() {
        background.spawn(async move { issuer.run().await });
    }
    let workers = Arc::new(Workers::one_per_core().context("can't start the threads")?);
    let (upstream, reloader) =
        upstream::upstream(&settings, workers.count(), metrics.clone(), certificate_metrics)
            .or_exit(Reason::Usage)?;
    if let Some(reloader) = reloader {
        background.spawn(reloader.run(stopped()));
    }

    let engine = Arc::new(Engine::new(gate, policy(&settings), metrics.clone()));
    let tunnels = TunnelRules { paths: settings.upgrades.clone(), ..TunnelRules::default() };
    let forward = Arc::new(Forward::new(engine, upstream, tunnels));
    let readiness = Readiness::not_yet("starting");
    let own: Arc<dyn Decide> = Arc::new(own);
    let own = Arc::new(Engine::new(own, Policy::default(), metrics.clone()));
    let registry = Arc::new(registry);
    let operations = Operations::new(readiness.clone()).with_metrics(own, move || text_of(&registry));
    let operations = Arc::new(operations);

    let mut listeners = JoinSet::new();
    let mut bound = sockets::Bound::default();
    let limits = limits(&settings);
    if let (Some(address), Some(tls)) = (&settings.secure, &callers) {
        let security = Security::Tls(tls.clone());
        let listener = bind("secure", address, &security, &limits, &metrics).await?;
        bound.secure = Some(listener.address());
        listeners.spawn(listener.on(Arc::clone(&workers)).serve(
            Arc::clone(&forward),
            readiness.clone(),
            stopped(),
        ));
        if let Some(address) = &settings.health {
            let listener = bind("health", address, &security, &limits, &metrics).await?;
            bound.health = Some(listener.address());
            listeners.spawn(listener.serve(operations, readiness.clone(), stopped()));
        }
    }
    if let Some(address) = &settings.insecure {
        let listener = bind("insecure", address, &Security::Plain, &limits, &metrics).await?;
        bound.insecure = Some(listener.address());
        listeners.spawn(listener.on(workers).serve(forward, readiness.clone(), stopped()));
    }
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate()).context("can't wait for SIGTERM")?,
        signal(SignalKind::interrupt()).context("can't wait for Ctrl-C")?,
    );
    match issuer {
        None => readiness.set_ready(),
        // Until then it refuses everybody.
        Some(issuer) => {
            let readiness = readiness.clone();
            background.spawn(async move {
                issuer.ready().await;
                readiness.set_ready();
            });
        }
    }
    if let Some(path) = &settings.ready_file {
        bound.write(path).with_context(|| format!("--ready-file: can't write {}", path.display()))?;
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.send_replace(true);
    while listeners.join_next().await.is_some() {}
    background.shutdown().await;
    Ok(())
}

async fn bind(
    name: &'static str,
    address: &parapet_guard::settings::ListenAddress,
    security: &Security,
    limits: &Limits,
    metrics: &Metrics,
) -> Result<Listener, Failure> {
    let bind = |address| Listener::bind(name, address, security.clone(), limits.clone(), metrics.clone());
    sockets::bind_first(address, bind)
        .await
        .with_context(|| format!("can't listen on {}:{}", address.host, address.port))
        .or_exit(Reason::Failed)
}

fn policy(settings: &Settings) -> Policy {
    let identity = settings.identity_headers.as_ref().map(|names| {
        IdentityHeaders::new(names.user.clone(), names.groups.clone(), Some(names.separator.clone()))
    });
    Policy {
        paths: if settings.krp { PathRules::Lenient } else { PathRules::Strict },
        headers: HeaderRules {
            identity,
            pass_authorization: settings.pass_authorization,
            pass_cookies: settings.pass_cookies,
            trusted_forwarders: settings.trusted_forwarders.clone(),
        },
        audit: if settings.audit { AuditLines::All } else { AuditLines::Off },
        requests: Limits::default().requests,
    }
}

fn limits(settings: &Settings) -> Limits {
    let limits = Limits { drain_deadline: settings.drain, ..Limits::default() };
    match settings.http2 {
        None => Limits { http2: false, ..limits },
        Some(http2) => {
            Limits { streams: http2.max_concurrent_streams, frame_bytes: http2.max_size, ..limits }
        }
    }
}

fn text_of(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing into a string fails never; a metric that can't be written is one that isn't seen.
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, registry) {
        tracing::error!(%error, "metrics can't be written");
    }
    text
}
