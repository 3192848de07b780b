//! Who is calling: by client certificate, by a token that the API server reviews, or by a token of an OpenID issuer.

pub(crate) mod bearer;
mod certificate;
mod identity;
pub(crate) mod jwt;
mod oidc;
mod token;

use std::sync::Arc;
use std::time::Duration;

use crate::{Consumed, Inquiry, RefuseReason};
pub use certificate::{CertificateAuthenticator, CertificateRules, user_of_certificate};
pub use jwt::TokenTimes;
pub use oidc::{
    ClaimRules, Fetcher, KeySet, OidcAuthenticator, OidcError, OidcRules, SigningAlgorithm, UnknownAlgorithm,
    identity_of_claims,
};
pub use token::{TokenAuthenticator, TokenRules};

use bearer::Bearer;
pub(crate) use identity::Known;

/// What one way of authenticating says of a request.
#[derive(Clone, Debug)]
pub(crate) enum Finding {
    /// It is this caller.
    Known(Known),
    /// Its credentials are no good.
    Refused(RefuseReason),
    /// Whether they are any good can't be said now.
    Undecided {
        /// When to try again, if somebody said so.
        retry_after: Option<Duration>,
    },
}

/// Who reviews tokens.
#[expect(clippy::large_enum_variant, reason = "a process has one or two")]
pub enum Tokens {
    /// The API server.
    Review(TokenAuthenticator),
    /// An OpenID issuer's keys.
    Oidc(Arc<OidcAuthenticator>),
}

/// All ways of authenticating.
pub struct Authenticators {
    /// None: certificates mean nothing.
    pub certificates: Option<CertificateAuthenticator>,
    /// Tokens mean something in any case.
    pub tokens: Tokens,
}

/// The outcome of all ways together.
pub(crate) enum Caller {
    Known(Known, Consumed),
    /// No way found any credential.
    Nobody,
    Refused(RefuseReason),
    Undecided {
        retry_after: Option<Duration>,
    },
}

impl Authenticators {
    /// A certificate first, then a token: a bad certificate beside a good token does no harm, as in Kubernetes itself.
    pub(crate) async fn authenticate(&self, inquiry: &Inquiry<'_>) -> Caller {
        // First of all, since it is refused whatever else the request carries.
        let bearer = bearer::find(inquiry.headers);
        if matches!(bearer, Bearer::Ambiguous) {
            return Caller::Refused(RefuseReason::AmbiguousCredentials);
        }
        let by_certificate = match &self.certificates {
            Some(certificates) if !inquiry.peer.certificates.is_empty() => {
                match certificates.authenticate(&inquiry.peer.certificates).await {
                    Finding::Known(known) => return Caller::Known(known, Consumed::None),
                    other => Some(other),
                }
            }
            _ => None,
        };
        let by_token = match bearer {
            Bearer::None => None,
            Bearer::Ambiguous | Bearer::Malformed => Some(Finding::Refused(RefuseReason::BadCredentials)),
            Bearer::Token { token, consumed } => {
                let finding = match &self.tokens {
                    Tokens::Review(reviewer) => reviewer.authenticate(&token, inquiry.peer.address).await,
                    Tokens::Oidc(issuer) => issuer.authenticate(&token).await,
                };
                match finding {
                    Finding::Known(known) => return Caller::Known(known, consumed),
                    other => Some(other),
                }
            }
        };
        match by_token.or(by_certificate) {
            None => Caller::Nobody,
            Some(Finding::Refused(reason)) => Caller::Refused(reason),
            Some(Finding::Undecided { retry_after }) => Caller::Undecided { retry_after },
            Some(Finding::Known(known)) => Caller::Known(known, Consumed::None),
        }
    }
}
