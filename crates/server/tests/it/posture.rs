//! Who can reach whom, over the wire.

use parapet_access::Scope;
use parapet_server::posture::{
    Explained, GeneratedPolicy, Posture, PostureError, PostureSource, PostureWorkload, Protocol,
};
use serde_json::json;

use crate::world::{As, World};

/// Knows one pair, and says what it was asked.
pub(crate) struct Fixed;

impl PostureSource for Fixed {
    fn posture(&self) -> Result<Posture, PostureError> {
        let workload = |name: &str| PostureWorkload {
            id: format!("shop/{name}[Deployment]"),
            namespace: "shop".into(),
            name: name.into(),
            kind: "Deployment".into(),
            exposed_outside: false,
            isolated_ingress: true,
            isolated_egress: false,
        };
        Ok(Posture {
            configured: true,
            workloads: vec![workload("db"), workload("web")],
            ports: vec!["TCP 5432".into()],
            cells: vec![[1, 0, 0]],
            ..Posture::default()
        })
    }

    fn explain(
        &self,
        source: &str,
        destination: &str,
        protocol: Protocol,
        port: u16,
    ) -> Result<Explained, PostureError> {
        if source == "nobody" {
            return Err(PostureError::Unknown("no workload is named nobody".into()));
        }
        let modes = format!("{source} {destination} {protocol:?} {port}");
        Ok(Explained { allowed: true, modes, verdicts: Vec::new() })
    }

    fn policy(&self, namespace: &str) -> Result<GeneratedPolicy, PostureError> {
        match namespace {
            "huge" => Err(PostureError::TooLarge("ask the command line".into())),
            "broken" => Err(PostureError::Failed("a secret path".into())),
            _ => panic!("as the test wants it"),
        }
    }
}

#[tokio::test]
async fn the_summary_names_ends_once_and_pairs_by_number() {
    let world = World::start().await;
    let answer = world.get("/api/v1/posture", &world.token(&[Scope::Read])).await.ok();
    assert_eq!(answer["workloads"][0]["id"], "shop/db[Deployment]");
    assert_eq!(answer["cells"], json!([[1, 0, 0]]));
    assert_eq!(answer["ports"], json!(["TCP 5432"]));
    world.get("/api/v1/posture", &As::Nobody).await.problem(401);
}

#[tokio::test]
async fn a_connection_is_asked_about_by_four_parameters() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let ask = async |query: &str| world.get(&format!("/api/v1/posture/explain?{query}"), &token).await;
    let answer = ask("source=shop/web[Deployment]&destination=10.0.0.1&protocol=udp&port=53").await.ok();
    assert_eq!(answer["modes"], "shop/web[Deployment] 10.0.0.1 Udp 53");
    let answer = ask("source=a&destination=b&port=1").await.ok();
    assert_eq!(answer["modes"], "a b Tcp 1");
    ask("source=nobody&destination=b&port=1").await.problem(404);
    for (wrong, name) in [
        ("destination=b&port=1", "source"),
        ("source=a&port=1", "destination"),
        ("source=a&destination=b", "port"),
        ("source=a&destination=b&port=0", "port"),
        ("source=a&destination=b&port=65536", "port"),
        ("source=a&destination=b&port=1&protocol=icmp", "protocol"),
        ("source=a&destination=b&port=1&to=c", "to"),
    ] {
        let problem = ask(wrong).await.problem(400);
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
        assert_eq!(problem["errors"][0]["name"], name, "{problem}");
    }
}

#[tokio::test]
async fn failures_are_told_apart_and_say_nothing_of_the_inside() {
    let world = World::start().await;
    let token = world.token(&[Scope::Read]);
    let ask = async |namespace: &str| {
        world.get(&format!("/api/v1/posture/policy?namespace={namespace}"), &token).await
    };
    ask("").await.problem(400);
    ask("huge").await.problem(422);
    let problem = ask("broken").await.problem(500);
    assert!(!problem.to_string().contains("secret path"), "{problem}");
    ask("panics").await.problem(500);
    // The turn of what panicked is given back.
    for _ in 0..3 {
        ask("panics").await.problem(500);
    }
    world.get("/api/v1/posture", &token).await.ok();
}
