//! An upstream that keeps every byte that reaches it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

/// One HTTP/1 request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Request line and headers, with their line ends, without the empty line.
    pub(crate) head: String,
    /// The body as it was framed: chunks with their sizes, and trailers.
    pub(crate) body: Vec<u8>,
    /// Which connection it came over, counted from 0.
    pub(crate) connection: usize,
}

impl Recorded {
    pub(crate) fn request_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.request_line().split(' ').nth(1).unwrap()
    }

    /// All values of a header, in order.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.header(name).is_empty()
    }
}

type Script = dyn Fn(&Recorded) -> Vec<u8> + Send + Sync;

/// Listens until dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    recorded: Arc<Mutex<Vec<Recorded>>>,
    connections: Arc<Mutex<usize>>,
    _tasks: JoinSet<()>,
}

/// A plain answer.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl Upstream {
    /// Answers 200 with `ok`.
    pub(crate) async fn start() -> Self {
        Self::scripted(|_| ok("ok")).await
    }

    /// Answers the bytes that `script` gives; an empty answer closes the connection without one.
    pub(crate) async fn scripted(script: impl Fn(&Recorded) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut upstream = Self::new(listener.local_addr().unwrap());
        let (recorded, connections) = (upstream.recorded.clone(), upstream.connections.clone());
        let script: Arc<Script> = Arc::new(script);
        upstream._tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tasks.spawn(serve(stream, script.clone(), recorded.clone(), next(&connections)));
            }
        });
        upstream
    }

    /// The same on a Unix socket.
    pub(crate) fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let mut upstream = Self::new(([127, 0, 0, 1], 0).into());
        let (recorded, connections) = (upstream.recorded.clone(), upstream.connections.clone());
        upstream._tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                tasks.spawn(serve(stream, Arc::new(|_| ok("ok")), recorded.clone(), next(&connections)));
            }
        });
        upstream
    }

    fn new(address: SocketAddr) -> Self {
        Self { address, recorded: Arc::default(), connections: Arc::default(), _tasks: JoinSet::new() }
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        self.recorded.lock().unwrap().clone()
    }

    /// The only request there was.
    pub(crate) fn only(&self) -> Recorded {
        let recorded = self.recorded();
        assert_eq!(recorded.len(), 1, "{recorded:#?}");
        recorded.into_iter().next().unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

fn next(counter: &Mutex<usize>) -> usize {
    let mut counter = counter.lock().unwrap();
    *counter += 1;
    *counter - 1
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    script: Arc<Script>,
    recorded: Arc<Mutex<Vec<Recorded>>>,
    connection: usize,
) {
    let mut buffer = Vec::new();
    while let Some(head) = take_until(&mut stream, &mut buffer, b"\r\n\r\n").await {
        let head = String::from_utf8(head).unwrap();
        let mut request = Recorded { head, body: Vec::new(), connection };
        if let Some(length) = request.header("content-length").first() {
            let length: usize = length.parse().unwrap();
            while buffer.len() < length {
                if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            request.body = buffer.drain(..length).collect();
        } else if request.has("transfer-encoding") {
            loop {
                let Some(line) = take_until(&mut stream, &mut buffer, b"\r\n").await else { return };
                let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap(), 16).unwrap();
                request.body.extend_from_slice(&line);
                request.body.extend_from_slice(b"\r\n");
                while size > 0 && buffer.len() < size + 2 {
                    if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                if size > 0 {
                    request.body.extend(buffer.drain(..size + 2));
                    continue;
                }
                // Trailers, to the empty line.
                loop {
                    let Some(line) = take_until(&mut stream, &mut buffer, b"\r\n").await else { return };
                    request.body.extend_from_slice(&line);
                    request.body.extend_from_slice(b"\r\n");
                    if line.is_empty() {
                        break;
                    }
                }
                break;
            }
        }
        recorded.lock().unwrap().push(request.clone());
        let answer = script(&request);
        if answer.is_empty() || stream.write_all(&answer).await.is_err() {
            return;
        }
        if answer.starts_with(b"HTTP/1.1 101") {
            // What comes now is the tunnel's: sent back as it came.
            let _ = stream.write_all(&buffer).await;
            let (mut read, mut write) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut read, &mut write).await;
            return;
        }
    }
}

async fn take_until<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    end: &[u8],
) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
            let taken = buffer.drain(..at).collect();
            buffer.drain(..end.len());
            return Some(taken);
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}
