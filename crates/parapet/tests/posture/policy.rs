//! `parapet policy`.

use crate::run::Folder;

const SHOP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: x, env: [{name: API, value: 'http://api:80/'}], ports: [{name: http, containerPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: main, image: x, ports: [{name: http, containerPort: 9090}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: http}]}
";

#[test]
fn what_manifests_show_becomes_flows_policies_and_a_proof() {
    let folder = Folder::of(&[("shop.yaml", SHOP)]);
    let flows = folder.parapet(&["policy", "flows", "-f", "shop.yaml"]);
    assert_eq!(flows.code, 0, "{}", flows.err);
    folder.write("flows.yaml", &flows.out);
    let made = folder.parapet(&["policy", "generate", "-f", "shop.yaml", "--flows", "flows.yaml"]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("proved for shop: 1 connections declared, 0 missing"), "{}", made.err);
    assert!(
        made.err.contains("apply in this order: shop/allow-api, shop/allow-web, shop/default-deny"),
        "{}",
        made.err
    );
    folder.write("policies.yaml", &made.out);
    let proved = folder.parapet(&[
        "policy",
        "prove",
        "-f",
        "shop.yaml",
        "-f",
        "policies.yaml",
        "--flows",
        "flows.yaml",
    ]);
    assert_eq!(proved.code, 0, "{}", proved.err);
    let without = folder.parapet(&["policy", "prove", "-f", "shop.yaml", "--flows", "flows.yaml"]);
    assert_eq!(without.code, 1);
    assert!(without.err.contains("nobody declared it"), "{}", without.err);
}

#[test]
fn what_is_known_to_be_used_and_would_be_cut_is_told_before() {
    let folder = Folder::of(&[("shop.yaml", SHOP)]);
    folder.write(
        "flows.yaml",
        "flows:\n- {from: world, to: {workload: {namespace: shop, name: web}}, ports: [http]}\n",
    );
    let made = folder.parapet(&["policy", "generate", "-f", "shop.yaml", "--flows", "flows.yaml"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let cut =
        "WOULD BE CUT: shop/web[Deployment] => shop/api[Deployment] : TCP 9090 (variable API names api.shop)";
    assert!(made.err.contains(cut), "{}", made.err);
}

#[test]
fn other_kinds_are_read_back_and_checked() {
    let folder = Folder::of(&[("shop.yaml", SHOP)]);
    for (output, order) in [
        ("cluster-network-policy", "apply in this order: shop-allow-api, shop-allow-web, shop-default-deny"),
        ("istio", "apply in this order: shop/allow-api, shop/default-deny"),
    ] {
        let made = folder.parapet(&["policy", "generate", "-f", "shop.yaml", "--infer", "-o", output]);
        assert_eq!(made.code, 0, "{output}: {}", made.err);
        assert!(made.err.contains("checked, read back as they are printed: 0 missing; "), "{}", made.err);
        assert!(made.err.contains(order), "{}", made.err);
    }
    // Both have the namespace's default account, so that the mesh can't tell web from the server itself.
    let mesh = folder.parapet(&["policy", "generate", "-f", "shop.yaml", "--infer", "-o", "istio", "--json"]);
    let mesh: serde_json::Value = serde_json::from_str(&mesh.out).unwrap();
    assert_eq!(mesh["twin"]["missing"], serde_json::json!([]));
}

#[test]
fn addresses_that_the_input_tells_need_not_be_given() {
    let cluster = "\
{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default}, spec: {clusterIP: 10.96.0.1, ports: [{port: 443}]}}
---
{apiVersion: v1, kind: Endpoints, metadata: {name: kubernetes, namespace: default}, subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 6443}]}]}
---
{apiVersion: v1, kind: Node, metadata: {name: node-1}, spec: {podCIDRs: [10.244.0.0/24]}, status: {addresses: [{type: InternalIP, address: 192.0.2.9}]}}
";
    let folder = Folder::of(&[("shop.yaml", SHOP), ("cluster.yaml", cluster)]);
    folder.write(
        "flows.yaml",
        "flows:\n- {from: {workload: {namespace: shop, name: api}}, to: apiServer}\n\
         - {from: nodes, to: {workload: {namespace: shop, name: web}}, ports: [http]}\n\
         - {from: {workload: {namespace: shop, name: web}}, to: world, ports: [443]}\n",
    );
    let words = ["policy", "generate", "--flows", "flows.yaml", "shop.yaml"];
    let alone = folder.parapet(&words);
    assert_eq!(alone.code, 2, "{}", alone.err);
    assert!(alone.err.contains("needs the addresses of the Kubernetes API"), "{}", alone.err);
    let made = folder.parapet(&[&words[..], &["cluster.yaml"]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("note: the Kubernetes API is at 10.96.0.1, 192.0.2.7"), "{}", made.err);
    for expected in ["cidr: 192.0.2.7/32", "cidr: 10.96.0.1/32", "cidr: 192.0.2.9/32", "- 10.244.0.0/24"] {
        assert!(made.out.contains(expected), "{expected}: {}", made.out);
    }
    assert!(!made.err.contains("blocks of addresses cover pods"), "{}", made.err);
    // A record names nodes and the API server, too.
    folder.write(
        "seen.jsonl",
        r#"{"flow":{"verdict":"FORWARDED","IP":{"destination":"192.0.2.5"},"l4":{"TCP":{"destination_port":6443}},"source":{"namespace":"shop","workloads":[{"name":"api","kind":"Deployment"}]},"destination":{"labels":["reserved:kube-apiserver"]}}}"#,
    );
    let record = ["shop.yaml", "--observed", "seen.jsonl", "--observed-format", "hubble"];
    let seen = folder.parapet(&[&["policy", "generate"][..], &record].concat());
    assert_eq!(seen.code, 0, "{}", seen.err);
    assert!(seen.out.contains("cidr: 192.0.2.5/32"), "{}", seen.out);
    let flows = folder.parapet(&[&["policy", "flows"][..], &record].concat());
    assert!(flows.out.contains("to: apiServer") && flows.out.contains("- 192.0.2.5/32"), "{}", flows.out);
}

#[test]
fn an_ingress_is_served_by_whom_the_labels_or_the_user_name() {
    let entry = "\
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: api, namespace: shop}
spec: {defaultBackend: {service: {name: api, port: {number: 80}}}}
";
    let folder = Folder::of(&[("shop.yaml", &format!("{SHOP}{entry}"))]);
    let unknown = folder.parapet(&["policy", "flows", "shop.yaml"]);
    assert!(unknown.out.contains("from: world"), "{}", unknown.out);
    assert!(unknown.err.contains("name the workload with --ingress-controller"), "{}", unknown.err);
    let named = folder.parapet(&["policy", "flows", "shop.yaml", "--ingress-controller", "shop/web"]);
    assert!(!named.out.contains("from: world") && named.err.is_empty(), "{}{}", named.out, named.err);
    let nobody = folder.parapet(&["policy", "flows", "shop.yaml", "--ingress-controller", "edge/nginx"]);
    assert_eq!(nobody.code, 2);
    assert!(nobody.err.contains("no workload \"edge/nginx\""), "{}", nobody.err);
}

#[test]
fn each_kind_of_policy_can_be_written() {
    let folder = Folder::of(&[("shop.yaml", SHOP)]);
    for (output, kind) in [
        ("network-policy", "kind: NetworkPolicy"),
        ("cluster-network-policy", "kind: ClusterNetworkPolicy"),
        ("istio", "kind: AuthorizationPolicy"),
    ] {
        let made = folder.parapet(&["policy", "generate", "-f", "shop.yaml", "--infer", "-o", output]);
        assert_eq!(made.code, 0, "{output}: {}", made.err);
        assert!(made.out.contains(kind), "{}", made.out);
    }
    let all = folder.parapet(&["policy", "generate", "-f", "shop.yaml", "--infer", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!((all["proved"].as_bool(), all["documents"].as_array().unwrap().len()), (Some(true), 3));
}

#[test]
fn what_is_wrong_with_flows_is_named_with_its_place() {
    let folder = Folder::of(&[("shop.yaml", SHOP)]);
    for (flows, expect) in [
        (
            "flows:\n- from: world\n  to: {workload: {namespace: shop, nam: web}}\n",
            "flows.yaml:3:36: flows[0].to.workload.nam: unknown field `nam`",
        ),
        (
            "flows:\n- from: world\n  to: {workload: {namespace: shop, name: wep}}\n",
            "flow 1: no workload matches shop/wep; there are: shop/api[Deployment], shop/web[Deployment]",
        ),
        ("flows:\n- {from: world, to: {cidr: 10.0.0.1/8}}\n", "did you mean 10.0.0.0/8?"),
        ("", "no flow was declared"),
    ] {
        folder.write("flows.yaml", flows);
        let said = folder.parapet(&["policy", "generate", "-f", "shop.yaml", "--flows", "flows.yaml"]);
        assert_eq!(said.code, 2, "{flows}");
        assert!(said.err.contains(expect), "{flows}: {}", said.err);
    }
    let nothing = folder.parapet(&["policy", "generate", "-f", "missing.yaml", "--infer"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("missing.yaml:1:1: error: can't be read"), "{}", nothing.err);
}

#[test]
fn a_record_of_connections_is_a_source_of_flows() {
    let folder = Folder::of(&[("shop.yaml", SHOP)]);
    folder.write(
        "seen.json",
        concat!(
            r#"{"from":{"workload":{"namespace":"shop","name":"api"}},"to":{"workload":{"namespace":"shop","name":"web"}},"port":8080}"#,
            "\nnot a record\n"
        ),
    );
    let made = folder.parapet(&["policy", "generate", "-f", "shop.yaml", "--observed", "seen.json"]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.err.contains("seen.json:2:1: warning"), "{}", made.err);
    assert!(made.out.contains("shop/api to shop/web: was seen"), "{}", made.out);
}

#[test]
fn records_of_hubble_and_calico_become_flows_to_edit() {
    let folder = Folder::of(&[("shop.yaml", SHOP)]);
    let records = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/tests");
    for (format, line) in [("hubble", "port: 3868"), ("calico", "port: 53")] {
        let record = format!("{records}/{format}.jsonl");
        let words = ["policy", "flows", "shop.yaml", "--observed", &record, "--observed-format", format];
        let flows = folder.parapet(&words);
        assert_eq!(flows.code, 0, "{format}: {}", flows.err);
        assert!(
            flows.out.contains("reason: was seen") && flows.out.contains(line),
            "{format}: {}",
            flows.out
        );
        let unreadable = flows.err.matches("warning: the ").count();
        assert_eq!(unreadable, if format == "calico" { 2 } else { 0 }, "{}", flows.err);
    }
}
