//! The gate before what only some may have of the console's listener, asked by curl.

use std::process::Command;

use serde_json::Value;

use crate::world::Up;

/// What curl saw.
struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    /// The problem document that this must be.
    #[track_caller]
    fn problem(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{}{}", self.headers, self.body);
        assert!(self.headers.contains("content-type: application/problem+json"), "{}", self.headers);
        assert!(self.headers.contains("x-content-type-options: nosniff"), "{}", self.headers);
        let document: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document["type"], format!("urn:parapet:problem:{name}"), "{document}");
    }
}

fn curl(server: &Up, path: &str, arguments: &[&str]) -> Answer {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--globoff", "--path-as-is", "--dump-header", "-", "--write-out"])
        .args(["\n%{http_code}", "--cacert", server.url("ca_file")])
        .args(arguments)
        .arg(format!("{}{path}", server.url("console_url")))
        .output()
        .expect("curl is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let (answer, status) = text.rsplit_once('\n').unwrap();
    let (headers, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(&output.stderr)));
    Answer {
        status: status.parse().unwrap(),
        headers: format!("{}\r\n", headers.to_lowercase()),
        body: body.to_owned(),
    }
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {}", token.trim())
}

/// A header with the cookie of a new session, and one with its CSRF token.
fn session(server: &Up) -> (String, String) {
    let login = serde_json::json!({
        "username": server.ready["username"],
        "password": server.ready["password"],
    });
    let raw = Command::new("curl")
        .args(["--silent", "--cacert", server.url("ca_file"), "--cookie-jar", "-", "--output", "/dev/null"])
        .args(["--json", &login.to_string()])
        .arg(format!("{}/api/v1/session", server.url("console_url")))
        .output()
        .unwrap();
    let jar = String::from_utf8(raw.stdout).unwrap();
    let value = jar.lines().find_map(|line| line.split_once("__Host-parapet\t")).unwrap().1;
    let cookie = format!("Cookie: __Host-parapet={value}");
    let current = curl(server, "/api/v1/session", &["-H", &cookie]);
    let document: Value = serde_json::from_str(&current.body).unwrap();
    (cookie, format!("x-csrf-token: {}", document["csrf_token"].as_str().unwrap()))
}

#[test]
fn metrics_and_tokens_of_up_are_behind_the_guard() {
    let folder = tempfile::tempdir().unwrap();
    let server = Up::start(&folder.path().join("data"), &["--no-host", "--no-self"]);
    let minted = |name: &str, scope: &str| bearer(&server.said(&["token", "create", name, "--scope", scope]));
    let (reader, sender) = (minted("scraper", "read"), minted("shipper", "ingest"));
    let admin = bearer(&std::fs::read_to_string(folder.path().join("data/credentials/cli.token")).unwrap());
    let (cookie, csrf) = session(&server);
    for protocol in ["--http1.1", "--http2"] {
        let ask = |path: &str, headers: &[&str]| {
            let mut arguments = vec![protocol];
            headers.iter().for_each(|header| arguments.extend(["-H", header]));
            curl(&server, path, &arguments)
        };
        ask("/metrics", &[]).problem(401, "unauthenticated");
        ask("/metrics", &["Authorization: Bearer ppt_0123456789abcdef_0"]).problem(401, "unauthenticated");
        ask("/metrics", &["Cookie: __Host-parapet=a; __Host-parapet=b"]).problem(401, "unauthenticated");
        ask("/metrics", &[&sender]).problem(403, "forbidden");
        ask("/metrics", &[&reader, &sender]).problem(400, "malformed-request");
        if protocol == "--http1.1" {
            ask("/metrics", &[&reader, "Connection: close, authorization"]).problem(400, "malformed-request");
        }
        ask("/metrics?a=1;b=2", &[&reader]).problem(400, "malformed-request");
        for who in [&reader, &admin, &cookie] {
            let answer = ask("/metrics", &[who]);
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(
                answer.body.contains("parapet_guard_requests_total{decision=\"allow\",reason=\"account\"}")
            );
        }
        // No other spelling of the path is the metrics.
        for path in ["/%6detrics", "/metrics/", "/x/../metrics", "//metrics", "/metrics;x"] {
            let answer = ask(path, &[]);
            assert!(!answer.body.contains("parapet_guard_requests"), "{path}: {}", answer.body);
        }

        ask("/api/v1/tokens", &[]).problem(401, "unauthenticated");
        ask("/api/v1/tokens", &[&reader]).problem(403, "forbidden");
        ask("/api/v1/tokens/%2e%2e/logs", &[&admin]).problem(400, "malformed-request");
        for who in [&admin, &cookie] {
            let answer = ask("/api/v1/tokens", &[who]);
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(answer.body.contains("scraper"), "{}", answer.body);
        }
        // Behind the gate is the router's own: a session alone, which a browser sends by itself, changes nothing.
        let create = |headers: &[&str]| {
            let body = r#"{"name":"made","scopes":["read"]}"#;
            let mut arguments = vec![protocol, "--json", body];
            headers.iter().for_each(|header| arguments.extend(["-H", header]));
            curl(&server, "/api/v1/tokens", &arguments)
        };
        create(&[&cookie]).problem(403, "forged-request");
        let made = create(&[&cookie, &csrf]);
        assert_eq!(made.status, 201, "{}", made.body);
        let made: Value = serde_json::from_str(&made.body).unwrap();
        let path = format!("/api/v1/tokens/{}", made["token"]["id"].as_str().unwrap());
        let removed = curl(&server, &path, &[protocol, "-X", "DELETE", "-H", &admin]);
        assert_eq!(removed.status, 204, "{}", removed.body);
    }
    // What the gate refused, it counted.
    let counted = curl(&server, "/metrics", &["-H", &reader]).body;
    for (reason, count) in [
        ("no_credentials", 4),
        ("bad_credentials", 4),
        ("denied", 4),
        ("ambiguous_credentials", 2),
        ("query", 2),
        ("path", 2),
        ("malformed", 1),
    ] {
        let sample =
            format!("parapet_guard_requests_total{{decision=\"refuse\",reason=\"{reason}\"}} {count}");
        assert!(counted.contains(&sample), "{sample} is not in {counted}");
    }
}
