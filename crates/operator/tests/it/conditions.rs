//! What Kibana and APM Server say of themselves while something is wrong, and no longer.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use parapet_api::{ApmServer, Condition, ConditionState, ConditionType, Kibana, Kind};
use parapet_operator::explain::{explain, gather};
use parapet_pki::{AlternativeName, KeyKind, Signer, Subject, SubjectKey};
use serde_json::{Value, json};

use crate::world::World;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A Secret with a certificate that ended yesterday.
fn ended() -> Result<Value> {
    let then = Timestamp::now() - DAY * 2;
    let subject = Subject { organizational_unit: None, common_name: "mine".to_owned() };
    let generate = || SubjectKey::generate(KeyKind::EcdsaP256);
    let authority = Signer::generate(generate()?, &subject, DAY * 30, then)?;
    let key = generate()?;
    let names = [AlternativeName::Dns("mine.example.com".to_owned())];
    let certificate = authority.sign(&key, &subject, &names, DAY, then)?;
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" },
        "stringData": {
            "tls.crt": certificate.pem(), "tls.key": key.pem().as_str(), "ca.crt": authority.certificate().pem(),
        },
    }))
}

fn application(kind: Kind) -> Value {
    json!({
        "apiVersion": format!("{}/v1", kind.group()), "kind": kind.name(), "metadata": { "name": "a" },
        "spec": {
            "version": "8.15.3", "count": 1,
            "http": { "tls": { "certificate": { "secretName": "mine" } } },
        },
    })
}

fn says_that_it_ended(conditions: &[Condition]) -> bool {
    let mut conditions = conditions.iter().filter(|one| one.kind == ConditionType::CertificatesValid);
    conditions.any(|one| {
        one.status == ConditionState::False
            && one
                .message
                .as_ref()
                .is_some_and(|text| text.contains("the one in Secret mine, is not valid since"))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ended_is_a_condition_until_another_one_is_used() -> Result<()> {
    let Some(world) = World::start("conditions").await? else { return Ok(()) };
    world.apply(&ended()?.to_string()).await?;
    world.apply(&application(Kind::Kibana).to_string()).await?;
    world.apply(&application(Kind::ApmServer).to_string()).await?;
    let of_kibana = |kibana: &Kibana| kibana.status.clone().unwrap_or_default().conditions;
    let of_apm = |apm: &ApmServer| apm.status.clone().unwrap_or_default().conditions;
    world.until("a", |kibana: &Kibana| says_that_it_ended(&of_kibana(kibana))).await?;
    world.until("a", |apm: &ApmServer| says_that_it_ended(&of_apm(apm))).await?;
    for kind in [Kind::Kibana, Kind::ApmServer] {
        let facts = gather(&world.client, kind, &world.namespace, "a", Timestamp::now()).await?;
        let explained = explain(&facts.context("it is there")?);
        let said =
            explained.blocked_by.iter().any(|one| one.contains("the one in Secret mine, is not valid since"));
        assert!(said, "{explained}");
    }

    let ours = json!({ "spec": { "http": { "tls": { "certificate": null } } } });
    world.merge::<Kibana>("a", ours.clone()).await?;
    world.merge::<ApmServer>("a", ours).await?;
    world.until("a", |kibana: &Kibana| of_kibana(kibana).is_empty()).await?;
    world.until("a", |apm: &ApmServer| of_apm(apm).is_empty()).await?;
    Ok(())
}
