//! What rules ask of reachability: the engine's answers, in the audit's own terms.

mod engine;

use std::net::IpAddr;

pub(crate) use engine::{Engine, cluster};
use parapet_reach::Implied;

/// TCP, UDP or SCTP, as in a container port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// As Kubernetes writes it; TCP for what it doesn't know.
    pub fn parse(text: &str) -> Self {
        match text {
            "UDP" => Self::Udp,
            "SCTP" => Self::Sctp,
            _ => Self::Tcp,
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The pods of a workload, by its number in the world.
    Workload(usize),
    /// An arbitrary address outside of the cluster, one that no policy has in mind.
    Outside,
    /// Some address outside of the cluster, whichever it is.
    Somewhere,
    /// One address.
    Address(IpAddr),
}

/// Who can talk to whom.
pub trait Reach {
    /// Whether some pod or address of `from` is let through to `to`.
    fn allows(&self, from: End, to: End, protocol: Protocol, port: u16) -> bool;

    /// Policies and rules that others imply.
    fn implied(&self) -> Vec<Implied> {
        Vec::new()
    }
}
