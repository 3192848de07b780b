//! What can go wrong between the gate and the upstream.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

use crate::{Refusal, RefuseReason};

/// A request that could not be forwarded, or an answer that could not be had.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("connecting to the upstream failed")]
    Connect(#[source] io::Error),
    /// No connection in time.
    #[error("connecting to the upstream took longer than {0:?}")]
    ConnectTimeout(Duration),
    /// The path isn't a socket, or somebody else listens there.
    #[error("the upstream's socket is not what was configured: {0}")]
    Socket(&'static str),
    /// The connection ended, or what came over it isn't HTTP.
    #[error("the exchange with the upstream failed")]
    Exchange(#[source] hyper::Error),
    /// The connection ended without an answer.
    #[error("the upstream closed the connection without an answer")]
    Closed,
    /// No answer in time.
    #[error("the upstream didn't begin its answer in time")]
    FirstByteTimeout,
    /// The base path and the path don't make a target.
    #[error("the target can't be written for the upstream")]
    Target,
    /// It answered 101 to what wasn't an upgrade, or upgraded to something else.
    #[error("the upstream upgraded to what was not asked for")]
    Upgrade,
}

impl UpstreamError {
    /// Whether the connection broke, so that another one may work.
    pub(crate) fn is_broken_connection(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Exchange(error) => {
                error.is_incomplete_message()
                    || error.is_canceled()
                    || error.is_closed()
                    || error.source().is_some_and(|source| source.is::<io::Error>())
            }
            Self::Connect(_)
            | Self::ConnectTimeout(_)
            | Self::Socket(_)
            | Self::FirstByteTimeout
            | Self::Target
            | Self::Upgrade => false,
        }
    }

    /// What the caller is told.
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::FirstByteTimeout => {
                Refusal::new(StatusCode::GATEWAY_TIMEOUT, RefuseReason::UpstreamTimeout, "Gateway Timeout")
            }
            Self::Connect(_) | Self::ConnectTimeout(_) | Self::Socket(_) => {
                Refusal::new(StatusCode::BAD_GATEWAY, RefuseReason::UpstreamUnreachable, "Bad Gateway")
            }
            Self::Exchange(_) | Self::Closed | Self::Target | Self::Upgrade => {
                Refusal::new(StatusCode::BAD_GATEWAY, RefuseReason::UpstreamAnswer, "Bad Gateway")
            }
        }
    }
}
