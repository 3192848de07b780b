//! What a policy of the reference left stays on pods and in their configuration.

use k8s_openapi::api::core::v1::{PodTemplateSpec, Secret};
use parapet_elastic::{Settings, config, policy};
use serde_json::json;

use crate::built;
use crate::given::{elasticsearch, kibana, secret};

const MOUNTS_HASH: &str = "policy.k8s.elastic.co/elasticsearch-config-mounts-hash";

fn left(annotation: &str, entries: &[(&str, &str)]) -> Secret {
    let mut left = secret("policy-config", []);
    let entry =
        |(key, text): &(&str, &str)| ((*key).to_owned(), k8s_openapi::ByteString(text.as_bytes().to_vec()));
    left.data = Some(entries.iter().map(entry).collect());
    left.metadata.annotations = Some([(annotation.to_owned(), "123".to_owned())].into());
    left
}

/// The pods as the policy made them: with its Secret mounted wherever the main container's volumes are.
fn live() -> PodTemplateSpec {
    let user = json!({ "spec": {
        "containers": [{ "name": "elasticsearch", "volumeMounts":
            [{ "name": "x-es-scp-77", "mountPath": "/etc/krb", "readOnly": true }] }],
        "volumes": [{ "name": "x-es-scp-77", "secret": { "secretName": "x-es-scp-77" } }],
    }, "metadata": { "annotations": { MOUNTS_HASH: "123" } } });
    let es = elasticsearch(|es| es["spec"]["nodeSets"][0]["podTemplate"] = user);
    built::first(&es)
}

#[test]
fn configuration_and_mounts_of_a_policy_stay_on_elasticsearch() {
    let es = elasticsearch(|es| {
        es["spec"]["nodeSets"][0]["config"] = json!({ "a.b": 1, "list": ["mine"], "c": { "d": "mine" } });
    });
    let left = left(
        MOUNTS_HASH,
        &[
            ("elasticsearch.json", r#"{"a":{"b":2},"list":["policy's"],"e":1.5,"big":9007199254740993}"#),
            ("secretMounts.json", r#"[{"secretName":"krb","mountPath":"/etc/krb"}]"#),
        ],
    );
    let live = live();
    let under = policy::elasticsearch(&es, Some(&left), [&live]).unwrap();
    let yml = config::elasticsearch(&under, &under.spec.node_sets[0], &Settings::default()).unwrap();
    let text_at = |path: &str| yml.text_at(path).unwrap();
    assert_eq!(["a.b", "c.d", "e", "big"].map(text_at), ["2", "mine", "1.5", "9007199254740993"]);
    assert!(yml.text().contains("list:\n    - mine\n    - policy's\n"), "{}", yml.text());
    assert_eq!(built::first(&under), live, "the pods are those that run");
    // Without mounts of the policy's none are taken from the pods.
    let without = Secret { data: None, ..left.clone() };
    let under = policy::elasticsearch(&es, Some(&without), [&live]).unwrap();
    assert_eq!(built::first(&under).spec, built::first(&es).spec);
    assert_eq!(*policy::elasticsearch(&es, None, [&live]).unwrap(), es);
    let broken = self::left(MOUNTS_HASH, &[("elasticsearch.json", "[]")]);
    assert!(policy::elasticsearch(&es, Some(&broken), []).is_err());
}

#[test]
fn configuration_of_a_policy_stays_on_kibana() {
    let kibana = kibana(|kibana| kibana["spec"]["config"] = json!({ "server.name": "mine" }));
    let left = left(
        "policy.k8s.elastic.co/kibana-config-hash",
        &[("kibana.json", r#"{"server":{"name":"policy's"},"xpack.canvas.enabled":true}"#)],
    );
    let under = policy::kibana(&kibana, Some(&left)).unwrap();
    assert_eq!(
        json!(under.spec.config),
        json!({ "server": { "name": "policy's" }, "xpack": { "canvas": { "enabled": true } } })
    );
    let pods = built::kibana_pods(&under, &Settings::default());
    let annotations = pods.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations["policy.k8s.elastic.co/kibana-config-hash"], "123");
    assert_eq!(*policy::kibana(&kibana, None).unwrap(), kibana);
}

#[test]
fn whether_a_policy_fills_the_keystore_is_noted() {
    let noted = |list: &str| {
        let mut left = secret("x", []);
        left.metadata.annotations =
            Some([("policy.k8s.elastic.co/secure-settings-secrets".to_owned(), list.to_owned())].into());
        policy::has_secure_settings(&left)
    };
    assert!(noted(r#"[{"namespace":"n","secretName":"s"}]"#));
    assert!(!noted("[]") && !noted("") && !noted("null"));
    assert!(!policy::has_secure_settings(&secret("x", [])));
}
