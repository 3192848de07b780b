//! The stream under hyper's server: stops at what must not be read, and at readers and writers that stand still.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::framing::{Fault, Scanner};

/// What an HTTP/2 client says first (RFC 9113 §3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Not a token, a target, a header or a chunk: hyper's parser refuses it wherever it stands in a head, with a 400.
const POISON: u8 = 0;

/// hyper looks at a head once it seems whole.
const POISON_END: &[u8] = b"\r\n\r\n";

/// A client's connection.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// In clear text.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A client's connection as hyper reads it.
#[derive(Debug)]
pub(crate) struct Strict<R> {
    stream: Accepted,
    /// To be read before the stream: what came while finding out the protocol, or the end of a poisoned head.
    prefix: Vec<u8>,
    /// None: HTTP/2, which frames its messages itself.
    scanner: Option<Scanner>,
    tunnel: Arc<AtomicBool>,
    header_timeout: Duration,
    stall_timeout: Duration,
    /// When the head that is being read began.
    head_since: Option<Instant>,
    read_stalled: Option<Instant>,
    write_stalled: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    poisoned: bool,
    report: R,
}

/// What a [`Strict`] is made with.
#[derive(Debug)]
pub(crate) struct StrictOptions<R> {
    pub(crate) header_timeout: Duration,
    pub(crate) stall_timeout: Duration,
    pub(crate) max_head: usize,
    pub(crate) max_headers: usize,
    pub(crate) tunnel: Arc<AtomicBool>,
    /// Told of each fault.
    pub(crate) report: R,
}

impl<R: Fn(&'static str) + Unpin> Strict<R> {
    pub(crate) fn new(stream: Accepted, options: StrictOptions<R>) -> Self {
        Self {
            stream,
            prefix: Vec::new(),
            scanner: Some(Scanner::new(options.max_head, options.max_headers)),
            tunnel: options.tunnel,
            header_timeout: options.header_timeout,
            stall_timeout: options.stall_timeout,
            head_since: None,
            read_stalled: None,
            write_stalled: None,
            timer: None,
            poisoned: false,
            report: options.report,
        }
    }

    /// Whether the client speaks HTTP/2: by its ALPN, or in clear text by its first bytes.
    ///
    /// # Errors
    ///
    /// Reading failed.
    pub(crate) async fn is_http2(&mut self, allowed: bool) -> io::Result<bool> {
        let http2 = allowed
            && match &mut self.stream {
                Accepted::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
                Accepted::Plain(stream) => {
                    let mut byte = [0];
                    while HTTP2_PREFACE.starts_with(&self.prefix) && self.prefix.len() < HTTP2_PREFACE.len() {
                        if stream.read(&mut byte).await? == 0 {
                            break;
                        }
                        self.prefix.extend_from_slice(&byte);
                    }
                    self.prefix == HTTP2_PREFACE
                }
            };
        if http2 {
            self.scanner = None;
        }
        Ok(http2)
    }

    /// Looks at what was just read, and cuts it short at a fault.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let Some(scanner) = &mut self.scanner else { return };
        if self.tunnel.load(Ordering::Acquire) {
            return;
        }
        if let Err((good, fault)) = scanner.scan(&buf.filled()[before..]) {
            self.poisoned = true;
            if fault != Fault::Unparsable {
                buf.filled_mut()[before + good] = POISON;
                buf.set_filled(before + good + 1);
                self.prefix = POISON_END.to_vec();
            }
            (self.report)(fault.as_str());
        }
        self.head_since =
            if scanner.is_in_head() { self.head_since.or_else(|| Some(Instant::now())) } else { None };
    }

    /// The moment at which waiting is over, if it ever is.
    fn deadline(&self) -> Option<Instant> {
        let scanner = self.scanner.as_ref().filter(|_| !self.tunnel.load(Ordering::Relaxed));
        let head = self.head_since.map(|since| since + self.header_timeout);
        let body = self.read_stalled.filter(|_| scanner.is_some_and(Scanner::is_in_body));
        let stalled =
            [body, self.write_stalled].into_iter().flatten().min().map(|since| since + self.stall_timeout);
        [head, stalled].into_iter().flatten().min()
    }

    /// Whether it is over; if not, the task will be woken when it is.
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline() else { return false };
        if Instant::now() >= deadline {
            return true;
        }
        let at = tokio::time::Instant::from_std(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        // Usually the timer of an earlier wait is early: it is set anew when it fires.
        if timer.deadline() > at || timer.is_elapsed() {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if tokio::time::Instant::now() >= at {
                return true;
            }
            timer.as_mut().reset(at);
        }
        false
    }
}

impl<R: Fn(&'static str) + Unpin> AsyncRead for Strict<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if !this.prefix.is_empty() {
            let here = this.prefix.len().min(buf.remaining());
            buf.put_slice(&this.prefix[..here]);
            this.prefix.drain(..here);
            if !this.poisoned {
                this.inspect(buf, before);
            }
            return Poll::Ready(Ok(()));
        }
        if this.poisoned {
            // As if the client had closed: hyper answers what it has and ends.
            return Poll::Ready(Ok(()));
        }
        let read = match &mut this.stream {
            Accepted::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Accepted::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        match read {
            Poll::Ready(Ok(())) => {
                this.read_stalled = None;
                if buf.filled().len() > before {
                    this.inspect(buf, before);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if this.scanner.as_ref().is_some_and(Scanner::is_in_body) && this.read_stalled.is_none() {
                    this.read_stalled = Some(Instant::now());
                }
                if this.is_overdue(cx) {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the client stopped sending",
                    )));
                }
                Poll::Pending
            }
        }
    }
}

impl<R: Fn(&'static str) + Unpin> Strict<R> {
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_stalled = None;
            return result;
        }
        self.write_stalled.get_or_insert_with(Instant::now);
        if self.is_overdue(cx) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")));
        }
        result
    }
}

impl<R: Fn(&'static str) + Unpin> AsyncWrite for Strict<R> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Accepted::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Accepted::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Accepted::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Accepted::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Accepted::Plain(stream) => stream.is_write_vectored(),
            Accepted::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = match &mut this.stream {
            Accepted::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Accepted::Tls(stream) => Pin::new(stream).poll_flush(cx),
        };
        this.written(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Accepted::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Accepted::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
