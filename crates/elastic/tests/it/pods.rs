//! The details of pod templates, one small table each: an input, and what must be true of the pods.

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use parapet_api::{ApmServer, Kibana};
use parapet_elastic::Settings;
use serde_json::{Value, json};

use crate::built::{self, apm_server_pods, container, elasticsearch, first, kibana_pods, node_set_with};

fn names<T>(list: &Option<Vec<T>>, name: impl Fn(&T) -> &str) -> Vec<String> {
    list.iter().flatten().map(|element| name(element).to_owned()).collect()
}

fn env(container: &Container) -> Vec<String> {
    names(&container.env, |variable| &variable.name)
}

fn init(template: &PodTemplateSpec) -> Vec<String> {
    names(&template.spec.as_ref().unwrap().init_containers, |container| &container.name)
}

fn mounts(container: &Container) -> Vec<String> {
    names(&container.volume_mounts, |mount| &mount.name)
}

fn mount_path<'a>(container: &'a Container, volume: &str) -> &'a str {
    let mut all = container.volume_mounts.iter().flatten();
    &all.find(|mount| mount.name == volume).unwrap_or_else(|| panic!("no mount of {volume}")).mount_path
}

fn volumes(template: &PodTemplateSpec) -> Vec<String> {
    names(&template.spec.as_ref().unwrap().volumes, |volume| &volume.name)
}

fn volume(template: &PodTemplateSpec, name: &str) -> Value {
    let all = template.spec.as_ref().unwrap().volumes.iter().flatten();
    json!(all.into_iter().find(|volume| volume.name == name).unwrap_or_else(|| panic!("no volume {name}")))
}

fn labels(template: &PodTemplateSpec) -> Value {
    json!(template.metadata.as_ref().unwrap().labels)
}

fn annotations(template: &PodTemplateSpec) -> Value {
    json!(template.metadata.as_ref().unwrap().annotations)
}

/// An Elasticsearch of 8.15.3 whose pod template's specification is `spec`.
fn with_pod(spec: &str) -> PodTemplateSpec {
    first(&elasticsearch("8.15.3", "", &format!("podTemplate: {{spec: {spec}}}")))
}

const OPERATORS: [&str; 9] = [
    "POD_IP",
    "POD_NAME",
    "NODE_NAME",
    "NAMESPACE",
    "HEADLESS_SERVICE_NAME",
    "PROBE_PASSWORD_PATH",
    "PROBE_USERNAME",
    "READINESS_PROBE_PROTOCOL",
    "NSS_SDB_USE_CACHE",
];

#[test]
fn the_main_container_has_the_users_variables_first() {
    let pods =
        with_pod("{containers: [{name: elasticsearch, env: [{name: B, value: b}, {name: A, value: a}]}]}");
    assert_eq!(env(container(&pods, "elasticsearch")), [&["B", "A"], &OPERATORS[..]].concat());
}

#[test]
fn init_containers_have_the_downward_variables_first_then_the_users() {
    let pods = with_pod(
        "{containers: [{name: elasticsearch, env: [{name: B, value: b}]}], \
          initContainers: [{name: mine, env: [{name: C, value: c}]}]}",
    );
    let ours = [&OPERATORS[..4], &["B"], &OPERATORS[4..]].concat();
    assert_eq!(env(container(&pods, "elastic-internal-init-filesystem")), ours);
    assert_eq!(env(container(&pods, "elastic-internal-suspend")), ours);
    assert_eq!(env(container(&pods, "mine")), [&["C"], &ours[..]].concat());
}

#[test]
fn a_users_variable_takes_the_place_of_the_operators() {
    let pods =
        with_pod("{containers: [{name: elasticsearch, env: [{name: NSS_SDB_USE_CACHE, value: 'yes'}]}]}");
    for name in ["elasticsearch", "elastic-internal-suspend"] {
        let all = container(&pods, name).env.iter().flatten();
        let values: Vec<_> =
            all.filter(|one| one.name == "NSS_SDB_USE_CACHE").map(|one| one.value.as_deref()).collect();
        assert_eq!(values, [Some("yes")], "{name}");
    }
}

#[test]
fn init_containers_come_in_their_order() {
    let check = |spec: &str, node_set: &str, expected: &[&str]| {
        assert_eq!(init(&first(&elasticsearch("8.15.3", spec, node_set))), expected, "{spec} {node_set}");
    };
    let (fs, keystore, suspend) =
        ("elastic-internal-init-filesystem", "elastic-internal-init-keystore", "elastic-internal-suspend");
    let secure = "secureSettings: [{secretName: a}],";
    check("", "", &[fs, suspend]);
    check(secure, "", &[fs, keystore, suspend]);
    check("", "podTemplate: {spec: {initContainers: [{name: mine}]}}", &[fs, suspend, "mine"]);
    // The user's of an operator's name moves to the operator's place.
    let both = format!(
        "podTemplate: {{spec: {{initContainers: [{{name: mine}}, {{name: {suspend}}}, {{name: {fs}}}]}}}}"
    );
    check(secure, &both, &[fs, keystore, suspend, "mine"]);
}

#[test]
fn an_init_container_of_the_operators_name_keeps_the_users_values() {
    let pods = with_pod(
        "{initContainers: [{name: elastic-internal-init-filesystem, resources: {limits: {memory: 1Gi}}, \
          securityContext: {runAsUser: 0}}]}",
    );
    let it = container(&pods, "elastic-internal-init-filesystem");
    assert_eq!(json!(it.resources), json!({ "limits": { "memory": "1Gi" } }));
    assert_eq!(json!(it.security_context), json!({ "runAsUser": 0 }));
    assert_eq!(json!(it.command), json!(["bash", "-c", "/mnt/elastic-internal/scripts/prepare-fs.sh"]));
    assert_eq!(it.image_pull_policy.as_deref(), Some("IfNotPresent"));
}

#[test]
fn a_plugin_installer_gets_all_that_it_needs() {
    let pods = with_pod("{initContainers: [{name: install-plugins, command: [sh]}]}");
    let (it, main) = (container(&pods, "install-plugins"), container(&pods, "elasticsearch"));
    assert_eq!(it.image, main.image);
    assert_eq!(it.volume_mounts, main.volume_mounts);
    assert_eq!(it.resources, main.resources);
    assert_eq!(it.security_context, main.security_context);
    assert_eq!(it.image_pull_policy, None);
    assert_eq!(json!(it.command), json!(["sh"]));
}

#[test]
fn the_first_init_container_sees_four_volumes_elsewhere() {
    let pods = with_pod("{}");
    let (it, main) =
        (container(&pods, "elastic-internal-init-filesystem"), container(&pods, "elasticsearch"));
    assert_eq!(mounts(it), mounts(main));
    let elsewhere: Vec<&str> = mounts(main)
        .iter()
        .filter(|volume| mount_path(it, volume) != mount_path(main, volume))
        .map(|volume| mount_path(it, volume))
        .collect();
    let expected = [
        "/mnt/elastic-internal/elasticsearch-bin-local",
        "/mnt/elastic-internal/elasticsearch-config-local",
        "/mnt/elastic-internal/elasticsearch-plugins-local",
        "/mnt/elastic-internal/transport-certificates",
    ];
    assert_eq!(elsewhere, expected);
    assert_eq!(container(&pods, "elastic-internal-suspend").volume_mounts, main.volume_mounts);
}

#[test]
fn volumes_mounts_and_ports_are_sorted_by_name() {
    let pods = with_pod(
        "{volumes: [{name: zz, emptyDir: {}}, {name: aa, emptyDir: {}}], containers: [{name: elasticsearch, \
          ports: [{name: metrics, containerPort: 1}], volumeMounts: [{name: zz, mountPath: /zz}, {name: aa, mountPath: /aa}]}]}",
    );
    let sorted = |list: &[String]| list.is_sorted();
    assert!(sorted(&volumes(&pods)), "{:?}", volumes(&pods));
    for name in ["elasticsearch", "elastic-internal-init-filesystem", "elastic-internal-suspend"] {
        assert!(sorted(&mounts(container(&pods, name))), "{name}");
    }
    let ports =
        names(&container(&pods, "elasticsearch").ports, |port| port.name.as_deref().unwrap_or_default());
    assert_eq!(ports, ["https", "metrics", "transport"]);
}

#[test]
fn every_volume_of_the_specification() {
    let main = |volume: &str| {
        let pods = with_pod("{}");
        mount_path(container(&pods, "elasticsearch"), volume).to_owned()
    };
    let table = [
        ("elasticsearch-data", "/usr/share/elasticsearch/data"),
        ("elasticsearch-logs", "/usr/share/elasticsearch/logs"),
        ("tmp-volume", "/tmp"),
        ("elastic-internal-elasticsearch-config-local", "/usr/share/elasticsearch/config"),
        ("elastic-internal-elasticsearch-bin-local", "/usr/share/elasticsearch/bin"),
        ("elastic-internal-elasticsearch-plugins-local", "/usr/share/elasticsearch/plugins"),
        ("elastic-internal-elasticsearch-config", "/mnt/elastic-internal/elasticsearch-config"),
        ("elastic-internal-http-certificates", "/usr/share/elasticsearch/config/http-certs"),
        ("elastic-internal-transport-certificates", "/usr/share/elasticsearch/config/transport-certs"),
        (
            "elastic-internal-remote-certificate-authorities",
            "/usr/share/elasticsearch/config/transport-remote-certs/",
        ),
        ("elastic-internal-xpack-file-realm", "/mnt/elastic-internal/xpack-file-realm"),
        ("elastic-internal-probe-user", "/mnt/elastic-internal/pod-mounted-users"),
        ("elastic-internal-unicast-hosts", "/mnt/elastic-internal/unicast-hosts"),
        ("elastic-internal-scripts", "/mnt/elastic-internal/scripts"),
        ("downward-api", "/mnt/elastic-internal/downward-api"),
        ("file-settings", "/usr/share/elasticsearch/config/operator"),
    ];
    for (volume, path) in table {
        assert_eq!(main(volume), path, "{volume}");
    }
    assert_eq!(mounts(container(&with_pod("{}"), "elasticsearch")).len(), table.len());
}

#[test]
fn sources_of_volumes() {
    let pods = with_pod("{}");
    let table = [
        ("elasticsearch-data", json!({ "persistentVolumeClaim": { "claimName": "claim-name-placeholder" } })),
        (
            "elastic-internal-elasticsearch-config",
            json!({ "secret": { "secretName": "x-es-s-es-config", "optional": false } }),
        ),
        (
            "elastic-internal-transport-certificates",
            json!({ "secret": { "secretName": "x-es-s-es-transport-certs", "optional": false } }),
        ),
        (
            "elastic-internal-http-certificates",
            json!({ "secret": { "secretName": "x-es-http-certs-internal", "optional": false } }),
        ),
        (
            "elastic-internal-scripts",
            json!({ "configMap": { "name": "x-es-scripts", "optional": false, "defaultMode": 0o755 } }),
        ),
        (
            "elastic-internal-unicast-hosts",
            json!({ "configMap": { "name": "x-es-unicast-hosts", "optional": false } }),
        ),
        (
            "elastic-internal-probe-user",
            json!({ "secret": { "secretName": "x-es-internal-users", "optional": false, "items": [
                { "key": "elastic-internal-probe", "path": "elastic-internal-probe" },
                { "key": "elastic-internal-pre-stop", "path": "elastic-internal-pre-stop" } ] } }),
        ),
        (
            "downward-api",
            json!({ "downwardAPI": { "items": [{ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }] } }),
        ),
    ];
    for (name, mut source) in table {
        source["name"] = json!(name);
        assert_eq!(volume(&pods, name), source);
    }
}

#[test]
fn file_settings_came_with_8_6_1() {
    for (version, there) in [("7.17.24", false), ("8.6.0", false), ("8.6.1", true), ("9.1.0", true)] {
        let pods = first(&elasticsearch(version, "", ""));
        assert_eq!(volumes(&pods).contains(&"file-settings".to_owned()), there, "{version}");
    }
}

#[test]
fn readiness_is_asked_by_version() {
    for (version, script) in [
        ("7.17.24", "readiness-probe-script.sh"),
        ("8.2.0", "readiness-probe-script.sh"),
        ("8.2.1", "readiness-port-script.sh"),
        ("8.15.3", "readiness-port-script.sh"),
        ("9.1.0", "readiness-port-script.sh"),
    ] {
        let pods = first(&elasticsearch(version, "", ""));
        assert_eq!(
            json!(container(&pods, "elasticsearch").readiness_probe),
            json!({ "exec": { "command": ["bash", "-c", format!("/mnt/elastic-internal/scripts/{script}")] },
                "initialDelaySeconds": 10, "periodSeconds": 5, "timeoutSeconds": 5,
                "successThreshold": 1, "failureThreshold": 3 }),
            "{version}"
        );
    }
}

#[test]
fn before_it_stops_a_node_says_so() {
    let main = container(&with_pod("{}"), "elasticsearch").clone();
    assert_eq!(
        json!(main.lifecycle),
        json!({ "preStop": { "exec": { "command": ["bash", "-c", "/mnt/elastic-internal/scripts/pre-stop-hook-script.sh"] } } })
    );
    assert_eq!(main.liveness_probe, None);
}

#[test]
fn probes_hooks_contexts_and_affinity_of_the_user_are_taken_whole() {
    let pods = with_pod(
        "{affinity: {}, securityContext: {runAsUser: 7}, terminationGracePeriodSeconds: 5, automountServiceAccountToken: true, \
          containers: [{name: elasticsearch, readinessProbe: {periodSeconds: 99}, lifecycle: {}, securityContext: {runAsGroup: 3}}]}",
    );
    let (spec, main) = (json!(pods.spec), json!(container(&pods, "elasticsearch")));
    assert_eq!(spec["affinity"], json!({}));
    assert_eq!(spec["securityContext"], json!({ "runAsUser": 7 }));
    assert_eq!(spec["terminationGracePeriodSeconds"], json!(5));
    assert_eq!(spec["automountServiceAccountToken"], json!(true));
    assert_eq!(main["readinessProbe"], json!({ "periodSeconds": 99 }));
    assert_eq!(main["lifecycle"], json!({}));
    assert_eq!(main["securityContext"], json!({ "runAsGroup": 3 }));
}

#[test]
fn defaults_of_the_pod() {
    let pods = with_pod("{}");
    let spec = json!(pods.spec);
    assert_eq!(spec["terminationGracePeriodSeconds"], json!(180));
    assert_eq!(spec["automountServiceAccountToken"], json!(false));
    assert_eq!(
        spec["affinity"],
        json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 100, "podAffinityTerm": {
            "labelSelector": { "matchLabels": { "elasticsearch.k8s.elastic.co/cluster-name": "x" } },
            "topologyKey": "kubernetes.io/hostname" } }] } })
    );
}

#[test]
fn security_contexts_by_version() {
    let base =
        json!({ "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true });
    let mut drop = base.clone();
    drop["capabilities"] = json!({ "drop": ["ALL"] });
    let mut non_root = drop.clone();
    non_root["runAsNonRoot"] = json!(true);
    let pod = json!({ "fsGroup": 1000, "seccompProfile": { "type": "RuntimeDefault" } });
    for (version, on_pod, on_containers) in [
        ("7.17.24", &Value::Null, &base),
        ("8.0.0", &pod, &drop),
        ("8.7.1", &pod, &drop),
        ("8.8.0", &pod, &non_root),
        ("9.1.0", &pod, &non_root),
    ] {
        let pods = first(&elasticsearch(
            version,
            "",
            "podTemplate: {spec: {containers: [{name: side}], initContainers: [{name: mine}]}}",
        ));
        assert_eq!(json!(pods.spec.as_ref().unwrap().security_context), *on_pod, "{version}");
        for name in
            ["elasticsearch", "side", "mine", "elastic-internal-init-filesystem", "elastic-internal-suspend"]
        {
            assert_eq!(json!(container(&pods, name).security_context), *on_containers, "{version} {name}");
        }
    }
}

#[test]
fn pods_get_no_context_where_the_platform_brings_its_own() {
    let es = elasticsearch("8.15.3", "", "");
    let settings = Settings { default_security_context: false, ..Settings::default() };
    let pods = node_set_with(&es, &es.spec.node_sets[0], &settings);
    assert_eq!(pods.spec.as_ref().unwrap().security_context, None);
    assert!(container(&pods, "elasticsearch").security_context.is_some());
}

#[test]
fn the_root_is_written_only_if_no_volume_holds_the_data() {
    let claims = "volumeClaimTemplates: [{metadata: {name: mine}, spec: {}}], podTemplate: {spec: {containers: \
                  [{name: elasticsearch, volumeMounts: [{name: mine, mountPath: /usr/share/elasticsearch/data}]}]}}";
    for (node_set, read_only) in [
        ("", true),
        ("podTemplate: {spec: {volumes: [{name: elasticsearch-data, emptyDir: {}}]}}", true),
        (claims, false),
    ] {
        let pods = first(&elasticsearch("8.15.3", "", node_set));
        let context = container(&pods, "elasticsearch").security_context.clone().unwrap();
        assert_eq!(context.read_only_root_filesystem, Some(read_only), "{node_set}");
        assert_eq!(
            mounts(container(&pods, "elasticsearch")).contains(&"elasticsearch-data".to_owned()),
            read_only
        );
    }
}

#[test]
fn sidecars_stay_as_they_are_but_for_their_context() {
    let pods = with_pod("{containers: [{name: side, image: a:1}]}");
    let side = container(&pods, "side");
    assert_eq!((&side.env, &side.volume_mounts, &side.resources), (&None, &None, &None));
    assert!(side.security_context.is_some());
    let order: Vec<&str> =
        pods.spec.as_ref().unwrap().containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(order, ["side", "elasticsearch"]);
}

#[test]
fn resources_are_the_users_or_the_default_and_never_mixed() {
    let default = json!({ "limits": { "memory": "2Gi" }, "requests": { "memory": "2Gi" } });
    let main = |resources: &str| {
        format!("podTemplate: {{spec: {{containers: [{{name: elasticsearch, resources: {resources}}}]}}}}")
    };
    let table = [
        (String::new(), default.clone()),
        (main("{}"), default),
        (main("{limits: {memory: 4Gi}}"), json!({ "limits": { "memory": "4Gi" } })),
        (main("{requests: {cpu: 1}}"), json!({ "requests": { "cpu": "1" } })),
        ("resources: {requests: {memory: 3Gi}}".to_owned(), json!({ "requests": { "memory": "3Gi" } })),
        // The shorthand wins key by key over the container.
        (
            format!(
                "resources: {{limits: {{memory: 8Gi}}}}, {}",
                main("{limits: {memory: 4Gi, cpu: 1}, requests: {cpu: 1}}")
            ),
            json!({ "limits": { "memory": "8Gi", "cpu": "1" }, "requests": { "cpu": "1" } }),
        ),
    ];
    for (node_set, expected) in table {
        let pods = first(&elasticsearch("8.15.3", "", &node_set));
        assert_eq!(json!(container(&pods, "elasticsearch").resources), expected, "{node_set}");
        assert_eq!(json!(container(&pods, "elastic-internal-suspend").resources), expected, "{node_set}");
    }
}

#[test]
fn resources_of_the_operators_init_containers() {
    let pods = first(&elasticsearch("8.15.3", "secureSettings: [{secretName: a}],", ""));
    for (name, cpu, memory) in [
        ("elastic-internal-init-filesystem", "100m", "50Mi"),
        ("elastic-internal-init-keystore", "500m", "196Mi"),
    ] {
        let amount = json!({ "cpu": cpu, "memory": memory });
        assert_eq!(
            json!(container(&pods, name).resources),
            json!({ "limits": amount, "requests": amount }),
            "{name}"
        );
    }
}

#[test]
fn secure_settings_are_mounted_where_the_keystore_is_made_and_nowhere_else() {
    let pods = first(&elasticsearch("8.15.3", "secureSettings: [{secretName: a}],", ""));
    let secure = "elastic-internal-secure-settings".to_owned();
    for (name, there) in [
        ("elasticsearch", false),
        ("elastic-internal-suspend", false),
        ("elastic-internal-init-keystore", true),
    ] {
        assert_eq!(mounts(container(&pods, name)).contains(&secure), there, "{name}");
    }
    assert_eq!(
        volume(&pods, &secure),
        json!({ "name": secure, "secret": { "secretName": "x-es-secure-settings", "optional": false } })
    );
    let command = container(&pods, "elastic-internal-init-keystore").command.clone().unwrap();
    assert_eq!(command[..3], ["/usr/bin/env", "bash", "-c"]);
}

#[test]
fn tls_off_is_off_in_ports_probes_and_labels() {
    for (spec, scheme) in [("", "https"), ("http: {tls: {selfSignedCertificate: {disabled: true}}},", "http")]
    {
        let pods = first(&elasticsearch("8.15.3", spec, ""));
        let main = container(&pods, "elasticsearch");
        assert_eq!(labels(&pods)["elasticsearch.k8s.elastic.co/http-scheme"], json!(scheme));
        let ports: Vec<_> =
            main.ports.iter().flatten().map(|port| (port.name.as_deref(), port.container_port)).collect();
        assert_eq!(ports, [(Some(scheme), 9200), (Some("transport"), 9300)]);
        let all = main.env.iter().flatten();
        let protocol: Vec<_> = all
            .filter(|one| one.name == "READINESS_PROBE_PROTOCOL")
            .map(|one| one.value.as_deref())
            .collect();
        assert_eq!(protocol, [Some(scheme)]);
        // The certificates stay mounted: the configuration names them, and switching back is cheap.
        assert!(mounts(main).contains(&"elastic-internal-http-certificates".to_owned()));
    }
}

#[test]
fn labels_are_complete() {
    let pods = first(&elasticsearch("8.15.3", "", "config: {node.roles: [master, data_hot]}"));
    let role = |name: &str| labels(&pods)[format!("elasticsearch.k8s.elastic.co/node-{name}")].clone();
    for (name, has) in [
        ("master", "true"),
        ("data_hot", "true"),
        ("data", "false"),
        ("data_content", "false"),
        ("data_warm", "false"),
        ("data_cold", "false"),
        ("data_frozen", "false"),
        ("ingest", "false"),
        ("ml", "false"),
        ("transform", "false"),
        ("remote_cluster_client", "false"),
        ("voting_only", "false"),
    ] {
        assert_eq!(role(name), json!(has), "{name}");
    }
    for (label, value) in [
        ("common.k8s.elastic.co/type", "elasticsearch"),
        ("elasticsearch.k8s.elastic.co/cluster-name", "x"),
        ("elasticsearch.k8s.elastic.co/statefulset-name", "x-es-s"),
        ("elasticsearch.k8s.elastic.co/version", "8.15.3"),
        ("eck.k8s.elastic.co/watched", "true"),
    ] {
        assert_eq!(labels(&pods)[label], json!(value), "{label}");
    }
}

#[test]
fn the_users_labels_and_annotations_win() {
    let pods = first(&elasticsearch(
        "8.15.3",
        "",
        "podTemplate: {metadata: {labels: {elasticsearch.k8s.elastic.co/version: mine, a: b}, \
         annotations: {co.elastic.logs/module: mine, c: ' d\t'}}}",
    ));
    assert_eq!(labels(&pods)["elasticsearch.k8s.elastic.co/version"], json!("mine"));
    assert_eq!(labels(&pods)["a"], json!("b"));
    assert_eq!(annotations(&pods)["co.elastic.logs/module"], json!("mine"));
    assert_eq!(annotations(&pods)["c"], json!(" d\t"));
}

#[test]
fn annotations_of_the_operator() {
    let plain = annotations(&with_pod("{}"));
    assert_eq!(
        plain,
        json!({ "co.elastic.logs/module": "elasticsearch", "elasticsearch.k8s.elastic.co/config-hash": "1234567890",
            "policy.k8s.elastic.co/elasticsearch-config-mounts-hash": "" })
    );
    let own =
        first(&elasticsearch("8.15.3", "transport: {tls: {selfSignedCertificates: {disabled: true}}},", ""));
    assert_eq!(
        annotations(&own)["elasticsearch.k8s.elastic.co/self-signed-transport-cert-disabled"],
        json!("true")
    );
    let mut es = elasticsearch("8.15.3", "", "");
    es.metadata.annotations =
        Some([("eck.k8s.elastic.co/restart-trigger".to_owned(), "3".to_owned())].into());
    assert_eq!(annotations(&first(&es))["eck.k8s.elastic.co/restart-trigger"], json!("3"));
}

#[test]
fn node_labels_are_read_from_the_pods_annotations() {
    let mut es = elasticsearch("8.15.3", "", "");
    es.metadata.annotations =
        Some([("eck.k8s.elastic.co/downward-node-labels".to_owned(), "a,b".to_owned())].into());
    let items = volume(&first(&es), "downward-api")["downwardAPI"]["items"].clone();
    assert_eq!(
        items,
        json!([{ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } },
            { "path": "annotations", "fieldRef": { "fieldPath": "metadata.annotations" } }])
    );
}

#[test]
fn zones_concern_all_node_sets_of_a_cluster() {
    let es =
        built::resource::<parapet_api::Elasticsearch>(include_str!("manifests/elasticsearch-zones.yaml"));
    let [zoned, anywhere] =
        [0, 1].map(|index| node_set_with(&es, &es.spec.node_sets[index], &Settings::default()));
    let required = |pods: &PodTemplateSpec| {
        let affinity = json!(pods.spec.as_ref().unwrap().affinity);
        assert!(affinity["podAntiAffinity"].is_object(), "{affinity}");
        affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
            .clone()
    };
    let key = "topology.kubernetes.io/zone";
    assert_eq!(
        required(&zoned),
        json!([{ "matchExpressions": [{ "key": key, "operator": "In", "values": ["a", "b", "c"] }] }])
    );
    assert_eq!(required(&anywhere), json!([{ "matchExpressions": [{ "key": key, "operator": "Exists" }] }]));
    assert_eq!(
        json!(zoned.spec.as_ref().unwrap().topology_spread_constraints),
        json!([{ "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": { "matchLabels": {
            "elasticsearch.k8s.elastic.co/cluster-name": "spread",
            "elasticsearch.k8s.elastic.co/statefulset-name": "spread-es-zoned" } } }])
    );
    assert_eq!(anywhere.spec.as_ref().unwrap().topology_spread_constraints, None);
    for pods in [&zoned, &anywhere] {
        let zone = container(pods, "elasticsearch").env.as_ref().unwrap().last().unwrap().clone();
        assert_eq!(
            json!(zone),
            json!({ "name": "ZONE", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": format!("metadata.annotations['{key}']") } } })
        );
        assert_eq!(volume(pods, "downward-api")["downwardAPI"]["items"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn zones_narrow_what_the_user_allows_and_replace_nothing() {
    let pods = first(&elasticsearch(
        "8.15.3",
        "",
        "zoneAwareness: {topologyKey: rack}, podTemplate: {spec: {affinity: {nodeAffinity: \
         {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: Exists}]}, \
         {matchExpressions: [{key: rack, operator: Exists}]}]}}}, \
         topologySpreadConstraints: [{topologyKey: rack, maxSkew: 9, whenUnsatisfiable: ScheduleAnyway}]}}",
    ));
    let spec = json!(pods.spec);
    let (rack, disk) =
        (json!({ "key": "rack", "operator": "Exists" }), json!({ "key": "disk", "operator": "Exists" }));
    assert_eq!(
        spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"],
        json!([{ "matchExpressions": [disk, rack] }, { "matchExpressions": [rack] }])
    );
    assert_eq!(spec["affinity"]["podAntiAffinity"], Value::Null);
    assert_eq!(spec["topologySpreadConstraints"].as_array().unwrap().len(), 1);
    assert_eq!(spec["topologySpreadConstraints"][0]["maxSkew"], json!(9));
}

#[test]
fn a_users_mount_takes_its_name_and_its_path() {
    let pods = with_pod(
        "{volumes: [{name: mine, emptyDir: {}}], containers: [{name: elasticsearch, volumeMounts: \
          [{name: mine, mountPath: /usr/share/elasticsearch/logs}, {name: tmp-volume, mountPath: /var/tmp}]}]}",
    );
    let main = container(&pods, "elasticsearch");
    assert_eq!(mount_path(main, "mine"), "/usr/share/elasticsearch/logs");
    assert_eq!(mount_path(main, "tmp-volume"), "/var/tmp");
    assert!(!mounts(main).contains(&"elasticsearch-logs".to_owned()));
}

#[test]
fn images() {
    for (spec, expected) in
        [("", "docker.elastic.co/elasticsearch/elasticsearch:8.15.3"), ("image: here/mine:1,", "here/mine:1")]
    {
        assert_eq!(
            container(&first(&elasticsearch("8.15.3", spec, "")), "elasticsearch").image.as_deref(),
            Some(expected)
        );
    }
    let pods = with_pod("{containers: [{name: elasticsearch, image: theirs:2}]}");
    assert_eq!(container(&pods, "elastic-internal-suspend").image.as_deref(), Some("theirs:2"));
}

#[test]
fn the_oldest_versions_do_not_look_up_what_they_log() {
    let options = |version: &str, env: &str| {
        let pods = first(&elasticsearch(
            version,
            "",
            &format!("podTemplate: {{spec: {{containers: [{{name: elasticsearch, env: [{env}]}}]}}}}"),
        ));
        let all = container(&pods, "elasticsearch").env.clone().unwrap();
        all.into_iter().find(|one| one.name == "ES_JAVA_OPTS").and_then(|one| one.value)
    };
    let flag = "-Dlog4j2.formatMsgNoLookups=true";
    assert_eq!(options("7.1.1", "").as_deref(), Some(flag));
    assert_eq!(options("7.1.1", "{name: ES_JAVA_OPTS, value: -Xmx1g}"), Some(format!("{flag} -Xmx1g")));
    assert_eq!(options("7.2.0", ""), None);
}

fn kibana(version: &str, spec: &str) -> PodTemplateSpec {
    let kibana: Kibana = built::resource(&format!(
        "{{apiVersion: kibana.k8s.elastic.co/v1, kind: Kibana, metadata: {{name: k, namespace: n}}, spec: {{version: {version}, count: 1, {spec}}}}}"
    ));
    kibana_pods(&kibana, &Settings::default())
}

#[test]
fn kibanas_probe_by_version_and_base_path() {
    let variables =
        |env: &str| format!("podTemplate: {{spec: {{containers: [{{name: kibana, env: [{env}]}}]}}}}");
    let both = "{name: SERVER_BASEPATH, value: /e}, {name: SERVER_REWRITEBASEPATH, value: 'true'}";
    let table = [
        ("7.16.0", String::new(), "/login"),
        ("8.15.3", String::new(), "/login"),
        ("8.16.0", String::new(), "/api/status"),
        ("9.1.0", String::new(), "/api/status"),
        ("8.15.3", "config: {server.basePath: /kb, server.rewriteBasePath: true}".to_owned(), "/kb/login"),
        ("8.15.3", "config: {server: {basePath: /kb, rewriteBasePath: true}}".to_owned(), "/kb/login"),
        ("8.15.3", "config: {server.basePath: /kb}".to_owned(), "/login"),
        ("9.1.0", variables(both), "/e/api/status"),
        ("9.1.0", variables("{name: SERVER_BASEPATH, value: /e}"), "/api/status"),
        (
            "9.1.0",
            format!("config: {{server: {{basePath: /kb, rewriteBasePath: true}}}}, {}", variables(both)),
            "/e/api/status",
        ),
    ];
    for (version, spec, path) in table {
        let pods = kibana(version, &spec);
        assert_eq!(
            json!(container(&pods, "kibana").readiness_probe),
            json!({ "httpGet": { "path": path, "port": 5601, "scheme": "HTTPS" }, "initialDelaySeconds": 10,
                "periodSeconds": 10, "timeoutSeconds": 5, "successThreshold": 1, "failureThreshold": 3 }),
            "{version} {spec}"
        );
    }
}

#[test]
fn kibanas_pods() {
    let pods = kibana("8.15.3", "");
    let (main, init_container) = (container(&pods, "kibana"), container(&pods, "elastic-internal-init"));
    assert_eq!(main.env, None);
    assert_eq!(env(init_container), &OPERATORS[..4]);
    assert_eq!(mount_path(main, "kibana-plugins"), "/usr/share/kibana/plugins");
    assert_eq!(mount_path(main, "kibana-logs"), "/usr/share/kibana/logs");
    assert_eq!(mount_path(main, "elastic-internal-kibana-config-local"), "/usr/share/kibana/config");
    assert_eq!(
        mount_path(init_container, "elastic-internal-kibana-config-local"),
        "/mnt/elastic-internal/kibana-config-local"
    );
    assert_eq!(mount_path(init_container, "kibana-plugins"), "/mnt/elastic-internal/kibana-plugins-local");
    for one in [main, init_container] {
        assert_eq!(mount_path(one, "kibana-scripts"), "/mnt/elastic-internal/scripts");
        assert_eq!(
            json!(one.security_context),
            json!({ "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] }, "runAsUser": 1000, "runAsGroup": 1000 })
        );
    }
    let spec = json!(pods.spec);
    assert_eq!(
        spec["securityContext"],
        json!({ "fsGroup": 1000, "seccompProfile": { "type": "RuntimeDefault" } })
    );
    assert_eq!((&spec["affinity"], &spec["terminationGracePeriodSeconds"]), (&Value::Null, &Value::Null));
    assert_eq!(main.lifecycle, None);
    let all = json!({ "limits": { "memory": "2Gi" }, "requests": { "memory": "2Gi" } });
    assert_eq!(json!(main.resources), all);
    assert_eq!(
        annotations(&pods),
        json!({ "co.elastic.logs/module": "kibana", "kibana.k8s.elastic.co/config-hash": "1234567890" })
    );
}

#[test]
fn kibanas_volumes_follow_tls_and_its_association() {
    let certificates = |spec: &str| {
        let all = volumes(&kibana("8.15.3", spec));
        let has = |name: &str| all.contains(&name.to_owned());
        (has("elastic-internal-http-certificates"), has("elasticsearch-certs"))
    };
    assert_eq!(certificates(""), (true, false));
    assert_eq!(certificates("http: {tls: {selfSignedCertificate: {disabled: true}}}"), (false, false));
    assert_eq!(certificates("elasticsearchRef: {name: e}"), (true, true));
}

#[test]
fn kibanas_keystore_is_made_first() {
    let pods = kibana("8.15.3", "secureSettings: [{secretName: a}]");
    assert_eq!(init(&pods), ["elastic-internal-init-keystore", "elastic-internal-init"]);
    let amount = json!({ "cpu": "100m", "memory": "128Mi" });
    let keystore = container(&pods, "elastic-internal-init-keystore");
    assert_eq!(json!(keystore.resources), json!({ "limits": amount, "requests": amount }));
    assert_eq!(env(keystore), &OPERATORS[..4]);
}

#[test]
fn kibana_before_7_10_is_not_hardened() {
    let pods = kibana("7.9.3", "");
    assert_eq!(container(&pods, "kibana").security_context, None);
    assert!(!volumes(&pods).contains(&"kibana-plugins".to_owned()));
}

#[test]
fn apm_servers_pods() {
    let apm: ApmServer = built::resource(include_str!("manifests/apm-server-tls.yaml"));
    let pods = apm_server_pods(&apm, &Settings::default());
    let main = container(&pods, "apm-server");
    assert_eq!(env(main), ["POD_IP", "POD_NAME", "NODE_NAME", "NAMESPACE", "SECRET_TOKEN"]);
    assert_eq!(json!(main.args), json!(["-c", "config/config-secret/apm-server.yml"]));
    assert_eq!(main.security_context, None);
    assert_eq!(
        json!(main.readiness_probe),
        json!({ "httpGet": { "path": "/", "port": 8200, "scheme": "HTTPS" }, "initialDelaySeconds": 10, "periodSeconds": 10,
            "timeoutSeconds": 5, "successThreshold": 1, "failureThreshold": 3 })
    );
    for (volume, path) in [
        ("config-volume", "/usr/share/apm-server/config"),
        ("config", "/usr/share/apm-server/config/config-secret"),
        ("apmserver-data", "/usr/share/apm-server/data"),
        ("elasticsearch-certs", "/usr/share/apm-server/config/elasticsearch-certs"),
        ("kibana-certs", "/usr/share/apm-server/config/kibana-certs"),
        ("elastic-internal-http-certificates", "/mnt/elastic-internal/http-certs"),
    ] {
        assert_eq!(mount_path(main, volume), path, "{volume}");
    }
    assert_eq!(annotations(&pods), json!({ "apm.k8s.elastic.co/config-hash": "1234567890" }));
    assert_eq!(labels(&pods)["eck.k8s.elastic.co/watched"], Value::Null);
    assert_eq!(
        json!(pods.spec.unwrap().security_context),
        json!({ "seccompProfile": { "type": "RuntimeDefault" } })
    );
}

#[test]
fn metadata_of_what_runs_the_pods() {
    let es = elasticsearch("8.15.3", "", "");
    let set = built::stateful_sets(&es).remove(0);
    let spec = set.spec.unwrap();
    assert_eq!(json!(spec.update_strategy), json!({ "type": "OnDelete" }));
    assert_eq!(spec.pod_management_policy.as_deref(), Some("Parallel"));
    assert_eq!(spec.service_name.as_deref(), Some("x-es-s"));
    assert_eq!((spec.min_ready_seconds, spec.persistent_volume_claim_retention_policy), (None, None));
    let selector = json!({ "common.k8s.elastic.co/type": "elasticsearch", "elasticsearch.k8s.elastic.co/cluster-name": "x",
        "elasticsearch.k8s.elastic.co/statefulset-name": "x-es-s" });
    assert_eq!(json!(spec.selector.match_labels), selector);
    let owner = set.metadata.owner_references.unwrap().remove(0);
    assert_eq!(
        (owner.controller, owner.block_owner_deletion, owner.uid.as_str()),
        (Some(true), Some(true), built::UID)
    );
    let apm = built::apm_server(&built::resource(include_str!("manifests/apm-server-mesh.yaml")));
    assert_eq!(apm.metadata.name.as_deref(), Some("elastic-istio-apm-server"));
    assert_eq!(apm.metadata.labels.unwrap().get("eck.k8s.elastic.co/watched"), None);
    let kibana = built::kibana(&built::resource(include_str!("manifests/kibana-mesh.yaml")));
    assert_eq!(kibana.metadata.name.as_deref(), Some("elastic-istio-kb"));
    assert_eq!(json!(kibana.spec.unwrap().strategy), json!({ "type": "RollingUpdate" }));
}

#[test]
fn two_versions_of_kibana_never_run_at_once() {
    use parapet_elastic::deployment::{Replacement, kibana_replacement};
    for (live, expected) in [
        (vec![], Replacement::Rolling),
        (vec!["8.15.3"], Replacement::Rolling),
        (vec!["8.15.3", "8.14.0"], Replacement::Recreate),
        (vec!["8.16.0"], Replacement::Recreate),
    ] {
        assert_eq!(kibana_replacement(live.iter().copied(), "8.15.3"), expected, "{live:?}");
    }
}
