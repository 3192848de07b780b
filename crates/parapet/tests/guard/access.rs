//! Who may come in: tokens, client certificates, audiences (scenarios 1 to 8).

use parapet_testbed::{Authority, Leaf};

use crate::curl::{curl, status, status_with};
use crate::upstream::written;
use crate::world::{World, path_text};

#[tokio::test]
async fn scenario_01_basics_no_rbac() {
    let Some(world) = World::new("basics-no-rbac").await else { return };
    let guard = world.guard(&[]).await;
    assert_eq!(status_with(&world.token().await, &format!("{}/metrics", guard.url)).await, 403);
    assert_eq!(status(&format!("{}/metrics", guard.url)).await, 401);
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn scenario_02_basics_with_rbac() {
    let Some(world) = World::new("basics-with-rbac").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&[]).await;
    let token = world.token().await;
    assert_eq!(status_with(&token, &format!("{}/metrics", guard.url)).await, 200);
    let seen = world.upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target, "/metrics");
    assert!(!seen[0].headers.contains_key("authorization"), "the token stays here: {seen:?}");
    // The role is for one path and one method.
    assert_eq!(status_with(&token, &format!("{}/other", guard.url)).await, 403);
    let header = format!("Authorization: Bearer {token}");
    let posted = curl(&format!("{}/metrics", guard.url), &["--header", &header, "--data", "a"]).await;
    assert_eq!(posted.status, 403);
}

#[tokio::test]
async fn scenario_03_h2c_upstream() {
    let Some(world) = World::new("h2c-upstream").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&["--upstream-force-h2c"]).await;
    assert_eq!(status_with(&world.token().await, &format!("{}/metrics", guard.url)).await, 200);
    assert_eq!(world.upstream.seen()[0].version, hyper::Version::HTTP_2);
}

/// The user of the scenario's certificate. Scenarios share a cluster, so what one is granted another must not be called.
fn user(world: &World) -> String {
    format!("{}-test-client", world.namespace)
}

/// A guard that knows a CA, and the arguments for curl to show a certificate of it for [`user`].
async fn certificates(world: &World, its_own_ca: bool) -> (String, Vec<String>) {
    let authority = Authority::new("clients").unwrap();
    let pair = authority.sign(Leaf { common_name: &user(world), ..Leaf::default() }).unwrap();
    let (certificate, key) = written(&pair, world.cluster.sandbox(), &format!("{}-client", world.namespace));
    let ca = if its_own_ca {
        world.file("ca.crt", authority.certificate())
    } else {
        path_text(world.cluster.ca())
    };
    (format!("--client-ca-file={ca}"), vec!["--cert".into(), certificate, "--key".into(), key])
}

async fn status_with_certificate(url: &str, arguments: &[String]) -> u16 {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    curl(url, &arguments).await.status
}

#[tokio::test]
async fn scenario_04_client_certificate_no_rbac() {
    let Some(world) = World::new("client-cert-no-rbac").await else { return };
    let (ca, shown) = certificates(&world, true).await;
    let guard = world.guard(&[&ca]).await;
    assert_eq!(status_with_certificate(&format!("{}/metrics", guard.url), &shown).await, 403);
}

#[tokio::test]
async fn scenario_05_client_certificate_with_rbac() {
    let Some(world) = World::new("client-cert-with-rbac").await else { return };
    let subject = format!("{{kind: User, name: {}, apiGroup: rbac.authorization.k8s.io}}", user(&world));
    world.grant_metrics_to(&subject, &user(&world)).await;
    let (ca, shown) = certificates(&world, true).await;
    let guard = world.guard(&[&ca]).await;
    assert_eq!(status_with_certificate(&format!("{}/metrics", guard.url), &shown).await, 200);
    assert_eq!(status(&format!("{}/metrics", guard.url)).await, 401);
}

#[tokio::test]
async fn scenario_06_client_certificate_of_the_wrong_ca() {
    let Some(world) = World::new("client-cert-wrong-ca").await else { return };
    let subject = format!("{{kind: User, name: {}, apiGroup: rbac.authorization.k8s.io}}", user(&world));
    world.grant_metrics_to(&subject, &user(&world)).await;
    let (ca, shown) = certificates(&world, false).await;
    let guard = world.guard(&[&ca]).await;
    assert_eq!(status_with_certificate(&format!("{}/metrics", guard.url), &shown).await, 401);
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn scenario_07_token_audience_incorrect() {
    let Some(world) = World::new("audience-incorrect").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&["--auth-token-audiences=kube-rbac-proxy"]).await;
    let token = world.cluster.token(world.namespace, "default", &["wrong-audience"]).await.unwrap();
    assert_eq!(status_with(&token, &format!("{}/metrics", guard.url)).await, 401);
}

#[tokio::test]
async fn scenario_08_token_audience_correct() {
    let Some(world) = World::new("audience-correct").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&["--auth-token-audiences=kube-rbac-proxy"]).await;
    let token = world.cluster.token(world.namespace, "default", &["kube-rbac-proxy"]).await.unwrap();
    assert_eq!(status_with(&token, &format!("{}/metrics", guard.url)).await, 200);
    // The API server's own audience is not the guard's.
    assert_eq!(status_with(&world.token().await, &format!("{}/metrics", guard.url)).await, 401);
}
