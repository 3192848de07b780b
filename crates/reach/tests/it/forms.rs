//! What is printed: lines as netpol-analyzer's users know them, and forms that other programs read.

use parapet_reach::render::{self, Compared, Format};
use parapet_reach::{
    Cluster, DecodeOptions, Exposure, HostNetwork, IpBlockPods, Listing, Options, Reachability, View,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::random;

fn deployment(namespace: &str, name: &str, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
           "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": name}},
           "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 9090}]}]}}}})
}

fn policy(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
           "metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

fn backend_takes(ports: Value) -> Value {
    let from = json!([{"podSelector": {"matchLabels": {"app": "frontend"}}}]);
    policy(
        "backend",
        json!({"podSelector": {"matchLabels": {"app": "backend"}}, "policyTypes": ["Ingress", "Egress"],
                             "ingress": [{"from": from, "ports": ports}]}),
    )
}

fn cluster(objects: Vec<Value>) -> Cluster {
    let (cluster, problems) = Cluster::from_objects(objects, &DecodeOptions::default());
    assert!(!cluster.incomplete, "{problems:?}");
    cluster
}

fn two(ports: Value) -> Cluster {
    cluster(vec![
        deployment("default", "frontend", 1),
        deployment("default", "backend", 2),
        backend_takes(ports),
    ])
}

fn compatible() -> (Options, View) {
    let options = Options {
        ip_block_pods: IpBlockPods::Never,
        host_network: HostNetwork::AsPods,
        ..Options::default()
    };
    (options, View { compatible: true, ..View::default() })
}

fn listed(cluster: &Cluster, format: Format) -> String {
    let (options, view) = compatible();
    render::listing(&Listing::of(cluster, &options, &view), None, format, true)
}

#[test]
fn lines_peers_and_tables_are_as_their_users_know_them() {
    let cluster = two(json!([{"port": 9090}, {"port": 53, "protocol": "UDP"}]));
    assert_eq!(
        listed(&cluster, Format::Text),
        "0.0.0.0-255.255.255.255[External] => default/frontend[Deployment] : All Connections\n\
         default/frontend[Deployment] => 0.0.0.0-255.255.255.255[External] : All Connections\n\
         default/frontend[Deployment] => default/backend[Deployment] : TCP 9090,UDP 53\n"
    );
    assert!(listed(&cluster, Format::Csv).ends_with("default/backend[Deployment],\"TCP 9090,UDP 53\"\n"));
    assert!(listed(&cluster, Format::Markdown).starts_with("| src | dst | conn |\n|-----|-----|------|\n"));
    let json: Value = serde_json::from_str(&listed(&cluster, Format::Json)).unwrap();
    assert_eq!(
        json[2],
        json!({"src": "default/frontend[Deployment]", "dst": "default/backend[Deployment]", "conn": "TCP 9090,UDP 53"})
    );
}

#[test]
fn our_own_form_begins_with_the_modes_and_shows_replicas() {
    let cluster = cluster(vec![deployment("default", "lonely", 2)]);
    let listing = Listing::of(&cluster, &Options::default(), &View { external: false, ..View::default() });
    let text = render::listing(&listing, None, Format::Text, false);
    assert!(
        text.starts_with(
            "# modes: ipblock-pods=both-and-report hostnetwork=node-address hairpin=subject cni=unknown\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("default/lonely[Deployment] => default/lonely[Deployment] : All Connections"),
        "{text}"
    );
}

#[test]
fn ranges_are_cut_for_sources_and_destinations_apart() {
    let blocks = policy(
        "blocks",
        json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
               "policyTypes": ["Ingress", "Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "192.168.0.0/16"}}]}]}),
    );
    let text = listed(&cluster(vec![deployment("default", "one", 1), blocks]), Format::Text);
    assert_eq!(
        text,
        "10.0.0.0-10.255.255.255[External] => default/one[Deployment] : All Connections\n\
         default/one[Deployment] => 192.168.0.0-192.168.255.255[External] : All Connections\n"
    );
}

#[test]
fn entry_points_reach_what_policies_leave_open() {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 9090}]}});
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}});
    let line = "{ingress-controller} => default/web[Deployment] : TCP 9090";
    let open = vec![deployment("default", "web", 1), service, ingress];
    assert!(listed(&cluster(open.clone()), Format::Text).contains(line));
    let mut labelled = open.clone();
    labelled.push(policy(
        "p",
        json!({"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}]}),
    ));
    let (options, view) = compatible();
    let listing = Listing::of(&cluster(labelled), &options, &view);
    assert!(listing.notes.iter().any(|note| note.contains("policies block TCP 9090")), "{:?}", listing.notes);
    let mut anybody = open;
    anybody.push(policy("p", json!({"ingress": [{"from": [{"namespaceSelector": {}}]}]})));
    assert!(listed(&cluster(anybody), Format::Text).contains(line));
}

#[test]
fn differences_are_told_in_order() {
    let before = two(json!([{"port": 9090}]));
    let mut objects = vec![deployment("default", "frontend", 1), deployment("default", "backend", 2)];
    objects.push(deployment("default", "new", 1));
    objects.push(policy(
        "backend",
        json!({"podSelector": {"matchLabels": {"app": "backend"}}, "policyTypes": ["Ingress", "Egress"],
               "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "frontend"}}}], "ports": [{"port": 9090}, {"port": 53, "protocol": "UDP"}]},
                           {"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 9090}]}]}),
    ));
    objects.push(policy(
        "new",
        json!({"podSelector": {"matchLabels": {"app": "new"}}, "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "frontend"}}}]}]}),
    ));
    let after = cluster(objects);
    let (options, _) = compatible();
    let (one, two) = (Reachability::compute(&before, &options), Reachability::compute(&after, &options));
    let lines = render::diff_lines(&one, &two, true);
    let compared =
        Compared { names: ("dir1", "dir2"), options: &options, incomplete: false, compatible: true };
    assert_eq!(
        render::diff(&lines, &compared, Format::Text),
        "Connectivity diff:\n\
         diff-type: changed, source: default/frontend[Deployment], destination: default/backend[Deployment], dir1: TCP 9090, dir2: TCP 9090,UDP 53\n\
         diff-type: added, source: 0.0.0.0-255.255.255.255[External], destination: default/backend[Deployment], dir1: No Connections, dir2: TCP 9090\n\
         diff-type: added, source: default/frontend[Deployment], destination: default/new[Deployment], dir1: No Connections, dir2: All Connections, workloads-diff-info: workload default/new[Deployment] added\n"
    );
}

#[test]
fn exposure_names_who_could_come() {
    let takes = policy(
        "p",
        json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [
            {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}, "podSelector": {"matchLabels": {"app": "scraper"}}}], "ports": [{"port": 9090}]},
            {"from": [{"podSelector": {"matchLabels": {"app": "later"}}}], "ports": [{"port": 80}]},
        ]}),
    );
    let cluster = cluster(vec![deployment("default", "web", 1), takes]);
    let (options, _) = compatible();
    let exposure = Exposure::of(&Reachability::compute(&cluster, &options), |_| true);
    let ingress: Vec<String> =
        exposure.ingress.iter().map(|one| format!("{} {}", one.peer, one.ports)).collect();
    assert_eq!(
        ingress,
        ["default/[pod with {app=later}] TCP 80", "monitoring/[pod with {app=scraper}] TCP 9090"]
    );
    assert_eq!(exposure.unprotected.len(), 1);
    let egress: Vec<&str> = exposure.egress.iter().map(|one| one.peer.as_str()).collect();
    assert_eq!(egress, ["0.0.0.0-255.255.255.255", "entire-cluster"]);
}

#[test]
fn pages_and_pictures_ask_nobody_and_escape_names() {
    let mut many: Vec<Value> =
        (0..200).map(|n| deployment(&format!("ns-{}", n % 10), &format!("workload-{n}"), 1)).collect();
    many.push(deployment("default", "frontend", 1));
    let mut cluster = cluster(many);
    cluster.pods[0].workload.name = "<script>alert(1)</script>".into();
    let listing = Listing::of(&cluster, &Options::default(), &View { external: false, ..View::default() });
    let html = render::html(&listing, None);
    assert!(!html.contains("<script>alert(1)") && !html.contains("http://") && !html.contains("https://"));
    assert!(html.contains("default-src 'none'"));
    assert!(html.len() < 4 << 20, "{}", html.len());
    let svg = render::listing(&listing, None, Format::Svg, false);
    assert!(svg.starts_with("<svg xmlns=") && !svg.contains("<script>"));
    assert_eq!(svg.matches("data-row").count(), 201);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_cluster_and_itself_have_no_difference(cluster in random::cluster(2), options in random::options()) {
        let (one, two) = (Reachability::compute(&cluster, &options), Reachability::compute(&cluster, &options));
        prop_assert_eq!(render::diff_lines(&one, &two, false), Vec::new());
    }

    #[test]
    fn a_difference_is_the_other_one_backwards(
        before in random::cluster(1),
        after in random::cluster(1),
        options in random::options(),
    ) {
        let (one, two) = (Reachability::compute(&before, &options), Reachability::compute(&after, &options));
        let swapped = |lines: Vec<render::DiffLine>| {
            let mut pairs: Vec<_> = lines
                .into_iter()
                .map(|line| (line.source, line.destination, line.before, line.after))
                .collect();
            pairs.sort();
            pairs
        };
        let forward = swapped(render::diff_lines(&one, &two, false));
        let mut backward = swapped(render::diff_lines(&two, &one, false));
        for pair in &mut backward {
            std::mem::swap(&mut pair.2, &mut pair.3);
        }
        backward.sort();
        prop_assert_eq!(forward, backward);
    }

    #[test]
    fn every_form_takes_every_cluster(cluster in random::cluster(2), options in random::options()) {
        let listing = Listing::of(&cluster, &options, &View::default());
        let exposure = Exposure::of(&Reachability::compute(&cluster, &options), |_| true);
        for (_, format) in Format::ALL {
            let text = render::listing(&listing, Some(&exposure), format, false);
            prop_assert!(!text.is_empty());
            if format == Format::Json {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            }
        }
    }

    #[test]
    fn every_form_takes_every_difference(
        before in random::cluster(2),
        after in random::cluster(2),
        options in random::options(),
    ) {
        let (one, two) = Reachability::compute_both(&before, &after, &options);
        let lines = render::diff_lines(&one, &two, false);
        let compared =
            Compared { names: ("before", "after"), options: &options, incomplete: false, compatible: false };
        for (_, format) in Format::ALL {
            let text = render::diff(&lines, &compared, format);
            prop_assert!(!text.is_empty());
            if format == Format::Json {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
            }
        }
    }
}
