//! What the status page shows of receivers, sources, certificates and secrets, asked of those who know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parapet_collect::files::SourceState;
use parapet_collect::otlp::Receiver;
use parapet_secrets::ConsumerStatus;
use parapet_server::{
    CertificateStatus, PipelineStatus, ReceiverStatus, RefusedCount, SecretStatus, SecretUser, SourceStatus,
};

use super::certificates::Certificates;
use super::collectors::FilesStatus;

pub(crate) struct Pipeline {
    receivers: [Receiver; 2],
    files: FilesStatus,
    certificates: Certificates,
    secrets: parapet_secrets::Store,
    ready: AtomicBool,
}

impl Pipeline {
    pub(crate) fn new(
        receivers: [Receiver; 2],
        files: FilesStatus,
        certificates: Certificates,
        secrets: parapet_secrets::Store,
    ) -> Self {
        Self { receivers, files, certificates, secrets, ready: AtomicBool::new(false) }
    }

    /// Everything that was configured runs.
    pub(crate) fn set_ready(self: &Arc<Self>) {
        self.ready.store(true, Ordering::Release);
    }
}

impl PipelineStatus for Pipeline {
    fn receivers(&self) -> Vec<ReceiverStatus> {
        let of = |receiver: &Receiver| {
            let status = receiver.status();
            let refused = status.refused.into_iter();
            ReceiverStatus {
                name: status.name.to_owned(),
                kind: status.kind.to_owned(),
                address: status.address,
                accepted_total: status.accepted_total,
                refused: refused
                    .map(|refused| RefusedCount { reason: refused.reason.to_owned(), count: refused.count })
                    .collect(),
            }
        };
        self.receivers.iter().map(of).collect()
    }

    fn sources(&self) -> Vec<SourceStatus> {
        let of = |status: parapet_collect::files::SourceStatus| SourceStatus {
            kind: status.kind.to_owned(),
            path: status.path,
            lag_bytes: status.lag_bytes,
            oldest_unread_age_seconds: status.oldest_unread_age_seconds.unwrap_or(0.0),
            state: state(status.state).to_owned(),
        };
        self.files.now().into_iter().map(of).collect()
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        let of = |(name, ends): (&str, jiff::Timestamp)| CertificateStatus {
            name: name.to_owned(),
            not_after: ends.to_string(),
        };
        self.certificates.expiries().into_iter().map(of).collect()
    }

    fn secrets(&self) -> Vec<SecretStatus> {
        let user = |user: ConsumerStatus| SecretUser {
            name: user.name,
            applied: user.applied.map(|version| version.to_string()),
            refused: user.refused.map(str::to_owned),
        };
        let of = |status: parapet_secrets::SecretStatus| SecretStatus {
            name: status.secret,
            version: status.version.map(|version| version.to_string()),
            age_seconds: status.age_seconds,
            stale: status.stale,
            required: status.required,
            failures: status.failures,
            last_failure: status.last_failure.map(|reason| reason.as_str().to_owned()),
            users: status.consumers.into_iter().map(user).collect(),
        };
        self.secrets.status().into_iter().map(of).collect()
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && self.secrets.readiness().is_ok()
    }
}

fn state(state: SourceState) -> &'static str {
    match state {
        SourceState::Idle => "idle",
        SourceState::Reading => "reading",
        SourceState::Waiting => "waiting",
        SourceState::Draining => "draining",
        SourceState::Failing => "failing",
    }
}
