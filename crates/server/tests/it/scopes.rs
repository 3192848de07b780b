//! Who may call what, for every route that the API's own description names.

use http::Method;
use parapet_access::Scope;
use serde_json::Value;

use crate::world::{As, World};

/// Routes that answer without credentials.
const PUBLIC: [(&str, &str); 2] = [("POST", "/api/v1/session"), ("GET", "/api/v1/openapi.json")];
/// Routes that only a session can call.
const SESSION_ONLY: [(&str, &str); 2] = [("GET", "/api/v1/session"), ("DELETE", "/api/v1/session")];

struct Route {
    method: Method,
    path: String,
    /// `None`: public, or for sessions alone.
    scope: Option<&'static str>,
    name: (String, String),
}

fn routes() -> Vec<Route> {
    let document: Value = serde_json::from_str(&parapet_server::openapi_json()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let security =
                operation["security"].as_array().unwrap_or_else(|| panic!("{method} {path}: no security"));
            let scope = security.iter().find_map(|way| way["token"][0].as_str());
            let scope = scope.map(|scope| if scope == "admin" { "admin" } else { "read" });
            let example = path.replace("{field}", "service_name").replace("{trace_id}", &"a".repeat(32));
            let example = example.replace("{correlation_id}", "c").replace("{id}", "0000000000000000");
            assert!(!example.contains('{'), "{example}: name an example");
            routes.push(Route { name: (method.to_string(), path.clone()), method, path: example, scope });
        }
    }
    assert!(routes.len() >= 18, "{} routes", routes.len());
    routes
}

impl Route {
    fn is_in(&self, list: &[(&str, &str)]) -> bool {
        list.iter().any(|(method, path)| (*method, *path) == (&self.name.0, &self.name.1))
    }

    async fn status(&self, world: &World, who: &As) -> u16 {
        let headers = [("content-type", "application/json")];
        let body = if self.method == Method::POST { "{}" } else { "" };
        let response = world.open(self.method.clone(), &self.path, who, &headers, body).await;
        response.status().as_u16()
    }
}

#[tokio::test]
async fn without_credentials_only_public_routes_answer() {
    let world = World::start().await;
    for route in routes() {
        let status = route.status(&world, &As::Nobody).await;
        assert_eq!(status != 401, route.is_in(&PUBLIC), "{:?}: {status}", route.name);
        assert_eq!(
            route.scope.is_none(),
            route.is_in(&PUBLIC) || route.is_in(&SESSION_ONLY),
            "{:?}",
            route.name
        );
    }
    for path in ["/metrics", "/api/v1/logs/", "/api/v1/nothing"] {
        let status = world.get(path, &As::Nobody).await.status.as_u16();
        assert!([401, 404].contains(&status), "{path}: {status}");
    }
}

#[tokio::test]
async fn each_scope_opens_its_routes_and_no_others() {
    let world = World::start().await;
    for (scope, opens) in
        [(Scope::Ingest, &[][..]), (Scope::Read, &["read"][..]), (Scope::Admin, &["read", "admin"][..])]
    {
        let token = world.token(&[scope]);
        for route in routes() {
            let status = route.status(&world, &token).await;
            let name = &route.name;
            match route.scope {
                Some(needed) if opens.contains(&needed) => {
                    assert!(![401, 403].contains(&status), "{scope:?} {name:?}: {status}");
                }
                Some(_) => assert_eq!(status, 403, "{scope:?} {name:?}"),
                None if route.is_in(&SESSION_ONLY) => assert_eq!(status, 401, "{scope:?} {name:?}"),
                None => assert_ne!(status, 403, "{scope:?} {name:?}"),
            }
        }
        let metrics = world.get("/metrics", &token).await.status;
        assert_eq!(metrics == 200, opens.contains(&"read"), "{scope:?} /metrics: {metrics}");
    }
}

#[tokio::test]
async fn a_session_of_the_admin_opens_everything() {
    let world = World::start().await;
    let session = world.login().await;
    for route in routes().into_iter().filter(|route| !route.is_in(&SESSION_ONLY)) {
        let status = route.status(&world, &session).await;
        assert!(![401, 403].contains(&status), "{:?}: {status}", route.name);
    }
}

#[tokio::test]
async fn credentials_that_are_none() {
    let world = World::start().await;
    let As::Token(good) = world.token(&[Scope::Read]) else { unreachable!() };
    let long = "x".repeat(8000);
    for bad in [String::new(), "x".into(), format!("{good}0"), good.replace("ppt_", "pat_"), long] {
        let answer = world.get("/api/v1/status", &As::Token(bad)).await;
        answer.problem(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"parapet\"");
    }
    let basic = [("authorization", "Basic YWRtaW46YWRtaW4=")];
    world.send(Method::GET, "/api/v1/status", &As::Nobody, &basic, "").await.problem(401);
    world.get("/api/v1/status", &As::Token(good)).await.ok();
}
