use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::raw::{Http1, ask, get, get_http2, request};
use crate::upstream::Upstream;
use crate::world::{Options, World};

#[tokio::test]
async fn s6_trailers_carry_no_identity() {
    let world = World::with(Options { ignore: vec!["/open"], ..Options::default() }).await;
    let body = "2\r\nhi\r\n0\r\nX-Remote-User: admin\r\nx_remote_groups: g\r\nAuthorization: Bearer x\r\nX-Checksum: 1\r\n\r\n";
    let lines =
        ["Transfer-Encoding: chunked", "Trailer: X-Remote-User, X-Remote-Groups, Authorization, X-Checksum"];
    assert_eq!(ask(world.guard, request("POST", "/open", &lines, body)).await.status, 200);
    let reached = world.upstream.only();
    assert_eq!(reached.header("trailer"), ["X-Checksum"]);
    assert_eq!(
        String::from_utf8(reached.body).unwrap().to_ascii_lowercase(),
        "2\r\nhi\r\n0\r\nx-checksum: 1\r\n\r\n"
    );
}

#[tokio::test]
async fn s6_trailers_over_http2_carry_no_identity() {
    let world = World::with(Options { ignore: vec!["/open"], ..Options::default() }).await;
    let stream = TcpStream::connect(world.guard).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut trailers = HeaderMap::new();
    for name in ["x-remote-user", "x_remote_user", "impersonate-user", "x-checksum"] {
        trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
    }
    // Of unknown length: a body with a length has no trailers in HTTP/1.
    let frames = [Frame::data(Bytes::from("hi")), Frame::trailers(trailers)];
    let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, std::convert::Infallible>)));
    let names = "x-remote-user, x_remote_user, impersonate-user, x-checksum";
    let request = get_http2("/open").method("POST").header("trailer", names).body(body).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    let reached = world.upstream.only();
    assert_eq!(String::from_utf8(reached.body).unwrap(), "2\r\nhi\r\n0\r\nx-checksum: 1\r\n\r\n");
}

#[tokio::test]
async fn d3_a_slow_reader_holds_the_upstream_back() {
    const LENGTH: usize = 256 << 20;
    // The upstream writes as fast as it is read; nobody reads, so it must get stuck long before the end.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (progress, written) = tokio::sync::watch::channel(0_usize);
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await.unwrap();
        let chunk = vec![b'x'; 1 << 16];
        for sent in 1..=LENGTH >> 16 {
            if tokio::io::AsyncWriteExt::write_all(&mut stream, &chunk).await.is_err() {
                return;
            }
            progress.send_replace(sent << 16);
        }
    });
    let mut options = Options::default();
    let target = parapet_guard::upstream::Address::Tcp { host: "127.0.0.1".to_owned(), port: address.port() };
    options.upstream = Some(parapet_guard::upstream::UpstreamSettings::new(
        target,
        parapet_guard::upstream::Protocol::Http1,
    ));
    options.limits.stall_timeout = std::time::Duration::from_millis(300);
    let world = World::with(options).await;
    let mut connection = Http1::connect(world.guard).await;
    connection.write(get("/metrics", &[])).await;
    // The reader is given up after the stall timeout, and the upstream's connection with it.
    serving.await.unwrap();
    let sent = *written.borrow();
    assert!(sent < 64 << 20, "{sent} bytes were taken from the upstream for a reader that reads nothing");
}

#[tokio::test]
async fn d5_nothing_is_compressed_or_decompressed() {
    // Not gzip at all: nobody looks.
    let answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb";
    let world = World::before(Upstream::scripted(|_| answer.to_vec()).await, Options::default()).await;
    let reply = ask(world.guard, get("/metrics", &[])).await;
    assert_eq!((reply.body.as_str(), reply.header("content-encoding")), ("bomb", Some("gzip")));
    assert!(!world.upstream.only().has("accept-encoding"));
}
