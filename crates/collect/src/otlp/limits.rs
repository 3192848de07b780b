//! What one receiver may have under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refused;

/// Bounds of a receiver, in bytes and requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one body as sent. OTel's Collector stops at 20 MiB; SDKs send less than 4 MiB.
    pub body_bytes: usize,
    /// Of one body after decompression.
    pub decompressed_bytes: usize,
    /// Of one request in memory, decoded. A request at the bound above takes two to three times its bytes.
    pub decoded_bytes: usize,
    /// Time that a body may take to arrive. SDKs give up after 10 s.
    pub body_time: Duration,
    /// Requests at a time.
    pub requests: usize,
    /// Bytes of requests at a time: as sent, decompressed and decoded.
    pub bytes_in_flight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            decompressed_bytes: 64 << 20,
            decoded_bytes: 256 << 20,
            body_time: Duration::from_secs(30),
            requests: 256,
            bytes_in_flight: 384 << 20,
        }
    }
}

/// Counts what is under way.
#[derive(Debug)]
pub(super) struct InFlight {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl InFlight {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(limits.requests.min(Semaphore::MAX_PERMITS))),
            bytes: Arc::new(Semaphore::new(limits.bytes_in_flight.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// A place for one request, given back when the charge is dropped.
    pub(super) fn enter(&self) -> Result<Charge, Refused> {
        let request =
            self.requests.clone().try_acquire_owned().map_err(|_| Refused::InFlight { what: "requests" })?;
        Ok(Charge { _request: request, bytes: None, pool: self.bytes.clone() })
    }
}

/// What one request has taken of the receiver's budget.
#[derive(Debug)]
pub(super) struct Charge {
    _request: OwnedSemaphorePermit,
    bytes: Option<OwnedSemaphorePermit>,
    pool: Arc<Semaphore>,
}

impl Charge {
    /// Takes `bytes` more.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), Refused> {
        let busy = || Refused::InFlight { what: "bytes" };
        let bytes = u32::try_from(bytes).map_err(|_| busy())?;
        let permit = self.pool.clone().try_acquire_many_owned(bytes).map_err(|_| busy())?;
        match &mut self.bytes {
            Some(held) => held.merge(permit),
            None => self.bytes = Some(permit),
        }
        Ok(())
    }
}
