//! The data path alone, in clear text, with a decision that is made at once: what forwarding itself costs.
//!
//! `cargo run --release -p parapet-guard --example forward -- 127.0.0.1:8081` prints where it listens, and serves until its
//! standard input ends.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use parapet_guard::proxy::{Forward, Listener, Readiness, Security, TunnelRules};
use parapet_guard::upstream::{Address, Protocol, Upstream, UpstreamSettings};
use parapet_guard::{
    AllowReason, AuthnMethod, Consumed, Decide, Decision, Engine, Grant, Identity, Inquiry, Limits, Metrics,
    Policy,
};
use prometheus_client::registry::Registry;

/// Lets everybody in as the same caller.
struct Everybody;

#[async_trait]
impl Decide for Everybody {
    async fn decide(&self, _: &Inquiry<'_>) -> Decision {
        let identity = Identity {
            user: "everybody".to_owned(),
            uid: String::new(),
            groups: Vec::new(),
            extra: BTreeMap::new(),
            method: AuthnMethod::Token,
            expires: None,
        };
        let consumed = Consumed::Bearer;
        Decision::Allow(Grant {
            identity: Some(Arc::new(identity)),
            reason: AllowReason::StaticRule,
            consumed,
        })
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let upstream: SocketAddr = std::env::args().nth(1).ok_or("the upstream's address is missing")?.parse()?;
    let metrics = Metrics::register(&mut Registry::default());
    let engine = Arc::new(Engine::new(Everybody, Policy::default(), metrics.clone()));
    let address = Address::Tcp { host: upstream.ip().to_string(), port: upstream.port() };
    let upstream = Upstream::new(UpstreamSettings::new(address, Protocol::Http1), metrics.clone());
    let forward = Arc::new(Forward::new(engine, upstream, TunnelRules::default()));
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind("example", any, Security::Plain, Limits::default(), metrics).await?;
    writeln!(std::io::stdout(), "{}", listener.address())?;
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    // An input that can't be read has ended too.
    let ended = async move { drop(ended.await) };
    listener.serve(forward, Readiness::not_yet("starting"), ended).await;
    Ok(())
}
