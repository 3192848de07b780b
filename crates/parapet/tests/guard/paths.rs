//! Which paths are let through, and which without asking (scenarios 9 to 12, S5).

use crate::curl::{status, status_with};
use crate::world::World;

const ALLOWED: &str = "--allow-paths=/metrics,/api/v1/label/*/values";
const IGNORED: &str = "--ignore-paths=/metrics,/api/v1/*";

#[tokio::test]
async fn scenario_09_allow_path_not_allowed() {
    let Some(world) = World::new("allow-path-not-allowed").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&[ALLOWED]).await;
    let token = world.token().await;
    for path in ["/", "/api/v1/label/name"] {
        assert_eq!(status_with(&token, &format!("{}{path}", guard.url)).await, 404, "{path}");
    }
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn scenario_10_allow_path_allowed() {
    let Some(world) = World::new("allow-path-allowed").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&[ALLOWED]).await;
    let token = world.token().await;
    // The second is open to every authenticated user: `system:discovery` grants all below /api.
    for path in ["/metrics", "/api/v1/label/job/values"] {
        assert_eq!(status_with(&token, &format!("{}{path}", guard.url)).await, 200, "{path}");
    }
}

#[tokio::test]
async fn scenario_11_ignore_path_match() {
    let Some(world) = World::new("ignore-path-match").await else { return };
    let guard = world.guard(&[IGNORED]).await;
    for path in ["/metrics", "/api/v1/labels"] {
        assert_eq!(status(&format!("{}{path}", guard.url)).await, 200, "{path}");
    }
}

#[tokio::test]
async fn scenario_12_ignore_path_no_match() {
    let Some(world) = World::new("ignore-path-no-match").await else { return };
    for more in [None, Some("--krp-compat")] {
        let flags: Vec<&str> = [IGNORED].into_iter().chain(more).collect();
        let guard = world.guard(&flags).await;
        for path in ["/", "/api/v1/label/job/values"] {
            assert_eq!(status(&format!("{}{path}", guard.url)).await, 401, "{path} {more:?}");
        }
    }
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn scenario_s5_a_trailing_star_is_everything_below_where_asked() {
    let Some(world) = World::new("star-below").await else { return };
    let guard = world.guard(&["--ignore-paths=/api/v1/*", "--path-wildcard=below"]).await;
    for path in ["/api/v1/", "/api/v1/label/values"] {
        assert_eq!(status(&format!("{}{path}", guard.url)).await, 200, "{path}");
    }
    for path in ["/api/v1", "/api/v12"] {
        assert_eq!(status(&format!("{}{path}", guard.url)).await, 401, "{path}");
    }
    for path in ["/api/v1/%2e%2e", "/api/v1/..", "/api/v1/..%2fmetrics", "/api/v1//", "/api/v1/..;"] {
        assert_eq!(status(&format!("{}{path}", guard.url)).await, 400, "{path}");
    }
    assert_eq!(world.upstream.seen().len(), 2);
}

/// As in the released reference, so that nothing is open to anybody that wasn't before.
#[tokio::test]
async fn a_trailing_star_is_one_segment_unless_asked() {
    let Some(world) = World::new("star-segment").await else { return };
    let guard = world.guard(&["--ignore-paths=/api/v1/*"]).await;
    for path in ["/api/v1/", "/api/v1/labels"] {
        assert_eq!(status(&format!("{}{path}", guard.url)).await, 200, "{path}");
    }
    for path in ["/api/v1", "/api/v12", "/api/v1/label/values"] {
        assert_eq!(status(&format!("{}{path}", guard.url)).await, 401, "{path}");
    }
    assert_eq!(world.upstream.seen().len(), 2);
}
