//! SQL: what is answered, and the classes of refusals.

use parapet_access::Scope;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn rows_come_back_with_their_columns() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    world.log("shop", &["a", "b", "c"]).await;
    let query = json!({"query": "SELECT service_name, count(*) AS n FROM logs GROUP BY 1"}).to_string();
    let result = world.post("/api/v1/sql", &token, &query).await.ok();
    assert_eq!(result["rows"], json!([["shop", 3]]));
    assert_eq!(result["columns"][1]["name"], "n");
    assert_eq!(result["truncated"], false);
    let query = json!({"query": "SELECT body FROM logs", "max_rows": 2}).to_string();
    let result = world.post("/api/v1/sql", &token, &query).await.ok();
    assert_eq!((result["rows"].as_array().unwrap().len(), &result["truncated"]), (2, &json!(true)));
}

#[tokio::test]
async fn refusals_say_whose_fault_it_is() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    for (query, status) in [
        ("SELEC 1", 400),
        ("", 400),
        ("SELECT nothing FROM logs", 400),
        ("SELECT 1; SELECT 2", 400),
        ("DROP TABLE logs", 403),
        ("INSERT INTO logs VALUES (1)", 403),
        ("COPY logs TO '/tmp/x'", 403),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", 403),
        ("SET datafusion.execution.batch_size = 1", 403),
    ] {
        let answer = world.post("/api/v1/sql", &token, &json!({ "query": query }).to_string()).await;
        answer.problem(status);
    }
    let endless = "WITH t AS (SELECT * FROM generate_series(1, 100000)) SELECT count(*) FROM t a, t b, t c";
    let slow = json!({"query": endless, "timeout_ms": 20});
    let answer = world.post("/api/v1/sql", &token, &slow.to_string()).await;
    assert!([400, 422].contains(&answer.status.as_u16()), "{answer:?}");
}

#[tokio::test]
async fn limits_out_of_range_are_named() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let wrong = json!({"query": "SELECT 1", "max_rows": 10_001, "timeout_ms": 0}).to_string();
    let problem = world.post("/api/v1/sql", &token, &wrong).await.problem(400);
    assert_eq!(problem["errors"][0]["name"], "max_rows");
    assert_eq!(problem["errors"][1]["name"], "timeout_ms");
}
