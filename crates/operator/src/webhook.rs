//! The admission webhook: the rules of `api`, asked by the API server before it stores an object.
//!
//! [`Webhook::answer`] is the whole of it, bytes in and bytes out; [`serve`] puts it behind TLS, with a certificate that
//! [`certificates`] keeps, or that somebody else mounts.

pub mod certificates;
mod counted;
mod others;
mod review;
mod server;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::{Api, Client};
use parapet_api::labels::CLUSTER_NAME;
use parapet_api::validate::{Live, Rules};

pub use counted::{Metrics, Verdict};
pub use review::{BadRequest, Review};
pub use server::{Certificate, Counted, Served, Serving, WebhookError, serve};

/// The most that a review may hold: the API server takes objects of up to 3 MiB, and a review of a change has two.
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/server/config.go> `MaxRequestBodyBytes`
pub const MAX_BODY: usize = 8 << 20;

/// Which namespaces are looked after; the objects of others are let through.
pub type Namespaces = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What answers reviews.
#[derive(Clone)]
pub struct Webhook {
    /// What is refused.
    pub rules: Rules,
    /// Whose objects are looked at.
    pub namespaces: Namespaces,
    /// Where live objects are looked up, for the rules about what exists.
    pub client: Client,
    /// Whether a volume's class is asked if it may grow.
    pub validate_storage_class: bool,
    /// What is counted.
    pub metrics: Metrics,
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: http::StatusCode,
    /// JSON, or why there is none.
    pub body: Vec<u8>,
}

impl Webhook {
    /// Answers one review.
    pub async fn answer(&self, path: &str, body: &[u8]) -> Answer {
        if others::is_path(path) {
            return match others::let_through(body) {
                Ok(body) => {
                    self.metrics.count(None, Verdict::Unchecked);
                    Answer { status: http::StatusCode::OK, body }
                }
                Err(error) => self.malformed(&error),
            };
        }
        let review = match Review::read(path, body) {
            Ok(review) => review,
            Err(error) => return self.malformed(&error),
        };
        let (verdict, body) = if (self.namespaces)(review.namespace()) {
            match self.look_up(&review).await {
                Ok(Some((sets, classes))) => {
                    let live = Live { stateful_sets: &sets, storage_classes: classes.as_deref() };
                    review.answer(&self.rules, Some(live), None)
                }
                Ok(None) => review.answer(&self.rules, None, None),
                Err(error) => {
                    tracing::warn!(%error, "volume claims can't be compared with those that exist");
                    let unknown = "volume claims could not be compared with those that exist";
                    review.answer(&self.rules, None, Some(unknown))
                }
            }
        } else {
            review.let_through()
        };
        self.metrics.count(Some(review.kind()), verdict);
        Answer { status: http::StatusCode::OK, body }
    }

    fn malformed(&self, error: &BadRequest) -> Answer {
        self.metrics.count(None, Verdict::Malformed);
        tracing::debug!(%error, "a review can't be read");
        Answer { status: error.status(), body: error.to_string().into_bytes() }
    }

    /// What exists, where a rule is about that.
    async fn look_up(&self, review: &Review) -> Result<Option<Found>, kube::Error> {
        let Some((namespace, name)) = review.changed_elasticsearch() else { return Ok(None) };
        let sets: Api<StatefulSet> = Api::namespaced(self.client.clone(), namespace);
        let sets = sets.list(&ListParams::default().labels(&format!("{CLUSTER_NAME}={name}"))).await?.items;
        if !self.validate_storage_class {
            return Ok(Some((sets, None)));
        }
        let classes: Api<StorageClass> = Api::all(self.client.clone());
        Ok(Some((sets, Some(classes.list(&ListParams::default()).await?.items))))
    }
}

type Found = (Vec<StatefulSet>, Option<Vec<StorageClass>>);
