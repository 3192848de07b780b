//! What can go wrong with an answer.

use std::time::Duration;

/// A way to answer badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Connections are closed as soon as they come.
    Down,
    /// Requests are taken and never answered.
    Hang,
    /// Requests are answered after this time.
    Slow(Duration),
    /// This status, and a body that isn't JSON unless one writes it so.
    Status(u16, String),
    /// 200 with a body that isn't JSON.
    Garbage,
    /// Half of the answer, then the connection is closed.
    CutShort,
    /// A certificate that nobody trusts.
    AnotherCertificate,
}

impl Fault {
    /// As a proxy answers for a server that it can't reach.
    pub fn unavailable() -> Self {
        Self::Status(503, "upstream connect error or disconnect/reset before headers".to_owned())
    }
}
