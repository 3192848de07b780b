//! Beats beside Elasticsearch and Kibana.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use parapet_api::{Application, Elasticsearch, Kibana, StackVersion, validate};
use parapet_elastic::association::{Conf, Target};
use parapet_elastic::compare::{changed, differences};
use parapet_elastic::config::{self, Credentials, Yml};
use parapet_elastic::deployment::Replacement;
use parapet_elastic::monitoring::{Beat, Output, Source, config_secret, filebeat, metricbeat};
use parapet_elastic::pod::{Sidecars, base_path};
use parapet_elastic::{Settings, Workload, deployment, stateful_set};
use serde_json::{Value, json};

use crate::built;
use crate::given::{elasticsearch, kibana, secret, text, without_tls};

/// As the reference's own tests have them, whose hashes are known.
fn sample(written: &mut Value) {
    written["metadata"]["name"] = json!("sample");
    written["metadata"]["namespace"] = json!("aerospace");
    written["spec"]["version"] = json!("7.14.0");
    written["spec"]["monitoring"] = json!({
        "metrics": { "elasticsearchRefs": [{ "name": "monitoring", "namespace": "observability" }] },
        "logs": { "elasticsearchRefs": [{ "name": "monitoring", "namespace": "observability" }] },
    });
}

fn of_version(version: &str) -> impl FnOnce(&mut Value) {
    let version = json!(version);
    move |written| {
        sample(written);
        written["spec"]["version"] = version;
    }
}

const TARGET: Target<'static> = Target { name: "monitoring", namespace: "observability" };

fn conf() -> Conf {
    Conf {
        auth_secret_name: "sample-observability-monitoring-beat-es-mon-user".to_owned(),
        auth_secret_key: "aerospace-sample-observability-monitoring-beat-es-mon-user".to_owned(),
        ca_cert_provided: true,
        ca_secret_name: "sample-es-monitoring-observability-monitoring-ca".to_owned(),
        url: "https://monitoring-es-http.observability.svc:9200".to_owned(),
        version: "7.14.0".to_owned(),
        ..Conf::default()
    }
}

fn password(username: &str) -> Credentials {
    Credentials::Password { username: username.to_owned(), password: "1234567890".to_owned() }
}

/// What the Beats beside an application are configured with.
fn spelled<K: Application>(owner: &K, beat: Beat, conf: &Conf, base_path: Option<&str>) -> Vec<Yml> {
    let version: StackVersion = owner.version().parse().unwrap();
    let credentials = password(&conf.auth_secret_key);
    let output = Output { target: TARGET, conf, credentials: &credentials };
    let asking = password("elastic-internal-monitoring");
    let source = Source { credentials: &asking, authority: true, base_path };
    match beat {
        Beat::Metricbeat => metricbeat(owner, &source, &output, &version),
        Beat::Filebeat => filebeat::<K>(&output, &version),
    }
}

fn yml<K: Application>(owner: &K, beat: Beat) -> String {
    spelled(owner, beat, &conf(), None)[0].text()
}

/// The pods with these Beats.
fn with_beats<K: Application>(
    owner: &K,
    beats: &[Beat],
    settings: &Settings,
    template: PodTemplateSpec,
) -> PodTemplateSpec {
    let version: StackVersion = owner.version().parse().unwrap();
    let (conf, credentials) = (conf(), Credentials::None);
    let output = Output { target: TARGET, conf: &conf, credentials: &credentials };
    let mut sidecars = Sidecars::beside(K::KIND);
    for beat in beats {
        let text = yml(owner, *beat);
        sidecars.add(owner, *beat, &output, true, text.as_bytes(), (settings, &version));
    }
    sidecars.into_pods(template)
}

fn nodes(es: &Elasticsearch) -> PodTemplateSpec {
    with_beats(es, &Beat::ALL, &Settings::default(), built::first(es))
}

fn kibanas(kibana: &Kibana) -> PodTemplateSpec {
    let settings = Settings::default();
    with_beats(kibana, &Beat::ALL, &settings, built::kibana_pods(kibana, &settings))
}

fn hash(template: &PodTemplateSpec) -> String {
    let all = template.metadata.as_ref().unwrap().annotations.as_ref().unwrap();
    all.iter().find(|(name, _)| name.ends_with("/monitoring-config-hash")).unwrap().1.clone()
}

/// Both configurations as the reference writes them. Their hashes are published figures of its tests (`sidecar_test.snap`), so they
/// are its bytes: they are kept, and the pods' annotation stays what it was.
#[test]
fn the_references_configurations_and_their_hash_are_kept() {
    let es = elasticsearch(sample);
    let version: StackVersion = es.version().parse().unwrap();
    let kept = |beat: Beat, theirs: &str| {
        let live = secret("theirs", [(beat.file().as_str(), theirs)]);
        let kept =
            text(&config_secret(&es, beat, &spelled(&es, beat, &conf(), None), Some(&live)), &beat.file());
        assert_eq!(kept, theirs);
        kept
    };
    let metricbeat = kept(Beat::Metricbeat, include_str!("adopted/beats/metricbeat.yml"));
    let filebeat = kept(Beat::Filebeat, include_str!("adopted/beats/filebeat.yml"));
    let check = |beats: &[(Beat, &str)], expect: &str| {
        let (conf, credentials) = (conf(), Credentials::None);
        let output = Output { target: TARGET, conf: &conf, credentials: &credentials };
        let mut sidecars = Sidecars::beside(parapet_api::Kind::Elasticsearch);
        for (beat, text) in beats {
            let inputs = (&Settings::default(), &version);
            sidecars.add(&es, *beat, &output, true, text.as_bytes(), inputs);
        }
        assert_eq!(hash(&sidecars.into_pods(built::first(&es))), expect, "{beats:?}");
    };
    check(&[(Beat::Metricbeat, &metricbeat)], "3826168075");
    check(&[(Beat::Filebeat, &filebeat)], "3392808927");
    check(&[(Beat::Metricbeat, &metricbeat), (Beat::Filebeat, &filebeat)], "1014784161");
}

#[test]
fn configurations_by_version() {
    for version in ["7.17.0", "8.15.3", "9.4.0"] {
        let es = elasticsearch(of_version(version));
        insta::assert_snapshot!(format!("metricbeat-{version}"), yml(&es, Beat::Metricbeat));
        insta::assert_snapshot!(format!("filebeat-{version}"), yml(&es, Beat::Filebeat));
    }
    let kibana = kibana(of_version("8.15.3"));
    insta::assert_snapshot!("metricbeat-kibana", yml(&kibana, Beat::Metricbeat));
    insta::assert_snapshot!("filebeat-kibana", yml(&kibana, Beat::Filebeat));
}

#[test]
fn without_tls_nothing_of_tls_is_asked_for() {
    let es = elasticsearch(|written| {
        sample(written);
        without_tls(written);
    });
    let text = yml(&es, Beat::Metricbeat);
    assert!(text.contains("- http://localhost:9200\n"), "{text}");
    assert!(text.contains("enabled: false\n"), "{text}");
    assert!(!text.contains("/es-monitoring/aerospace/sample/certs"), "{text}");
    let template = with_beats(&es, &[Beat::Metricbeat], &Settings::default(), built::first(&es));
    let volumes: Vec<String> =
        template.spec.unwrap().volumes.unwrap().into_iter().map(|volume| volume.name).collect();
    assert!(!volumes.contains(&"es-monitoring-local-ca".to_owned()), "{volumes:?}");
    let clear = Conf { ca_cert_provided: false, url: "http://m-es-http.o.svc:9200".to_owned(), ..conf() };
    let text = spelled(&es, Beat::Filebeat, &clear, None)[0].text();
    assert!(text.contains("- http://m-es-http.o.svc:9200\n"), "{text}");
    assert!(!text.contains("certificate_authorities"), "{text}");
}

#[test]
fn kibana_is_asked_where_it_answers() {
    let kibana = kibana(|written| {
        sample(written);
        written["spec"]["config"] = json!({ "server.basePath": "/prefix", "server.rewriteBasePath": true });
    });
    let text = spelled(&kibana, Beat::Metricbeat, &conf(), base_path(&kibana).as_deref())[0].text();
    assert!(text.contains("- basepath: /prefix\n"), "{text}");
    assert!(!yml(&kibana, Beat::Metricbeat).contains("basepath"));
}

/// Beside Elasticsearch and Kibana, volumes and environment included.
#[test]
fn pods_with_beats() {
    let es = elasticsearch(of_version("8.15.3"));
    let only = |template: PodTemplateSpec, main: &str, others: &PodTemplateSpec| {
        let spec = template.spec.as_ref().unwrap();
        let volumes = spec.volumes.iter().flatten();
        let before = others.spec.as_ref().unwrap();
        let added: Vec<_> =
            volumes.filter(|volume| !before.volumes.iter().flatten().any(|one| one == *volume)).collect();
        let beats: Vec<_> = spec.containers.iter().filter(|one| one.name != main).collect();
        assert_eq!(spec.init_containers, before.init_containers, "init containers stay as they are");
        json!({ "containers": beats, "volumes": added, "hash": hash(&template) })
    };
    insta::assert_json_snapshot!(
        "elasticsearch-beats",
        only(nodes(&es), "elasticsearch", &built::first(&es))
    );
    let main = built::container(&nodes(&es), "elasticsearch").clone();
    let variable = main.env.as_ref().unwrap().last().unwrap();
    assert_eq!((variable.name.as_str(), variable.value.as_deref()), ("ES_LOG_STYLE", Some("file")));
    let kibana = kibana(of_version("8.15.3"));
    let without = built::kibana_pods(&kibana, &Settings::default());
    insta::assert_json_snapshot!("kibana-beats", only(kibanas(&kibana), "kibana", &without));
    let older = nodes(&elasticsearch(of_version("7.17.0")));
    let context = built::container(&older, "filebeat").security_context.as_ref().unwrap();
    assert_eq!(context.run_as_non_root, None, "before 8.8 the image's user has no number");
}

#[test]
fn a_users_container_of_the_same_name_is_completed() {
    let es = elasticsearch(|written| {
        sample(written);
        written["spec"]["nodeSets"][0]["podTemplate"] = json!({ "spec": { "containers": [
            { "name": "metricbeat", "image": "mine/metricbeat:1", "env": [{ "name": "NODE_NAME", "value": "x" }],
              "resources": { "limits": { "memory": "1Gi" } } },
        ] } });
    });
    let template = nodes(&es);
    let names: Vec<&str> =
        template.spec.as_ref().unwrap().containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["metricbeat", "elasticsearch", "filebeat"], "in the user's order");
    let beat = built::container(&template, "metricbeat");
    assert_eq!(beat.image.as_deref(), Some("mine/metricbeat:1"));
    assert_eq!(beat.args.as_ref().unwrap()[1], "/etc/metricbeat-config/metricbeat.yml");
    assert_eq!(beat.env.as_ref().unwrap()[0].value.as_deref(), Some("x"));
    assert_eq!(beat.resources.as_ref().unwrap().limits.as_ref().unwrap()["memory"].0, "1Gi");
    assert!(beat.volume_mounts.as_ref().unwrap().iter().any(|mount| mount.name == "metricbeat-data"));
    assert!(beat.security_context.is_some());
}

#[test]
fn settings_of_what_is_monitored() {
    let es = |change: fn(&mut Value)| {
        let es = elasticsearch(change);
        config::elasticsearch(&es, &es.spec.node_sets[0], &Settings::default()).unwrap()
    };
    let collects = |yml: &Yml| {
        let setting = |name: &str| yml.text_at(&format!("xpack.monitoring.{name}"));
        (setting("collection.enabled"), setting("elasticsearch.collection.enabled"))
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(collects(&es(sample)), (text("true"), text("false")));
    assert_eq!(collects(&es(|_| {})), (None, None));
    let logs = es(|written| {
        sample(written);
        written["spec"]["monitoring"]["metrics"] = json!({});
    });
    assert_eq!(collects(&logs), (None, None), "only metrics are collected");
}

#[test]
fn what_the_reference_wrote_is_kept() {
    let es = elasticsearch(of_version("8.15.3"));
    let spelled = spelled(&es, Beat::Metricbeat, &conf(), None);
    let made = config_secret(&es, Beat::Metricbeat, &spelled, None);
    assert_eq!(made.metadata.name.as_deref(), Some("sample-es-monitoring-metricbeat-config"));
    let mut theirs = made.clone();
    // Releases after 3.5 ask by the pod's address; quotes are theirs.
    let written = text(&made, "metricbeat.yml")
        .replace("https://localhost:9200", "https://${POD_IP}:9200")
        .replace("period: 10s", "period: \"10s\"");
    theirs
        .data
        .as_mut()
        .unwrap()
        .insert("metricbeat.yml".to_owned(), k8s_openapi::ByteString(written.clone().into_bytes()));
    assert_eq!(
        text(&config_secret(&es, Beat::Metricbeat, &spelled, Some(&theirs)), "metricbeat.yml"),
        written
    );
    let other = Conf { url: "https://other".to_owned(), ..conf() };
    let other = self::spelled(&es, Beat::Metricbeat, &other, None);
    let new = config_secret(&es, Beat::Metricbeat, &other, Some(&theirs));
    assert!(
        text(&new, "metricbeat.yml").contains("https://localhost:9200"),
        "ours, if anything else is another"
    );
}

/// What an API server gives back of a template that the reference made is no other template to us.
#[test]
fn pods_of_the_reference_are_taken_over_as_they_are() {
    let es = elasticsearch(of_version("8.15.3"));
    let set = &es.spec.node_sets[0];
    let desired = stateful_set(&es, set, nodes(&es), 3);
    let mut live: StatefulSet = desired.clone();
    foreign(&mut live);
    let template = live.spec.as_mut().map(|spec| &mut spec.template).unwrap();
    let spec = template.spec.as_mut().unwrap();
    spec.volumes.as_mut().unwrap().reverse();
    assert_eq!(differences(&live, &desired), []);

    let kibana = kibana(of_version("8.15.3"));
    let desired = deployment::kibana(&kibana, kibanas(&kibana), Replacement::Rolling);
    let mut live: Deployment = desired.clone();
    foreign(&mut live);
    let spec = live.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()).unwrap();
    for beat in spec.containers.iter_mut().filter(|one| one.name != "kibana") {
        beat.security_context = None;
    }
    assert_eq!(differences(&live, &desired), [], "the reference gives the Beats beside Kibana no context");
    assert!(changed(&live, &desired).is_none());
    assert!(desired.template().unwrap().spec.as_ref().unwrap().containers[1].security_context.is_some());
}

/// As another operator would have stamped it.
fn foreign<K: kube::Resource>(object: &mut K) {
    let labels = object.meta_mut().labels.get_or_insert_default();
    labels.insert("common.k8s.elastic.co/template-hash".to_owned(), "1234567890".to_owned());
}

#[test]
fn the_example_is_accepted_without_a_word() {
    let example = include_str!("../../../../examples/elastic/monitoring.yaml");
    let documents: Vec<Value> = serde_saphyr::from_multiple(example).unwrap();
    let mut sending = 0;
    for document in documents {
        let rules = validate::Rules::default();
        let (errors, warnings, monitoring) = if document["kind"] == "Kibana" {
            let kibana: Kibana = serde_json::from_value(document).unwrap();
            let errors = validate::kibana(&kibana, &rules);
            (errors, validate::kibana_warnings(&kibana), kibana.spec.monitoring)
        } else {
            let es: Elasticsearch = serde_json::from_value(document).unwrap();
            let errors = validate::elasticsearch(&es, &rules);
            (errors, validate::elasticsearch_warnings(&es), es.spec.monitoring)
        };
        assert!(errors.is_empty() && warnings.is_empty(), "{errors:?} {warnings:?}");
        let clusters = monitoring.iter().flat_map(|all| [all.metrics.cluster(), all.logs.cluster()]);
        sending += clusters.flatten().count();
    }
    assert_eq!(sending, 4, "metrics and logs of a cluster and of its Kibana");
}
