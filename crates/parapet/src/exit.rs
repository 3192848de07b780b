//! Exit codes, and how a failure is told.

use std::process::ExitCode;

/// What went wrong, as scripts want to tell it apart. The numbers are documented in `parapet --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "up"), expect(dead_code, reason = "some reasons are of `up` alone"))]
pub(crate) enum Reason {
    /// Anything without a number of its own.
    Failed = 1,
    /// The command line or the configuration is wrong; nothing was started.
    Usage = 2,
    /// The data folder is in use, of a newer format, or damaged.
    Data = 3,
    /// The server could not be reached, or refused.
    Server = 4,
}

/// A failure on its way to standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    reason: Reason,
    error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(reason: Reason, error: impl Into<anyhow::Error>) -> Self {
        Self { reason, error: error.into() }
    }

    /// Prints the error and its causes to standard error.
    #[expect(clippy::print_stderr, reason = "the last word of a command goes to the terminal")]
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("parapet: {:#}", self.error);
        ExitCode::from(self.reason as u8)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { reason: Reason::Failed, error }
    }
}

/// Gives an error its exit code.
pub(crate) trait OrExit<T> {
    /// The value, or a failure that ends the process with `reason`.
    fn or_exit(self, reason: Reason) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, reason: Reason) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(reason, error))
    }
}
