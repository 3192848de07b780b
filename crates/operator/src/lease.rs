//! Who of several operators works: the one that holds the Lease `elastic-operator-leader`.
//!
//! The rules are client-go's, so that the reference and this operator respect each other: a lease is another's until its
//! record hasn't changed for its own duration, measured here by our clock; who can't renew within the deadline stops
//! working before anybody else may begin. A conflict means that somebody else was quicker.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use rand::Rng as _;
use tokio::time::Instant;

use crate::cluster::FIELD_MANAGER;

/// The lease's name.
pub const LEASE: &str = "elastic-operator-leader";

/// How long things take. The default is controller-runtime's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Others take over when the record hasn't changed for this long.
    pub duration: Duration,
    /// Whoever couldn't renew for this long gives up.
    pub renew_deadline: Duration,
    /// Between tries.
    pub retry: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error("{holder} holds the lease")]
    Held { holder: String },
    #[error("can't use the lease")]
    Api(#[from] kube::Error),
    #[error("no answer in time")]
    Deadline,
}

/// One candidate.
pub struct Election {
    leases: Api<Lease>,
    identity: String,
    times: Times,
    observed: Option<(LeaseSpec, Instant)>,
    /// When the last try that succeeded began. What it wrote may have been there from then on: others count from that.
    renewed: Instant,
}

impl Election {
    /// The candidate `identity` for the lease in `namespace`. An identity is of one process only.
    pub fn new(client: Client, namespace: &str, identity: String, times: Times) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            identity,
            times,
            observed: None,
            renewed: Instant::now(),
        }
    }

    /// Returns when the lease is held.
    pub async fn acquire(&mut self) {
        let mut told = String::new();
        loop {
            match self.attempt(self.times.renew_deadline).await {
                Ok(()) => return,
                Err(error) => {
                    let why = error.to_string();
                    if why != told {
                        tracing::info!(lease = LEASE, %why, "another operator may work; waiting for the lease");
                        told = why;
                    }
                }
            }
            // A fifth more than double at most, as client-go does it, so that candidates don't move in step.
            let jitter = rand::rng().random_range(1.0..2.2);
            tokio::time::sleep(self.times.retry.mul_f64(jitter)).await;
        }
    }

    /// Renews the lease; returns when it is lost. Whoever works must stop then at once.
    pub async fn hold(&mut self) {
        loop {
            let left = self.times.renew_deadline.saturating_sub(self.renewed.elapsed());
            tokio::time::sleep(self.times.retry.min(left)).await;
            let left = self.times.renew_deadline.saturating_sub(self.renewed.elapsed());
            if left.is_zero() {
                return;
            }
            match self.attempt(left).await {
                Ok(()) => {}
                Err(TryError::Held { holder }) => {
                    tracing::error!(lease = LEASE, holder, "another operator has the lease");
                    return;
                }
                Err(error) => tracing::warn!(lease = LEASE, %error, "the lease can't be renewed now"),
            }
        }
    }

    /// Gives the lease back, so that another needn't wait until it is over.
    pub async fn release(mut self) {
        let release = async {
            let mut lease = self.leases.get(LEASE).await?;
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&*self.identity) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            self.leases.replace(LEASE, &written(), &lease).await.map(drop)
        };
        match tokio::time::timeout(self.times.retry, release).await {
            Ok(Ok(())) => tracing::info!(lease = LEASE, "the lease is given back"),
            Ok(Err(error)) => tracing::warn!(lease = LEASE, %error, "the lease can't be given back"),
            Err(_) => tracing::warn!(lease = LEASE, "the lease can't be given back in time"),
        }
        self.observed = None;
    }

    async fn attempt(&mut self, deadline: Duration) -> Result<(), TryError> {
        let begun = Instant::now();
        tokio::time::timeout(deadline, self.take_or_renew()).await.map_err(|_| TryError::Deadline)??;
        self.renewed = begun;
        Ok(())
    }

    async fn take_or_renew(&mut self) -> Result<(), TryError> {
        let now = MicroTime(Timestamp::now());
        let Some(mut lease) = self.leases.get_opt(LEASE).await? else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() },
                spec: Some(self.record(now.clone(), now, 0)),
            };
            let lease = self.leases.create(&written(), &lease).await?;
            self.observe(&lease);
            return Ok(());
        };
        let since = self.observe(&lease);
        let there = lease.spec.clone().unwrap_or_default();
        let holder = there.holder_identity.unwrap_or_default();
        let mine = holder == self.identity;
        let theirs_for =
            there.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
        if !mine && !holder.is_empty() && since.elapsed() < Duration::from_secs(theirs_for) {
            return Err(TryError::Held { holder });
        }
        let transitions = there.lease_transitions.unwrap_or_default();
        lease.spec = Some(match mine {
            true => self.record(there.acquire_time.unwrap_or_else(|| now.clone()), now, transitions),
            false => self.record(now.clone(), now, transitions.saturating_add(1)),
        });
        let lease = self.leases.replace(LEASE, &written(), &lease).await?;
        self.observe(&lease);
        Ok(())
    }

    fn record(&self, acquired: MicroTime, renewed: MicroTime, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.times.duration.as_secs()).ok(),
            acquire_time: Some(acquired),
            renew_time: Some(renewed),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    /// Since when the record is as it is now, by our clock: those of others needn't be right.
    fn observe(&mut self, lease: &Lease) -> Instant {
        let record = lease.spec.clone().unwrap_or_default();
        match &self.observed {
            Some((last, since)) if *last == record => *since,
            _ => {
                let now = Instant::now();
                self.observed = Some((record, now));
                now
            }
        }
    }
}

impl std::fmt::Debug for Election {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Election").field("identity", &self.identity).finish_non_exhaustive()
    }
}

fn written() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

#[cfg(test)]
mod tests {
    use http::{Method, Request, Response};
    use kube::client::Body;

    use super::*;

    /// An API server whose lease is the candidate's, and which answers writes late.
    fn slow(answers_after: Duration) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| async move {
            let record = LeaseSpec {
                holder_identity: Some("me".to_owned()),
                lease_duration_seconds: Some(15),
                ..LeaseSpec::default()
            };
            let metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() };
            let lease = serde_json::to_vec(&Lease { metadata, spec: Some(record) }).unwrap();
            if request.method() == Method::PUT {
                tokio::time::sleep(answers_after).await;
            }
            Ok::<_, kube::Error>(Response::new(Body::from(lease)))
        });
        Client::new(service, "default")
    }

    /// Others may work when the lease is over, which began when it was written and not when that was answered.
    #[tokio::test(start_paused = true)]
    async fn who_is_answered_late_ends_before_the_lease_is_over() {
        let times = Times::default();
        let late = Duration::from_secs(9);
        let mut election = Election::new(slow(late), "ns", "me".to_owned(), times);
        election.acquire().await;
        let written = Instant::now() - late;
        // From now on nothing is answered in time.
        election.leases = Api::namespaced(slow(Duration::from_secs(60)), "ns");
        election.hold().await;
        assert!(written.elapsed() < times.duration, "{:?} after it was written", written.elapsed());
    }
}
