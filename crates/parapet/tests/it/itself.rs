//! What the server says of itself goes where everything else goes.

use crate::world::Up;

#[test]
fn what_is_asked_of_the_server_becomes_a_trace_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Up::start(&folder.path().join("data"), &["--no-host"]);
    let spans = "SELECT r.name AS request, r.kind, attr(r.attributes, 'http.response.status_code') AS status, \
                 q.name AS query FROM spans r JOIN spans q ON q.parent_span_id = r.span_id AND q.trace_id = r.trace_id \
                 WHERE r.service_name = 'parapet' LIMIT 1";
    // Each time it is asked is one more to be found: the first answers come before the first spans are delivered.
    let found = loop {
        if let Some(row) = server.sql(spans).pop() {
            break row;
        }
    };
    let expect =
        serde_json::json!({"request": "POST /api/v1/sql", "kind": "server", "status": "200", "query": "sql"});
    assert_eq!(found, expect);
    let (status, said) = server.interrupt();
    assert!(status.success(), "{said}");
}
