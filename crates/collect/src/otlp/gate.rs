//! Who may send.

use futures::future::BoxFuture;

/// Decides whether a request may deliver. Asked before the body is read.
pub trait Gate: Send + Sync + 'static {
    /// Judges the value of the `authorization` header, `None` if the request has none.
    fn admit<'a>(&'a self, authorization: Option<&'a str>) -> BoxFuture<'a, Result<Admitted, Denied>>;
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Name of the token's owner, for logs; never the token.
    pub who: String,
}

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// There was no `authorization` header.
    #[error("no access token was sent; set the header `authorization: Bearer …`")]
    Missing,
    /// The token is not known, has expired or was revoked.
    #[error("the access token is not valid")]
    Invalid,
    /// The token is valid, but may not deliver telemetry.
    #[error("the access token lacks the scope `ingest`")]
    Forbidden,
}

impl Denied {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "no_token",
            Self::Invalid => "invalid_token",
            Self::Forbidden => "forbidden",
        }
    }
}
