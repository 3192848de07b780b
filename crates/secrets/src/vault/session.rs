//! The token that everything is asked with: got when first needed, made longer in time, replaced when it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};

use super::answer::Login;
use super::http::{Api, Call};
use super::login::Method;
use crate::metrics::Renewed;
use crate::schedule::two_thirds;
use crate::{Metrics, SecretBytes, SecretError, VaultAuth};

/// A token.
#[derive(Debug)]
pub(super) struct Session {
    /// Counts logins; the number stays when the token is made longer.
    pub(super) number: u64,
    pub(super) token: SecretBytes,
    renewable: bool,
    /// How long it was when we got it; `None` for one that never ends.
    lease: Option<Duration>,
    ends_at: Option<Instant>,
    renew_at: Option<Instant>,
}

impl Session {
    fn new(number: u64, login: Login) -> Arc<Self> {
        let Login { token, lease, renewable } = login;
        let session = Self { number, token, renewable, lease, ends_at: None, renew_at: None };
        Arc::new(session.until(lease))
    }

    fn until(self, lease: Option<Duration>) -> Self {
        let now = Instant::now();
        // At least a second from now, so that a token that ends at once doesn't keep us busy.
        let renew_at = lease.map(|lease| now + two_thirds(lease).max(Duration::from_secs(1)));
        Self { ends_at: lease.map(|lease| now + lease), renew_at, ..self }
    }

    fn is_usable(&self) -> bool {
        self.ends_at.is_none_or(|end| Instant::now() < end)
    }
}

/// The current session and how to get the next.
pub(super) struct Sessions {
    method: Method,
    current: watch::Sender<Option<Arc<Session>>>,
    /// Held during logins: whoever comes meanwhile takes what the first one got.
    login: Mutex<()>,
    metrics: Metrics,
}

impl Sessions {
    pub(super) fn new(auth: VaultAuth, metrics: Metrics) -> Self {
        Self { method: Method::new(auth), current: watch::Sender::new(None), login: Mutex::new(()), metrics }
    }

    /// The session, if there is one that still works.
    pub(super) fn now(&self) -> Option<Arc<Session>> {
        self.current.borrow().clone().filter(|session| session.is_usable())
    }

    /// The session; a login if there is none.
    pub(super) async fn current(&self, api: &Api) -> Result<Arc<Session>, SecretError> {
        if let Some(session) = self.now() {
            return Ok(session);
        }
        let _one = self.login.lock().await;
        match self.now() {
            Some(session) => Ok(session),
            None => self.log_in(api).await,
        }
    }

    /// Another session than that of this number: by a login, unless somebody else did that meanwhile. A token file that
    /// still holds the same token gives the same session.
    pub(super) async fn replace(&self, api: &Api, number: u64) -> Result<Arc<Session>, SecretError> {
        let _one = self.login.lock().await;
        match self.now() {
            Some(session) if session.number != number => Ok(session),
            _ => self.log_in(api).await,
        }
    }

    /// Whether somebody put another token into the file that this one is from.
    pub(super) async fn is_outdated(&self, session: &Session) -> bool {
        self.method.given_token().await.is_some_and(|token| token != session.token)
    }

    async fn log_in(&self, api: &Api) -> Result<Arc<Session>, SecretError> {
        let result = self.method.log_in(api).await;
        self.metrics.vault_login(result.is_ok());
        let login = result?;
        let before = self.current.borrow().clone();
        let number = match &before {
            Some(session) if session.token == login.token => session.number,
            Some(session) => session.number + 1,
            None => 1,
        };
        let session = Session::new(number, login);
        tracing::info!(
            session = number,
            lease_seconds = session.lease.map(|lease| lease.as_secs()),
            "logged in to Vault"
        );
        self.current.send_replace(Some(Arc::clone(&session)));
        Ok(session)
    }

    /// Resolves when the token of session `number` is no longer the current one.
    pub(super) async fn replaced(&self, number: u64) {
        let mut current = self.current.subscribe();
        // The sender is in `self`: it can't be gone.
        let _ = current.wait_for(|session| session.as_ref().is_none_or(|now| now.number != number)).await;
    }

    /// Resolves when the token is to be made longer.
    pub(super) async fn due(&self) {
        let mut current = self.current.subscribe();
        loop {
            let at = current.borrow_and_update().as_ref().and_then(|session| session.renew_at);
            let due = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                // A new session has its own time.
                _ = current.changed() => {}
            }
        }
    }

    /// Makes the token longer, or gets a new one if it can't be made much longer.
    pub(super) async fn prolong(&self, api: &Api) -> Result<(), SecretError> {
        let _one = self.login.lock().await;
        let Some(session) = self.current.borrow().clone() else { return Ok(()) };
        if session.renew_at.is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        if session.renewable && session.is_usable() {
            match self.renew(api, &session).await {
                Ok(true) => return Ok(()),
                // The longest life of the token is near its end, or it is dead: log in again.
                Ok(false) | Err(SecretError::Denied(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.log_in(api).await.map(drop)
    }

    /// False if too little of it is left.
    async fn renew(&self, api: &Api, session: &Session) -> Result<bool, SecretError> {
        let wanted = session.lease.unwrap_or_default();
        let body = serde_json::json!({"increment": wanted.as_secs()});
        let call = Call::post("renew the token", "auth/token/renew-self".to_owned(), &body);
        let result = api.call(call.with(&session.token)).await.and_then(|body| Login::parse(&body));
        self.metrics.vault_renewal(Renewed::Token, result.is_ok());
        let login = result?;
        let long_enough = login.lease.is_none_or(|lease| lease >= wanted / 2);
        let renewed = Session {
            number: session.number,
            token: session.token.clone(),
            renewable: session.renewable,
            lease: session.lease,
            ends_at: None,
            renew_at: None,
        };
        self.current.send_replace(Some(Arc::new(renewed.until(login.lease))));
        Ok(long_enough)
    }

    /// Gives the token back if it is ours.
    pub(super) async fn end(&self, api: &Api) {
        let session = self.current.send_replace(None);
        let Some(session) = session.filter(|session| session.is_usable() && self.method.owns_its_tokens())
        else {
            return;
        };
        let call =
            Call::post("revoke the token", "auth/token/revoke-self".to_owned(), &serde_json::json!({}));
        if let Err(error) = api.call_any(call.with(&session.token)).await {
            tracing::warn!(reason = error.reason().as_str(), %error, "the token could not be given back");
        }
    }
}
