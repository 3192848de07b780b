//! Static rules, which need no review (scenarios 17 to 20).

use crate::curl::status_with;
use crate::world::World;

/// An account that may have tokens reviewed but not access: what is let through was let through by a rule.
const NO_ACCESS_REVIEWS: &str = "default";

async fn resource_world(namespace: &'static str) -> Option<(World, String)> {
    let world = World::new(namespace).await?;
    let rules = format!(
        "authorization:
  resourceAttributes: {{namespace: '{{{{ .Value }}}}', apiVersion: v1, resource: namespaces, subresource: metrics}}
  rewrites: {{byQueryParameter: {{name: namespace}}}}
  static:
  - {{user: {{name: '{}'}}, resourceRequest: true, resource: namespaces, subresource: metrics, namespace: default, verb: get}}
",
        world.user("default")
    );
    let config = format!("--config-file={}", world.file("rules.yaml", &rules));
    Some((world, config))
}

#[tokio::test]
async fn scenario_17_static_resource_granted() {
    let Some((world, config)) = resource_world("static-resource").await else { return };
    let guard = world.guard(&[&config]).await;
    let url = format!("{}/metrics?namespace=default", guard.url);
    assert_eq!(status_with(&world.token().await, &url).await, 200);
    assert_eq!(world.upstream.seen()[0].target, "/metrics?namespace=default");
}

#[tokio::test]
async fn scenario_18_static_resource_forbidden() {
    let Some((world, config)) = resource_world("static-resource-no").await else { return };
    let guard = world.guard(&[&config]).await;
    let token = world.token().await;
    assert_eq!(status_with(&token, &format!("{}/metrics?namespace=forbidden", guard.url)).await, 403);
    // One namespace that is allowed doesn't carry another along, however it is written.
    for query in ["namespace=default&namespace=forbidden", "namespace=default&a=1;namespace=forbidden", ""] {
        let status = status_with(&token, &format!("{}/metrics?{query}", guard.url)).await;
        assert!([400, 403].contains(&status), "{query}: {status}");
    }
    assert!(world.upstream.seen().is_empty());
}

async fn path_world(namespace: &'static str) -> Option<(World, String)> {
    let world = World::new(namespace).await?;
    let rules = format!(
        "authorization:\n  static:\n  - {{user: {{name: '{}'}}, resourceRequest: false, path: /metrics, verb: get}}\n",
        world.user("default")
    );
    let config = format!("--config-file={}", world.file("rules.yaml", &rules));
    Some((world, config))
}

#[tokio::test]
async fn scenario_19_static_path_granted() {
    let Some((world, config)) = path_world("static-path").await else { return };
    let guard = world.guard(&[&config]).await;
    assert_eq!(status_with(&world.token().await, &format!("{}/metrics", guard.url)).await, 200);
}

#[tokio::test]
async fn scenario_20_static_path_forbidden() {
    let Some((world, config)) = path_world("static-path-no").await else { return };
    let guard = world.guard(&[&config]).await;
    assert_eq!(status_with(&world.token().await, &format!("{}/forbidden", guard.url)).await, 403);
}

#[tokio::test]
async fn a_static_rule_asks_for_no_access_review() {
    let Some((world, config)) = path_world("static-no-review").await else { return };
    // Tokens only: a SubjectAccessReview would be refused, and the request with it.
    let role = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: {0}-tokens}}, \
         rules: [{{apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}}]}}\n---\n\
         {{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: {0}-tokens}}, \
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {0}-tokens}}, \
         subjects: [{{kind: ServiceAccount, name: {NO_ACCESS_REVIEWS}, namespace: {0}}}]}}",
        world.namespace
    );
    world.cluster.apply(&role, world.namespace).await.unwrap();
    let reviews = crate::world::What::Create("authentication.k8s.io", "tokenreviews");
    world.wait_until_allowed(&world.user(NO_ACCESS_REVIEWS), reviews).await;
    let upstream = format!("--upstream={}", world.upstream.url());
    let guard = world.guard_of(NO_ACCESS_REVIEWS, &[&upstream, &config]).await;
    let token = world.token().await;
    assert_eq!(status_with(&token, &format!("{}/metrics", guard.url)).await, 200);
    let refused = status_with(&token, &format!("{}/other", guard.url)).await;
    assert!([403, 503].contains(&refused), "{refused}");
}
