//! What the handlers share.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use parapet_access::{Accounts, Clock};
use parapet_query::Engine;
use parapet_store::{Recovery, Store};
use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, watch};

use crate::guard::Guard;
use crate::posture::PostureSource;
use crate::sampler::Rates;
use crate::{Metrics, PipelineStatus};

/// Everything that the API is made of.
pub struct State {
    /// Answers queries.
    pub engine: Engine,
    /// Knows how much is kept, and says when there is more.
    pub store: Store,
    /// What the store found when it was opened.
    pub recovery: Recovery,
    /// Who may come in.
    pub accounts: Accounts,
    /// Receivers, sources and certificates.
    pub pipeline: Arc<dyn PipelineStatus>,
    /// Who can reach whom in the configured manifests; none if there are none.
    pub posture: Option<Arc<dyn PostureSource>>,
    /// Whether a gate before the router decides on each request of `/metrics`; if not, the router's own does.
    pub metrics_are_guarded: bool,
    /// Everything that `/metrics` shows; `metrics` registered there as well.
    pub registry: Arc<Registry>,
    /// What the server counts itself.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Version of the program, for the status page.
    pub version: &'static str,
    /// Whether the data is a demonstration's.
    pub demo: bool,
    /// Turns true when the process stops: streams end, so that listeners can close.
    pub shutdown: watch::Receiver<bool>,
}

/// [`State`] and what belongs to one router.
pub(crate) struct App {
    pub(crate) state: State,
    pub(crate) started_at: Timestamp,
    pub(crate) guard: Arc<Guard>,
    pub(crate) rates: Rates,
    pub(crate) openapi: Bytes,
    /// Questions about posture that are computed at once.
    pub(crate) posture_turns: Arc<Semaphore>,
}

pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn now(&self) -> Timestamp {
        (self.state.clock)()
    }
}
