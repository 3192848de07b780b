//! The threads that connections live on. Each has a runtime of its own, so a connection, what it asks of the upstream and
//! the answer stay on one core, and no thread is woken to find that another has taken its work: for a gate that passes
//! small answers on, that is most of what a request would cost besides the request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// More are of no use to a gate: each passes on tens of thousands of requests a second.
const MOST: usize = 4;

/// Where connections live.
#[derive(Debug)]
pub struct Workers {
    all: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    /// None: the runtime that accepts.
    remote: Option<Remote>,
    connections: Arc<AtomicUsize>,
}

/// A thread that ends with this.
#[derive(Debug)]
struct Remote {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

/// One connection's place on a worker.
#[derive(Debug)]
pub(super) struct Seat {
    connections: Arc<AtomicUsize>,
    pub(super) worker: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// No thread besides those of the runtime that accepts.
    pub fn here() -> Self {
        Self { all: vec![Worker { remote: None, connections: Arc::default() }] }
    }

    /// As many as this machine, or this container's share of it, has cores, and not more than four. The runtime that
    /// accepts is the first of them.
    ///
    /// # Errors
    ///
    /// A thread or its runtime can't be had.
    pub fn one_per_core() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut workers = Self::here();
        for number in 1..cores.min(MOST) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (end, ended) = oneshot::channel::<()>();
            // Its end is the end of the sender, whichever way that came.
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || runtime.block_on(ended))?;
            let remote = Some(Remote { runtime: handle, _end: end });
            workers.all.push(Worker { remote, connections: Arc::default() });
        }
        Ok(workers)
    }

    /// How many there are: at least one.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// A place on the worker that has the fewest connections.
    pub(super) fn seat(&self) -> Seat {
        let fewest = |(_, worker): &(usize, &Worker)| worker.connections.load(Ordering::Relaxed);
        let (worker, chosen) =
            self.all.iter().enumerate().min_by_key(fewest).expect("there is always one worker");
        chosen.connections.fetch_add(1, Ordering::Relaxed);
        Seat { connections: Arc::clone(&chosen.connections), worker }
    }

    /// Runs `serve` on the seat's worker, with the stream as that worker's runtime watches it. A stream that can't be
    /// handed over is closed.
    pub(super) fn spawn<F>(
        &self,
        tasks: &mut JoinSet<()>,
        seat: Seat,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream, usize) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let worker = seat.worker;
        match &self.all[worker].remote {
            None => {
                let serving = serve(stream, worker);
                tasks.spawn(async move {
                    serving.await;
                    drop(seat);
                });
            }
            Some(remote) => {
                let stream = stream.into_std()?;
                let serving = async move {
                    match TcpStream::from_std(stream) {
                        Ok(stream) => serve(stream, worker).await,
                        Err(error) => tracing::warn!(%error, "a connection can't be watched"),
                    }
                    drop(seat);
                };
                tasks.spawn_on(serving, &remote.runtime);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_spread_and_give_their_seats_back() {
        let workers =
            Workers { all: (0..3).map(|_| Worker { remote: None, connections: Arc::default() }).collect() };
        let mut seats: Vec<Seat> = (0..6).map(|_| workers.seat()).collect();
        assert_eq!(seats.iter().map(|seat| seat.worker).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        drop(seats.remove(1));
        assert_eq!(workers.seat().worker, 1);
    }
}
