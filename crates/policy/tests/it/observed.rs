//! A record that Hubble's own types wrote: `tests/hubble` made it, and makes it again.

use parapet_policy::observed::{Format, read};

const RECORD: &str = include_str!("../hubble.jsonl");

#[test]
fn what_hubble_writes_is_read_as_it_is_meant() {
    let observed = read(RECORD.lines().map(str::to_owned), Format::Hubble);
    assert_eq!(observed.unreadable, []);
    let mut told: Vec<String> = Vec::new();
    for flow in &observed.flows {
        let ports = serde_json::to_string(&flow.ports).unwrap();
        told.push(format!("{} => {} : {ports}", flow.from, flow.to));
    }
    told.sort();
    assert_eq!(
        told,
        [
            "10.0.9.9/32 => shop/web[Deployment] : [8080]",
            "2001:db8::9/128 => shop/web[Deployment] : [8443]",
            "default/xwing => default/deathstar : [80]",
            "default/xwing => default/kafka : [9092]",
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
