use crate::raw::{Http1, ask, get};
use crate::world::{Options, TOKEN, World};

/// Sends the bytes followed by a request for `/secret`, and checks that neither got through.
async fn refused(bytes: &str, status: u16) {
    let world = World::with(Options { ignore: vec!["/open", "/secret"], ..Options::default() }).await;
    let mut connection = Http1::connect(world.guard).await;
    let answer = connection.ask(format!("{bytes}GET /secret HTTP/1.1\r\nHost: guard.test\r\n\r\n")).await;
    assert_eq!(answer.status, status, "{bytes:?}: {answer:?}");
    if status == 400 {
        // What comes behind an ambiguous request is never read as one.
        connection.rest().await;
        assert_eq!(world.upstream.recorded(), [], "{bytes:?}");
    }
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /open HTTP/1.1\r\nHost: guard.test\r\n{headers}\r\n\r\n{body}")
}

#[tokio::test]
async fn s1_two_lengths() {
    refused(&post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400).await;
    refused(&post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), 400).await;
    refused(&post("Content-Length: 5\r\nContent-Length: 6", "hello"), 400).await;
    refused(&post("Content-Length: 5\r\nContent-Length: 5", "hello"), 400).await;
    refused(&post("Content-Length: 5, 5", "hello"), 400).await;
}

#[tokio::test]
async fn s1_odd_lengths_and_codings() {
    for headers in [
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: -5",
        "Content-Length: 5 5",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \u{b}chunked",
        " Transfer-Encoding: chunked",
        "X: a\r\n folded",
    ] {
        refused(&post(headers, "0\r\n\r\n"), 400).await;
    }
    refused("POST /open HTTP/1.0\r\nHost: guard.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)
        .await;
}

#[tokio::test]
async fn s1_bare_line_feeds() {
    refused("GET /open HTTP/1.1\nHost: guard.test\n\n", 400).await;
    refused("GET /open HTTP/1.1\r\nHost: guard.test\nX: y\r\n\r\n", 400).await;
    refused("GET /open HTTP/1.1\r\nHost: guard.test\r\n\n", 400).await;
}

#[tokio::test]
async fn s1_a_malformed_chunk_ends_the_connection() {
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
    ] {
        let world = World::with(Options { ignore: vec!["/open", "/secret"], ..Options::default() }).await;
        let mut connection = Http1::connect(world.guard).await;
        connection.write(post("Transfer-Encoding: chunked", body)).await;
        connection.write("GET /secret HTTP/1.1\r\nHost: guard.test\r\n\r\n").await;
        let rest = String::from_utf8(connection.rest().await).unwrap();
        assert!(!rest.contains("200 OK"), "{body:?}: {rest}");
        // The first one's head may have been forwarded, never whole; what came behind it wasn't.
        assert_eq!(world.upstream.recorded(), [], "{body:?}");
    }
}

#[tokio::test]
async fn s1_hosts() {
    let world = World::start().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n\r\n");
    for hosts in [
        "",
        "Host: a.test\r\nHost: a.test\r\n",
        "Host: a.test\r\nHost: b.test\r\n",
        "Host: \r\n",
        "Host: a test\r\n",
        "Host: u@a.test\r\n",
    ] {
        for version in ["1.0", "1.1"] {
            let answer = ask(world.guard, format!("GET /metrics HTTP/{version}\r\n{hosts}{token}")).await;
            assert_eq!(answer.status, 400, "{hosts:?} {version}");
        }
    }
    assert_eq!(world.upstream.recorded(), []);
}

#[tokio::test]
async fn s1_what_is_plain_passes_in_one_piece_or_many() {
    let world = World::start().await;
    let mut connection = Http1::connect(world.guard).await;
    for byte in get("/metrics", &[]).into_bytes() {
        connection.write([byte]).await;
    }
    assert_eq!(connection.answer().await.status, 200);
    // And pipelined.
    connection.write(format!("{}{}", get("/metrics", &[]), get("/api/x", &[]))).await;
    assert_eq!((connection.answer().await.status, connection.answer().await.status), (200, 200));
    assert_eq!(world.upstream.recorded().len(), 3);
}

#[tokio::test]
async fn r3_the_upstream_is_where_it_was_configured() {
    let world = World::start().await;
    // Whatever host a client names, the request goes to the one upstream.
    let text = get("/metrics", &[]).replace("guard.test", "169.254.169.254");
    assert_eq!(ask(world.guard, text).await.status, 200);
    assert_eq!(world.upstream.only().header("host"), ["169.254.169.254"]);
    let elsewhere = get("http://169.254.169.254/metrics", &[]);
    assert_eq!(ask(world.guard, elsewhere).await.status, 400);
    assert_eq!(world.upstream.recorded().len(), 1);
}
