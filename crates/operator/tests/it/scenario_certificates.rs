//! Certificates of running clusters: rotation, a deleted authority, TLS off and on, users' mistakes, clocks that jump.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use parapet_api::{ConditionState, ConditionType, Elasticsearch};
use parapet_operator::certificates::SPREAD;
use parapet_pki::{AlternativeName, Certificate, KeyKind, Signer, Subject, SubjectKey};
use serde_json::json;

use crate::certificates::world::verifies;
use crate::scenarios::references::told_that;
use crate::world::{Setup, World};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const AUTHORITY: &str = "quickstart-es-transport-ca-internal";
const TRANSPORT: &str = "quickstart-es-default-es-transport-certs";
const PUBLIC: &str = "quickstart-es-http-certs-public";

/// Volumes need nobody to bind them, so that kwok's pods run.
const CLUSTER: &str = r#"
apiVersion: elasticsearch.k8s.elastic.co/v1
kind: Elasticsearch
metadata: {name: quickstart}
spec:
  version: 8.15.3
  nodeSets:
  - name: default
    count: 3
    podTemplate: {spec: {volumes: [{name: elasticsearch-data, emptyDir: {}}]}}
"#;

/// An operator whose clock can be set.
struct Scenario {
    world: World,
    ahead: Arc<AtomicI64>,
    /// How often passes were asked for.
    asked: Mutex<u32>,
}

impl Scenario {
    async fn start(namespace: &str) -> Result<Option<Self>> {
        let ahead = Arc::new(AtomicI64::new(0));
        let offset = Arc::clone(&ahead);
        let now = move || Timestamp::now() + SignedDuration::from_secs(offset.load(Ordering::SeqCst));
        let setup = Setup { now: Arc::new(now), ..Setup::default() };
        let Some(world) = World::start_with(namespace, setup).await? else { return Ok(None) };
        world.testbed.kwok().await?;
        Ok(Some(Self { world, ahead, asked: Mutex::new(0) }))
    }

    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.ahead.load(Ordering::SeqCst))
    }

    /// Sets the clock, and has the operator look: what comes by itself is as far away as the clock is wrong.
    async fn jump(&self, by: SignedDuration) -> Result<()> {
        self.ahead.fetch_add(by.as_secs(), Ordering::SeqCst);
        self.look().await
    }

    async fn look(&self) -> Result<()> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        let patch = json!({ "metadata": { "annotations": { "test/look": number.to_string() } } });
        let api = Api::<Elasticsearch>::namespaced(self.world.client.clone(), &self.world.namespace);
        api.patch("quickstart", &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn merge(&self, patch: serde_json::Value) -> Result<()> {
        let api = Api::<Elasticsearch>::namespaced(self.world.client.clone(), &self.world.namespace);
        api.patch("quickstart", &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.world.client.clone(), &self.world.namespace)
    }

    /// The cluster with a certificate for each of its pods.
    async fn cluster(&self) -> Result<Secret> {
        self.world.apply(CLUSTER).await?;
        self.world.until::<Secret>(TRANSPORT, |secret| leaves(secret).len() == 3).await
    }

    /// UIDs of pods, and generations of StatefulSets: what changes with a restart.
    async fn restarts(&self) -> Result<BTreeMap<String, String>> {
        let pods = Api::<Pod>::namespaced(self.world.client.clone(), &self.world.namespace);
        let sets = Api::<StatefulSet>::namespaced(self.world.client.clone(), &self.world.namespace);
        let pods = pods.list(&ListParams::default()).await?;
        let sets = sets.list(&ListParams::default()).await?;
        let pods = pods.iter().map(|pod| (pod.name_any(), pod.uid().unwrap_or_default()));
        let sets = sets.iter().map(|set| {
            (format!("{} itself", set.name_any()), set.metadata.generation.unwrap_or_default().to_string())
        });
        Ok(pods.chain(sets).collect())
    }
}

fn text(secret: &Secret, key: &str) -> String {
    let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|text| text.0.clone());
    String::from_utf8(bytes.unwrap_or_default()).unwrap()
}

fn certificates(secret: &Secret, key: &str) -> Vec<Certificate> {
    Certificate::all_from_pem(&text(secret, key)).unwrap_or_default()
}

/// Pods' certificates.
fn leaves(secret: &Secret) -> Vec<Certificate> {
    let keys = secret.data.iter().flatten().map(|(key, _)| key).filter(|key| key.ends_with(".tls.crt"));
    keys.map(|key| certificates(secret, key).remove(0)).collect()
}

/// Whether every pod's certificate leads to the first authority of the Secret.
fn all_lead(secret: &Secret) -> bool {
    let authorities = certificates(secret, "ca.crt");
    leaves(secret).iter().all(|leaf| leaf.leads_to(&authorities[0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_rotated_while_pods_run_on() -> Result<()> {
    let Some(scenario) = Scenario::start("certificates-rotate").await? else { return Ok(()) };
    let transport = scenario.cluster().await?;
    let before = scenario.restarts().await?;
    let authority = certificates(&transport, "ca.crt").remove(0);
    let old = leaves(&transport);
    scenario.jump(DAY * 364).await?;
    let now = scenario.now();
    let late = move |certificate: &Certificate| certificate.validity().not_after > now + DAY * 300;
    let transport = scenario
        .world
        .until::<Secret>(TRANSPORT, move |secret| {
            certificates(secret, "ca.crt").iter().all(late) && leaves(secret).iter().all(late)
        })
        .await?;
    let renewed = certificates(&transport, "ca.crt");
    assert_eq!(renewed.len(), 1);
    assert_eq!(renewed[0].public_key(), authority.public_key());
    assert!(all_lead(&transport));
    assert!(old.iter().all(|leaf| leaf.leads_to(&renewed[0])), "whoever was slow is still understood");
    let public = scenario
        .world
        .until::<Secret>(PUBLIC, move |secret| certificates(secret, "ca.crt").iter().all(late))
        .await?;
    let host = format!("quickstart-es-http.{}.svc", scenario.world.namespace);
    verifies(&text(&public, "ca.crt"), &text(&public, "tls.crt"), &host, scenario.now())?;
    assert_eq!(scenario.restarts().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_authority_is_replaced_without_anybody_meeting_a_stranger() -> Result<()> {
    let Some(scenario) = Scenario::start("certificates-replace").await? else { return Ok(()) };
    let transport = scenario.cluster().await?;
    let before = scenario.restarts().await?;
    let first = certificates(&transport, "ca.crt").remove(0);
    scenario.secrets().delete(AUTHORITY, &DeleteParams::default()).await?;
    let published =
        scenario.world.until::<Secret>(TRANSPORT, |secret| certificates(secret, "ca.crt").len() == 2).await?;
    assert!(leaves(&published).iter().all(|leaf| leaf.leads_to(&first)), "trusted before it is used");
    scenario.jump(SPREAD).await?;
    let used = scenario.world.until::<Secret>(TRANSPORT, all_lead).await?;
    assert_eq!(certificates(&used, "ca.crt")[1], first, "used before it is alone");
    // The first look sees that nothing leads to the first authority any more, from which time it counts.
    scenario
        .world
        .until::<Secret>("quickstart-es-transport-certs-public", |secret| {
            let annotations = secret.metadata.annotations.iter().flatten();
            annotations.into_iter().any(|(_, text)| text.contains("\"alone\""))
        })
        .await?;
    scenario.jump(DAY * 2).await?;
    let alone =
        scenario.world.until::<Secret>(TRANSPORT, |secret| certificates(secret, "ca.crt").len() == 1).await?;
    assert!(all_lead(&alone) && certificates(&alone, "ca.crt")[0] != first);
    assert_eq!(scenario.restarts().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_that_die_at_every_write_replace_an_authority_once_and_lose_nobody() -> Result<()> {
    let Some(scenario) = Scenario::start("certificates-deaths").await? else { return Ok(()) };
    let transport = scenario.cluster().await?;
    scenario.world.until_ready("quickstart", 3).await?;
    scenario.world.rests().await?;
    let before = scenario.restarts().await?;
    let first = certificates(&transport, "ca.crt").remove(0);
    if let Some(operator) = scenario.world.operator().await.take() {
        operator.kill().await;
    }
    scenario.secrets().delete(AUTHORITY, &DeleteParams::default()).await?;
    // All that is read of the Secret on the way, that of its first moment included.
    let mut trusted = Vec::new();
    let mut phase = async |by: SignedDuration, is_over: fn(&Secret) -> bool| -> Result<usize> {
        scenario.ahead.fetch_add(by.as_secs(), Ordering::SeqCst);
        let writes = scenario
            .world
            .dies_at_every_write(async || {
                scenario.world.until::<Secret>(TRANSPORT, is_over).await?;
                let operator = scenario.world.operator().await;
                operator.as_ref().context("an operator")?.passed(1, 2).await;
                Ok(())
            })
            .await?;
        trusted.push(certificates(&scenario.secrets().get(TRANSPORT).await?, "ca.crt"));
        Ok(writes)
    };
    let written = [
        phase(SignedDuration::ZERO, |secret| certificates(secret, "ca.crt").len() == 2).await?,
        phase(SPREAD, all_lead).await?,
        phase(DAY * 2, |secret| certificates(secret, "ca.crt").len() == 1).await?,
    ];
    assert!(written.iter().all(|writes| *writes >= 2), "{written:?}");
    let second = trusted[0][0].clone();
    assert_eq!(trusted, [vec![second.clone(), first.clone()], vec![second.clone(), first], vec![second]]);
    scenario.world.restart_operator().await?;
    let last = scenario.world.until::<Secret>(TRANSPORT, all_lead).await?;
    scenario.world.rests().await?;
    assert_eq!(scenario.secrets().get(TRANSPORT).await?.data, last.data);
    assert_eq!(scenario.restarts().await?, before);
    scenario.world.is_sound().await
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_leave_certificates_that_are_valid() -> Result<()> {
    let Some(scenario) = Scenario::start("certificates-clock").await? else { return Ok(()) };
    scenario.cluster().await?;
    let host = format!("quickstart-es-http.{}.svc", scenario.world.namespace);
    for by in [DAY * 3650, -DAY * 3650, -DAY * 400, DAY * 400] {
        scenario.jump(by).await?;
        let now = scenario.now();
        let host = host.clone();
        scenario
            .world
            .until::<Secret>(PUBLIC, move |secret| {
                verifies(&text(secret, "ca.crt"), &text(secret, "tls.crt"), &host, now).is_ok()
            })
            .await?;
        scenario
            .world
            .until::<Secret>(TRANSPORT, move |secret| {
                let hold = |all: Vec<Certificate>| all.iter().all(|one| one.validity().holds(now));
                all_lead(secret) && hold(leaves(secret)) && hold(certificates(secret, "ca.crt"))
            })
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_goes_off_and_on_again_everywhere() -> Result<()> {
    let Some(scenario) = Scenario::start("certificates-off-on").await? else { return Ok(()) };
    scenario.cluster().await?;
    let kibana = "apiVersion: kibana.k8s.elastic.co/v1\nkind: Kibana\nmetadata: {name: quickstart}\n\
        spec: {version: 8.15.3, count: 1, elasticsearchRef: {name: quickstart}, http: {tls: {selfSignedCertificate: {disabled: OFF}}}}\n";
    for off in [false, true, false] {
        scenario
            .merge(json!({ "spec": { "http": { "tls": { "selfSignedCertificate": { "disabled": off } } } } }))
            .await?;
        scenario.world.apply(&kibana.replace("OFF", &off.to_string())).await?;
        let scheme = if off { "http" } else { "https" };
        for service in [
            "quickstart-es-http",
            "quickstart-es-internal-http",
            "quickstart-es-default",
            "quickstart-kb-http",
        ] {
            scenario
                .world
                .until::<Service>(service, |service| {
                    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
                    ports.is_some_and(|ports| ports[0].name.as_deref() == Some(scheme))
                })
                .await?;
        }
        let url = format!("{scheme}://quickstart-es-http.{}.svc:9200", scenario.world.namespace);
        scenario
            .world
            .until::<Secret>("quickstart-kb-config", |secret| {
                let config = text(secret, "kibana.yml");
                config.contains(&url) && config.contains("server.ssl") != off
                    || config.contains(&url) && config.contains("ssl:") && !off
            })
            .await?;
        scenario
            .world
            .until::<StatefulSet>("quickstart-es-default", |set| {
                let label = "elasticsearch.k8s.elastic.co/http-scheme";
                let labels =
                    set.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()?.labels.as_ref());
                labels.and_then(|labels| labels.get(label)).map(String::as_str) == Some(scheme)
            })
            .await?;
        let mounted = |deployment: &Deployment| {
            let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
            pod.is_some_and(|pod| {
                pod.volumes.iter().flatten().any(|volume| volume.name == "elastic-internal-http-certificates")
            })
        };
        scenario.world.until::<Deployment>("quickstart-kb", |deployment| mounted(deployment) != off).await?;
        let secret = scenario.secrets().get_opt("quickstart-kb-http-certs-internal").await?;
        assert_eq!(secret.is_some(), !off, "Kibana's certificates go with its TLS");
        assert!(scenario.secrets().get_opt(PUBLIC).await?.is_some(), "Elasticsearch's stay");
    }
    Ok(())
}

/// What the pass says of the cluster, once it contains `part`.
async fn says(scenario: &Scenario, part: &str) -> Result<()> {
    scenario
        .world
        .until::<Elasticsearch>("quickstart", |es| {
            let conditions = es.status.iter().flat_map(|status| &status.conditions);
            conditions.filter(|one| one.kind == ConditionType::ReconciliationComplete).any(|one| {
                one.status == ConditionState::False
                    && one.message.as_ref().is_some_and(|text| text.contains(part))
            })
        })
        .await
        .with_context(|| format!("nobody said {part:?}"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_certificate_is_followed_and_its_mistakes_are_said() -> Result<()> {
    let Some(scenario) = Scenario::start("certificates-custom").await? else { return Ok(()) };
    scenario.cluster().await?;
    let shown = scenario.secrets().get(PUBLIC).await?.data;
    scenario
        .merge(json!({ "spec": { "http": { "tls": { "certificate": { "secretName": "mine" } } } } }))
        .await?;
    says(&scenario, "Secret mine is not there").await?;
    let put = async |entries: serde_json::Value| -> Result<()> {
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "mine" }, "stringData": entries });
        let _ = scenario.secrets().delete("mine", &DeleteParams::default()).await;
        scenario.world.apply(&secret.to_string()).await
    };
    let now = scenario.now();
    let subject = |name: &str| Subject { organizational_unit: None, common_name: name.to_owned() };
    let authority =
        Signer::generate(SubjectKey::generate(KeyKind::EcdsaP256)?, &subject("mine"), DAY * 30, now)?;
    let leaf = |name: &str| -> Result<(String, String)> {
        let key = SubjectKey::generate(KeyKind::EcdsaP256)?;
        let names = [AlternativeName::Dns(name.to_owned())];
        let certificate = authority.sign(&key, &subject(name), &names, DAY, now)?;
        Ok((certificate.pem(), key.pem().to_string()))
    };
    let (one, one_key) = leaf("one.example.com")?;
    let (two, two_key) = leaf("two.example.com")?;
    put(json!({ "tls.crt": one })).await?;
    says(&scenario, "neither tls.crt with tls.key nor ca.crt with ca.key").await?;
    put(json!({ "tls.crt": one, "tls.key": two_key })).await?;
    says(&scenario, "tls.key of mine can't be used").await?;
    put(json!({ "tls.crt": one, "tls.key": one_key, "ca.key": authority.key().pem().as_str() })).await?;
    says(&scenario, "both ca.key and tls.key").await?;
    assert_eq!(scenario.secrets().get(PUBLIC).await?.data, shown, "what is wrong takes nobody's place");
    for (certificate, key) in [(one, one_key), (two, two_key)] {
        put(json!({ "tls.crt": certificate, "tls.key": key, "ca.crt": authority.certificate().pem() }))
            .await?;
        scenario.world.until::<Secret>(PUBLIC, |secret| text(secret, "tls.crt") == certificate).await?;
    }
    // Nobody here renews it: that it ends is said before, and that it ended.
    let valid = |is: ConditionState, words: &'static str| {
        scenario.world.until::<Elasticsearch>("quickstart", move |es| {
            let conditions = es.status.iter().flat_map(|status| &status.conditions);
            conditions
                .filter(|one| one.kind == ConditionType::CertificatesValid)
                .any(|one| one.status == is && one.message.as_ref().is_some_and(|text| text.contains(words)))
        })
    };
    scenario.jump(SignedDuration::from_hours(22)).await?;
    valid(ConditionState::True, "the one in Secret mine, ends at").await?;
    told_that(&scenario.world, &scenario.world.namespace, "CertificateEnding", "only you can renew it")
        .await?;
    scenario.jump(DAY).await?;
    valid(ConditionState::False, "the one in Secret mine, is not valid since").await?;
    told_that(&scenario.world, &scenario.world.namespace, "CertificateInvalid", "bring another one").await?;
    scenario.merge(json!({ "spec": { "http": { "tls": { "certificate": null } } } })).await?;
    valid(ConditionState::True, "All certificates are valid").await?;
    let host = format!("quickstart-es-http.{}.svc", scenario.world.namespace);
    scenario
        .world
        .until::<Secret>(PUBLIC, |secret| {
            verifies(&text(secret, "ca.crt"), &text(secret, "tls.crt"), &host, scenario.now()).is_ok()
        })
        .await?;
    Ok(())
}
