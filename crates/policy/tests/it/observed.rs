//! Records of others: one that Hubble's own types wrote (`tests/hubble` made it, and makes it again), and one in Calico's
//! two forms, with every field that a published record has.

use parapet_policy::observed::{Format, Observed, read};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

const HUBBLE: &str = include_str!("../hubble.jsonl");
const CALICO: &str = include_str!("../calico.jsonl");

/// The flows, one a line.
fn told(observed: &Observed) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for flow in &observed.flows {
        let ports = serde_json::to_string(&flow.ports).unwrap();
        told.push(format!("{} => {} : {ports}", flow.from, flow.to));
    }
    told.sort();
    told
}

#[test]
fn what_hubble_writes_is_read_as_it_is_meant() {
    let observed = read(HUBBLE.lines().map(str::to_owned), Format::Hubble);
    assert_eq!(observed.unreadable, []);
    assert_eq!(
        told(&observed),
        [
            "2001:db8::9/128 => shop/web[Deployment] : [8443]",
            "default/xwing => default/deathstar : [80]",
            "default/xwing => default/kafka : [9092]",
            "nodes => shop/web[Deployment] : [8080]",
            "obs/agent[DaemonSet] => 203.0.113.7/32 : [443]",
            "obs/es[StatefulSet] => obs/es[StatefulSet] : [9300]",
            "shop/web[Deployment] => kube-system/coredns[Deployment] : [{\"port\":53,\"protocol\":\"UDP\"}]",
            "shop/web[Deployment] => obs/es[StatefulSet] : [9200]",
            "shop/web[Deployment] => shop/app=api,tier=back : [{\"port\":3868,\"protocol\":\"SCTP\"},8080]",
        ]
    );
    // A reply, a drop, an ICMP message, an audited refusal, lost events.
    assert_eq!(observed.skipped, 5);
}

#[test]
fn what_calico_writes_is_read_in_both_forms() {
    let observed = read(CALICO.lines().map(str::to_owned), Format::Calico);
    assert_eq!(
        told(&observed),
        [
            "nodes => shop/web : [8080]",
            "obs/agent => 192.0.2.1/32 : [8443]",
            "obs/agent => obs/es : [9200]",
            "obs/agent => world : [443]",
            "shop/api => shop/db : [5432]",
            "shop/web => kube-system/coredns : [{\"port\":53,\"protocol\":\"UDP\"}]",
            "world => shop/web : [8443]",
        ]
    );
    // Two refusals, an ICMP message.
    assert_eq!(observed.skipped, 3);
    let unreadable = [
        (7, "the source is \"pvt\" without an address: declare that flow yourself".to_owned()),
        (12, "the dest is \"PRIVATE NETWORK\" without an address: declare that flow yourself".to_owned()),
    ];
    assert_eq!(observed.unreadable, unreadable);
}

/// Pieces of which records are made, and pieces that don't belong there.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u16..).prop_map(Value::from),
        select(&TEXTS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((select(&KEYS[..]), inner), 0..4).prop_map(|pairs| pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

/// Every line is one of the three: a flow, skipped, or unreadable.
fn is_accounted_for(line: String, format: Format) {
    let observed = read([line].into_iter(), format);
    let skipped = usize::try_from(observed.skipped).unwrap();
    assert_eq!(observed.flows.len() + skipped + observed.unreadable.len(), 1, "{observed:?}");
}

proptest! {
    #[test]
    fn no_line_is_lost_or_too_odd(
        fields in vec((0..FIELDS.len(), value()), 0..10),
        text in ".{0,40}",
    ) {
        let object: serde_json::Map<String, Value> =
            fields.into_iter().map(|(field, value)| (FIELDS[field].to_owned(), value)).collect();
        for format in [Format::Parapet, Format::Hubble, Format::Calico] {
            is_accounted_for(Value::from(object.clone()).to_string(), format);
            is_accounted_for(format!("x{text}").replace(char::is_whitespace, "_"), format);
        }
    }
}

/// What stands in them.
const TEXTS: [&str; 14] = [
    "", "-", "*", "web-*", "pub", "allow", "Allow", "TCP", "tcp", "wep", "10.0.0.1", "::1", "shop", "Ω\u{0}",
];

/// What they have below.
const KEYS: [&str; 8] =
    ["name", "kind", "namespace", "labels", "workloads", "TCP", "destination_port", "value"];

/// What the three formats have at the top.
const FIELDS: [&str; 24] = [
    "from",
    "to",
    "port",
    "protocol",
    "flow",
    "verdict",
    "is_reply",
    "l4",
    "IP",
    "source",
    "destination",
    "action",
    "proto",
    "dest_port",
    "source_type",
    "source_namespace",
    "source_name",
    "source_name_aggr",
    "source_ip",
    "dest_type",
    "dest_namespace",
    "dest_name",
    "dest_name_aggr",
    "dest_ip",
];
