//! When the answer must be no: roles and accounts that are gone, an API server that can't be asked, rights of its own that lack.

use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;
use kube::api::DeleteParams;

use crate::curl::{curl, status_with};
use crate::world::{GUARD, World};

/// The guard forgets by time alone, so all that a caller can do is to ask again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[tokio::test]
async fn access_ends_soon_after_its_role() {
    let Some(world) = World::new("role-gone").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&["--cache-allowed=1s"]).await;
    let (token, url) = (world.token().await, format!("{}/metrics", guard.url));
    assert_eq!(status_with(&token, &url).await, 200);
    let bindings: Api<ClusterRoleBinding> = Api::all(world.cluster.client().await.unwrap());
    bindings.delete("role-gone-metrics", &DeleteParams::default()).await.unwrap();
    // It hangs if the guard remembers for ever; the next test does the same for tokens.
    while status_with(&token, &url).await != 403 {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[tokio::test]
async fn a_token_ends_soon_after_its_account() {
    let Some(world) = World::new("account-gone").await else { return };
    world
        .cluster
        .apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: reader}}", "account-gone")
        .await
        .unwrap();
    let subject = "{kind: ServiceAccount, name: reader, namespace: account-gone}";
    world.grant_metrics_to(subject, &world.user("reader")).await;
    let guard = world.guard(&["--cache-allowed=1s"]).await;
    let token = world.cluster.token("account-gone", "reader", &[]).await.unwrap();
    let url = format!("{}/metrics", guard.url);
    assert_eq!(status_with(&token, &url).await, 200);
    let accounts: Api<ServiceAccount> =
        Api::namespaced(world.cluster.client().await.unwrap(), "account-gone");
    accounts.delete("reader", &DeleteParams::default()).await.unwrap();
    while status_with(&token, &url).await != 401 {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[tokio::test]
async fn an_api_server_that_is_not_there_is_a_refusal_that_says_when_to_come_again() {
    let Some(world) = World::new("no-api-server").await else { return };
    world.grant_metrics().await;
    let token = world.token().await;
    let kubeconfig =
        std::fs::read_to_string(world.cluster.kubeconfig_of("no-api-server", GUARD).await.unwrap()).unwrap();
    // Port 1 is nobody's on a machine of today.
    let nobody =
        world.file("nobody.kubeconfig", &kubeconfig.replace(world.cluster.server(), "https://127.0.0.1:1"));
    let guard = world.guard(&[&format!("--kubeconfig={nobody}"), "--review-timeout=1s"]).await;
    let headers = ["--include", "--header", &format!("Authorization: Bearer {token}")];
    let answer = curl(&format!("{}/metrics", guard.url), &headers).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.to_lowercase().contains("retry-after:"), "{answer:?}");
    assert!(world.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_guard_without_rights_of_its_own_lets_nobody_in() {
    let Some(world) = World::new("no-own-rights").await else { return };
    world.grant_metrics().await;
    let upstream = format!("--upstream={}", world.upstream.url());
    let guard = world.guard_of("default", &[&upstream]).await;
    let status = status_with(&world.token().await, &format!("{}/metrics", guard.url)).await;
    assert!([401, 503].contains(&status), "{status}");
    assert!(world.upstream.seen().is_empty());
}
