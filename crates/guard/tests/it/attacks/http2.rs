use std::time::Duration;

use parapet_guard::Limits;
use parapet_guard::upstream::{Address, Protocol, UpstreamSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::raw::{ask_http2, get, get_http2, nothing};
use crate::world::{Options, World};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// HPACK: literals without index, without Huffman (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(text.len() as u8);
            block.extend(text.bytes());
        }
    }
    block
}

struct Frames {
    stream: TcpStream,
}

impl Frames {
    async fn connect(world: &World) -> Self {
        let mut stream = TcpStream::connect(world.guard).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        Self { stream }
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next frame that isn't housekeeping: kind, stream, payload. None at the end of the connection.
    async fn read(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.ok()?;
            if ![SETTINGS, WINDOW_UPDATE, PING].contains(&head[3]) {
                return Some((head[3], stream, payload));
            }
        }
    }
}

const PLAIN: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/open"), (":authority", "guard.test")];

async fn open() -> World {
    World::with(Options { ignore: vec!["/open", "/secret"], ..Options::default() }).await
}

#[tokio::test]
async fn s2_plain_frames_pass() {
    let world = open().await;
    let mut frames = Frames::connect(&world).await;
    frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&PLAIN))).await;
    let (kind, stream, payload) = frames.read().await.unwrap();
    // 0x88 is `:status: 200` in HPACK's static table.
    assert_eq!((kind, stream, payload[0]), (HEADERS, 1, 0x88));
    assert_eq!(world.upstream.only().request_line(), "GET /open HTTP/1.1");
}

#[tokio::test]
async fn s2_odd_pseudo_headers_and_fields() {
    let with = |name: &'static str, value: &'static str| {
        let mut fields = PLAIN.to_vec();
        match fields.iter_mut().find(|(key, _)| *key == name && name.starts_with(':')) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
        fields
    };
    let mut twice = PLAIN.to_vec();
    twice.push((":path", "/secret"));
    let mut late = vec![("x-a", "b")];
    late.extend(PLAIN);
    for fields in [
        with(":path", "open"),
        with(":path", ""),
        with(":path", "http://guard.test/open"),
        with(":path", "/open HTTP/1.1\r\nX: y"),
        with(":path", "/a/../open"),
        with(":path", "/%2e%2e/open"),
        with(":method", "GET /secret HTTP/1.1\r\nX:"),
        with(":method", "get"),
        with(":authority", "u@guard.test"),
        with(":authority", "a b"),
        with(":scheme", "ftp"),
        with("host", "other.test"),
        with("transfer-encoding", "chunked"),
        with("connection", "keep-alive"),
        with("upgrade", "websocket"),
        with("te", "gzip"),
        with("x-a", "b\r\nx-remote-user: admin"),
        with("x-a", "b\0c"),
        with("X-Upper", "b"),
        with(":unknown", "b"),
        with("content-length", "5"),
        twice,
        late,
        PLAIN[..3].to_vec(),
    ] {
        let world = open().await;
        let mut frames = Frames::connect(&world).await;
        frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields))).await;
        let answer = frames.read().await;
        let refused = match &answer {
            None => true,
            Some((kind, _, payload)) => {
                matches!(*kind, RST_STREAM | GOAWAY) || *kind == HEADERS && payload[0] != 0x88
            }
        };
        assert!(refused, "{fields:?}: {answer:?}");
        assert_eq!(world.upstream.recorded(), [], "{fields:?}");
    }
}

#[tokio::test]
async fn s2_what_is_forwarded_is_written_anew() {
    let world = World::start().await;
    let request = get_http2("/metrics").header("cookie", "a=b").header("x-a", "b").header("te", "trailers");
    assert_eq!(ask_http2(world.guard, request.body(nothing()).unwrap()).await.unwrap().0, 200);
    let reached = world.upstream.only();
    assert_eq!(reached.request_line(), "GET /metrics HTTP/1.1");
    assert_eq!(reached.header("host"), ["guard.test"]);
    assert_eq!(reached.header("x-a"), ["b"]);
}

#[tokio::test]
async fn d2_rapid_reset() {
    let world = open().await;
    let mut frames = Frames::connect(&world).await;
    let mut flood = Vec::new();
    for index in 0..2000_u32 {
        let stream = index * 2 + 1;
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&PLAIN)));
        flood.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    frames.write(&flood).await;
    ends_with_goodbye(&mut frames).await;
    // Far fewer than were asked for reached the upstream.
    assert!(world.upstream.recorded().len() < 500, "{}", world.upstream.recorded().len());
    still_serves(&world).await;
}

#[tokio::test]
async fn d2_continuation_flood() {
    let world = open().await;
    let mut frames = Frames::connect(&world).await;
    frames.write(&frame(HEADERS, END_STREAM, 1, &block(&PLAIN))).await;
    let part = block(&[("x-a", "b")]);
    for _ in 0..100_000 {
        if !frames.write(&frame(CONTINUATION, 0, 1, &part)).await {
            break;
        }
    }
    ends_with_goodbye(&mut frames).await;
    assert_eq!(world.upstream.recorded(), []);
    still_serves(&world).await;
}

#[tokio::test]
async fn d2_made_you_reset() {
    // CVE-2025-8671: the server is made to reset streams by invalid frames on them.
    let world = open().await;
    let mut frames = Frames::connect(&world).await;
    let mut flood = Vec::new();
    for index in 0..3000_u32 {
        let stream = index * 2 + 1;
        flood.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&PLAIN)));
        flood.extend(frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes()));
    }
    frames.write(&flood).await;
    ends_with_goodbye(&mut frames).await;
    assert!(world.upstream.recorded().len() < 1500, "{}", world.upstream.recorded().len());
    still_serves(&world).await;
}

#[tokio::test]
async fn d2_pings_and_settings_are_answered_not_hoarded() {
    let world = open().await;
    let mut frames = Frames::connect(&world).await;
    // Without reading: answers pile up at the sender's end, not in the gate.
    for _ in 0..2000 {
        if !frames.write(&frame(PING, 0, 0, &[0; 8])).await
            || !frames.write(&frame(SETTINGS, 0, 0, &[])).await
        {
            break;
        }
    }
    still_serves(&world).await;
}

#[tokio::test]
async fn d2_a_zero_window_is_reset_in_time() {
    let limits = Limits { stall_timeout: Duration::from_millis(300), ..Options::default().limits };
    let world = World::with(Options { ignore: vec!["/open"], limits, ..Options::default() }).await;
    let mut frames = Frames::connect(&world).await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: no answer's body may ever be sent.
    frames.write(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
    let streams = [1, 3, 5, 7];
    for stream in streams {
        frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&PLAIN))).await;
    }
    let mut reset = Vec::new();
    while reset.len() < streams.len() {
        let (kind, stream, _) = frames.read().await.expect("the connection goes on");
        match kind {
            HEADERS => {}
            RST_STREAM => reset.push(stream),
            other => panic!("a frame of kind {other} on stream {stream}"),
        }
    }
    reset.sort_unstable();
    assert_eq!(reset, streams);
    assert_eq!(world.sample("parapet_guard_streams_stalled_total"), 4.0);
    // The connection is as good as before for those who read.
    frames.write(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])).await;
    frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, 9, &block(&PLAIN))).await;
    let mut kinds = Vec::new();
    while let Some((kind, stream, _)) = frames.read().await {
        assert_eq!(stream, 9);
        kinds.push(kind);
        if kind == DATA {
            break;
        }
    }
    assert_eq!(kinds, [HEADERS, DATA]);
    still_serves(&world).await;
}

#[tokio::test]
async fn d2_a_slow_upstream_is_no_slow_reader() {
    let limits = Limits { stall_timeout: patience(), ..Options::default().limits };
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = slow.local_addr().unwrap().port();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = slow.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").await.unwrap();
        for piece in ["a", "b", "c"] {
            // Longer than a reader may be silent.
            tokio::time::sleep(patience() * 3).await;
            stream.write_all(piece.as_bytes()).await.unwrap();
        }
        stream
    });
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port };
    let upstream = Some(UpstreamSettings::new(address, Protocol::Http1));
    let world = World::with(Options { ignore: vec!["/open"], limits, upstream, ..Options::default() }).await;
    let mut frames = Frames::connect(&world).await;
    frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&PLAIN))).await;
    let mut body = Vec::new();
    while body != b"abc" {
        match frames.read().await.expect("the connection goes on") {
            (HEADERS, ..) => {}
            (DATA, _, payload) => body.extend(payload),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.sample("parapet_guard_streams_stalled_total"), 0.0);
    drop(answering.await.unwrap());
}

/// As over HTTP/1, `d3_a_slow_reader_holds_the_upstream_back`: here all windows are open, and the socket alone is full.
#[tokio::test]
async fn d3_a_reader_of_http2_that_stops_holds_the_upstream_back() {
    const LENGTH: usize = 256 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let chunk = vec![b'x'; 1 << 16];
        let mut sent = 0;
        while sent < LENGTH && stream.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
        sent
    });
    let limits = Limits { stall_timeout: Duration::from_millis(300), ..Options::default().limits };
    let upstream =
        Some(UpstreamSettings::new(Address::Tcp { host: "127.0.0.1".to_owned(), port }, Protocol::Http1));
    let world = World::with(Options { ignore: vec!["/open"], limits, upstream, ..Options::default() }).await;
    let mut frames = Frames::connect(&world).await;
    // SETTINGS_INITIAL_WINDOW_SIZE, and the connection's window beside it: as large as they get.
    frames.write(&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff])).await;
    frames.write(&frame(WINDOW_UPDATE, 0, 0, &(i32::MAX as u32 - 65_535).to_be_bytes())).await;
    frames.write(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&PLAIN))).await;
    // The reader is given up after the stall timeout, and the upstream's connection with it.
    let sent = serving.await.unwrap();
    assert!(sent < 64 << 20, "{sent} bytes were taken from the upstream for a reader that reads nothing");
}

fn patience() -> Duration {
    Duration::from_millis(100)
}

/// Reads until the connection ends, and expects it to.
async fn ends_with_goodbye(frames: &mut Frames) {
    while frames.read().await.is_some() {}
}

async fn still_serves(world: &World) {
    assert_eq!(crate::raw::ask(world.guard, get("/metrics", &[])).await.status, 200);
}
