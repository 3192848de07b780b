//! Objects of a live cluster, as its API server lists them.
//!
//! Only kinds that matter here are asked for ([`kinds`]), only if the server serves them, in pages. Each document's file
//! is `cluster`; all of its places are 1:1. What can't be listed is a [`Problem`](crate::Problem) of the file
//! `cluster:KIND`, and the rest is read.
//!
//! Of Secrets nothing but names, labels, owners and types is asked for or kept, unless certificates are asked for: then those
//! of type `kubernetes.io/tls` are read with certificate, key and CA.

mod connect;
pub mod kinds;
mod list;
mod served;

use std::time::Duration;

use kube::Client;
use tokio::time::{Instant, timeout_at};

pub use connect::{ClusterAddress, connect};

use crate::load::add_live;
use crate::{Loaded, Problem, Severity, Span};
use list::Stopped;

/// The file that objects of a cluster name.
pub const FILE: &str = "cluster";

/// How much is read of a cluster, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub struct ClusterLimits {
    /// Objects of one page: `kubectl` takes the same.
    pub page: u32,
    /// Objects of all kinds together. The largest clusters that Kubernetes is tested with have 150,000 pods.
    pub objects: usize,
    /// For everything together.
    pub deadline: Duration,
    /// Whether Secrets of type `kubernetes.io/tls` are read with what they hold, private keys included.
    pub certificates: bool,
}

impl Default for ClusterLimits {
    fn default() -> Self {
        Self { page: 500, objects: 1_000_000, deadline: Duration::from_secs(300), certificates: false }
    }
}

/// A cluster of which nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig can't be used.
    #[error("can't use the kubeconfig")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// No client could be made of what the kubeconfig says.
    #[error("can't set up the client of the API server")]
    Client(#[source] kube::Error),
    /// The API server did not tell what it serves.
    #[error("the API server did not say which kinds it serves")]
    Discovery(#[source] kube::Error),
    /// The deadline passed before the API server told what it serves.
    #[error("the API server did not say which kinds it serves within {} seconds", .0.as_secs())]
    Deadline(Duration),
}

/// Lists the objects of every kind that matters.
///
/// A kind that the caller may not list, or that fails, is a problem that says what to grant.
pub async fn load(client: &Client, limits: &ClusterLimits) -> Result<Loaded, ClusterError> {
    let end = Instant::now() + limits.deadline;
    let mut loaded = Loaded::default();
    let served = timeout_at(end, served::kinds(client, &mut loaded.problems))
        .await
        .map_err(|_| ClusterError::Deadline(limits.deadline))?
        .map_err(ClusterError::Discovery)?;
    let file = FILE.into();
    for kind in &served {
        let room = limits.objects.saturating_sub(loaded.documents.len());
        let mut objects = Vec::new();
        let listed = timeout_at(end, list::all(client, kind, limits.page, room, &mut objects)).await;
        if limits.certificates && kind.is_secret() {
            let read = timeout_at(end, list::certificates(client, kind, limits.page, &mut objects)).await;
            let stopped = match read {
                Ok(Ok(())) => None,
                Ok(Err(stopped)) => Some(stopped),
                Err(_) => Some(Stopped::Deadline(limits.deadline)),
            };
            loaded.problems.extend(stopped.map(|stopped| {
                let place = format!("{FILE}:{}", kind.kind).into();
                let message = format!("certificates were not read: {}", stopped.message(kind));
                Problem::new(&place, Span::START, Severity::Warning, message)
            }));
        }
        for object in objects {
            add_live(&file, object, &mut loaded);
        }
        let stopped = match listed {
            Ok(Ok(())) => continue,
            Ok(Err(stopped)) => stopped,
            Err(_) => Stopped::Deadline(limits.deadline),
        };
        let severity = if kind.is_spare() { Severity::Warning } else { Severity::Error };
        let place = format!("{FILE}:{}", kind.kind).into();
        loaded.problems.push(Problem::new(&place, Span::START, severity, stopped.message(kind)));
    }
    Ok(loaded)
}
