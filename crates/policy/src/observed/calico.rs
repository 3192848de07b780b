//! Calico's records, in both forms in which people get at them.
//!
//! Flow logs (Calico Enterprise and Cloud) have an object a line: `action`, `proto`, `dest_port`, and for both ends a type
//! (`wep` a pod, `hep` a host, `ns` a network set, `net` an address), a namespace, a name, the name's front that pods of a
//! template share (`…_name_aggr`) and an address, null where several were put together. Whisker, the console of the open
//! Calico since 3.30, answers `GET /flows` with less: no types, no addresses, `protocol` instead of `proto`, and a capital
//! `Allow`; `jq -c '.items[]'` makes lines of it. Both ends report a flow; that it is seen twice changes nothing.

use parapet_reach::Protocol;
use serde_json::Value;

use super::{Connection, Known, of_address, port, without_hash, workload_party};
use crate::flows::Party;

/// What stands where something has no namespace, or no name of its own.
const NONE: [&str; 3] = ["", "-", "Global"];

/// The name of addresses outside of all private networks: the flow logs', and Whisker's.
const PUBLIC: [&str; 2] = ["pub", "PUBLIC NETWORK"];

/// The connection that one line tells of; none if it was refused, or isn't of a protocol with ports. An error if an end
/// isn't told: an address in a private network or a network set, several of which were put together.
pub(super) fn connection(flow: &Value, known: &mut Known) -> Result<Option<Connection>, String> {
    let is_allowed = flow["action"].as_str().is_some_and(|action| action.eq_ignore_ascii_case("allow"));
    let protocol = flow["proto"].as_str().or_else(|| flow["protocol"].as_str()).unwrap_or_default();
    let protocol = Protocol::from_name(&protocol.to_ascii_uppercase());
    let (true, Some(protocol), Some(port)) = (is_allowed, protocol, port(&flow["dest_port"])) else {
        return Ok(None);
    };
    Ok(Some((end(flow, "source", known)?, end(flow, "dest", known)?, protocol, port)))
}

fn end(flow: &Value, which: &str, known: &mut Known) -> Result<Party, String> {
    let field = |name: &str| flow[format!("{which}_{name}")].as_str().unwrap_or_default();
    let namespace = field("namespace");
    let name = [field("name_aggr"), field("name")].into_iter().find(|name| !NONE.contains(name));
    let name = name.unwrap_or_default();
    let is_pod = match field("type") {
        "" => !NONE.contains(&namespace),
        kind => kind == "wep",
    };
    if is_pod {
        // `NAME-*` for a template's pods: what comes before the last dash is the workload, or its ReplicaSet.
        let name = name.trim_end_matches('*').trim_end_matches('-');
        return Ok(workload_party(namespace, without_hash(name), None));
    }
    if field("type") == "hep" {
        return Ok(known.node(&flow[format!("{which}_ip")]));
    }
    match of_address(&flow[format!("{which}_ip")]) {
        Some(address) => Ok(address),
        None if PUBLIC.contains(&name) => Ok(Party::World),
        None => Err(format!("the {which} is {name:?} without an address: declare that flow yourself")),
    }
}
