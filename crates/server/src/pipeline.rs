//! What the binary knows of receivers, sources and certificates, for the status page.

use serde::Serialize;
use utoipa::ToSchema;

/// Answers for the parts that this crate does not see. Called for every status request: cheap, and never blocking.
pub trait PipelineStatus: Send + Sync + 'static {
    /// The endpoints that take telemetry in.
    fn receivers(&self) -> Vec<ReceiverStatus>;
    /// The files and other things that are read.
    fn sources(&self) -> Vec<SourceStatus>;
    /// The certificates in use.
    fn certificates(&self) -> Vec<CertificateStatus>;
    /// The secrets in use, without their values.
    fn secrets(&self) -> Vec<SecretStatus> {
        Vec::new()
    }
    /// Whether everything that was configured is running: `/readyz`.
    fn is_ready(&self) -> bool;
}

/// An endpoint that takes telemetry in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReceiverStatus {
    /// Its name.
    pub name: String,
    /// `otlp_grpc`, `otlp_http`, ….
    pub kind: String,
    /// Where it listens.
    pub address: String,
    /// Records accepted since the start.
    pub accepted_total: u64,
    /// Records refused since the start, by reason.
    pub refused: Vec<RefusedCount>,
}

/// How much was refused for one reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RefusedCount {
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// Something that is read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceStatus {
    /// `container_log`, `open_traffic`, `host`, ….
    pub kind: String,
    /// What it reads.
    pub path: String,
    /// Bytes that are there and not acknowledged yet.
    pub lag_bytes: u64,
    /// How long the oldest of them has waited.
    pub oldest_unread_age_seconds: f64,
    /// `reading`, `waiting`, `gone`, ….
    pub state: String,
}

/// A certificate in use.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CertificateStatus {
    /// What it is for.
    pub name: String,
    /// When it expires, RFC 3339.
    pub not_after: String,
}

/// A secret that is used by reference. Its value is told to nobody.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SecretStatus {
    /// Its provider and path.
    pub name: String,
    /// The version that was read last; null: none yet.
    pub version: Option<String>,
    /// Seconds since it was last read; null: never.
    pub age_seconds: Option<u64>,
    /// Whether it is missing, older than the limit, or past its end.
    pub stale: bool,
    /// Whether somebody can't do without it.
    pub required: bool,
    /// Failures since it was last read.
    pub failures: u32,
    /// What the last failure was; null: it has been read since.
    pub last_failure: Option<String>,
    /// Who uses it.
    pub users: Vec<SecretUser>,
}

/// Who uses a secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SecretUser {
    /// Its name.
    pub name: String,
    /// The version in use; null: none yet.
    pub applied: Option<String>,
    /// Why the version that was read last is not in use; null: it is.
    pub refused: Option<String>,
}
