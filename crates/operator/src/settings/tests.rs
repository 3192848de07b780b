//! The configuration of the documents, and what is wrong in others.

use super::*;

/// As source document 004 has it, in its order.
const DOCUMENTED: &str = "\
log-verbosity: 0
metrics-port: 8081
metrics-host: 127.0.0.1
container-registry: docker.elastic.co
max-concurrent-reconciles: 3
ca-cert-validity: 8760h
ca-cert-rotate-before: 24h
cert-validity: 8760h
cert-rotate-before: 24h
disable-config-watch: false
exposed-node-labels: [topology.kubernetes.io/.*,failure-domain.beta.kubernetes.io/.*]
set-default-security-context: auto-detect
kube-client-timeout: 60s
elasticsearch-client-timeout: 180s
disable-telemetry: false
distribution-channel: all-in-one
validate-storage-class: true
enable-webhook: true
webhook-name: elastic-webhook.k8s.elastic.co
webhook-port: 9443
operator-namespace: elastic-system
enable-leader-election: true
elasticsearch-observation-interval: 10s
ubi-only: false
";

fn given(text: &str) -> Given {
    let file = format!("{text}\noperator-namespace: elastic-system\n");
    Given { file: Some((PathBuf::from("/conf/eck.yaml"), file)), ..Given::default() }
}

fn resolve(text: &str) -> Settings {
    Settings::resolve(&given(text)).unwrap()
}

fn refused(text: &str, expected: &str) {
    assert_eq!(Settings::resolve(&given(text)).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn the_documented_file_loads_without_a_word() {
    let file = Some((PathBuf::from("/conf/eck.yaml"), DOCUMENTED.to_owned()));
    let settings = Settings::resolve(&Given { file, ..Given::default() }).unwrap();
    assert_eq!(settings.warnings, []);
    let metrics = settings.metrics.unwrap();
    assert_eq!(metrics.address, "127.0.0.1:8081".parse().unwrap());
    assert_eq!(metrics.security, MetricsSecurity::Plain);
    assert_eq!(settings.probes, None, "the default gives way");
    assert_eq!(settings.max_concurrent_reconciles, 3);
    assert_eq!(settings.ca_validity.lifetime, Duration::from_secs(8760 * 3600));
    assert_eq!(settings.kube_client_timeout, Duration::from_secs(60));
    assert_eq!(settings.observation_interval, Some(Duration::from_secs(10)));
    assert_eq!(settings.webhook.unwrap().port, 9443);
    assert_eq!(settings.security_context, SecurityContext::AutoDetect);
    assert!(settings.watch_config && settings.leader_election && settings.validate_storage_class);
    let labels = &settings.elastic.exposed_node_labels;
    assert!(is_exposed("topology.kubernetes.io/zone", labels));
    assert!(!is_exposed("x.topology.kubernetes.io/zone", labels), "the whole label has to fit");
}

#[test]
fn every_key_of_the_table_is_read_and_every_default_is_right() {
    let mut reader = Reader::default();
    reader.flags([("operator-namespace", "ns".to_owned())].into());
    let settings = Settings::read(&mut reader).unwrap();
    assert_eq!(reader.forgotten(), Vec::<&str>::new());
    assert_eq!(settings.probes, Some("0.0.0.0:8081".parse().unwrap()));
    assert_eq!(settings.metrics, None);
    assert_eq!(settings.webhook, None);
    assert_eq!(settings.network_policies, NetworkPolicies::Off);
    assert_eq!(settings.dialling, Dialling::Pods);
    // What is written as the default can be given as a value.
    for key in KEYS.iter().filter(|key| key.name != "operator-namespace") {
        let mut flags = BTreeMap::from([("operator-namespace", "ns".to_owned())]);
        flags.insert(key.name, key.default.to_owned());
        let settings = Settings::resolve(&Given { flags, ..Given::default() });
        assert!(settings.is_ok(), "{}: {settings:?}", key.name);
    }
}

/// Each key with a value that isn't its default.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("auto-port-forward", "true"),
    ("ca-cert-rotate-before", "48h"),
    ("ca-cert-validity", "17520h"),
    ("ca-dir", "/authority"),
    ("cache-startup-timeout", "5m"),
    ("cert-rotate-before", "36h"),
    ("cert-validity", "720h"),
    ("certificate-key-type", "rsa"),
    ("container-registry", "registry.example"),
    ("container-repository", "mirror/elastic"),
    ("container-suffix", "-mine"),
    ("debug-http-listen", "localhost:7070"),
    ("disable-config-watch", "true"),
    ("disable-telemetry", "true"),
    ("distribution-channel", "all-in-one"),
    ("elasticsearch-client-timeout", "90s"),
    ("elasticsearch-dialling", "service"),
    ("elasticsearch-observation-interval", "1m30s"),
    ("enable-leader-election", "false"),
    ("enable-tracing", "true"),
    ("enable-webhook", "true"),
    ("enforce-rbac-on-refs", "true"),
    ("exposed-node-labels", "topology.kubernetes.io/.*"),
    ("ip-family", "IPv6"),
    ("kube-client-qps", "5"),
    ("kube-client-timeout", "30s"),
    ("log-verbosity", "-2"),
    ("manage-webhook-certs", "false"),
    ("max-concurrent-reconciles", "20"),
    ("mesh-checks", "false"),
    ("mesh-namespace", "mesh"),
    ("metrics-cert-dir", "/certificates"),
    ("metrics-host", "127.0.0.1"),
    ("metrics-port", "8081"),
    ("metrics-secure", "true"),
    ("namespace-selector", "team=data"),
    ("namespaces", "a,b"),
    ("network-policies", "new"),
    ("operator-labels", "app=operator"),
    ("operator-namespace", "elsewhere"),
    ("password-hash-cache-size", "100"),
    ("password-length", "32"),
    ("probes-bind-address", "127.0.0.1:9000"),
    ("restrict-watched-resources", "true"),
    ("set-default-security-context", "false"),
    ("telemetry-interval", "2h"),
    ("ubi-only", "true"),
    ("validate-storage-class", "false"),
    ("webhook-cert-dir", "/webhook"),
    ("webhook-name", "mine"),
    ("webhook-port", "9999"),
    ("webhook-secret", "secret"),
];

#[test]
fn every_key_means_the_same_in_the_file_in_the_environment_and_as_a_flag() {
    let names: Vec<&str> = OTHER_VALUES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
    for (name, value) in OTHER_VALUES {
        let key = find(name).unwrap();
        // What some keys need to be seen: they say how something is done that is off.
        let also = match *name {
            "metrics-host" | "metrics-secure" => "metrics-port: 8080\n",
            "metrics-cert-dir" => "metrics-port: 8080\nmetrics-secure: true\n",
            "manage-webhook-certs" => "enable-webhook: true\n",
            name if name.starts_with("webhook-") => "enable-webhook: true\n",
            _ => "",
        };
        let own = if *name == "operator-namespace" { "" } else { "operator-namespace: elastic-system\n" };
        let base = format!("{also}{own}");
        let of = |file: String| Given { file: Some(("/conf/eck.yaml".into(), file)), ..Given::default() };
        let shown = |given: &Given| {
            let mut settings = Settings::resolve(given).unwrap_or_else(|error| panic!("{name}: {error}"));
            settings.warnings.clear();
            format!("{settings:?}")
        };
        let by_file = shown(&of(format!("{base}{name}: {value}\n")));
        let mut given = of(base.clone());
        given.environment.insert(key.variable(), (*value).to_owned());
        assert_eq!(shown(&given), by_file, "{name} in the environment");
        let mut given = of(base.clone());
        given.flags.insert(key.name, (*value).to_owned());
        assert_eq!(shown(&given), by_file, "{name} as a flag");
        if *name != "operator-namespace" {
            let differs = shown(&of(base)) != by_file;
            assert_eq!(differs, key.effect == Effect::Full, "{name} does what the table says");
        }
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let mut given = given("cert-validity: 100h");
    assert_eq!(Settings::resolve(&given).unwrap().certificate_validity.lifetime.as_secs(), 360_000);
    given.environment.insert("CERT_VALIDITY".to_owned(), "200h".to_owned());
    given.environment.insert("CA_DIR".to_owned(), String::new());
    assert_eq!(Settings::resolve(&given).unwrap().certificate_validity.lifetime.as_secs(), 720_000);
    given.flags.insert("cert-validity", "300h".to_owned());
    let settings = Settings::resolve(&given).unwrap();
    assert_eq!(settings.certificate_validity.lifetime.as_secs(), 1_080_000);
    assert_eq!(settings.ca_dir, None);
}

#[test]
fn an_unknown_key_is_a_warning_with_its_place_and_a_typo_an_error() {
    let settings = resolve("# a comment\nsomething-new: 1");
    let warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["/conf/eck.yaml:2: something-new: there is no such key; it is ignored"]);
    refused(
        "\nmetrics-prot: 8080",
        "/conf/eck.yaml:2: metrics-prot: there is no such key; was metrics-port meant?",
    );
    let settings = resolve("enable-tracing: true\ndisable-telemetry: true");
    assert_eq!(settings.warnings.len(), 1, "what nobody misses is no warning");
    assert!(settings.warnings[0].to_string().contains("enable-tracing: it has no effect"));
}

#[test]
fn a_bad_value_names_file_line_and_key() {
    refused(
        "a: 1\ncert-validity: tomorrow",
        "/conf/eck.yaml:2: cert-validity: \"tomorrow\" is no duration such as 8760h, 180s or 1h30m",
    );
    refused("ubi-only: yes please", "/conf/eck.yaml:1: ubi-only: \"yes please\" is neither true nor false");
    refused("metrics-port: 70000", "/conf/eck.yaml:1: metrics-port: \"70000\" is no port from 0 to 65535");
    refused(
        "metrics-host: nowhere",
        "/conf/eck.yaml:1: metrics-host: \"nowhere\" is no address such as 127.0.0.1",
    );
    refused(
        "max-concurrent-reconciles: 0",
        "/conf/eck.yaml:1: max-concurrent-reconciles: \"0\" is no number from 1 on",
    );
    refused("ip-family: ipv5", "/conf/eck.yaml:1: ip-family: \"ipv5\" is neither IPv4 nor IPv6");
    refused(
        "elasticsearch-dialling: ip",
        "/conf/eck.yaml:1: elasticsearch-dialling: \"ip\" is neither pods nor service",
    );
    assert_eq!(resolve("password-length: 6").elastic.password_length, 6);
    refused("password-length: 5", "/conf/eck.yaml:1: password-length: \"5\" is no number from 6 to 72");
    refused(
        "container-registry: [a, b]",
        "/conf/eck.yaml:1: container-registry: \"a, b\" is a list; one value was expected",
    );
    refused(
        "namespace-selector: {matchLabel: {a: b}}",
        "/conf/eck.yaml:1: namespace-selector: \"{\\\"matchLabel\\\":{\\\"a\\\":\\\"b\\\"}}\" is no selector with matchLabels and matchExpressions",
    );
    refused(
        "mesh-namespace: mesh/pods",
        "/conf/eck.yaml:1: mesh-namespace: \"mesh/pods\" is no name of a namespace",
    );
    refused("operator-labels: [app=a, b]", "/conf/eck.yaml:1: operator-labels: \"b\" is no LABEL=VALUE");
    let bad = Settings::resolve(&given("exposed-node-labels: ['(']")).unwrap_err().to_string();
    assert!(
        bad.starts_with("/conf/eck.yaml:1: exposed-node-labels: \"(\" is no regular expression"),
        "{bad}"
    );
    let syntax = Settings::resolve(&given("a: 1\nb: [")).unwrap_err().to_string();
    assert!(syntax.starts_with("/conf/eck.yaml:"), "{syntax}");
    let twice = Settings::resolve(&given("ubi-only: true\nubi-only: false")).unwrap_err().to_string();
    assert!(twice.starts_with("/conf/eck.yaml:2: "), "{twice}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    refused(
        "cert-validity: 1h\ncert-rotate-before: 2h",
        "/conf/eck.yaml:2: cert-rotate-before: it is longer than cert-validity, so that everything would be renewed all the time",
    );
    refused(
        "ubi-only: true\ncontainer-suffix: -x",
        "/conf/eck.yaml:2: container-suffix: not together with ubi-only, which has a suffix of its own",
    );
    let missing = Settings::resolve(&Given::default()).unwrap_err().to_string();
    assert!(missing.contains("OPERATOR_NAMESPACE"), "{missing}");
}

#[test]
fn probes_give_way_to_metrics_unless_they_were_asked_for() {
    let check = |text: &str, probes: Option<&str>| {
        assert_eq!(resolve(text).probes, probes.map(|address| address.parse().unwrap()), "{text}");
    };
    check("metrics-port: 8080", Some("0.0.0.0:8081"));
    check("metrics-port: 8081\nmetrics-host: 127.0.0.1", None);
    check(
        "metrics-port: 8081\nmetrics-host: 127.0.0.1\nprobes-bind-address: 127.0.0.1:8081",
        Some("127.0.0.1:8081"),
    );
    check("metrics-port: 8081\nprobes-bind-address: 127.0.0.1:9090", Some("127.0.0.1:9090"));
    check("probes-bind-address: '0'", None);
    check("ip-family: IPv6", Some("[::]:8081"));
    refused(
        "metrics-port: 8081\nmetrics-secure: true\nprobes-bind-address: :8081",
        "/conf/eck.yaml:3: probes-bind-address: metrics are served at 0.0.0.0:8081 already, to those with a token",
    );
}

#[test]
fn plain_metrics_for_everybody_are_a_warning() {
    assert!(resolve("metrics-port: 8080").warnings[0].to_string().contains("in clear text"));
    assert!(resolve("metrics-port: 8080\nmetrics-secure: true").warnings.is_empty());
    assert!(resolve("metrics-port: 8080\nmetrics-host: 127.0.0.1").warnings.is_empty());
}

#[test]
fn the_operators_own_pods_have_the_labels_that_it_is_told() {
    let check = |text: &str, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        assert_eq!(resolve(text).operator_labels, labels.collect(), "{text}");
    };
    check("", &[("control-plane", "elastic-operator")]);
    check("operator-labels: control-plane=other", &[("control-plane", "other")]);
    let both = &[("app.kubernetes.io/name", "a"), ("app.kubernetes.io/instance", "b")];
    check("operator-labels: app.kubernetes.io/name=a,app.kubernetes.io/instance=b", both);
    check("operator-labels: [app.kubernetes.io/name=a, app.kubernetes.io/instance=b]", both);
}

#[test]
fn a_selector_of_namespaces_is_text_or_a_mapping() {
    assert_eq!(
        resolve("namespace-selector: team=data,!legacy").namespace_selector.as_deref(),
        Some("team=data,!legacy")
    );
    let mapping = "namespace-selector:\n  matchLabels:\n    team: data\n  matchExpressions:\n  - {key: tier, operator: In, values: [a]}";
    assert_eq!(resolve(mapping).namespace_selector.as_deref(), Some("team=data,tier in (a)"));
    assert_eq!(resolve("namespace-selector: {}").namespace_selector, None);
    let namespaces = ["a".to_owned(), "b".to_owned()].into();
    assert_eq!(resolve("namespaces: a, b").namespaces, namespaces);
    assert_eq!(resolve("namespaces: [a, b]").namespaces, namespaces);
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_ends_the_wait_once_it_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eck.yaml");
    std::fs::write(&path, "operator-namespace: a\n").unwrap();
    let given = Given::read(BTreeMap::new(), BTreeMap::new(), Some(&path)).unwrap();
    let mut waiting = tokio_test(changed(path.clone(), given, LOOK_EVERY));
    assert!(!waiting.ends_within(4 * LOOK_EVERY).await, "nothing has changed");
    std::fs::remove_file(&path).unwrap();
    assert!(!waiting.ends_within(4 * LOOK_EVERY).await, "it is being exchanged");
    std::fs::write(&path, "operator-namespace: a\nmetrics-port: none\n").unwrap();
    assert!(!waiting.ends_within(4 * LOOK_EVERY).await, "it can't be used");
    std::fs::write(&path, "operator-namespace: a\nmetrics-port: 8080\n").unwrap();
    assert!(waiting.ends_within(4 * LOOK_EVERY).await);
}

struct Waiting(tokio::task::JoinHandle<()>);

fn tokio_test(future: impl Future<Output = ()> + Send + 'static) -> Waiting {
    Waiting(tokio::spawn(future))
}

impl Waiting {
    async fn ends_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, &mut self.0).await.is_ok()
    }
}
