//! `--krp-compat` reopens what its warning names. What stays closed even then is tried on the process itself, byte by byte.

use parapet_testbed::free_port;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{Guard, World};

/// A guard in compatibility, and its port in clear text, where requests can be written as they are.
async fn compatible(world: &World, flags: &[&str]) -> (Guard, u16) {
    let port = free_port().unwrap();
    let plain = format!("--insecure-listen-address=127.0.0.1:{port}");
    let guard = world.guard(&[&["--krp-compat", &plain], flags].concat()).await;
    (guard, port)
}

/// Sends these lines as one request without a body, on a connection of its own; the status.
async fn ask(port: u16, lines: &[&str]) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("{}\r\nHost: guard.test\r\n\r\n", lines.join("\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    // The status line is all that is asked for: the connection may stay open.
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') {
        if stream.read_buf(&mut answer).await.unwrap() == 0 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&answer);
    text.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{lines:?}: {text:?}"))
}

#[tokio::test]
async fn paths_headers_and_framing_stay_closed() {
    let Some(world) = World::new("compatibility").await else { return };
    world.grant_metrics().await;
    let (guard, port) =
        compatible(&world, &["--auth-header-fields-enabled", "--ignore-paths=/static/*"]).await;
    let log = guard.process.log();
    assert!(log.contains("--krp-compat"), "the warning names it: {log}");
    let token = format!("Authorization: Bearer {}", world.token().await);

    // P1, P9: dot segments in any spelling, for who is known and on open paths.
    for path in
        ["/api/%2e%2e/metrics", "/static/%2e%2e", "/static/..", "/static/%2E./metrics", "/x/..%2fmetrics"]
    {
        assert_eq!(ask(port, &[&format!("GET {path} HTTP/1.1"), &token]).await, 400, "{path}");
        assert_eq!(ask(port, &[&format!("GET {path} HTTP/1.1")]).await, 400, "{path} of nobody");
    }
    // H4: what somebody relies on isn't the connection's.
    for name in ["authorization", "cookie", "host", "content-length"] {
        let connection = format!("Connection: close, {name}");
        assert_eq!(ask(port, &["GET /metrics HTTP/1.1", &token, &connection]).await, 400, "{name}");
    }
    // S1: two lengths, two codings, a line end that only some see.
    for lines in [
        &["POST /metrics HTTP/1.1", "Content-Length: 4", "Transfer-Encoding: chunked"][..],
        &["POST /metrics HTTP/1.1", "Content-Length: 4", "Content-Length: 5"],
        &["POST /metrics HTTP/1.1", "Transfer-Encoding: gzip, chunked"],
        &["GET /metrics HTTP/1.1\nX-Smuggled: 1"],
        &["GET /metrics HTTP/1.1", "Host: other.test"],
    ] {
        assert_eq!(ask(port, lines).await, 400, "{lines:?}");
    }
    assert!(world.upstream.seen().is_empty());

    // H1, H2: identity in any spelling ends at the gate, where nobody is known too.
    let forged =
        ["X-Remote-User: admin", "x_remote_user: admin", "Impersonate-User: admin", "X-Remote-Groups: a"];
    let open = [&["GET /static/a HTTP/1.1"], &forged[..]].concat();
    assert_eq!(ask(port, &open).await, 200);
    for name in ["x-remote-user", "x_remote_user", "impersonate-user", "x-remote-groups", "authorization"] {
        assert_eq!(world.upstream.last_header(name), None, "{name}");
    }
    // H3: the gate's own header can't be taken away.
    let nominated = ["GET /metrics HTTP/1.1", &token, "Connection: close, x-remote-user, x-remote-groups"];
    assert_eq!(ask(port, &nominated).await, 200);
    assert_eq!(world.upstream.last_header("x-remote-user"), Some(world.user("default")));
    // S3: no upgrade where none is allowed.
    let upgrade = [
        "GET /static/a HTTP/1.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let before = world.upstream.seen().len();
    assert_eq!(ask(port, &upgrade).await, 403);
    assert_eq!(world.upstream.seen().len(), before);
}

#[tokio::test]
async fn queries_stay_closed() {
    let Some(world) = World::new("compatibility-queries").await else { return };
    let rules = format!(
        "authorization:
  resourceAttributes: {{namespace: '{{{{ .Value }}}}', apiVersion: v1, resource: namespaces, subresource: metrics}}
  rewrites: {{byQueryParameter: {{name: namespace}}}}
  static:
  - {{user: {{name: '{}'}}, resourceRequest: true, resource: namespaces, subresource: metrics, namespace: ok, verb: get}}
",
        world.user("default")
    );
    let config = format!("--config-file={}", world.file("rules.yaml", &rules));
    let (_guard, port) = compatible(&world, &[&config]).await;
    let token = format!("Authorization: Bearer {}", world.token().await);
    let many = format!("namespace=ok{}", "&x=1".repeat(300));
    for query in [
        "namespace=ok&x=1;namespace=bad",
        "namespace=ok&%6eamespace=bad",
        "namespace=ok&Namespace=bad",
        "namespace=ok&namespace[]=bad",
        "namespace=ok&namespace%00=bad",
        "namespace=ok&x=%zz",
        &many,
    ] {
        let line = format!("GET /metrics?{query} HTTP/1.1");
        assert_eq!(ask(port, &[&line, &token]).await, 400, "{}", &query[..query.len().min(60)]);
    }
    assert!(world.upstream.seen().is_empty());
    assert_eq!(ask(port, &["GET /metrics?namespace=ok HTTP/1.1", &token]).await, 200);
}
