//! The operator's metrics, secured both ways, asked through a real API server: 401 without a token, 403 without the right.

use std::net::UdpSocket;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::runtime::wait::await_condition;
use parapet_testbed::{Authority, Cluster, Leaf, Process, free_port};
use serde_json::json;
use tokio::net::TcpStream;

use crate::asked::{Answer, ask, ask_with, status};
use crate::log::says;
use crate::world::{
    OPERATOR, Operator, Start, WORKING, What, called, log_of, samples, shared, text_of, wait_until_allowed,
};

/// What dashboards and alerts ask for.
const NAMES: &[&str] = &[
    "elastic_leader",
    "elastic_licensing_enterprise_resource_units_total",
    "elastic_licensing_memory_gibibytes_total",
    "elastic_licensing_memory_gibibytes_elasticsearch",
    "elastic_licensing_memory_gibibytes_kibana",
    "elastic_licensing_memory_gibibytes_apm",
    "elastic_licensing_memory_gibibytes_enterprise_search",
    "elastic_licensing_memory_gibibytes_logstash",
    "leader_election_master_status",
    "controller_runtime_max_concurrent_reconciles",
    "controller_runtime_active_workers",
    "controller_runtime_reconcile_total",
    "controller_runtime_reconcile_errors_total",
    "controller_runtime_reconcile_time_seconds_count",
    "workqueue_depth",
    "workqueue_adds_total",
    "workqueue_retries_total",
    "workqueue_queue_duration_seconds_count",
    "workqueue_work_duration_seconds_count",
    "rest_client_requests_total",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
];

/// Two ServiceAccounts besides the operator's: one that may read metrics, and one that may not.
struct Readers {
    cluster: &'static Cluster,
    namespace: &'static str,
    reader: String,
    stranger: String,
}

impl Readers {
    async fn new(namespace: &'static str) -> Option<Self> {
        let cluster = shared().await?;
        cluster.namespace(namespace).await.unwrap();
        for name in [OPERATOR, "prometheus"] {
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
            cluster.apply(&account.to_string(), namespace).await.unwrap();
        }
        // What the example has for its own namespaces, for these.
        let here = |file: &str| {
            let text = text_of(&format!("examples/secure-metrics/{file}"));
            let text = text.replace("namespace: elastic-system", &format!("namespace: {namespace}"));
            let text = text.replace("namespace: monitoring", &format!("namespace: {namespace}"));
            text.replace("name: elastic-operator-", &format!("name: {namespace}-"))
        };
        cluster.apply(&here("prometheus/rbac.yaml"), namespace).await.unwrap();
        cluster.apply(&here("in-process/rbac.yaml"), namespace).await.unwrap();
        // What the operator does besides.
        let work = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
        let role = json!({"kind": "Role", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "work"}, "rules": work});
        let binding = json!({
            "kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "work"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "work"},
            "subjects": [{"kind": "ServiceAccount", "name": OPERATOR, "namespace": namespace}],
        });
        cluster.apply(&format!("{role}\n---\n{binding}"), namespace).await.unwrap();
        let user = |name: &str| format!("system:serviceaccount:{namespace}:{name}");
        wait_until_allowed(cluster, &user("prometheus"), What::Get("/metrics")).await;
        let reviews = What::Create("authorization.k8s.io", "subjectaccessreviews");
        wait_until_allowed(cluster, &user(OPERATOR), reviews).await;
        Some(Self {
            cluster,
            namespace,
            reader: cluster.token(namespace, "prometheus", &[]).await.unwrap(),
            stranger: cluster.token(namespace, "default", &[]).await.unwrap(),
        })
    }

    /// The documented file of that generation, for this namespace. Addresses are the flags'.
    async fn operator(&self, file: &str, flags: &[&str]) -> Operator {
        let map: serde_json::Value =
            serde_saphyr::from_str(&text_of(&format!("examples/secure-metrics/{file}"))).unwrap();
        let file = map["data"]["eck.yaml"].as_str().unwrap();
        let file = file.replace(
            "operator-namespace: elastic-system",
            &format!("operator-namespace: {}", self.namespace),
        );
        let kubeconfig = self.cluster.kubeconfig_of(self.namespace, OPERATOR).await.unwrap();
        let within = format!("--namespaces={}", self.namespace);
        // Passes are told of then.
        let flags = [&[&*within, "--log-verbosity=1"], flags].concat();
        let name = format!("{}-operator", self.namespace);
        let start =
            Start { cluster: self.cluster, name: &name, kubeconfig: &kubeconfig, file: &file, flags: &flags };
        Operator::start(start).await
    }

    /// Nobody without the right reads; who has it reads everything.
    async fn is_guarded(&self, operator: &Operator, url: &str) {
        assert_eq!(status(url).await, 401);
        assert_eq!(ask_with("no token at all", url).await.status, 401);
        let refused = ask_with(&self.stranger, url).await;
        assert_eq!(refused.status, 403);
        assert!(!refused.body.contains("elastic_"), "{}", refused.body);
        let metrics = self.complete(operator, url).await;
        let uuid = samples(&metrics, "elastic_leader").next().unwrap();
        assert!(uuid.0.contains(&format!("operator_namespace=\"{}\"", self.namespace)), "{uuid:?}");
        assert_eq!(uuid.1, 1.0);
    }

    /// All names are there, once the operator leads, has counted what it manages, and a pass has ended.
    async fn complete(&self, operator: &Operator, url: &str) -> String {
        operator.says(WORKING).await;
        let maps: Api<ConfigMap> = Api::namespaced(self.cluster.client().await.unwrap(), self.namespace);
        await_condition(maps, "elastic-licensing", |map: Option<&ConfigMap>| map.is_some()).await.unwrap();
        // Something to do, so that passes are counted.
        let kibana = text_of("examples/elastic/kibana.yaml");
        self.cluster.apply(&kibana, self.namespace).await.unwrap();
        operator.says("\"a pass ended\"").await;
        let Answer { status, body } = ask_with(&self.reader, url).await;
        assert_eq!(status, 200, "{body}");
        let missing: Vec<_> = NAMES.iter().filter(|name| samples(&body, name).next().is_none()).collect();
        // Errors and retries are counted once there is one.
        let expected = ["controller_runtime_reconcile_errors_total", "workqueue_retries_total"];
        assert!(missing.iter().all(|name| expected.contains(name)), "{missing:?} of {body}");
        body
    }
}

#[tokio::test]
async fn in_process_metrics_are_for_those_with_the_role() {
    let Some(readers) = Readers::new("metrics-in-process").await else { return };
    let port = free_port().unwrap();
    let flag = format!("--metrics-port={port}");
    let operator = readers.operator("in-process/config.yaml", &[&flag, "--metrics-secure"]).await;
    let url = format!("https://127.0.0.1:{port}/metrics");
    readers.is_guarded(&operator, &url).await;
    assert_eq!(status(&format!("http://127.0.0.1:{port}/metrics")).await, 0, "nothing in clear text");
    // The same socket tells nothing else.
    assert_ne!(ask_with(&readers.reader, &format!("https://127.0.0.1:{port}/debug/pprof")).await.status, 200);
    assert!(operator.process.stop().unwrap().success());
}

#[tokio::test]
async fn in_process_metrics_show_a_certificate_of_ones_own() {
    let Some(readers) = Readers::new("metrics-own-certificate").await else { return };
    let name = "elastic-operator-metrics.elastic-system.svc";
    let authority = Authority::new("metrics").unwrap();
    let pair = authority.sign(Leaf { common_name: name, organization: None, names: &[name] }).unwrap();
    let folder = readers.cluster.sandbox().dir().join("serving-certs");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("tls.crt"), &pair.certificate).unwrap();
    std::fs::write(folder.join("tls.key"), &pair.key).unwrap();
    let ca = readers.cluster.sandbox().write("metrics-ca.crt", authority.certificate()).unwrap();
    let port = free_port().unwrap();
    let flags = [
        &*format!("--metrics-port={port}"),
        "--metrics-secure",
        &format!("--metrics-cert-dir={}", folder.display()),
    ];
    let operator = readers.operator("in-process/config.yaml", &flags).await;
    // Checked as Prometheus does it with caFile and serverName.
    let answer = tokio::process::Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--fail", "--cacert"])
        .arg(&ca)
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .args(["--header", &format!("Authorization: Bearer {}", readers.reader)])
        .arg(format!("https://{name}:{port}/metrics"))
        .output()
        .await
        .unwrap();
    assert!(answer.status.success(), "{answer:?}");
    assert!(String::from_utf8_lossy(&answer.stdout).contains("process_resident_memory_bytes"));
    assert!(operator.process.stop().unwrap().success());
}

/// Source document 004: the operator on loopback, our own image beside it, called by the name of what it replaces.
#[tokio::test]
async fn metrics_on_loopback_are_guarded_by_the_sidecar() {
    let Some(readers) = Readers::new("metrics-sidecar").await else { return };
    let port = free_port().unwrap();
    let operator = readers.operator("sidecar/config.yaml", &[&format!("--metrics-port={port}")]).await;
    let plain = format!("http://127.0.0.1:{port}/metrics");
    assert_eq!(ask(&plain, &[]).await.status, 200, "the sidecar reads it");
    if let Some(address) = address_of_this_machine() {
        let outside = TcpStream::connect((address, port)).await;
        assert!(outside.is_err(), "nobody else reaches it");
    }
    let (sidecar, listens) = sidecar(&readers, port).await;
    readers.is_guarded(&operator, &format!("https://127.0.0.1:{listens}/metrics")).await;
    assert!(sidecar.stop().unwrap().success());
    assert!(operator.process.stop().unwrap().success());
}

/// The sidecar of the patch, its two ports exchanged for free ones.
async fn sidecar(readers: &Readers, upstream: u16) -> (Process, u16) {
    let patch: serde_json::Value =
        serde_saphyr::from_str(&text_of("examples/secure-metrics/sidecar/statefulset-patch.yaml")).unwrap();
    let container = &patch["spec"]["template"]["spec"]["containers"][0];
    let name = container["name"].as_str().unwrap();
    let port = free_port().unwrap();
    let kubeconfig = readers.cluster.kubeconfig_of(readers.namespace, OPERATOR).await.unwrap();
    let mut command = called(readers.cluster, name);
    for argument in container["args"].as_array().unwrap() {
        let argument = argument.as_str().unwrap();
        let argument = argument.replace("0.0.0.0:8080", &format!("127.0.0.1:{port}"));
        command.arg(argument.replace("127.0.0.1:8081", &format!("127.0.0.1:{upstream}")));
    }
    command.arg(format!("--kubeconfig={}", kubeconfig.display()));
    let called = format!("{}-sidecar", readers.namespace);
    let process = readers.cluster.sandbox().start(&called, command).unwrap();
    says(&process, &log_of(readers.cluster, &called), "listening").await;
    assert_eq!(status(&format!("https://127.0.0.1:{port}/metrics")).await, 401);
    (process, port)
}

/// One that isn't loopback's, if there is one: the kernel says which it would send from. Nothing is sent.
fn address_of_this_machine() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}
