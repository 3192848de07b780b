//! Rows that were stored are found: pages, cursors, counts.

use parapet_access::Scope;

use crate::world::{World, encoded};

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let lines: Vec<String> = (0..25).map(|n| format!("line {n}")).collect();
    world.log("shop", &lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.log("other", &["noise"]).await;

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            world.get(&format!("/api/v1/logs?service=shop&limit=10&cursor={cursor}"), &token).await.ok();
        let rows = page["rows"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| row["body"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
        // Rows that arrive meanwhile do not move those of the page.
        world.log("shop", &["later"]).await;
    }
    let expect: Vec<String> = lines.into_iter().rev().collect();
    assert_eq!(seen, expect);
}

#[tokio::test]
async fn filters_reach_the_store() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    world.log("shop", &["payment failed: timeout", "payment ok", "Timeout of something else"]).await;
    let bodies = async |query: &str| {
        let page = world.get(&format!("/api/v1/logs?{query}"), &token).await.ok();
        let rows = page["rows"].as_array().unwrap().clone();
        rows.iter().map(|row| row["body"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(bodies("q=timeout").await.len(), 2);
    assert_eq!(bodies("q=timeout+-payment").await, ["Timeout of something else"]);
    assert_eq!(bodies("q=%22payment+failed%22").await, ["payment failed: timeout"]);
    assert_eq!(bodies("service=shop&q=").await.len(), 3);
    assert_eq!(bodies("service=none").await.len(), 0);
    assert_eq!(bodies("severity_min=13").await.len(), 0);
    assert_eq!(bodies("from=now-2h&to=now-1h").await.len(), 0);

    let values = world.get("/api/v1/logs/fields/service_name", &token).await.ok();
    assert_eq!(values["values"], serde_json::json!([{"value": "shop", "count": 3}]));
    let histogram = world.get("/api/v1/logs/histogram?to=now%2B1m&buckets=10", &token).await.ok();
    let counts =
        histogram["buckets"].as_array().unwrap().iter().map(|bucket| bucket["counts"]["INFO"].as_u64());
    assert_eq!(counts.flatten().sum::<u64>(), 3);
}

#[tokio::test]
async fn any_column_and_any_attribute_can_be_filtered_by() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    world.log("shop", &["one", "two"]).await;
    world.log("other", &["three"]).await;
    let of_shop = r#"{"eq":{"field":"resource.service.name","value":"shop"}}"#;
    let not_two = r#"{"not":{"in":{"field":"body","values":["two"]}}}"#;
    let both = format!(r#"{{"and":[{of_shop},{not_two}]}}"#);
    let of_tests = r#"{"eq":{"field":"resource.test","value":true}}"#;
    for (filter, expect) in [
        (of_tests, &["three", "two", "one"][..]),
        (of_shop, &["two", "one"][..]),
        (not_two, &["three", "one"]),
        (&both, &["one"]),
    ] {
        let filter = encoded(filter);
        let page = world.get(&format!("/api/v1/logs?filter={filter}"), &token).await.ok();
        let bodies: Vec<_> =
            page["rows"].as_array().unwrap().iter().map(|row| row["body"].as_str().unwrap()).collect();
        assert_eq!(bodies, expect);

        let histogram =
            world.get(&format!("/api/v1/logs/histogram?to=now%2B1m&filter={filter}"), &token).await.ok();
        let buckets = histogram["buckets"].as_array().unwrap();
        let counted: u64 = buckets.iter().filter_map(|bucket| bucket["counts"]["INFO"].as_u64()).sum();
        assert_eq!(counted, expect.len() as u64);

        let values =
            world.get(&format!("/api/v1/logs/fields/service_name?filter={filter}"), &token).await.ok();
        let counted: u64 =
            values["values"].as_array().unwrap().iter().filter_map(|value| value["count"].as_u64()).sum();
        assert_eq!(counted, expect.len() as u64);
    }
}

#[tokio::test]
async fn an_empty_store_answers_empty_never_an_error() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    for path in [
        "logs",
        "logs/histogram",
        "logs/fields/k8s_pod_name",
        "traces",
        "traffic/overview",
        "traffic/overview?from=now-365d",
        "traffic/events",
        "metrics/names",
        "metrics/series?name=none",
        "status",
    ] {
        world.get(&format!("/api/v1/{path}"), &token).await.ok();
    }
}
