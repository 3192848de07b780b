//! What a known caller may do.

use http::{HeaderName, Method};
use parapet_guard::authz::{
    AttributeSource, GlobStyle, PathGlobs, ResourceTemplates, Rewrites, StaticRule, StaticRules,
    StaticTarget, Template, VerbMapping,
};
use parapet_guard::{AllowReason, RefuseReason};
use serde_json::json;

use super::{Options, World, allowed, refused};

const TOKEN: (&str, &str) = ("authorization", "Bearer good");

#[tokio::test]
async fn a_denial_names_who_and_what_and_no_reason() {
    let world = World::new().await;
    let answer = refused(world.get("/other", "good").await, 403, RefuseReason::Denied);
    assert_eq!(answer.body, "Forbidden (user=alice, verb=get, resource=, subresource=)");
    let answer = refused(world.ask(Method::HEAD, "/metrics", &[TOKEN]).await, 403, RefuseReason::Denied);
    assert_eq!(answer.body, "Forbidden (user=alice, verb=*, resource=, subresource=)");
    assert_eq!(
        world.server.access_reviews()[0],
        json!({
            "user": "alice", "uid": "u-1", "groups": ["dev", "system:authenticated"],
            "nonResourceAttributes": {"path": "/other", "verb": "get"},
        })
    );
}

#[tokio::test]
async fn a_brief_denial_names_nobody() {
    let mut options = Options::default();
    options.rules.brief = true;
    let world = World::with(options).await;
    let answer = refused(world.get("/other", "good").await, 403, RefuseReason::Denied);
    assert_eq!(answer.body, "Forbidden");
}

#[tokio::test]
async fn a_prefix_keeps_default_roles_from_fitting() {
    let mut options = Options::default();
    options.rules.path_prefix = "/guarded/app".to_owned();
    let world = World::with(options).await;
    // What the system:discovery role allows everybody.
    world.server.allows("alice", "get", "/healthz");
    refused(world.get("/healthz", "good").await, 403, RefuseReason::Denied);
    world.server.allows("alice", "get", "/guarded/app/reports");
    allowed(world.get("/reports", "good").await, AllowReason::Review);
    let asked = world.server.access_reviews();
    let paths: Vec<_> = asked.iter().map(|review| &review["nonResourceAttributes"]["path"]).collect();
    assert_eq!(paths, ["/guarded/app/healthz", "/guarded/app/reports"]);
}

#[tokio::test]
async fn verbs_of_the_api_servers_own() {
    let mut options = Options::default();
    options.rules.verbs = VerbMapping::Http;
    let world = World::with(options).await;
    world.server.allows("alice", "head", "/metrics");
    allowed(world.ask(Method::HEAD, "/metrics", &[TOKEN]).await, AllowReason::Review);
}

#[tokio::test]
async fn extra_reaches_the_review() {
    let world = World::new().await;
    let extra = json!({"authentication.kubernetes.io/pod-name": ["a"]});
    let status = json!({"authenticated": true, "user": {"username": "alice", "extra": extra}});
    world.server.answers("pods", status);
    allowed(world.get("/metrics", "pods").await, AllowReason::Review);
    assert_eq!(world.server.access_reviews()[0]["extra"], extra);
}

fn paths(allow: &[&'static str], ignore: &[&'static str]) -> Options {
    let parse = |patterns: &[&'static str], style| PathGlobs::parse(patterns.iter().copied(), style).unwrap();
    let mut options = Options::default();
    options.rules.allow = (!allow.is_empty()).then(|| parse(allow, GlobStyle::Segments));
    options.rules.ignore = parse(ignore, GlobStyle::LastSegment);
    options
}

#[tokio::test]
async fn paths_that_do_not_exist() {
    let world = World::with(paths(&["/metrics", "/api/v1/label/*/values"], &[])).await;
    for path in ["/", "/api/v1/label/name", "/metrics/"] {
        let answer = refused(world.ask(Method::GET, path, &[]).await, 404, RefuseReason::PathNotAllowed);
        assert_eq!(answer.body, "404 page not found");
    }
    allowed(world.get("/metrics", "good").await, AllowReason::Review);
    refused(world.get("/api/v1/label/job/values", "good").await, 403, RefuseReason::Denied);
}

#[tokio::test]
async fn paths_that_are_open() {
    let world = World::with(paths(&[], &["/metrics", "/api/v1/*"])).await;
    for path in ["/metrics", "/api/v1/labels", "/metrics?a=b"] {
        let grant = allowed(world.ask(Method::GET, path, &[]).await, AllowReason::IgnoredPath);
        assert_eq!(grant.identity, None);
    }
    for path in ["/", "/api/v1/label/job/values", "/METRICS", "/metrics/", "/api/v1/a;b", "/api/v1/%C3%A9"] {
        let decision = world.ask(Method::GET, path, &[]).await;
        refused(decision, 401, RefuseReason::NoCredentials);
    }
    assert_eq!(world.asked(), (0, 0));
}

fn rewritten(parameter: Option<&str>, header: Option<&'static str>) -> Options {
    let text = |text| Template::parse(text).unwrap();
    let mut options = Options::default();
    options.rules.attributes = AttributeSource::Resource(Box::new(ResourceTemplates {
        namespace: text("{{ .Value }}"),
        version: text("v1"),
        resource: text("namespaces"),
        subresource: text("metrics"),
        rewrites: Some(Rewrites {
            parameter: parameter.map(str::to_owned),
            header: header.map(HeaderName::from_static),
        }),
        ..ResourceTemplates::default()
    }));
    options
}

#[tokio::test]
async fn every_namespace_that_is_named_must_be_allowed() {
    let world = World::with(rewritten(Some("namespace"), Some("x-namespace"))).await;
    for namespace in ["a", "b", "c", "d", "e"] {
        world.server.allows("alice", "get", &format!("{namespace}/namespaces"));
    }
    allowed(world.get("/metrics?namespace=a", "good").await, AllowReason::Review);
    assert_eq!(
        world.server.access_reviews()[0]["resourceAttributes"],
        json!({"namespace": "a", "version": "v1", "resource": "namespaces", "subresource": "metrics", "verb": "get"})
    );
    let many = "/metrics?namespace=a&namespace=b&namespace=c&namespace=d&namespace=e";
    allowed(world.get(many, "good").await, AllowReason::Review);
    let one_too_many = format!("{many}&namespace=z");
    let answer = refused(world.get(&one_too_many, "good").await, 403, RefuseReason::Denied);
    assert_eq!(answer.body, "Forbidden (user=alice, verb=get, resource=namespaces, subresource=metrics)");
    let header = ("x-namespace", "z");
    let decision = world.ask(Method::GET, "/metrics?namespace=a", &[TOKEN, header]).await;
    refused(decision, 403, RefuseReason::Denied);
}

#[tokio::test]
async fn names_that_are_missing_or_none() {
    let world = World::with(rewritten(Some("namespace"), None)).await;
    let answer = refused(world.get("/metrics", "good").await, 400, RefuseReason::ParameterMissing);
    assert_eq!(answer.body, "Bad Request. The request or configuration is malformed.");
    for value in ["", "*", "..", "a/b", "A", "a,b"] {
        let target = format!("/metrics?namespace={value}");
        refused(world.get(&target, "good").await, 400, RefuseReason::ParameterInvalid);
    }
    let many: Vec<_> = (0..17).map(|n| format!("namespace=n{n}")).collect();
    let target = format!("/metrics?{}", many.join("&"));
    refused(world.get(&target, "good").await, 400, RefuseReason::ParameterInvalid);
    let form = [TOKEN, ("content-type", "application/x-www-form-urlencoded"), ("content-length", "11")];
    let decision = world.ask(Method::POST, "/metrics?namespace=a", &form).await;
    refused(decision, 415, RefuseReason::FormBody);
    assert_eq!(world.asked().1, 0);
}

fn rule(user: &str, groups: &[&str], target: StaticTarget) -> StaticRules {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    StaticRules(vec![StaticRule { user: user.to_owned(), groups, verb: "get".to_owned(), target }])
}

#[tokio::test]
async fn a_static_rule_asks_nobody() {
    let mut options = rewritten(Some("namespace"), None);
    let target = StaticTarget::Resource {
        namespace: "default".to_owned(),
        group: String::new(),
        resource: "namespaces".to_owned(),
        subresource: "metrics".to_owned(),
        name: String::new(),
    };
    options.rules.rules = rule("alice", &[], target);
    let world = World::with(options).await;
    allowed(world.get("/metrics?namespace=default", "good").await, AllowReason::StaticRule);
    assert_eq!(world.asked(), (1, 0));
    refused(world.get("/metrics?namespace=forbidden", "good").await, 403, RefuseReason::Denied);
}

/// The reference lets everybody through by a rule that names only groups.
#[tokio::test]
async fn static_groups_are_looked_at() {
    for (group, status) in [("dev", None), ("ops", Some(403))] {
        let mut options = Options::default();
        options.rules.rules = rule("", &[group], StaticTarget::Path("/other".to_owned()));
        let world = World::with(options).await;
        let decision = world.get("/other", "good").await;
        assert_eq!(decision.err().map(|refusal| refusal.status.as_u16()), status, "{group}");
    }
}
