//! One structured line for each decision. Never a token, a query, a cookie or a header's value.
//!
//! Lines go to `tracing` with the target `audit`, so that a subscriber can route them apart from the log. What a stranger
//! chose (path, user) is written escaped.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;

use crate::Decision;

/// The target of audit lines.
pub const AUDIT_TARGET: &str = "audit";

/// Which decisions have a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditLines {
    /// None.
    #[default]
    Off,
    /// Refusals.
    Refusals,
    /// All.
    All,
}

/// What a line is about.
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a Method,
    /// As it came: it may not have been canonical.
    pub(crate) path: &'a str,
    pub(crate) peer: Option<SocketAddr>,
}

impl AuditLines {
    pub(crate) fn write(self, subject: &Subject<'_>, decision: &Decision, took: Duration) {
        let (outcome, reason, status, identity) = match decision {
            Decision::Allow(grant) if self == Self::All => {
                ("allow", grant.reason.as_str(), None, grant.identity.as_ref())
            }
            Decision::Refuse(refusal) if self != Self::Off => {
                ("refuse", refusal.reason.as_str(), Some(refusal.status.as_u16()), None)
            }
            _ => return,
        };
        let Subject { method, path, peer } = subject;
        tracing::info!(
            target: AUDIT_TARGET,
            decision = outcome,
            reason,
            status,
            method = method.as_str(),
            path = ?cut(path),
            peer = peer.map(tracing::field::display),
            user = identity.map(|identity| tracing::field::debug(&identity.user)),
            authenticated_by = identity.map(|identity| identity.method.as_str()),
            microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "decided"
        );
    }

    /// A request that could not even be read.
    pub(crate) fn unreadable(self, peer: Option<SocketAddr>, fault: &'static str) {
        if self != Self::Off {
            tracing::info!(
                target: AUDIT_TARGET,
                decision = "refuse",
                reason = crate::RefuseReason::Malformed.as_str(),
                status = 400,
                peer = peer.map(tracing::field::display),
                fault,
                "decided"
            );
        }
    }
}

/// Enough of a path to recognise it.
fn cut(path: &str) -> &str {
    /// A line stays below 1 KiB.
    const LONGEST: usize = 512;
    match path.char_indices().nth(LONGEST) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}
