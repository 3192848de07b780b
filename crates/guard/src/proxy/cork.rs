//! What an HTTP/2 connection writes, held back until the connection has nothing more to say for now.
//!
//! h2 flushes after each piece of an answer's body. Over TLS that is a record, a system call and a wake-up of the reader for
//! each, although the answers of many streams are often there at once. So flushing waits here until the connection's task is
//! about to rest, and then all is written together. Nothing is ever held while the task rests, but what the socket has no
//! room for.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Held at most: the plain text of one TLS record (RFC 8446 §5.1).
const MOST: usize = 16 * 1024;

/// The stream as the connection sees it.
#[derive(Debug)]
pub(super) struct Corked<S>(Arc<Mutex<Held<S>>>);

/// The other handle of the same stream.
#[derive(Debug)]
pub(super) struct Handle<S>(Arc<Mutex<Held<S>>>);

/// A connection over a corked stream. What it wrote is written on whenever it rests.
#[derive(Debug)]
pub(super) struct Uncorking<C, S> {
    connection: Pin<Box<C>>,
    held: Arc<Mutex<Held<S>>>,
}

#[derive(Debug)]
struct Held<S> {
    stream: S,
    bytes: Vec<u8>,
    /// Of `bytes`.
    written: usize,
    /// Whether something was written since the stream was flushed.
    is_unflushed: bool,
    /// Writing failed while nobody asked.
    failed: Option<io::ErrorKind>,
}

/// Splits a stream into what a connection reads and writes, and what that connection is driven with.
pub(super) fn corked<S>(stream: S) -> (Corked<S>, Handle<S>) {
    let held = Held { stream, bytes: Vec::new(), written: 0, is_unflushed: false, failed: None };
    let held = Arc::new(Mutex::new(held));
    (Corked(Arc::clone(&held)), Handle(held))
}

impl<S> Handle<S> {
    pub(super) fn around<C>(self, connection: C) -> Uncorking<C, S> {
        Uncorking { connection: Box::pin(connection), held: self.0 }
    }
}

impl<C, S> Uncorking<C, S> {
    pub(super) fn inner(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.get_mut().connection.as_mut()
    }
}

impl<C: Future, S: AsyncWrite + Unpin> Future for Uncorking<C, S> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.get_mut();
        loop {
            if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            let mut held = lock(&this.held);
            if held.failed.is_some() {
                return Poll::Pending;
            }
            match held.flush(cx) {
                Poll::Ready(Err(error)) => held.failed = Some(error.kind()),
                // Without room, the stream wakes this task when there is some.
                Poll::Ready(Ok(())) | Poll::Pending => return Poll::Pending,
            }
            // Once more, so that the connection sees it.
        }
    }
}

impl<S: AsyncWrite + Unpin> Held<S> {
    /// Writes what is held, and flushes the stream.
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_held(cx))?;
        if self.is_unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn write_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            self.is_unflushed = true;
            let some = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.bytes[self.written..]))?;
            if some == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += some;
        }
        // A connection that rests holds no memory.
        self.bytes = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.check()?;
        let length: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.bytes.len() + length > MOST {
            ready!(self.write_held(cx))?;
            if length > MOST {
                self.is_unflushed = true;
                return Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
            }
        }
        if self.bytes.capacity() == 0 {
            self.bytes.reserve_exact(MOST);
        }
        bufs.iter().for_each(|buf| self.bytes.extend_from_slice(buf));
        Poll::Ready(Ok(length))
    }

    fn check(&self) -> io::Result<()> {
        self.failed.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

fn lock<S>(held: &Mutex<Held<S>>) -> MutexGuard<'_, Held<S>> {
    // One task has both handles, so nobody waits; and what a panic leaves is dropped with the connection.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Corked<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut held = lock(&self.0);
        held.check()?;
        Pin::new(&mut held.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Corked<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Ready at once: [`Uncorking`] flushes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(lock(&self.0).check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = lock(&self.0);
        held.check()?;
        ready!(held.flush(cx))?;
        Pin::new(&mut held.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Takes a few bytes at a time, and counts how often it is asked.
    #[derive(Debug, Default)]
    struct Slow {
        taken: Vec<u8>,
        writes: usize,
        flushes: usize,
        /// What is taken of each write. Zero: the write waits once.
        rooms: Vec<usize>,
        broken: bool,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.writes += 1;
            if self.broken {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            match self.rooms.pop().unwrap_or(usize::MAX) {
                0 => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                room => {
                    let some = room.min(bytes.len());
                    self.taken.extend_from_slice(&bytes[..some]);
                    Poll::Ready(Ok(some))
                }
            }
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Slow {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    /// Writes all pieces, flushing after each, and rests before the piece `rests`.
    async fn written(pieces: Vec<Vec<u8>>, rests: usize, stream: Slow) -> Slow {
        let (mut stream, handle) = corked(stream);
        let held = Arc::clone(&handle.0);
        let connection = async move {
            for (number, piece) in pieces.iter().enumerate() {
                if number == rests {
                    tokio::task::yield_now().await;
                }
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            stream.shutdown().await.unwrap();
        };
        handle.around(connection).await;
        Arc::try_unwrap(held).unwrap().into_inner().unwrap().stream
    }

    #[tokio::test]
    async fn what_is_written_before_a_rest_is_written_once() {
        let stream = written(vec![vec![1; 1000]; 15], 10, Slow::default()).await;
        assert_eq!((stream.taken.len(), stream.writes, stream.flushes), (15_000, 2, 2));
        // More than is held at once, and a piece larger than that.
        let stream = written(vec![vec![1; 1000], vec![2; 20_000], vec![3; 10]], 3, Slow::default()).await;
        assert_eq!((stream.taken.len(), stream.writes), (21_010, 3));
    }

    #[tokio::test]
    async fn nothing_is_held_while_the_connection_rests() {
        let (mut stream, handle) = corked(Slow::default());
        let held = Arc::clone(&handle.0);
        let connection = async move {
            stream.write_all(b"hello").await.unwrap();
            stream.flush().await.unwrap();
            std::future::pending::<()>().await;
        };
        assert!(handle.around(connection).now_or_never().is_none());
        let held = lock(&held);
        assert_eq!((held.stream.taken.as_slice(), held.stream.flushes), (&b"hello"[..], 1));
        assert_eq!(held.bytes.capacity(), 0);
    }

    #[tokio::test]
    async fn a_failure_while_resting_ends_the_connection() {
        let (mut stream, handle) = corked(Slow { broken: true, ..Slow::default() });
        let connection = async move {
            stream.write_all(b"hello").await.unwrap();
            stream.read_u8().await.unwrap_err().kind()
        };
        assert_eq!(handle.around(connection).await, io::ErrorKind::ConnectionReset);
    }

    proptest! {
        #[test]
        fn every_byte_arrives_once_and_in_order(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..8),
            rooms in prop::collection::vec(prop_oneof![Just(0), 1..20_000usize], 0..20),
            rests in 0..8usize,
        ) {
            let stream = Slow { rooms, ..Slow::default() };
            let taken = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(written(pieces.clone(), rests, stream))
                .taken;
            prop_assert_eq!(taken, pieces.concat());
        }
    }
}
