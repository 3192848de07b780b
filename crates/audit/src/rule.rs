//! What a rule is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::finding::Findings;
use crate::world::World;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Untidy, or weak in a way that needs something else to go wrong.
    Low,
    /// Weak, or broken in a way that is noticed.
    Medium,
    /// Open to whoever is near, or broken silently.
    High,
    /// Open to anybody, or secrets given away.
    Critical,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// One level worse; critical stays.
    pub fn raised(self) -> Self {
        match self {
            Self::Info => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }

    /// One level milder; info stays.
    pub fn lowered(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium => Self::Low,
            Self::Low | Self::Info => Self::Info,
        }
    }

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.name() == text)
            .ok_or_else(|| format!("{text:?} is none of critical, high, medium, low, info"))
    }
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Isolation, and the hygiene of policies.
    Isolation,
    /// Where the collection pipeline may send.
    Egress,
    /// Receivers and listening ports.
    Receivers,
    /// Credentials.
    Secrets,
    /// Elasticsearch, Kibana, APM Server: transport and HTTP.
    Elasticsearch,
    /// Istio.
    Mesh,
    /// Metrics endpoints.
    Metrics,
    /// Pods, hosts, identities, images.
    Pods,
}

impl Group {
    /// A title for pages and reports.
    pub fn title(self) -> &'static str {
        match self {
            Self::Isolation => "Isolation and policies",
            Self::Egress => "Egress of the collection pipeline",
            Self::Receivers => "Receivers and listening ports",
            Self::Secrets => "Secrets",
            Self::Elasticsearch => "Elasticsearch, Kibana, APM Server",
            Self::Mesh => "Service mesh",
            Self::Metrics => "Metrics endpoints",
            Self::Pods => "Pods, hosts, identities, images",
        }
    }
}

/// What a rule needs besides the manifests themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Needs {
    /// Nothing.
    Manifests,
    /// Who can talk to whom.
    Reach,
    /// An option that says what is meant.
    Option,
    /// Pods as they run, from a cluster or its dump.
    Live,
}

/// Looks at a world and adds what it finds.
pub(crate) type Check = for<'w> fn(&'w World<'w>, &mut Findings<'w>);

/// One thing that can be wrong.
pub struct Rule {
    /// Its id; never given to another.
    pub id: &'static str,
    /// How much it matters where nothing is known of reachability.
    pub severity: Severity,
    /// What it is about.
    pub group: Group,
    /// What it needs.
    pub needs: Needs,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Finds it.
    pub(crate) check: Check,
}

/// Rules whose finding is that something declared is cut: a policy in the wrong namespace, peers of another one, a Service's
/// port, the wrong protocol, a flow that one side allows and the other doesn't, mTLS where it can't be had. Putting that right lets it through.
const REPAIRS: [&str; 16] = [
    "OBS-NP-08",
    "OBS-NP-09",
    "OBS-NP-13",
    "OBS-NP-14",
    "OBS-NP-15",
    "OBS-EG-04",
    "OBS-EG-06",
    "OBS-EG-07",
    "OBS-EG-08",
    "OBS-RX-03",
    "OBS-RX-04",
    "OBS-RX-11",
    "OBS-RX-16",
    "OBS-MET-20",
    "OBS-MESH-02",
    "OBS-MESH-09",
];

impl Rule {
    /// Whether its patches let through what was closed. No others do, but the way to the name servers (OBS-NP-10) and to
    /// istiod (OBS-MESH-19), which every default deny needs beside it.
    pub fn repairs(&self) -> bool {
        REPAIRS.contains(&self.id)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}
