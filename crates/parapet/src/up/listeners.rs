//! The three listeners: all bound before anything is served, so that a taken port stops the start.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use parapet_listen::{Limits, Listener};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::turned;
use crate::config::Listen;
use crate::exit::{Failure, OrExit as _, Reason};

/// Listeners that are bound but not served yet.
pub(crate) struct Bound {
    pub(crate) console: Listener,
    pub(crate) otlp_grpc: Listener,
    pub(crate) otlp_http: Listener,
}

impl Bound {
    pub(crate) async fn bind(
        listen: &Listen,
        tls: Arc<rustls::ServerConfig>,
        metrics: &parapet_listen::Metrics,
    ) -> Result<Self, Failure> {
        if listen.allow_remote {
            tracing::warn!(
                console = %listen.console, otlp_grpc = %listen.otlp_grpc, otlp_http = %listen.otlp_http,
                "listening beyond loopback was allowed"
            );
        }
        let bind = async |name, flag: &str, address| {
            Listener::bind(name, address, tls.clone(), Limits::default(), metrics)
                .await
                .with_context(|| format!("{name}; --{flag} ADDR:PORT chooses another place"))
                .or_exit(Reason::Failed)
        };
        Ok(Self {
            console: bind("console", "console-listen", listen.console).await?,
            otlp_grpc: bind("otlp_grpc", "otlp-grpc-listen", listen.otlp_grpc).await?,
            otlp_http: bind("otlp_http", "otlp-http-listen", listen.otlp_http).await?,
        })
    }

    pub(crate) fn serve(
        self,
        console: Router,
        otlp_grpc: Router,
        otlp_http: Router,
        closed: &watch::Receiver<bool>,
    ) -> Listeners {
        let serve = |listener, router: Router| {
            let closed = closed.clone();
            tokio::spawn(async move {
                parapet_listen::serve(listener, router, turned(closed)).await;
            })
        };
        Listeners([
            serve(self.console, console),
            serve(self.otlp_grpc, otlp_grpc),
            serve(self.otlp_http, otlp_http),
        ])
    }
}

/// Listeners at work.
pub(crate) struct Listeners([JoinHandle<()>; 3]);

impl Listeners {
    /// Resolves when all have closed, after they were told to.
    pub(crate) async fn stopped(self) {
        for task in self.0 {
            if let Err(error) = task.await {
                tracing::error!(%error, "a listener failed");
            }
        }
    }
}
