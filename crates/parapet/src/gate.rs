//! The door of the OTLP receivers: a bearer token with scope `ingest`.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use parapet_access::{Accounts, Denied, Scope};
use parapet_collect::otlp::{self, Admitted, Gate};

/// Lets in whom [`Accounts`] knows.
pub(crate) struct TokenGate(pub(crate) Accounts);

impl Gate for TokenGate {
    fn admit<'a>(&'a self, authorization: Option<&'a str>) -> BoxFuture<'a, Result<Admitted, otlp::Denied>> {
        let admitted = match self.0.authenticate_bearer(authorization, Scope::Ingest) {
            Ok(principal) => Ok(Admitted { who: principal.key() }),
            Err(_) if authorization.is_none() => Err(otlp::Denied::Missing),
            Err(Denied::Scope { .. }) => Err(otlp::Denied::Forbidden),
            Err(_) => Err(otlp::Denied::Invalid),
        };
        async move { admitted }.boxed()
    }
}
