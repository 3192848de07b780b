//! What certificates say and whether they will do, for people and scripts: facts, findings, and what to do about them.
//! Nothing here trusts anything; private keys are compared and never shown.

mod facts;
mod findings;
mod live;
mod read;

pub use facts::CertificateFacts;
pub use findings::{Code, Finding, Question, Severity, judge};
pub use live::{Peer, ask};
pub use read::{Found, read, rotation_of};
