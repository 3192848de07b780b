//! security.istio.io/v1 AuthorizationPolicy: the same by the clients' identities, which the mesh proves. It knows incoming
//! connections only, over TCP, and clients by service account: two workloads that share one can't be told apart.

use std::collections::{BTreeMap, BTreeSet};

use parapet_reach::model::Cluster;
use parapet_reach::{PortSet, Protocol};
use serde_json::{Value, json};

use super::metadata;
use crate::needs::{End, Needs};
use crate::plan::{DEFAULT_DENY, Plan};
use crate::select::Choice;
use crate::units::{UnitId, Units};

/// Ports that one rule lists before it says "every port" would be wrong and a list too long: ranges have no form here.
pub(crate) const MOST_PORTS: u32 = 64;

/// Who may use the same ports.
#[derive(Default)]
struct Clients {
    principals: BTreeSet<String>,
    /// Blocks by what is cut out of them: that must not take from other blocks.
    blocks: BTreeMap<Vec<String>, BTreeSet<String>>,
}

/// The twins, and what they can't say, in words.
pub fn authorization_policies(
    cluster: &Cluster,
    units: &Units,
    needs: &Needs,
    plan: &Plan,
) -> (Vec<Value>, Vec<String>) {
    let mut objects = Vec::new();
    let mut limits = BTreeSet::new();
    for ((namespace, name), subject) in &plan.subjects {
        let mut by_ports: BTreeMap<PortSet, Clients> = BTreeMap::new();
        for need in needs.all.iter().filter(|need| need.to == End::Unit(*subject)) {
            let tcp = need.ports.intersection(&PortSet::range(Protocol::Tcp, 1, u16::MAX));
            if tcp != need.ports {
                limits.insert(format!("{}: the mesh sees TCP only", units.get(*subject)));
            }
            if tcp.is_empty() {
                continue;
            }
            let clients = by_ports.entry(tcp).or_default();
            match &need.from {
                End::Unit(client) => {
                    clients.principals.extend(identities(
                        cluster,
                        units,
                        *client,
                        needs,
                        *subject,
                        &mut limits,
                    ));
                }
                End::Block(block) => {
                    let holes = block.except.iter().map(ToString::to_string).collect();
                    clients.blocks.entry(holes).or_default().insert(block.cidr.to_string());
                }
            }
        }
        let mut rules = Vec::new();
        for (ports, Clients { principals, blocks }) in by_ports {
            let mut rule = json!({});
            let mut from = Vec::new();
            if !principals.is_empty() {
                from.push(json!({"source": {"principals": principals}}));
            }
            for (holes, blocks) in blocks {
                // The cluster's own pods have addresses, too; those of the mesh have identities, and nobody outside has.
                let mut source = json!({"ipBlocks": blocks, "notPrincipals": ["*"]});
                if !holes.is_empty() {
                    source["notIpBlocks"] = json!(holes);
                }
                from.push(json!({ "source": source }));
            }
            rule["from"] = Value::Array(from);
            if ports.count() > MOST_PORTS {
                limits.insert(format!(
                    "{}: ranges of ports have no form here; every port is allowed",
                    units.get(*subject)
                ));
            } else {
                let ports: Vec<String> = ports
                    .iter()
                    .flat_map(|(_, first, last)| first..=last)
                    .map(|port| port.to_string())
                    .collect();
                rule["to"] = json!([{"operation": {"ports": ports}}]);
            }
            rules.push(rule);
        }
        if rules.is_empty() {
            continue;
        }
        objects.push(json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": metadata(name, Some(namespace), &needs.flows, plan.flows.get(&(namespace.clone(), name.clone()))),
            "spec": {"selector": {"matchLabels": Choice::of(*subject, units).labels}, "action": "ALLOW", "rules": rules},
        }));
    }
    for namespace in &needs.scope {
        objects.push(json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": metadata(DEFAULT_DENY, Some(namespace), &needs.flows, None),
            // Nothing is allowed, so everything that no other policy allows is denied.
            "spec": {},
        }));
    }
    (objects, limits.into_iter().collect())
}

fn identities(
    cluster: &Cluster,
    units: &Units,
    client: UnitId,
    needs: &Needs,
    server: UnitId,
    limits: &mut BTreeSet<String>,
) -> BTreeSet<String> {
    let account = |unit: UnitId| {
        let pod = &cluster.pods[units.get(unit).pods[0]];
        (pod.namespace.clone(), pod.service_account.clone())
    };
    let mine = account(client);
    let between = needs.between();
    for (other, unit) in units.iter().filter(|(other, _)| *other != client && account(*other) == mine) {
        if !between.contains_key(&(other, server)) {
            limits.insert(format!(
                "{}: {unit} has the service account of {} and gets in too; give it its own",
                units.get(server),
                units.get(client)
            ));
        }
    }
    BTreeSet::from([format!("{}/ns/{}/sa/{}", cluster.mesh.trust_domain, mine.0, mine.1)])
}
