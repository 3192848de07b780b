//! Clients that send exactly what they are told.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::TOKEN;

/// An HTTP/1 answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 0: the connection ended without one.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// An HTTP/1 connection.
pub(crate) struct Http1 {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Http1 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // The other end may have closed already, which the answer shows.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.write(bytes).await;
        self.answer().await
    }

    /// The next answer, with a body of its `Content-Length`, of its chunks as they came, or to the end.
    pub(crate) async fn answer(&mut self) -> Answer {
        let Some(head) = self.take_until(b"\r\n\r\n").await else {
            return Answer { status: 0, head: String::new(), body: String::new() };
        };
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        if let Some(length) = answer.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
            while self.buffer.len() < length && self.more().await {}
            let length = length.min(self.buffer.len());
            answer.body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        } else if answer.header("transfer-encoding").is_some() {
            loop {
                let line = self.take_until(b"\r\n").await.unwrap();
                let size = usize::from_str_radix(&line, 16).unwrap();
                answer.body.push_str(&line);
                answer.body.push_str("\r\n");
                if size == 0 {
                    break;
                }
                while self.buffer.len() < size + 2 && self.more().await {}
                answer.body.push_str(std::str::from_utf8(&self.buffer[..size + 2]).unwrap());
                self.buffer.drain(..size + 2);
            }
            while let Some(line) = self.take_until(b"\r\n").await.filter(|line| !line.is_empty()) {
                answer.body.push_str(&line);
                answer.body.push_str("\r\n");
            }
        }
        answer
    }

    /// Everything until the other end closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }

    pub(crate) async fn read_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.more().await {}
        let length = length.min(self.buffer.len());
        self.buffer.drain(..length).collect()
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) > 0
    }

    async fn take_until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                let taken = self.buffer.drain(..at).collect();
                self.buffer.drain(..end.len());
                return Some(String::from_utf8(taken).unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }
}

/// Sends bytes on a connection of their own, and reads one answer.
pub(crate) async fn ask(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Answer {
    Http1::connect(address).await.ask(bytes).await
}

/// A GET with a good token, and these header lines besides.
pub(crate) fn get(target: &str, headers: &[&str]) -> String {
    request("GET", target, headers, "")
}

/// A request with a good token.
pub(crate) fn request(method: &str, target: &str, headers: &[&str], body: &str) -> String {
    let mut text =
        format!("{method} {target} HTTP/1.1\r\nHost: guard.test\r\nAuthorization: Bearer {TOKEN}\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    format!("{text}\r\n{body}")
}

/// A GET without credentials.
pub(crate) fn anonymous(target: &str, headers: &[&str]) -> String {
    get(target, headers).replace(&format!("Authorization: Bearer {TOKEN}\r\n"), "")
}

/// The same over HTTP/2: status, headers, body. None: the stream or the connection was reset.
pub(crate) async fn ask_http2(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Option<(u16, HeaderMap, String)> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driven = tokio::spawn(connection);
    let answered = sender.send_request(request).await;
    let result = match answered {
        Err(_) => None,
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Some((parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap()))
        }
    };
    driven.abort();
    result
}

/// A GET over HTTP/2 with a good token.
pub(crate) fn get_http2(target: &str) -> http::request::Builder {
    Request::get(format!("http://guard.test{target}")).header("authorization", format!("Bearer {TOKEN}"))
}

/// No body.
pub(crate) fn nothing() -> Full<Bytes> {
    Full::default()
}
