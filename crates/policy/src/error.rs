//! What can be wrong with declared flows.

/// Why no policies could be made of flows. Each names the flow, counted from 1, or the preset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A party is nobody.
    #[error("flow {flow}: no workload matches {party}; there are: {known}")]
    NoSuchWorkload {
        /// Counted from 1.
        flow: usize,
        /// As declared.
        party: String,
        /// A few that exist.
        known: String,
    },
    /// None of a preset's components is there.
    #[error("preset {preset}: nothing of it is there; no workload matches {party}, there are: {known}")]
    NothingOfPreset {
        /// The preset.
        preset: String,
        /// The first of its components that was looked for.
        party: String,
        /// A few workloads that exist.
        known: String,
    },
    /// A named port that none of the destination's containers declares.
    #[error("flow {flow}: {workload} has no container port named {port:?}; give its number")]
    NoSuchPort {
        /// Counted from 1.
        flow: usize,
        /// The destination.
        workload: String,
        /// As declared.
        port: String,
    },
    /// A port that is neither a number, nor a range, nor a name.
    #[error("flow {flow}: {port:?} is no port; write 9200, \"9300-9400\" or a container port's name")]
    BadPort {
        /// Counted from 1.
        flow: usize,
        /// As declared.
        port: String,
    },
    /// Both ends are outside of the cluster.
    #[error("flow {flow}: neither end is in the cluster, so no policy of the cluster decides about it")]
    NobodyHere {
        /// Counted from 1.
        flow: usize,
    },
    /// Addresses are needed and not given.
    #[error("{by} needs the addresses of {what}; give them as `{key}` in a file of flows")]
    AddressesMissing {
        /// `flow 3`, counted from 1, or a preset.
        by: String,
        /// Whose.
        what: &'static str,
        /// The key to set.
        key: &'static str,
    },
    /// An unknown preset.
    #[error("there is no preset {name:?}; there are: {known}")]
    NoSuchPreset {
        /// As written.
        name: String,
        /// All of them.
        known: String,
    },
    /// More flows or connections than are handled.
    #[error("{what}: {count}, at most {most} are handled")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The bound.
        most: usize,
    },
    /// A document that the policies would be rendered to can't hold them.
    #[error("{kind} can't express it: {why}")]
    Inexpressible {
        /// The kind of document.
        kind: &'static str,
        /// Why.
        why: String,
    },
}
