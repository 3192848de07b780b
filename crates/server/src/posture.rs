//! Who can reach whom in the configured manifests, what is wrong with them, and what would put it right: as the API says it.
//! How it is computed is the binary's business, behind [`PostureSource`].

use serde::Serialize;
use utoipa::ToSchema;

/// Workloads in one answer at most; beyond that, ends are namespaces. Two thousand squared is what one page can still draw.
pub const MOST_WORKLOADS: usize = 2_000;
/// Connected pairs in one answer at most, some 12 MB of JSON; beyond that, ends are namespaces. A thousand workloads without policies.
pub const MOST_CELLS: usize = 1_000_000;
/// Findings in one answer at most; `findings_total` says how many there are.
pub const MOST_FINDINGS: usize = 5_000;
/// Bytes of one finding's patch at most: what is longer is for an editor, not for a page.
pub const MOST_PATCH: usize = 16 << 10;
/// Bytes of all patches of an answer at most; the worst findings have theirs first.
pub const MOST_PATCHES: usize = 4 << 20;
/// Problems of reading in one answer at most.
pub const MOST_PROBLEMS: usize = 200;

/// Answers about manifests. Called off the async threads: it may read files and compute for seconds.
pub trait PostureSource: Send + Sync + 'static {
    /// Everything at a glance. Reads the manifests again if a file has changed.
    ///
    /// # Errors
    /// If nothing can be said; what can't be read of the manifests is in the answer.
    fn posture(&self) -> Result<Posture, PostureError>;

    /// Why `source` may or may not connect to `destination`: each an id of a workload, or an address.
    ///
    /// # Errors
    /// If there is no such end.
    fn explain(
        &self,
        source: &str,
        destination: &str,
        protocol: Protocol,
        port: u16,
    ) -> Result<Explained, PostureError>;

    /// The least policies of one namespace, from the flows that its manifests show.
    ///
    /// # Errors
    /// If there is no such namespace, or it is too large for an answer in time.
    fn policy(&self, namespace: &str) -> Result<GeneratedPolicy, PostureError>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostureError {
    /// What was asked about does not exist; the text says so to the caller.
    Unknown(String),
    /// The question can't be answered in time; the text says how else.
    TooLarge(String),
    /// A failure that is ours; the text goes to the log.
    Failed(String),
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// By its name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [("tcp", Self::Tcp), ("udp", Self::Udp), ("sctp", Self::Sctp)];
        all.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, protocol)| protocol)
    }
}

/// Who can reach whom, and what is wrong.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Posture {
    /// Whether there are manifests to look at; if not, the rest is empty.
    pub configured: bool,
    /// Whether they are the demonstration's own.
    pub demo: bool,
    /// Where they were read from.
    pub sources: Vec<String>,
    /// When, RFC 3339; null: never.
    pub computed_at: Option<String>,
    /// The declared modes where implementations of policies differ, as `name=value`.
    pub modes: String,
    /// Whether something could not be read, so that more may be open, or wrong, than is said.
    pub incomplete: bool,
    /// What could not be read, or only with a doubt; the first 200.
    pub problems: Vec<ManifestProblem>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Whether there are so many workloads that each end stands for a whole namespace.
    pub grouped: bool,
    /// Workloads in the manifests.
    pub workloads_total: u64,
    /// The ends of connections, sorted by namespace and name; those outside the cluster come last.
    pub workloads: Vec<PostureWorkload>,
    /// Sets of ports that `cells` refer to, as `TCP 80,443,UDP 53` or `All Connections`.
    pub ports: Vec<String>,
    /// Each ordered pair that may connect: [from, to, ports], indices into `workloads` and `ports`.
    pub cells: Vec<[u32; 3]>,
    /// Findings, suppressed ones left out.
    pub findings_total: u64,
    /// The worst 5000 of them, the worst first.
    pub findings: Vec<PostureFinding>,
}

/// Something about the input, with its place.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ManifestProblem {
    /// `error`: not read; `warning`: read in part; `note`.
    pub severity: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The character in it, from 1.
    pub column: u32,
    /// What it is, and what to do.
    pub message: String,
}

/// One end of connections.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PostureWorkload {
    /// `namespace/name[Kind]`; of a namespace its name; of what is outside `outside` or `{ingress-controller}`.
    pub id: String,
    /// Empty outside the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `Deployment`, `StatefulSet`, …; `Namespace`, `External`, `Entry`.
    pub kind: String,
    /// Whether addresses outside the cluster may connect to it, or an entry point (Ingress, Route, Gateway) leads to it.
    pub exposed_outside: bool,
    /// Whether some policy restricts who connects to it.
    pub isolated_ingress: bool,
    /// Whether some policy restricts where it connects to.
    pub isolated_egress: bool,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PostureFinding {
    /// The rule's id.
    pub rule: String,
    /// What the rule is about.
    pub title: String,
    /// `critical`, `high`, `medium`, `low`, `info`.
    pub severity: String,
    /// The rule's group.
    pub group: String,
    /// The object, as `Kind namespace/name`.
    pub object: String,
    /// The object's namespace; empty if it has none.
    pub namespace: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The character in it, from 1.
    pub column: u32,
    /// What is wrong here.
    pub message: String,
    /// What it rests on.
    pub evidence: Vec<String>,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// That as a unified diff of the manifests as they are, of this finding alone; empty if it can't be computed, or see
    /// `patch_omitted`.
    pub patch: String,
    /// There is a patch, and it is too long for an answer: `parapet audit --fix FILE` writes it.
    pub patch_omitted: bool,
    /// The patch lets something through that is cut now.
    pub repairs: bool,
    /// What people have to decide before it can be put right; empty if nothing.
    pub decide: String,
    /// What an answer to that looks like, as YAML or as a command; empty if that can't be said.
    pub sample: String,
    /// The workloads that it is about: indices into `workloads`.
    pub workloads: Vec<u32>,
}

/// Why a connection is allowed or denied.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explained {
    /// Whether all pods of the source may connect to all of the destination.
    pub allowed: bool,
    /// The declared modes.
    pub modes: String,
    /// One verdict, or several if a workload's pods differ.
    pub verdicts: Vec<Verdict>,
}

/// One verdict and its reasons.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Verdict {
    /// Who connects.
    pub source: String,
    /// To whom.
    pub destination: String,
    /// With which protocol.
    pub protocol: String,
    /// At which port of the destination.
    pub port: u16,
    /// Whether it may.
    pub allowed: bool,
    /// What the source's policies say, what the destination's say, and what the mesh says where there is one.
    pub sides: Vec<VerdictSide>,
    /// What the verdict doesn't cover.
    pub notes: Vec<String>,
    /// All of it as text.
    pub text: String,
}

/// What one side says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VerdictSide {
    /// `Egress`, `Ingress` or `Mesh`.
    pub side: String,
    /// Whether it lets the connection through.
    pub allowed: bool,
    /// What decides, in a sentence.
    pub decision: String,
    /// Each policy about this side and what it says, in the order of evaluation.
    pub steps: Vec<String>,
    /// What would turn the verdict.
    pub changes: Vec<String>,
}

/// The least policies of a namespace.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GeneratedPolicy {
    /// The namespace.
    pub namespace: String,
    /// NetworkPolicy documents, YAML.
    pub yaml: String,
    /// Whether it was proved that they allow the flows, nothing else that labels can tell apart, and hold no rule to spare.
    pub proved: bool,
    /// Connections that the flows come to.
    pub declared: u64,
    /// Pairs that were computed for the proof.
    pub pairs: u64,
    /// What the flows need and the policies don't allow, what they allow beyond, and what could be left out; the first hundred.
    pub unproved: Vec<String>,
    /// What people should know before they apply them.
    pub notes: Vec<String>,
}
