//! What passes, passes unchanged and unbuffered, whatever is spoken on either side.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parapet_guard::upstream::{Address, Protocol, UpstreamSettings};
use parapet_pki::ClientCertificates;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::raw::{Http1, ask, get, get_http2, request};
use crate::tls::Certificates;
use crate::upstream::{Upstream, ok};
use crate::world::{Options, TOKEN, USER, World};

fn at(port: u16) -> Address {
    Address::Tcp { host: "127.0.0.1".to_owned(), port }
}

fn before(settings: UpstreamSettings) -> Options {
    Options { upstream: Some(settings), ..Options::default() }
}

#[tokio::test]
async fn a_request_and_its_answer_pass() {
    let upstream = Upstream::scripted(|_| {
        b"HTTP/1.1 203 Odd\r\nContent-Length: 2\r\nX-A: b\r\nSet-Cookie: c=d\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\nok".to_vec()
    })
    .await;
    let world = World::before(upstream, Options::default()).await;
    world.reviews.allows(USER, "create", "/api/*");
    let answer =
        ask(world.guard, request("POST", "/api/x?a=b", &["Content-Length: 4", "X-Custom: 1"], "body")).await;
    assert_eq!((answer.status, answer.body.as_str()), (203, "ok"));
    assert_eq!(
        (answer.header("x-a"), answer.header("set-cookie"), answer.header("x-hop")),
        (Some("b"), Some("c=d"), None)
    );
    let reached = world.upstream.only();
    assert_eq!(reached.request_line(), "POST /api/x?a=b HTTP/1.1");
    assert_eq!((reached.body.as_slice(), reached.header("x-custom")), (&b"body"[..], vec!["1"]));
}

#[tokio::test]
async fn a_base_path_stands_before_every_path() {
    let upstream = Upstream::start().await;
    let mut settings = UpstreamSettings::new(at(upstream.address.port()), Protocol::Http1);
    settings.base_path =
        Some(parapet_guard::CanonicalPath::parse("/base/", parapet_guard::PathRules::Strict).unwrap());
    let world = World::before(upstream, before(settings)).await;
    assert_eq!(ask(world.guard, get("/metrics?a", &[])).await.status, 200);
    assert_eq!(world.upstream.only().target(), "/base/metrics?a");
    assert_eq!(world.reviews.access_reviews()[0]["nonResourceAttributes"]["path"], "/metrics");
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    // An upstream that sends each chunk back before the next one comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = Vec::new();
        while !buffer.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut buffer).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let mut bytes = [0; 1024];
        loop {
            let read = stream.read(&mut bytes).await.unwrap();
            stream.write_all(&bytes[..read]).await.unwrap();
            if read == 0 || bytes[..read].ends_with(b"0\r\n\r\n") {
                return;
            }
        }
    });
    let mut options = before(UpstreamSettings::new(at(port), Protocol::Http1));
    options.ignore = vec!["/open"];
    let world = World::with(options).await;
    let stream = TcpStream::connect(world.guard).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (send, receive) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let frames = futures::stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|bytes| (Ok::<_, Infallible>(Frame::data(bytes)), receive))
    });
    let request = Request::post("http://guard.test/open").body(StreamBody::new(Box::pin(frames))).unwrap();
    send.send(Bytes::from("first")).unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    for next in ["second", "third"] {
        let echoed = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(!echoed.is_empty());
        send.send(Bytes::from(next)).unwrap();
    }
    drop(send);
    assert!(body.collect().await.unwrap().to_bytes().ends_with(b"third"));
    echo.await.unwrap();
}

#[tokio::test]
async fn an_answer_begins_before_it_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::with(before(UpstreamSettings::new(
        at(listener.local_addr().unwrap().port()),
        Protocol::Http1,
    )))
    .await;
    let mut client = Http1::connect(world.guard).await;
    client.write(get("/metrics", &[])).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await.unwrap();
    let so_far = b"HTTP/1.1 200 OK\r\n";
    assert_eq!(client.read_exactly(so_far.len()).await, so_far);
    stream.write_all(b"later").await.unwrap();
    let mut rest = Vec::new();
    while !rest.ends_with(b"firstlater") {
        rest.extend(client.read_exactly(1).await);
    }
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_may_come() {
    let world = World::start().await;
    world.reviews.allows(USER, "create", "/api/*");
    let head = ["Content-Length: 4", "Expect: 100-continue"];
    let mut refused = Http1::connect(world.guard).await;
    let answer = refused.ask(request("POST", "/api/x", &head, "").replace(TOKEN, "bad")).await;
    assert_eq!(answer.status, 401);
    let mut allowed = Http1::connect(world.guard).await;
    assert_eq!(allowed.ask(request("POST", "/api/x", &head, "")).await.status, 100);
    assert_eq!(allowed.ask("body").await.status, 200);
    let reached = world.upstream.only();
    assert_eq!((reached.body.as_slice(), reached.has("expect")), (&b"body"[..], false));
}

#[tokio::test]
async fn trailers_of_an_answer_pass_to_who_wants_them() {
    let upstream = Upstream::scripted(|_| {
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n".to_vec()
    })
    .await;
    let world = World::before(upstream, Options::default()).await;
    let answer = ask(world.guard, get("/metrics", &["TE: trailers"])).await;
    assert_eq!(answer.body.to_ascii_lowercase(), "2\r\nok\r\n0\r\nx-sum: 1\r\n");
    assert_eq!(world.upstream.recorded()[0].header("te"), ["trailers"]);
}

/// An HTTP/2 upstream in clear text that answers like a gRPC server, and records heads.
async fn grpc() -> (u16, Arc<Mutex<Vec<http::request::Parts>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads = Arc::<Mutex<Vec<http::request::Parts>>>::default();
    let (mut tasks, recorded) = (JoinSet::new(), heads.clone());
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let recorded = recorded.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let recorded = recorded.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    recorded.lock().unwrap().push(parts);
                    let message = body.collect().await.unwrap().to_bytes();
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", HeaderValue::from_static("0"));
                    let frames = [Frame::data(message), Frame::trailers(trailers)];
                    let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Infallible>)));
                    let mut response = Response::new(body);
                    response
                        .headers_mut()
                        .insert("content-type", HeaderValue::from_static("application/grpc"));
                    Ok::<_, Infallible>(response)
                }
            });
            connections.spawn(async move {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, heads, tasks)
}

#[tokio::test]
async fn grpc_passes() {
    let (port, heads, _tasks) = grpc().await;
    let world = World::with(before(UpstreamSettings::new(at(port), Protocol::H2c))).await;
    world.reviews.allows(USER, "create", "/api/*");
    let stream = TcpStream::connect(world.guard).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let calls = (0..20).map(|_| {
        let request = get_http2("/api/grpc.Service/Call").method("POST").header("te", "trailers");
        let request = request
            .header("content-type", "application/grpc")
            .body(Full::new(Bytes::from("message")))
            .unwrap();
        let answer = sender.send_request(request);
        async move {
            let body = answer.await.unwrap().into_body().collect().await.unwrap();
            assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
            assert_eq!(body.to_bytes(), "message");
        }
    });
    futures::future::join_all(calls).await;
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 20);
    assert_eq!(
        (heads[0].version, heads[0].uri.to_string().as_str()),
        (Version::HTTP_2, "http://guard.test/api/grpc.Service/Call")
    );
    assert_eq!(heads[0].headers["te"], "trailers");
    assert_eq!(heads[0].headers["x-remote-user"], USER);
    // One connection carries them all.
    assert_eq!(world.sample("parapet_guard_upstream_connections_opened_total"), 1.0);
}

/// They are held back until the connection rests, and written together.
#[tokio::test]
async fn answers_of_many_streams_at_once_are_each_whole() {
    let upstream = Upstream::scripted(|request| {
        let number: usize = request.request_line().split(['/', ' ']).nth(3).unwrap().parse().unwrap();
        // From nothing to more than is held at once.
        let body = format!("{number} ").repeat(number * number);
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    let world =
        World::before(upstream.await, Options { ignore: vec!["/open/*"], ..Options::default() }).await;
    let stream = TcpStream::connect(world.guard).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let calls = (0..90_usize).map(|number| {
        let target = format!("/open/{number}");
        let answer = sender.send_request(get_http2(&target).body(Full::new(Bytes::new())).unwrap());
        async move {
            let body = answer.await.unwrap().into_body().collect().await.unwrap().to_bytes();
            assert!(body == format!("{number} ").repeat(number * number), "{number}: {} bytes", body.len());
        }
    });
    futures::future::join_all(calls).await;
}

#[tokio::test]
async fn http1_in_and_http2_out() {
    let (port, _heads, _tasks) = grpc().await;
    let world = World::with(before(UpstreamSettings::new(at(port), Protocol::H2c))).await;
    let mut client = Http1::connect(world.guard).await;
    for _ in 0..3 {
        assert_eq!(client.ask(get("/metrics", &[])).await.status, 200);
    }
}

#[tokio::test]
async fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upstream.sock");
    let upstream = Upstream::unix(&path);
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let unix = |path: &std::path::Path, uid| {
        before(UpstreamSettings::new(Address::Unix { path: path.to_owned(), uid }, Protocol::Http1))
    };
    let world = World::before(upstream, unix(&path, None)).await;
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 200);
    assert_eq!(world.upstream.only().request_line(), "GET /metrics HTTP/1.1");
    // A link, another user's socket, and nothing at all: refused.
    for options in
        [unix(&link, None), unix(&path, Some(u32::MAX - 1)), unix(&folder.path().join("none"), None)]
    {
        let other = World::with(options).await;
        assert_eq!(ask(other.guard, get("/metrics", &[])).await.status, 502);
        assert_eq!(other.failed("upstream_unreachable"), 1.0);
    }
    assert_eq!(world.upstream.recorded().len(), 1);
}

/// A TLS upstream that asks for a client certificate, and says in its answer which protocol and how many certificates.
async fn secure(certificates: &Certificates) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tls, ..) = certificates.server(ClientCertificates::Required);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(tls.current().config());
            connections.spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let session = stream.get_ref().1;
                let http2 = session.alpn_protocol() == Some(b"h2");
                let shown = session.peer_certificates().map_or(0, <[_]>::len);
                let service = service_fn(move |request: Request<Incoming>| {
                    let text = format!("{:?} {shown}", request.version());
                    async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text)))) }
                });
                let _ = if http2 {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    builder.serve_connection(TokioIo::new(stream), service).await
                } else {
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                };
            });
        }
    });
    (port, tasks)
}

#[tokio::test]
async fn tls_upstream_with_a_client_certificate() {
    let certificates = Certificates::new();
    let (port, _tasks) = secure(&certificates).await;
    for (alpn, expect) in
        [(&["h2", "http/1.1"][..], "HTTP/2.0 1"), (&["http/1.1"], "HTTP/1.1 1"), (&[], "HTTP/1.1 1")]
    {
        let protocol =
            Protocol::Tls { tls: certificates.client(alpn), name: "localhost".try_into().unwrap() };
        let world = World::with(before(UpstreamSettings::new(at(port), protocol))).await;
        let mut client = Http1::connect(world.guard).await;
        for _ in 0..3 {
            let answer = client.ask(get("/metrics", &[])).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, expect));
        }
        assert_eq!(world.sample("parapet_guard_upstream_connections_opened_total"), 1.0);
    }
}

#[tokio::test]
async fn a_tls_upstream_that_nobody_vouches_for() {
    let certificates = Certificates::new();
    let (port, _tasks) = secure(&certificates).await;
    let protocol =
        Protocol::Tls { tls: Certificates::new().client(&[]), name: "localhost".try_into().unwrap() };
    let world = World::with(before(UpstreamSettings::new(at(port), protocol))).await;
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 502);
    let protocol = Protocol::Tls { tls: certificates.client(&[]), name: "other.test".try_into().unwrap() };
    let world = World::with(before(UpstreamSettings::new(at(port), protocol))).await;
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 502);
}

#[tokio::test]
async fn a_pooled_connection_that_the_upstream_closed_is_not_used() {
    // It says nothing of closing, and closes.
    let upstream = Upstream::scripted(|request| {
        if request.connection == 0 {
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok".to_vec()
        } else {
            ok("ok")
        }
    })
    .await;
    let world = World::before(upstream, Options::default()).await;
    let mut client = Http1::connect(world.guard).await;
    for _ in 0..3 {
        assert_eq!(client.ask(get("/metrics", &[])).await.status, 200);
    }
    assert_eq!(world.upstream.connections(), 2);
}

#[tokio::test]
async fn a_broken_answer_is_never_a_whole_one() {
    for (answer, status) in
        [(&b""[..], 502), (b"garbage\r\n\r\n", 502), (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", 200)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await.unwrap();
                stream.write_all(answer).await.unwrap();
            }
        });
        let world = World::with(before(UpstreamSettings::new(at(port), Protocol::Http1))).await;
        let mut client = Http1::connect(world.guard).await;
        client.write(get("/metrics", &[])).await;
        if status == 200 {
            // The connection ends before the body does, or even the head, so the client knows.
            let all = String::from_utf8(client.rest().await).unwrap();
            assert!(
                all.is_empty() || all.contains("content-length: 5") && all.ends_with("\r\n\r\nok"),
                "{all}"
            );
        } else {
            assert_eq!(client.answer().await.status, status);
            assert_eq!(world.failed("upstream_answer"), 1.0);
        }
        serving.abort();
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = UpstreamSettings::new(at(silent.local_addr().unwrap().port()), Protocol::Http1);
    settings.first_byte_timeout = Some(Duration::from_millis(50));
    let world = World::with(before(settings)).await;
    assert_eq!(ask(world.guard, get("/metrics", &[])).await.status, 504);
    assert_eq!(world.failed("upstream_timeout"), 1.0);
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let world = World::with(before(UpstreamSettings::new(at(gone), Protocol::Http1))).await;
    let answer = ask(world.guard, get("/metrics", &[])).await;
    assert_eq!((answer.status, answer.body.as_str()), (502, "Bad Gateway\n"));
}

#[tokio::test]
async fn head_and_empty_answers_keep_the_connection() {
    let upstream = Upstream::scripted(|request| match request.request_line().split(' ').next().unwrap() {
        "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
    })
    .await;
    let world = World::before(upstream, Options { ignore: vec!["/open"], ..Options::default() }).await;
    let stream = TcpStream::connect(world.guard).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (method, status) in [("HEAD", 200), ("GET", 204), ("HEAD", 200)] {
        let request = Request::builder()
            .method(method)
            .uri("/open")
            .header("host", "x")
            .body(Full::<Bytes>::default())
            .unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status);
        if method == "HEAD" {
            assert_eq!(answer.headers()["content-length"], "1000");
        }
        assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    assert_eq!(world.upstream.connections(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::with(before(UpstreamSettings::new(
        at(listener.local_addr().unwrap().port()),
        Protocol::Http1,
    )))
    .await;
    let mut client = Http1::connect(world.guard).await;
    client.write(get("/metrics", &[])).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await.unwrap();
    drop(client);
    // The upstream sees the end of the connection.
    assert_eq!(stream.read(&mut head).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_refused_sender_reads_why() {
    let world = World::start().await;
    let mut client = Http1::connect(world.guard).await;
    let body = "x".repeat(100_000);
    let length = format!("Content-Length: {}", body.len());
    let refused = request("POST", "/metrics", &[&length], &body).replace(TOKEN, "bad");
    assert_eq!(client.ask(refused).await.status, 401);
    // The body was taken, so the connection is good for another request.
    assert_eq!(client.ask(get("/metrics", &[])).await.status, 200);
    assert_eq!(world.upstream.recorded().len(), 1);
}
