//! A small live system to look at: a toy API gateway and three services that serve real HTTPS requests to each other on loopback,
//! write container logs and the gateway's open-traffic event log, and send OTLP through the OpenTelemetry SDK. It knows nothing of
//! Parapet's collectors, store or API: what it makes goes only into files and over OTLP, like anyone else's.
//!
//! Everything is labelled: namespace `demo`, and `parapet.demo=true` on all that is sent. Each call is over TLS and
//! authenticated: applications have keys, the services share a secret; both are random and new at each start.

mod catalogue;
mod chance;
mod component;
mod cri;
mod error;
mod gateway;
mod opentraffic;
mod otel;
mod rotating;
mod services;
mod tls;
mod traffic;
mod transaction;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use axum::Router;
use http::HeaderValue;
use parapet_listen::{Limits, Listener};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::catalogue::APPLICATIONS;
use crate::chance::Chance;
use crate::component::{Component, Form, PODS, Peer};
use crate::cri::{ContainerLog, Pod};
use crate::gateway::Gateway;
use crate::opentraffic::TrafficLog;
use crate::otel::{Endpoint, Otel};
use crate::rotating::Bounds;
use crate::services::{inventory, orders, payments, surrounded};
use crate::tls::HttpsClient;
use crate::traffic::Traffic;

pub use error::DemoError;

/// What the demo needs of its surroundings.
#[derive(Clone)]
pub struct Options {
    /// Where logs go: container logs to `pods/demo_<pod>_<uid>/<container>/0.log`, the gateway's event log to
    /// `opentraffic/toy-gateway_traffic.log`. Made if missing; at most 16 MiB a log, so 80 MiB.
    pub dir: PathBuf,
    /// Certificate chain, in PEM, that gateway and services serve with; valid for 127.0.0.1.
    pub certificate_pem: String,
    /// Its key, in PEM.
    pub key_pem: String,
    /// The CA, in PEM, that gateway, services and the OTLP endpoint are trusted by.
    pub ca_pem: String,
    /// The OTLP/gRPC endpoint (`https://127.0.0.1:4317`).
    pub otlp_endpoint: String,
    /// The bearer token for it.
    pub otlp_token: String,
    /// Requests a second on average; the time of day and chance move it by some 40 %.
    pub requests_per_second: f64,
    /// Stop after so many; `None` goes on until [`Demo::shutdown`].
    pub max_requests: Option<u64>,
    /// Where chance starts.
    pub seed: u64,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("dir", &self.dir)
            .field("otlp_endpoint", &self.otlp_endpoint)
            .finish_non_exhaustive()
    }
}

/// The running demo. Dropped without [`Demo::shutdown`], it goes on until the runtime ends.
#[derive(Debug)]
pub struct Demo {
    stop_traffic: watch::Sender<bool>,
    stop_servers: watch::Sender<bool>,
    finished: watch::Receiver<bool>,
    traffic: JoinHandle<()>,
    servers: JoinSet<()>,
    components: Vec<Arc<Component>>,
    gateway: SocketAddr,
}

impl Demo {
    /// Starts gateway, services and traffic on the current tokio runtime; returns when all of them listen. The OTLP endpoint
    /// need not be there yet.
    pub async fn start(options: Options) -> Result<Self, DemoError> {
        let server = tls::server(&options.certificate_pem, &options.key_pem)?;
        let client = tls::client(&options.ca_pem)?;
        let endpoint = Endpoint::new(&options.otlp_endpoint, &options.otlp_token, &options.ca_pem)?;
        let build = |pod, name, form| component(&options, &endpoint, &client, pod, name, form);
        let [gateway_pod, orders_pod, payments_pod, inventory_pod] = &PODS;
        let gateway_component = build(gateway_pod, "toy-gateway", Form::Json)?;
        let orders_component = build(orders_pod, "orders", Form::Json)?;
        let payments_component = build(payments_pod, "payments", Form::Json)?;
        let inventory_component = build(inventory_pod, "inventory", Form::Text)?;

        let (stop_servers, stopped) = watch::channel(false);
        let mut servers = Servers { tls: server, stopped, tasks: JoinSet::new() };
        let bearer = secret("Bearer ")?;
        let mut service = async |component: &Arc<Component>, routes: Router| {
            let routes = surrounded(routes, Arc::clone(component), bearer.clone());
            let listener = servers.bind(component.name).await?;
            let address = listener.local_addr();
            servers.serve(listener, routes);
            Ok::<_, DemoError>(Peer { name: component.name, address, bearer: bearer.clone() })
        };
        let inventory =
            service(&inventory_component, inventory::routes(Arc::clone(&inventory_component))).await?;
        let payments =
            service(&payments_component, payments::routes(Arc::clone(&payments_component))).await?;
        let orders_routes =
            orders::routes(Arc::clone(&orders_component), inventory.clone(), payments.clone());
        let orders = service(&orders_component, orders_routes).await?;

        let keys = APPLICATIONS
            .iter()
            .map(|application| Ok((secret("")?, application)))
            .collect::<Result<Vec<_>, DemoError>>()?;
        let listener = servers.bind(gateway_component.name).await?;
        let address = listener.local_addr();
        let traffic_dir = options.dir.join("opentraffic");
        let traffic_log = TrafficLog::open(&traffic_dir, Bounds::USUAL)
            .map_err(|source| DemoError::Log { path: traffic_dir.clone(), source })?;
        let gateway = Gateway {
            component: Arc::clone(&gateway_component),
            address,
            traffic: traffic_log,
            keys: keys.clone(),
            orders,
            payments,
            inventory,
            transactions: AtomicU32::new(0),
        };
        servers.serve(listener, gateway::routes(Arc::new(gateway)));

        let traffic = Traffic {
            client,
            gateway: address,
            keys,
            chance: Chance::seeded(options.seed, "traffic"),
            requests_per_second: options.requests_per_second,
        };
        let (stop_traffic, traffic_stopped) = watch::channel(false);
        let (finish, finished) = watch::channel(false);
        let traffic = tokio::spawn(async move {
            traffic.run(options.max_requests, traffic_stopped).await;
            finish.send_replace(true);
        });
        Ok(Self {
            stop_traffic,
            stop_servers,
            finished,
            traffic,
            servers: servers.tasks,
            components: vec![gateway_component, orders_component, payments_component, inventory_component],
            gateway: address,
        })
    }

    /// Where the gateway listens.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// Resolves when [`Options::max_requests`] have been made and answered; without a maximum, only after a shutdown.
    pub async fn finished(&self) {
        let mut finished = self.finished.clone();
        // An error means that the traffic ended by a panic: finished, too.
        let _ = finished.wait_for(|finished| *finished).await;
    }

    /// Stops the traffic, then gateway and services once their requests are answered, then sends what the SDK still holds.
    /// Takes a few seconds at most when the OTLP endpoint does not answer.
    pub async fn shutdown(mut self) {
        self.stop_traffic.send_replace(true);
        let _ = self.traffic.await;
        self.stop_servers.send_replace(true);
        while self.servers.join_next().await.is_some() {}
        let mut flushes = JoinSet::new();
        for component in self.components {
            flushes.spawn_blocking(move || component.otel.shutdown());
        }
        while flushes.join_next().await.is_some() {}
    }
}

struct Servers {
    tls: Arc<ServerConfig>,
    stopped: watch::Receiver<bool>,
    tasks: JoinSet<()>,
}

impl Servers {
    async fn bind(&self, name: &'static str) -> Result<Listener, DemoError> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let metrics = parapet_listen::Metrics::default();
        let limits = Limits { max_connections: 128, ..Limits::default() };
        Ok(Listener::bind(name, loopback, Arc::clone(&self.tls), limits, &metrics).await?)
    }

    fn serve(&mut self, listener: Listener, routes: Router) {
        let mut stopped = self.stopped.clone();
        self.tasks.spawn(async move {
            let shutdown = async move {
                let _ = stopped.wait_for(|stopped| *stopped).await;
            };
            parapet_listen::serve(listener, routes, shutdown).await;
        });
    }
}

fn component(
    options: &Options,
    endpoint: &Endpoint,
    client: &HttpsClient,
    pod: &Pod,
    name: &'static str,
    form: Form,
) -> Result<Arc<Component>, DemoError> {
    let pods = options.dir.join("pods");
    let log = ContainerLog::open(&pods, pod, Bounds::USUAL)
        .map_err(|source| DemoError::Log { path: pods.clone(), source })?;
    let otel = Otel::new(endpoint, name, pod)?;
    let chance = Chance::seeded(options.seed, name);
    let component = Component::new(name, form, log, otel, chance, client.clone());
    component.say(None, "info", "started", &[("demo", true.into())]);
    Ok(Arc::new(component))
}

/// A random header value that only this process knows.
fn secret(prefix: &str) -> Result<HeaderValue, DemoError> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(DemoError::Random)?;
    let mut value = HeaderValue::from_str(&format!("{prefix}{}", hex::encode(bytes)))
        .expect("hexadecimal digits are a header value");
    value.set_sensitive(true);
    Ok(value)
}
