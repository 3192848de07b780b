//! What an application waits for, in sentences: read from its status, its events, its pods and its certificates.
//!
//! Nothing is decided here: it is what the operator and the cluster say of it, put in order, with what to do next.

mod gather;
mod pods;
mod sentences;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use parapet_api::{AssociationState, Condition, ConditionState, ConditionType, InProgress, Kind};

pub use gather::{ExplainError, gather};
pub use sentences::{Explanation, explain};

/// What is known of one application.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which kind.
    pub kind: Kind,
    /// Where it is.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// What the user wrote and what was answered.
    pub said: Said,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// What is odd in what was specified, in sentences.
    pub odd: Vec<String>,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// Certificates in its Secrets.
    pub certificates: Vec<Certificate>,
    /// What happened to it, the newest first.
    pub events: Vec<Happened>,
    /// When it was looked at.
    pub now: Timestamp,
}

/// What the application itself says.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Why it can't be read, if it can't.
    pub unreadable: Option<String>,
    /// An annotation by which the operator leaves it alone.
    pub left_alone: Option<String>,
    /// Whether changes of its nodes are held by the user.
    pub paused: bool,
    /// It is being deleted.
    pub deleted: bool,
    /// How often its specification was changed.
    pub generation: i64,
    /// What of that the operator has looked at.
    pub observed_generation: Option<i64>,
    /// The version that is specified.
    pub version: String,
    /// How many nodes or instances are specified.
    pub wanted: i64,
    /// How many are ready.
    pub available: Option<i32>,
    /// The lowest version that runs.
    pub running: Option<String>,
    /// Health, in a word.
    pub health: Option<String>,
    /// Elasticsearch only.
    pub phase: Option<String>,
    /// Elasticsearch only.
    pub conditions: Vec<Condition>,
    /// Elasticsearch only.
    pub in_progress: InProgress,
}

/// What an application refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The field.
    pub field: &'static str,
    /// The kind that it names.
    pub kind: Kind,
    /// The place that it names; none if a Secret of the user's says where it is.
    pub target: Option<(String, String)>,
    /// Whether that is there.
    pub exists: bool,
    /// Where it stands.
    pub state: Option<AssociationState>,
}

/// A certificate in one of its Secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The Secret.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When, the last time.
    pub at: Option<Timestamp>,
    /// Whether somebody should look.
    pub warning: bool,
    /// `Validation`, `Delayed` …
    pub reason: String,
    /// What, in a sentence.
    pub note: String,
    /// What it is about, if it isn't the application itself.
    pub about: Option<String>,
}

impl Said {
    fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// The sentence of a condition that doesn't hold.
    fn unmet(&self, kind: ConditionType) -> Option<&str> {
        let condition = self.condition(kind).filter(|condition| condition.status != ConditionState::True)?;
        condition.message.as_deref()
    }
}
