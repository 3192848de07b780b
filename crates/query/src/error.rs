//! What can go wrong with a query, and whose fault it is.

/// Who can do something about a failed query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The query is not one: it does not parse, names what does not exist, or a cursor is not ours (HTTP 400).
    Malformed,
    /// The query asks for what nobody may do here: writing, reading files (HTTP 403).
    NotAllowed,
    /// The query is valid and too large for its limits; a smaller one will do (HTTP 422).
    TooLarge,
    /// The query is fine; the server failed (HTTP 500).
    Server,
}

impl Blame {
    /// The value of the `reason` label in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotAllowed => "not_allowed",
            Self::TooLarge => "too_large",
            Self::Server => "server",
        }
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// Does not parse, does not plan, or has an argument out of bounds.
    #[error("{0}")]
    BadRequest(String),
    /// Would write, change settings, or read what is not a table.
    #[error("{0}")]
    Forbidden(String),
    /// Ran into its memory limit, its time limit, or another bound.
    #[error("{0}")]
    TooExpensive(String),
    /// Reading or computing failed though the query is fine.
    #[error("{step} failed")]
    Internal {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl QueryError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::BadRequest(_) => Blame::Malformed,
            Self::Forbidden(_) => Blame::NotAllowed,
            Self::TooExpensive(_) => Blame::TooLarge,
            Self::Internal { .. } => Blame::Server,
        }
    }

    pub(crate) fn internal(
        step: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Internal { step, source: source.into() }
    }
}
