//! h2load: many requests over few connections, all answered, all forwarded once.

use tokio::process::Command;

use parapet_testbed::skip;

use crate::world::World;

async fn check(namespace: &'static str, protocol: &[&str]) {
    let Some(world) = World::new(namespace).await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&[]).await;
    let token = format!("authorization: Bearer {}", world.token().await);
    let output = Command::new("h2load")
        .args(protocol)
        .args(["-n", "2000", "-c", "16", "-H", &token, &format!("{}/metrics", guard.url)])
        .kill_on_drop(true)
        .output()
        .await;
    let Ok(output) = output else {
        return skip("h2load is not installed (`apt-get install nghttp2-client`)");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert!(said.contains("status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{said}");
    assert_eq!(world.upstream.seen().len(), 2000);
}

#[tokio::test]
async fn load_over_http_1_1() {
    check("load-http1", &["--h1"]).await;
}

#[tokio::test]
async fn load_over_http_2() {
    check("load-http2", &["-m", "10"]).await;
}
