//! Parameters: the ones that are described are known, all others are refused by name.

use parapet_access::Scope;
use serde_json::Value;

use crate::world::{World, encoded};

/// GET routes under the read scope: path and names of query parameters.
fn described() -> Vec<(String, Vec<String>)> {
    let document: Value = serde_json::from_str(&parapet_server::openapi_json()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"];
        if operation["security"][1]["token"].is_null() {
            continue;
        }
        let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let names = parameters.iter().filter(|parameter| parameter["in"] == "query");
        let path = path.replace("{field}", "service_name").replace("{trace_id}", &"a".repeat(32));
        let path = path.replace("{correlation_id}", "c");
        found.push((path, names.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()));
    }
    found
}

#[tokio::test]
async fn unknown_parameters_are_refused_and_the_message_lists_exactly_the_described_ones() {
    let world = World::start().await;
    let admin = world.token(&[Scope::Admin]);
    for (path, mut names) in described() {
        let problem = world.get(&format!("{path}?sevice=x"), &admin).await.problem(400);
        let errors = problem["errors"].as_array().unwrap();
        let unknown = errors
            .iter()
            .find(|error| error["name"] == "sevice")
            .unwrap_or_else(|| panic!("{path}: {problem}"));
        let detail = unknown["detail"].as_str().unwrap();
        let mut listed: Vec<_> = match detail.strip_prefix("unknown parameter; expected one of ") {
            Some(list) => list.split(", ").map(str::to_owned).collect(),
            None => Vec::new(),
        };
        listed.sort();
        names.sort();
        assert_eq!(listed, names, "{path}");
    }
}

#[tokio::test]
async fn bad_values_say_what_was_expected() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    for (query, name, expected) in [
        ("logs?limit=0", "limit", "a number from 1 to 1000"),
        ("logs?limit=1001", "limit", "a number from 1 to 1000"),
        ("logs?limit=ten", "limit", "a number from 1 to 1000"),
        ("logs?limit=1&limit=2", "limit", "given more than once"),
        ("logs?from=yesterday", "from", "an RFC 3339 time"),
        ("logs?to=2026-13-01T00:00:00Z", "to", "an RFC 3339 time"),
        ("logs?from=now&to=now-1h", "from", "to be before `to`"),
        ("logs?severity_min=25", "severity_min", "a number from 1 to 24"),
        ("logs?trace_id=xyz", "trace_id", "32 hexadecimal digits"),
        ("logs/histogram?buckets=0", "buckets", "a number from 1 to 1000"),
        ("logs/follow?after=-1", "after", "a number from 0"),
        ("traces?status=ok", "status", "`error`"),
        ("traces?min_duration_ms=1.5", "min_duration_ms", "a number from 0"),
        ("traffic/events?status_class=6xx", "status_class", "2xx, 3xx, 4xx, 5xx or other"),
        ("logs?filter=x", "filter", r#"expected JSON such as {"eq":"#),
        ("logs?filter=%7B%22equals%22:%7B%7D%7D", "filter", "expected one of `and`, `or`, `not`, `eq`"),
        (
            "logs/histogram?filter=%7B%22eq%22:%7B%22field%22:%22no%22,%22value%22:1%7D%7D",
            "filter",
            "no field \"no\"; there are ts,",
        ),
        (
            "logs/follow?filter=%7B%22eq%22:%7B%22field%22:%22seq%22,%22value%22:%22x%22%7D%7D",
            "filter",
            "cannot be compared with",
        ),
        ("logs/fields/service_name?filter=%5B%5D", "filter", "expected JSON such as"),
        (
            "traffic/events?filter=%7B%22eq%22:%7B%22field%22:%22body%22,%22value%22:%22x%22%7D%7D",
            "filter",
            "no field \"body\"",
        ),
        (
            "traces?filter=%7B%22eq%22:%7B%22field%22:%22body%22,%22value%22:%22x%22%7D%7D",
            "filter",
            "no field \"body\"",
        ),
        ("metrics/series", "name", "the name of a metric"),
    ] {
        let problem = world.get(&format!("/api/v1/{query}"), &token).await.problem(400);
        let error = &problem["errors"][0];
        assert_eq!(error["name"], name, "{query}: {problem}");
        assert!(error["detail"].as_str().unwrap().contains(expected), "{query}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(name), "{query}: {problem}");
    }
}

#[tokio::test]
async fn filters_are_bounded() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let deep = |levels: usize| {
        encoded(&format!("{}{{\"and\":[]}}{}", "{\"not\":".repeat(levels), "}".repeat(levels)))
    };
    let long = |bytes: usize| {
        let text = "x".repeat(bytes);
        encoded(&format!(r#"{{"contains":{{"field":"body","text":"{text}"}}}}"#))
    };
    world.get(&format!("/api/v1/logs?filter={}", deep(16)), &token).await.ok();
    world.get(&format!("/api/v1/logs?filter={}", long(4096)), &token).await.ok();
    for (filter, expected) in [
        (deep(17), "at most 16 levels"),
        // Deeper than the parser goes.
        (deep(500), "expected JSON such as"),
        (long(4097), "longer than 4096 bytes"),
        (long(8192), "expected 8192 bytes at most"),
    ] {
        for list in ["logs", "traces", "traffic/events"] {
            let problem = world.get(&format!("/api/v1/{list}?filter={filter}"), &token).await.problem(400);
            assert_eq!(problem["errors"][0]["name"], "filter");
            if list == "logs" {
                assert!(problem["detail"].as_str().unwrap().contains(expected), "{problem}");
            }
        }
    }
}

#[tokio::test]
async fn all_that_is_wrong_is_named_at_once() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let problem = world.get("/api/v1/logs?limit=0&from=x&nonsense=1", &token).await.problem(400);
    let mut names: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["from", "limit", "nonsense"]);
}

#[tokio::test]
async fn a_cursor_that_is_not_ours_is_refused() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    for list in ["logs", "traces", "traffic/events"] {
        world.get(&format!("/api/v1/{list}?cursor=nonsense"), &token).await.problem(400);
    }
}
