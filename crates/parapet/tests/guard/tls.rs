//! Protocol versions towards clients (scenarios 13 to 16, 21, 22).

use crate::curl::curl;
use crate::world::World;

/// `oldest` is the oldest version that curl would accept; the guard picks TLS 1.2 or newer.
async fn check_oldest(namespace: &'static str, oldest: &str) {
    let Some(world) = World::new(namespace).await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&[]).await;
    let token = format!("Authorization: Bearer {}", world.token().await);
    let answer = curl(&format!("{}/metrics", guard.url), &["--header", &token, oldest]).await;
    assert_eq!((answer.exit, answer.status), (0, 200));
}

#[tokio::test]
async fn scenario_13_tls_1_0() {
    check_oldest("tls10", "--tlsv1.0").await;
}

#[tokio::test]
async fn scenario_14_tls_1_1() {
    check_oldest("tls11", "--tlsv1.1").await;
}

#[tokio::test]
async fn scenario_15_tls_1_2() {
    check_oldest("tls12", "--tlsv1.2").await;
}

#[tokio::test]
async fn scenario_16_tls_1_3() {
    check_oldest("tls13", "--tlsv1.3").await;
}

#[tokio::test]
async fn tls_1_1_at_most_is_refused_and_1_2_at_most_is_not() {
    let Some(world) = World::new("tls-newest").await else { return };
    let guard = world.guard(&["--ignore-paths=/metrics"]).await;
    let url = format!("{}/metrics", guard.url);
    // OpenSSL offers TLS 1.1 at its lowest security level only.
    let old = curl(&url, &["--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0"]).await;
    assert_eq!((old.exit, old.status), (35, 0), "{old:?}");
    assert_eq!(curl(&url, &["--tls-max", "1.2"]).await.status, 200);
}

#[tokio::test]
async fn scenario_21_http2_enabled() {
    let Some(world) = World::new("http2-enabled").await else { return };
    let guard = world.guard(&["--ignore-paths=/metrics"]).await;
    let answer = curl(&format!("{}/metrics", guard.url), &["--head", "--http2"]).await;
    assert_eq!((answer.status, &*answer.version), (200, "2"));
}

#[tokio::test]
async fn scenario_22_http2_disabled() {
    let Some(world) = World::new("http2-disabled").await else { return };
    let guard = world.guard(&["--ignore-paths=/metrics", "--http2-disable"]).await;
    let answer = curl(&format!("{}/metrics", guard.url), &["--head", "--http2"]).await;
    assert_eq!((answer.status, &*answer.version), (200, "1.1"));
}
