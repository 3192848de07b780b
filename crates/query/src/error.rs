//! What can go wrong with a query, and whose fault it is.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

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

    /// From DataFusion, for a query that we built: it plans, so what fails is a limit or the server.
    pub(crate) fn of_ours(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(reason) => Self::out_of_memory(reason),
            _ => Self::Internal { step: "the query", source: Box::new(error) },
        }
    }

    /// From DataFusion, for SQL that a user wrote: what does not plan or compute is theirs to correct.
    pub(crate) fn of_theirs(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(reason) => Self::out_of_memory(reason),
            DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::Configuration(_)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Diagnostic(..)
            | DataFusionError::Collection(_)
            | DataFusionError::Execution(_) => Self::BadRequest(error.strip_backtrace()),
            DataFusionError::ArrowError(arrow, _) if is_computation(arrow) => {
                Self::BadRequest(error.strip_backtrace())
            }
            DataFusionError::ArrowError(..)
            | DataFusionError::ParquetError(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::Internal(_)
            | DataFusionError::ExecutionJoin(_)
            | DataFusionError::External(_)
            | DataFusionError::Context(..)
            | DataFusionError::Substrait(_)
            | DataFusionError::Shared(_)
            | DataFusionError::Ffi(_) => Self::Internal { step: "the query", source: Box::new(error) },
        }
    }

    fn out_of_memory(reason: &str) -> Self {
        tracing::debug!(reason, "query ran out of memory");
        Self::TooExpensive(
            "the query needs more memory than one query may have; narrow its time range or group by less"
                .into(),
        )
    }
}

/// Whether values, rather than the machine, made it fail.
fn is_computation(error: &ArrowError) -> bool {
    matches!(
        error,
        ArrowError::DivideByZero
            | ArrowError::ArithmeticOverflow(_)
            | ArrowError::CastError(_)
            | ArrowError::ParseError(_)
            | ArrowError::ComputeError(_)
            | ArrowError::InvalidArgumentError(_)
            | ArrowError::NotYetImplemented(_)
            | ArrowError::OffsetOverflowError(_)
    )
}
