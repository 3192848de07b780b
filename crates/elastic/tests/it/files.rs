//! Files that pods mount: hosts, settings, keystores, scripts. Scripts are run by the shell that is here.

use std::process::Command;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use parapet_elastic::files::{
    ForeignEntries, elasticsearch_scripts, file_settings, has_settings_of_a_policy, kibana_scripts,
    secure_settings, suspended_pods, unicast_hosts, with_foreign_entries,
};
use serde_json::{Value, json};

use crate::given::{elasticsearch, kibana, secret, text, without_tls};

fn pod(master: &str, ip: Option<&str>) -> Pod {
    let pod = json!({ "metadata": { "labels": { "elasticsearch.k8s.elastic.co/node-master": master } },
        "status": { "podIP": ip } });
    serde_json::from_value(pod).unwrap()
}

#[test]
fn hosts_are_those_of_masters_with_an_address() {
    let pods = [
        pod("true", Some("10.0.0.2")),
        pod("true", Some("10.0.0.1")),
        pod("false", Some("10.0.0.3")),
        pod("true", None),
        pod("true", Some("fd00::1")),
    ];
    let map = unicast_hosts(&elasticsearch(|_| {}), &pods);
    assert_eq!(map.metadata.name.as_deref(), Some("x-es-unicast-hosts"));
    assert_eq!(map.data.unwrap()["unicast_hosts.txt"], "10.0.0.1:9300\n10.0.0.2:9300\n[fd00::1]:9300");
}

#[test]
fn settings_are_written_once() {
    let es = elasticsearch(|_| {});
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let version = |text: &str| text.parse().unwrap();
    let first = file_settings(&es, &version("8.15.3"), None, at("2026-01-02T03:04:05Z")).unwrap();
    let file: Value = serde_json::from_str(&text(&first, "settings.json")).unwrap();
    assert_eq!(file["metadata"], json!({ "version": "1767323045000000000", "compatibility": "8.6.1" }));
    assert_eq!(
        file["state"],
        json!({ "cluster_settings": {}, "snapshot_repositories": {}, "slm": {}, "role_mappings": {}, "ilm": {},
            "ingest_pipelines": {}, "index_templates": { "component_templates": {}, "composable_index_templates": {} } })
    );
    assert_eq!(first.metadata.labels.as_ref().unwrap()["asset.policy.k8s.elastic.co/on-delete"], "reset");
    let later = at("2026-02-02T03:04:05Z");
    assert_eq!(file_settings(&es, &version("8.15.3"), Some(&first), later).as_ref(), Some(&first));

    let mut theirs = first.clone();
    theirs.metadata.annotations =
        Some([("policy.k8s.elastic.co/settings-hash".to_owned(), "1234".to_owned())].into());
    let kept = file_settings(&es, &version("8.15.3"), Some(&theirs), later).unwrap();
    assert_eq!(kept.metadata.annotations, theirs.metadata.annotations, "a hash of another making stays");
    // Other releases have other sections: none of them sets anything.
    let mut other = theirs.clone();
    let more = r#"{"metadata":{"version":"7","compatibility":"8.6.1"},"state":{"ilm":{},"more":{}}}"#;
    other.data = secret("", [("settings.json", more)]).data;
    assert_eq!(file_settings(&es, &version("8.15.3"), Some(&other), later).unwrap().data, other.data);
    let empty = secret("x-es-file-settings", []);
    assert_eq!(file_settings(&es, &version("8.15.3"), Some(&empty), later).unwrap().data.unwrap().len(), 1);
    assert_eq!(file_settings(&es, &version("8.6.0"), None, later), None);
}

/// Elasticsearch takes away what a newer file doesn't name: lifecycles, repositories, role mappings.
#[test]
fn settings_of_a_policy_stay_as_they_are() {
    let (es, version) = (elasticsearch(|_| {}), "8.15.3".parse().unwrap());
    let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let policys =
        r#"{"metadata":{"version":"7","compatibility":"8.6.1"},"state":{"ilm":{"hot":{"phases":{}}}}}"#;
    for file in [policys, "{", r#"{"state":{"cluster_settings":{"a":1}}}"#, r#"{"metadata":{}}"#] {
        let mut live = secret("x-es-file-settings", [("settings.json", file), ("more", "of the policy's")]);
        let hash = ("policy.k8s.elastic.co/settings-hash".to_owned(), "1234".to_owned());
        live.metadata.annotations = Some([hash].into());
        assert!(has_settings_of_a_policy(&live), "{file}");
        let kept = file_settings(&es, &version, Some(&live), now).unwrap();
        let written = parapet_elastic::compare::changed(&live, &kept).expect("it gets its owner");
        assert_eq!(written.data, live.data, "{file}");
        assert_eq!(written.metadata.annotations, live.metadata.annotations);
        assert_eq!(written.metadata.owner_references.unwrap().len(), 1);
    }
    assert!(!has_settings_of_a_policy(&file_settings(&es, &version, None, now).unwrap()));
}

#[test]
fn entries_of_the_keystore_that_come_from_elsewhere_stay() {
    let es = elasticsearch(|_| {});
    let own = |entries| Some(secret("x-es-secure-settings", entries));
    let entries = |made: &Option<Secret>| -> Vec<String> {
        made.iter().flat_map(|made| made.data.clone().unwrap_or_default().into_keys()).collect()
    };
    let live = secret("x-es-secure-settings", [("mine", "1"), ("of.policy", "2"), ("old.mine", "3")]);
    // Without a sign of a policy, what the specification doesn't name goes.
    let none = ForeignEntries { live: Some(&live), ..ForeignEntries::default() };
    assert_eq!(entries(&with_foreign_entries(&es, own([("mine", "1")]), &none)), ["mine"]);
    assert_eq!(with_foreign_entries(&es, None, &none), None);
    // With one it stays, and is noted.
    let policys = ForeignEntries { of_policy: true, ..none };
    let first = with_foreign_entries(&es, own([("mine", "changed")]), &policys);
    assert_eq!(entries(&first), ["mine", "of.policy", "old.mine"]);
    let first = first.unwrap();
    assert_eq!([text(&first, "mine"), text(&first, "of.policy")], ["changed", "2"]);
    let noted = &first.metadata.annotations.as_ref().unwrap()["operator.parapet.dev/adopted-parts"];
    assert_eq!(noted, r#"["of.policy","old.mine"]"#);
    // From then on what is noted stays, and what the specification drops goes.
    let later = ForeignEntries { live: Some(&first), ..policys };
    assert_eq!(entries(&with_foreign_entries(&es, None, &later)), ["of.policy", "old.mine"]);
    // What the specification names is its own; what is taken off the list goes.
    let mut edited = first.clone();
    edited
        .metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert("operator.parapet.dev/adopted-parts".to_owned(), r#"["of.policy"]"#.to_owned());
    let edited = ForeignEntries { live: Some(&edited), ..policys };
    let last = with_foreign_entries(&es, own([("of.policy", "mine now")]), &edited).unwrap();
    assert_eq!(entries(&Some(last.clone())), ["of.policy"]);
    assert_eq!(last.metadata.annotations.unwrap()["operator.parapet.dev/adopted-parts"], "[]");
    // Keys of remote clusters are read where they are.
    let keys = secret("x-es-remote-api-keys", [("cluster.remote.to.credentials", "key")]);
    let keys = ForeignEntries { api_keys: Some(&keys), ..ForeignEntries::default() };
    assert_eq!(entries(&with_foreign_entries(&es, None, &keys)), ["cluster.remote.to.credentials"]);
    assert_eq!(
        with_foreign_entries(&es, None, &keys).unwrap().metadata.name.as_deref(),
        Some("x-es-secure-settings")
    );
}

#[test]
fn the_keystore_is_the_sum_of_its_sources() {
    let es = elasticsearch(|es| {
        es["spec"]["secureSettings"] = json!([{ "secretName": "all" }, { "secretName": "gone" },
            { "secretName": "some", "entries": [{ "key": "k", "path": "s3.key" }, { "key": "l" }, { "key": "m" }] }]);
    });
    let get = |name: &str| match name {
        "all" => Some(secret("all", [("a", "1"), ("l", "overridden")])),
        "some" => Some(secret("some", [("k", "2"), ("l", "3"), ("unused", "4")])),
        _ => None,
    };
    let (made, problems) = secure_settings(&es, es.spec.secure_settings.as_deref().unwrap(), &get);
    let made = made.unwrap();
    assert_eq!(made.metadata.name.as_deref(), Some("x-es-secure-settings"));
    assert_eq!(made.data.as_ref().unwrap().len(), 3);
    assert_eq!(["a", "s3.key", "l"].map(|key| text(&made, key)), ["1", "2", "3"]);
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the Secret gone does not exist", "the Secret some has no key m"]
    );
    assert_eq!(secure_settings(&es, &[], &get).0, None);
}

#[test]
fn suspended_pods_are_listed() {
    let es = elasticsearch(|es| {
        es["metadata"]["annotations"] =
            json!({ "eck.k8s.elastic.co/suspend": "x-es-default-0, x-es-default-2,," });
    });
    assert_eq!(suspended_pods(&es), ["x-es-default-0", "x-es-default-2"]);
    let scripts = elasticsearch_scripts(&es).data.unwrap();
    assert_eq!(scripts["suspended_pods.txt"], "x-es-default-0\nx-es-default-2");
    let names: Vec<&str> = scripts.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "pre-stop-hook-script.sh",
            "prepare-fs.sh",
            "readiness-port-script.sh",
            "readiness-probe-script.sh",
            "suspend.sh",
            "suspended_pods.txt"
        ]
    );
}

#[test]
fn scripts_are_what_a_shell_reads() {
    let mut all = elasticsearch_scripts(&elasticsearch(|_| {})).data.unwrap();
    all.extend(kibana_scripts(&kibana(|_| {})).data.unwrap());
    for (name, script) in all.iter().filter(|(name, _)| name.ends_with(".sh")) {
        for placeholder in ["@URL@", "@SUPPORTED@", "@ANNOTATIONS@"] {
            assert!(!script.contains(placeholder), "{name}: {placeholder} is left");
        }
        let checked = Command::new("bash").args(["-n", "-c", script]).output().unwrap();
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn scripts_follow_the_specification() {
    let pre_stop = |es: parapet_api::Elasticsearch| {
        elasticsearch_scripts(&es).data.unwrap()["pre-stop-hook-script.sh"].clone()
    };
    assert!(pre_stop(elasticsearch(|_| {})).contains("url=https://x-es-internal-http.n.svc:9200\n"));
    assert!(pre_stop(elasticsearch(without_tls)).contains("url=http://x-es-internal-http.n.svc:9200\n"));
    assert!(pre_stop(elasticsearch(|es| es["spec"]["version"] = json!("7.15.1"))).contains("supported=no\n"));
    let prepare =
        |es: parapet_api::Elasticsearch| elasticsearch_scripts(&es).data.unwrap()["prepare-fs.sh"].clone();
    assert!(prepare(elasticsearch(|_| {})).contains("for annotation in ; do\n"));
    let labelled = elasticsearch(|es| {
        es["metadata"]["annotations"] =
            json!({ "eck.k8s.elastic.co/downward-node-labels": "disk/type,$(reboot),a b" });
        es["spec"]["nodeSets"][0]["zoneAwareness"] = json!({});
    });
    assert!(prepare(labelled).contains("for annotation in disk/type topology.kubernetes.io/zone; do\n"));
}

/// The port is closed, then open: the script's answer is that of the socket.
#[test]
fn the_readiness_script_asks_the_port() {
    let script =
        elasticsearch_scripts(&elasticsearch(|_| {})).data.unwrap()["readiness-port-script.sh"].clone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let run =
        || Command::new("bash").args(["-c", &script.replace("8080", &port)]).status().unwrap().success();
    assert!(run());
    drop(listener);
    assert!(!run());
}
