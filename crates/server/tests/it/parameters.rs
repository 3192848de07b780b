//! Parameters: the ones that are described are known, all others are refused by name.

use parapet_access::Scope;
use serde_json::Value;

use crate::world::World;

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
