//! Vault and OpenBao over their HTTP API, version 1: the dozen calls that reading secrets takes, nothing else.
//!
//! | what | call |
//! |---|---|
//! | log in | `POST auth/MOUNT/login`, `POST sys/wrapping/unwrap`, or `GET auth/token/lookup-self` for a token from a file |
//! | keep the token | `POST auth/token/renew-self` at two thirds of its lease; log in again when it can't be made longer |
//! | read | `GET MOUNT/data/PATH` (KV 2), `GET MOUNT/PATH` (KV 1, engines with leases) |
//! | keep a lease | `PUT sys/leases/renew` when it is due; a new credential when it can't be made longer |
//! | end | `PUT sys/leases/revoke` for each lease, `POST auth/token/revoke-self` for a token that we got by a login |
//!
//! A dead token and a missing right look alike (403): a refused read logs in again once, and if the new token is refused
//! as well it is the right that is missing: for that path there is no other login until the token changes or ten minutes
//! have passed, lest each attempt leave a token behind.
//!
//! Leases die with the token that they were made with: when a token is replaced, credentials with leases are fetched anew.

mod answer;
mod http;
mod leases;
mod login;
mod session;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::metrics::Renewed;
use crate::schedule::{backoff, two_thirds};
use crate::{
    Location, Metrics, Provider, ProviderName, SecretError, SecretPath, Snapshot, VaultConfig, VaultEngine,
    Version,
};
use answer::{Kv2, Leased};
use http::{Api, Call};
use leases::{Held, Leases};
use session::{Session, Sessions};

/// A role may have been given more policies; a token gets them by a login only.
const TRY_RIGHTS_AGAIN: Duration = Duration::from_secs(600);

/// Secrets of a Vault or OpenBao server.
pub struct VaultProvider {
    api: Api,
    sessions: Sessions,
    mounts: Vec<(SecretPath, VaultEngine)>,
    leases: Leases,
    /// Locations that a session is refused although it was new: its number, and when.
    denied: Mutex<HashMap<Location, (u64, Instant)>>,
    metrics: Metrics,
}

impl VaultProvider {
    /// Connects and logs in when first asked.
    ///
    /// # Errors
    /// There is no address, or the CA file is unusable.
    pub fn new(name: &ProviderName, config: &VaultConfig, metrics: &Metrics) -> Result<Self, SecretError> {
        let VaultConfig { addresses, ca_file, namespace, auth, mounts, tenants: _, concurrency: _ } = config;
        let unusable =
            |why: &str| SecretError::Configuration { provider: name.to_string(), why: why.to_owned() };
        if addresses.is_empty() {
            return Err(unusable("it has no addresses"));
        }
        if mounts.is_empty() {
            return Err(unusable("it has no mounts"));
        }
        let api = Api::new(name, addresses.clone(), ca_file.clone(), namespace.as_deref())?;
        // The longest first: what is mounted below another mount hides a part of it.
        let mut mounts: Vec<_> = mounts.iter().map(|(path, engine)| (path.clone(), *engine)).collect();
        mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_str().len()));
        Ok(Self {
            api,
            sessions: Sessions::new(auth.clone(), metrics.clone()),
            mounts,
            leases: Leases::default(),
            denied: Mutex::default(),
            metrics: metrics.clone(),
        })
    }

    /// Mount, engine, and the path below the mount.
    fn mount<'a>(&'a self, path: &'a SecretPath) -> Result<(&'a str, VaultEngine, &'a str), SecretError> {
        self.mounts
            .iter()
            .find_map(|(mount, engine)| {
                let below = path.as_str().strip_prefix(mount.as_str())?.strip_prefix('/')?;
                Some((mount.as_str(), *engine, below))
            })
            .ok_or(SecretError::Unsupported("the path is below none of the provider's mounts"))
    }

    async fn read(&self, session: &Session, location: &Location) -> Result<Snapshot, SecretError> {
        let (mount, engine, below) = self.mount(&location.path)?;
        match (engine, location.version) {
            (VaultEngine::Kv2, version) => self.read_kv2(session, mount, below, version).await,
            (VaultEngine::Kv1, None) => self.read_kv1(session, location.path.as_str()).await,
            (VaultEngine::Leased, None) => self.read_leased(session, location).await,
            (VaultEngine::Kv1 | VaultEngine::Leased, Some(_)) => {
                Err(SecretError::Unsupported("only a kv2 mount has versions to choose from"))
            }
        }
    }

    async fn read_kv2(
        &self,
        session: &Session,
        mount: &str,
        below: &str,
        version: Option<u64>,
    ) -> Result<Snapshot, SecretError> {
        let query = version.map_or(String::new(), |version| format!("?version={version}"));
        let call = Call::get("read a secret", format!("{mount}/data/{below}{query}"));
        let (status, body) = self.api.call_any(call.with(&session.token)).await?;
        if status == 404 {
            // Deleted and destroyed versions come with their metadata.
            return Err(Kv2::parse(&body).map_or(SecretError::NotFound, |kv2| kv2.why_gone()));
        }
        http::expect_success("read a secret", status)?;
        Kv2::parse(&body)?.snapshot()
    }

    async fn read_kv1(&self, session: &Session, path: &str) -> Result<Snapshot, SecretError> {
        let body = self.api.call(Call::get("read a secret", path.to_owned()).with(&session.token)).await?;
        let answer = Leased::parse(&body)?;
        // A hint by whoever wrote the secret, not a lease.
        let hint = answer.lease();
        let mut snapshot = Snapshot::new(answer.data, Version::new("kv1"))?;
        snapshot.refresh_after = hint;
        Ok(snapshot)
    }

    /// A lease that can be made longer is; otherwise a new credential.
    async fn read_leased(&self, session: &Session, location: &Location) -> Result<Snapshot, SecretError> {
        if let Some(held) = self.leases.held(location, session.number)
            && let Some(snapshot) = self.renew_lease(session, location, held).await?
        {
            return Ok(snapshot);
        }
        let call = Call::get("read a credential", location.path.as_str().to_owned());
        let body = self.api.call(call.with(&session.token)).await?;
        let answer = Leased::parse(&body)?;
        let lease = answer.lease().ok_or(SecretError::Malformed("the credential has no lease"))?;
        let (id, renewable) = (answer.lease_id.clone(), answer.renewable);
        let snapshot = Snapshot::new(answer.data, self.leases.next_version())?;
        Ok(self.leases.hold(location, Held::new(id, lease, renewable, session.number, snapshot)))
    }

    /// The same credential with a later end; `None` if it is to be replaced.
    async fn renew_lease(
        &self,
        session: &Session,
        location: &Location,
        held: Held,
    ) -> Result<Option<Snapshot>, SecretError> {
        if !held.is_worth_renewing(Instant::now()) {
            return Ok(None);
        }
        let body = serde_json::json!({"lease_id": held.id, "increment": held.lease.as_secs()});
        let call = Call::put("renew a lease", "sys/leases/renew".to_owned(), &body);
        let answer = match self.api.call(call.with(&session.token)).await {
            Ok(body) => Leased::parse_renewal(&body)?,
            // The lease is unknown: revoked, or lost with its token.
            Err(SecretError::Status { status: 400 | 404, .. } | SecretError::NotFound) => {
                self.metrics.vault_renewal(Renewed::Lease, false);
                return Ok(None);
            }
            Err(error) => {
                self.metrics.vault_renewal(Renewed::Lease, false);
                return Err(error);
            }
        };
        self.metrics.vault_renewal(Renewed::Lease, true);
        match answer {
            // Less than half of what it once was: the end of its longest life is near.
            Some(lease) if lease >= held.lease / 2 => {
                Ok(Some(self.leases.hold(location, held.prolonged(lease))))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// After a refusal: a session to try again with, if there is reason to.
    async fn after_denial(
        &self,
        location: &Location,
        session: &Session,
    ) -> Result<Option<std::sync::Arc<Session>>, SecretError> {
        let known = self.denied().get(location).copied();
        let hopeless =
            known.is_some_and(|(number, at)| number == session.number && at.elapsed() < TRY_RIGHTS_AGAIN);
        if hopeless && !self.sessions.is_outdated(session).await {
            return Ok(None);
        }
        let fresh = self.sessions.replace(&self.api, session.number).await?;
        self.denied().insert(location.clone(), (fresh.number, Instant::now()));
        Ok((fresh.number != session.number).then_some(fresh))
    }

    fn denied(&self) -> std::sync::MutexGuard<'_, HashMap<Location, (u64, Instant)>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Provider for VaultProvider {
    async fn resolve(&self, location: &Location) -> Result<Snapshot, SecretError> {
        // A wrong path is no reason to log in.
        self.mount(&location.path)?;
        let mut session = self.sessions.current(&self.api).await?;
        loop {
            match self.read(&session, location).await {
                Err(SecretError::Denied(_)) => match self.after_denial(location, &session).await? {
                    Some(fresh) => session = fresh,
                    None => return Err(SecretError::Denied("its policies don't grant this path")),
                },
                result => {
                    if result.is_ok() {
                        self.denied().remove(location);
                    }
                    return result;
                }
            }
        }
    }

    /// Credentials with a lease end with the token that they were made with.
    async fn changed(&self, location: &Location) {
        match self.leases.session_of(location) {
            Some(number) => self.sessions.replaced(number).await,
            None => std::future::pending().await,
        }
    }

    async fn keep(&self) {
        let mut failures = 0;
        loop {
            self.sessions.due().await;
            match self.sessions.prolong(&self.api).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    let wait = backoff(failures, 0.0);
                    tracing::warn!(
                        reason = error.reason().as_str(), %error, retry_in_seconds = wait.as_secs(),
                        "the token for Vault could not be kept"
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn forget(&self, location: &Location) {
        self.denied().remove(location);
        if let Some(id) = self.leases.release(location) {
            self.revoke([id]).await;
        }
    }

    async fn close(&self) {
        self.revoke(self.leases.release_all()).await;
        self.sessions.end(&self.api).await;
    }
}

impl VaultProvider {
    /// Gives leases back; what fails ends by itself.
    async fn revoke(&self, ids: impl IntoIterator<Item = String>) {
        let Some(session) = self.sessions.now() else { return };
        for id in ids {
            let body = serde_json::json!({"lease_id": id});
            let call = Call::put("revoke a lease", "sys/leases/revoke".to_owned(), &body);
            if let Err(error) = self.api.call_any(call.with(&session.token)).await {
                tracing::warn!(reason = error.reason().as_str(), %error, "a lease could not be given back");
            }
        }
    }
}

/// When a lease of this length is to be looked at again.
fn due(lease: Duration) -> Option<Duration> {
    Some(two_thirds(lease))
}
