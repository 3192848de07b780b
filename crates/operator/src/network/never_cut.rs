//! A policy never cuts a connection that worked: random applications, the connections that they have by what they are, and policies
//! that are judged by their text alone.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{ApmServer, Elasticsearch, Kibana, Kind};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NAMESPACES: [&str; 3] = ["data", "web", "far"];
/// Two of each kind; that they share names tells kinds and namespaces apart, or doesn't.
const APPLICATIONS: usize = 6;

/// One application, as dice have it.
#[derive(Clone, Debug)]
struct Dice {
    namespace: usize,
    /// What it refers to, by index, if that is of a kind that it can refer to; and by what.
    first: (usize, By),
    second: (usize, By),
    monitoring: Option<usize>,
    remote: Option<usize>,
    /// Whether its Services are public: HTTP, transport, remote cluster.
    public: [bool; 3],
    remote_server: bool,
    trusts_others: bool,
    exporter: Option<(u16, bool)>,
    extra_target: Option<u16>,
    declares_nobody: bool,
    /// Whether its specification can't be read any more, after the first policies were made.
    breaks: bool,
}

/// How something is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Nothing,
    Name,
    /// A Secret that has the URL.
    Secret,
    /// By name, but for the moment the pods have the URL of another one.
    NameAfter(usize),
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![
        Just(By::Nothing),
        Just(By::Name),
        Just(By::Secret),
        (0..APPLICATIONS).prop_map(By::NameAfter),
    ]
}

fn dice() -> impl Strategy<Value = Dice> {
    let who = || proptest::option::of(0..APPLICATIONS);
    let references = ((0..APPLICATIONS, by()), (0..APPLICATIONS, by()), who(), who());
    let services = (any::<[bool; 3]>(), any::<bool>(), any::<bool>());
    let ports = (proptest::option::of((9100u16..9110, any::<bool>())), proptest::option::of(9500u16..9510));
    (0..NAMESPACES.len(), references, services, ports, any::<bool>(), any::<bool>()).prop_map(
        |(namespace, (first, second, monitoring, remote), services, ports, declares_nobody, breaks)| Dice {
            namespace,
            first,
            second,
            monitoring,
            remote,
            public: services.0,
            remote_server: services.1,
            trusts_others: services.2,
            exporter: ports.0,
            extra_target: ports.1,
            declares_nobody,
            breaks,
        },
    )
}

/// Pods that may talk: of an application, by index, or others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Application(usize),
    Operator,
    /// Anybody in the namespace.
    Neighbour(usize),
    /// Anybody outside of the cluster.
    Outside,
}

/// A connection that works without policies.
#[derive(Clone, Debug)]
struct Connection {
    from: Who,
    to: usize,
    port: u16,
    protocol: &'static str,
}

struct World {
    all: Vec<Dice>,
}

impl World {
    fn kind(index: usize) -> Kind {
        Kind::ALL[index % Kind::ALL.len()]
    }

    fn name(index: usize) -> &'static str {
        ["one", "two"][index / Kind::ALL.len()]
    }

    fn namespace(&self, index: usize) -> &'static str {
        NAMESPACES[self.all[index].namespace]
    }

    fn url(&self, index: usize) -> String {
        let end = match Self::kind(index) {
            Kind::Elasticsearch => "es",
            Kind::Kibana => "kb",
            Kind::ApmServer => "apm",
        };
        format!("https://{}-{end}-http.{}.svc:1", Self::name(index), self.namespace(index))
    }

    /// Its reference to that kind: what the specification says, and whose URL its pods have.
    fn reference(&self, index: usize, (to, by): (usize, By), kind: Kind) -> (Value, Option<usize>) {
        if Self::kind(to) != kind {
            return (Value::Null, None);
        }
        let name = json!({ "name": Self::name(to), "namespace": self.namespace(to) });
        match by {
            By::Nothing => (Value::Null, None),
            By::Name if self.namespace(to) == self.namespace(index) => {
                (json!({ "name": Self::name(to) }), Some(to))
            }
            By::Name => (name, Some(to)),
            By::Secret => (json!({ "secretName": "described" }), Some(to)),
            By::NameAfter(before) if Self::kind(before) == kind => (name, Some(before)),
            By::NameAfter(_) => (name, None),
        }
    }

    /// Whom its pods use by HTTP: those of its references to Elasticsearch and Kibana.
    fn uses(&self, index: usize) -> [(Value, Option<usize>); 2] {
        let dice = &self.all[index];
        match Self::kind(index) {
            Kind::Elasticsearch => [(Value::Null, None), (Value::Null, None)],
            Kind::Kibana => [self.reference(index, dice.first, Kind::Elasticsearch), (Value::Null, None)],
            Kind::ApmServer => [
                self.reference(index, dice.first, Kind::Elasticsearch),
                self.reference(index, dice.second, Kind::Kibana),
            ],
        }
    }

    fn monitored_by(&self, index: usize) -> Option<usize> {
        let has = Self::kind(index) != Kind::ApmServer;
        self.all[index].monitoring.filter(|to| has && Self::kind(*to) == Kind::Elasticsearch)
    }

    fn remote_of(&self, index: usize) -> Option<usize> {
        let is = |index| Self::kind(index) == Kind::Elasticsearch;
        self.all[index].remote.filter(|to| is(index) && is(*to))
    }

    fn object(&self, index: usize) -> Value {
        let (dice, kind) = (&self.all[index], Self::kind(index));
        let public = |is_public: bool| match is_public {
            true => json!({ "spec": { "type": "LoadBalancer" } }),
            false => json!({}),
        };
        let mut http = public(dice.public[0]);
        if let Some(target) = dice.extra_target {
            http["spec"]["ports"] = json!([{ "name": "https", "port": kind.http_port() },
                { "name": "extra", "port": 80, "targetPort": target }]);
        }
        let mut spec = json!({ "version": "8.15.3", "http": { "service": http } });
        let template = dice.exporter.map(|(port, is_native)| {
            let main = json!({ "name": "main", "ports": [{ "containerPort": kind.http_port() }] });
            let mut one = json!({ "name": "exporter", "ports": [{ "containerPort": port, "protocol": "UDP" },
                { "containerPort": port }] });
            match is_native {
                true => {
                    one["restartPolicy"] = json!("Always");
                    json!({ "spec": { "containers": [main], "initContainers": [one] } })
                }
                false => json!({ "spec": { "containers": [main, one] } }),
            }
        });
        let [elasticsearch, kibana] = self.uses(index);
        match kind {
            Kind::Elasticsearch => {
                spec["nodeSets"] = json!([{ "name": "a", "count": 1 }, { "name": "b", "count": 1 }]);
                spec["transport"] = json!({ "service": public(dice.public[1]) });
                if dice.trusts_others {
                    spec["transport"]["tls"] =
                        json!({ "certificateAuthorities": { "configMapName": "others" } });
                }
                spec["remoteClusterServer"] =
                    json!({ "enabled": dice.remote_server, "service": public(dice.public[2]) });
                if let Some(to) = self.remote_of(index) {
                    let to = json!({ "name": Self::name(to), "namespace": self.namespace(to) });
                    spec["remoteClusters"] = json!([{ "name": "r", "elasticsearchRef": to }]);
                }
                if let Some(template) = template {
                    spec["nodeSets"][1]["podTemplate"] = template;
                }
            }
            Kind::Kibana | Kind::ApmServer => {
                spec["count"] = json!(1);
                spec["elasticsearchRef"] = elasticsearch.0.clone();
                if kind == Kind::ApmServer {
                    spec["kibanaRef"] = kibana.0.clone();
                }
                if let Some(template) = template {
                    spec["podTemplate"] = template;
                }
            }
        }
        if let Some(to) = self.monitored_by(index) {
            let to = json!([{ "name": Self::name(to), "namespace": self.namespace(to) }]);
            spec["monitoring"] = json!({ "metrics": { "elasticsearchRefs": to } });
        }
        let mut annotations = BTreeMap::new();
        for (key, to) in [("es-conf", elasticsearch.1), ("kb-conf", kibana.1)] {
            if let Some(to) = to {
                let conf = json!({ "url": self.url(to) }).to_string();
                annotations.insert(format!("association.k8s.elastic.co/{key}"), conf);
            }
        }
        if dice.declares_nobody {
            annotations.insert(CLIENTS.to_owned(), "[]".to_owned());
        }
        let group = kind.group();
        json!({ "apiVersion": format!("{group}/v1"), "kind": kind.name(), "spec": spec, "metadata": {
            "name": Self::name(index), "namespace": self.namespace(index), "annotations": annotations } })
    }

    /// Every connection that works without policies and that its owner wants.
    fn connections(&self) -> Vec<Connection> {
        let mut all = Vec::new();
        let mut add = |from, to, port, protocol| all.push(Connection { from, to, port, protocol });
        for (index, dice) in self.all.iter().enumerate() {
            let kind = Self::kind(index);
            let http = kind.http_port();
            for to in self.uses(index).into_iter().filter_map(|(_, to)| to).chain(self.monitored_by(index)) {
                add(Who::Application(index), to, Self::kind(to).http_port(), "TCP");
            }
            if dice.public[0] && !dice.declares_nobody {
                add(Who::Outside, index, http, "TCP");
            }
            if !dice.declares_nobody {
                add(Who::Neighbour(dice.namespace), index, http, "TCP");
            }
            if let Some((port, _)) = dice.exporter {
                add(Who::Neighbour((dice.namespace + 1) % NAMESPACES.len()), index, port, "TCP");
                add(Who::Neighbour(dice.namespace), index, port, "UDP");
            }
            if let Some(port) = dice.extra_target {
                add(Who::Neighbour((dice.namespace + 1) % NAMESPACES.len()), index, port, "TCP");
            }
            if kind != Kind::Elasticsearch {
                continue;
            }
            add(Who::Application(index), index, 9200, "TCP");
            add(Who::Application(index), index, 9300, "TCP");
            add(Who::Operator, index, 9200, "TCP");
            if dice.public[1] || dice.trusts_others {
                add(Who::Outside, index, 9300, "TCP");
            }
            if dice.public[2] && dice.remote_server {
                add(Who::Outside, index, 9443, "TCP");
            }
            if let Some(to) = self.remote_of(index) {
                add(Who::Application(index), to, 9300, "TCP");
                if self.all[to].remote_server {
                    add(Who::Application(index), to, 9443, "TCP");
                }
            }
        }
        all
    }

    /// Where those pods are, and their labels; none for those outside.
    fn pods(&self, who: Who) -> Option<(&'static str, BTreeMap<String, String>)> {
        let labels = |all: &[(&str, &str)]| {
            all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        match who {
            Who::Outside => None,
            Who::Operator => Some(("elastic-system", labels(&[("control-plane", "elastic-operator")]))),
            Who::Neighbour(namespace) => Some((NAMESPACES[namespace], labels(&[("app", "neighbour")]))),
            Who::Application(index) => {
                let (kind, name) = match Self::kind(index) {
                    Kind::Elasticsearch => ("elasticsearch", "elasticsearch.k8s.elastic.co/cluster-name"),
                    Kind::Kibana => ("kibana", "kibana.k8s.elastic.co/name"),
                    Kind::ApmServer => ("apm-server", "apm.k8s.elastic.co/name"),
                };
                let all =
                    [("common.k8s.elastic.co/type", kind), (name, Self::name(index)), ("more", "labels")];
                Some((self.namespace(index), labels(&all)))
            }
        }
    }

    /// The policy of each application; `live`: those that there are, and whether what broke can't be read.
    fn policies(&self, live: Option<&[NetworkPolicy]>) -> Vec<NetworkPolicy> {
        let is_broken = |index: usize| live.is_some() && self.all[index].breaks;
        let referrers: Vec<Referrer> = (0..APPLICATIONS)
            .filter_map(|index| {
                let object = self.object(index);
                let metadata: ObjectMeta = serde_json::from_value(object["metadata"].clone()).unwrap();
                match Self::kind(index) {
                    kind if is_broken(index) => Some(Referrer::unread(kind, &metadata)),
                    Kind::Elasticsearch => Referrer::elasticsearch(&serde_json::from_value(object).unwrap()),
                    Kind::Kibana => Referrer::kibana(&serde_json::from_value(object).unwrap()),
                    Kind::ApmServer => Referrer::apm_server(&serde_json::from_value(object).unwrap()),
                }
            })
            .collect();
        let labels = [("control-plane".to_owned(), "elastic-operator".to_owned())].into();
        let operator = OperatorPods { namespace: "elastic-system".to_owned(), labels };
        let made = (0..APPLICATIONS).map(|index| {
            let live = live.map(|live| &live[index]);
            if let Some(live) = live.filter(|_| is_broken(index)) {
                return live.clone();
            }
            let world = super::World {
                referrers: &referrers,
                operator: &operator,
                is_ambient: false,
                has_proxies: false,
                live,
            };
            let object = self.object(index);
            match Self::kind(index) {
                Kind::Elasticsearch => {
                    elasticsearch(&serde_json::from_value::<Elasticsearch>(object).unwrap(), &world)
                }
                Kind::Kibana => kibana(&serde_json::from_value::<Kibana>(object).unwrap(), &world),
                Kind::ApmServer => apm_server(&serde_json::from_value::<ApmServer>(object).unwrap(), &world),
            }
            .unwrap()
        });
        made.collect()
    }

    fn cut(&self, policies: &[NetworkPolicy]) -> Vec<Connection> {
        let policies: Vec<Value> =
            policies.iter().map(|policy| serde_json::to_value(policy).unwrap()).collect();
        let is_cut = |one: &Connection| {
            let (namespace, labels) = self.pods(Who::Application(one.to)).unwrap();
            let concerns = |policy: &&Value| {
                policy["metadata"]["namespace"] == namespace
                    && selects(&policy["spec"]["podSelector"], &labels)
            };
            let mut concerned = policies.iter().filter(concerns).peekable();
            concerned.peek().is_some()
                && !concerned.any(|policy| lets_in(policy, self.pods(one.from), one.port, one.protocol))
        };
        self.connections().into_iter().filter(is_cut).collect()
    }
}

fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    assert!(selector.get("matchExpressions").is_none(), "the evaluator knows none");
    let wanted = selector["matchLabels"].as_object().into_iter().flatten();
    wanted.into_iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
}

/// As Kubernetes documents it: any rule that has the peer, or no peers at all, and the port, or no ports at all.
fn lets_in(
    policy: &Value,
    from: Option<(&'static str, BTreeMap<String, String>)>,
    port: u16,
    protocol: &str,
) -> bool {
    let empty = Vec::new();
    let list = |value: &Value| value.as_array().unwrap_or(&empty).clone();
    list(&policy["spec"]["ingress"]).iter().any(|rule| {
        let (peers, ports) = (list(&rule["from"]), list(&rule["ports"]));
        let is_peer = |peer: &Value| {
            let Some((namespace, labels)) = &from else { return false };
            let of_namespace = [("kubernetes.io/metadata.name".to_owned(), (*namespace).to_owned())].into();
            let in_namespace = match peer.get("namespaceSelector") {
                Some(selector) => selects(selector, &of_namespace),
                None => policy["metadata"]["namespace"] == *namespace,
            };
            in_namespace && peer.get("podSelector").is_none_or(|selector| selects(selector, labels))
        };
        let is_port = |one: &Value| one["port"] == port && one["protocol"] == protocol;
        (peers.is_empty() || peers.iter().any(is_peer)) && (ports.is_empty() || ports.iter().any(is_port))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn policies_cut_no_connection_that_worked(all in proptest::collection::vec(dice(), APPLICATIONS)) {
        let world = World { all };
        let policies = world.policies(None);
        prop_assert!(world.cut(&policies).is_empty(), "{:#?}", world.cut(&policies));
        let later = world.policies(Some(&policies));
        prop_assert!(world.cut(&later).is_empty(), "with unreadable ones: {:#?}", world.cut(&later));
    }
}

#[test]
fn the_evaluator_sees_what_is_cut() {
    let none = Dice {
        namespace: 0,
        first: (0, By::Name),
        second: (0, By::Nothing),
        monitoring: None,
        remote: None,
        public: [false; 3],
        remote_server: false,
        trusts_others: false,
        exporter: Some((9100, false)),
        extra_target: None,
        declares_nobody: true,
        breaks: false,
    };
    let elsewhere = Dice { namespace: 1, ..none.clone() };
    let world = World { all: vec![none.clone(), elsewhere, none.clone(), none.clone(), none.clone(), none] };
    let mut policies = world.policies(None);
    assert!(world.cut(&policies).is_empty());
    for policy in &mut policies {
        for rule in policy.spec.iter_mut().flat_map(|spec| spec.ingress.iter_mut().flatten()) {
            rule.from.iter_mut().for_each(|from| from.retain(|peer| peer.namespace_selector.is_none()));
        }
    }
    let cut = world.cut(&policies);
    assert!(cut.iter().any(|one| one.from == Who::Application(1) && one.to == 0), "{cut:#?}");
}
