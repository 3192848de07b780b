//! A real API server answers: reviews, workloads, strict validation.

use anyhow::{Context as _, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::PostParams;
use kube::runtime::{conditions, wait};
use kube::{Api, Client};
use parapet_testbed::Cluster;

async fn review(client: &Client, token: &str, audiences: &[&str]) -> Result<TokenReviewStatus> {
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: Some(token.to_owned()),
            audiences: Some(audiences.iter().map(|&audience| audience.to_owned()).collect()),
        },
        ..TokenReview::default()
    };
    let reviews: Api<TokenReview> = Api::all(client.clone());
    reviews.create(&PostParams::default(), &review).await?.status.context("a review has a status")
}

async fn may_get_metrics(client: &Client, user: &str) -> Result<SubjectAccessReviewStatus> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            non_resource_attributes: Some(NonResourceAttributes {
                path: Some("/metrics".into()),
                verb: Some("get".into()),
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    reviews.create(&PostParams::default(), &review).await?.status.context("a review has a status")
}

#[tokio::test]
async fn tokens_are_reviewed_by_audience() -> Result<()> {
    let Some(cluster) = Cluster::shared().await else { return Ok(()) };
    cluster.namespace("tokens").await?;
    let client = cluster.client().await?;
    let token = cluster.token("tokens", "default", &["guard"]).await?;
    let accepted = review(&client, &token, &["guard", "other"]).await?;
    assert_eq!(accepted.authenticated, Some(true));
    assert_eq!(accepted.audiences, Some(vec!["guard".to_owned()]));
    let user = accepted.user.and_then(|user| user.username);
    assert_eq!(user.as_deref(), Some("system:serviceaccount:tokens:default"));
    assert_ne!(review(&client, &token, &["other"]).await?.authenticated, Some(true));
    assert_ne!(review(&client, "no token", &[]).await?.authenticated, Some(true));
    Ok(())
}

#[tokio::test]
async fn access_is_reviewed_by_role() -> Result<()> {
    let Some(cluster) = Cluster::shared().await else { return Ok(()) };
    cluster.namespace("access").await?;
    let client = cluster.client().await?;
    let user = "system:serviceaccount:access:default";
    assert!(!may_get_metrics(&client, user).await?.allowed);
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: access-metrics}
rules: [{nonResourceURLs: [/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: access-metrics}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: access-metrics}
subjects: [{kind: ServiceAccount, name: default, namespace: access}]
";
    cluster.apply(role, "access").await?;
    // The authoriser reads roles through a watch; there is no telling when it has seen one but asking.
    while !may_get_metrics(&client, user).await?.allowed {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_deployment_becomes_ready_without_containers() -> Result<()> {
    let Some(cluster) = Cluster::shared().await else { return Ok(()) };
    cluster.namespace("workload").await?;
    cluster.kwok().await?;
    let deployment = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.com/web}]}
";
    cluster.apply(deployment, "workload").await?;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client().await?, "workload");
    wait::await_condition(deployments.clone(), "web", conditions::is_deployment_completed()).await?;
    let status = deployments.get("web").await?.status.context("a Deployment has a status")?;
    assert_eq!(status.ready_replicas, Some(3));
    Ok(())
}

#[tokio::test]
async fn an_unknown_key_is_refused() -> Result<()> {
    let Some(cluster) = Cluster::shared().await else { return Ok(()) };
    cluster.namespace("strict").await?;
    let typo = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {prots: [{port: 80}]}}";
    let refused = cluster.apply(typo, "strict").await.unwrap_err();
    assert!(format!("{refused:#}").contains("prots"), "{refused:#}");
    Ok(())
}

#[tokio::test]
async fn new_kinds_can_be_defined() -> Result<()> {
    let Some(cluster) = Cluster::shared().await else { return Ok(()) };
    cluster.namespace("kinds").await?;
    let definition = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gates.testbed.example.com}
spec:
  group: testbed.example.com
  scope: Namespaced
  names: {kind: Gate, plural: gates}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {wide: {type: boolean}}
";
    cluster.define(definition).await?;
    let gate = |key: &str| {
        format!(
            "{{apiVersion: testbed.example.com/v1, kind: Gate, metadata: {{name: a}}, spec: {{{key}: true}}}}"
        )
    };
    assert_eq!(cluster.apply(&gate("wide"), "kinds").await?.len(), 1);
    assert!(cluster.apply(&gate("high"), "kinds").await.is_err());
    Ok(())
}
