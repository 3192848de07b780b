//! Addresses that a cluster's objects tell: those of its API server, of its nodes, and those that its pods get.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use crate::Cidr;
use crate::flows::ApiServer;

/// The Service by which pods reach the API server, which every cluster has, and its namespace.
const SERVICE: (&str, &str) = ("default", "kubernetes");
/// The label by which an EndpointSlice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where the API server is, by the EndpointSlices (or Endpoints) of the Service `kubernetes` in `default`, and by that
/// Service itself: before or after its address is replaced, some network plug-ins look at the one and some at the other.
/// None without endpoints: the Service's address alone would be of no use to the others.
pub fn api_server(objects: &[Value]) -> Option<ApiServer> {
    let here = |object: &&Value| {
        let metadata = &object["metadata"];
        let of_service = metadata["name"] == SERVICE.1 || metadata["labels"][SERVICE_NAME] == SERVICE.1;
        metadata["namespace"] == SERVICE.0 && of_service
    };
    let mut endpoints: BTreeSet<Cidr> = BTreeSet::new();
    let mut service: BTreeSet<Cidr> = BTreeSet::new();
    let mut ports: BTreeSet<u16> = BTreeSet::new();
    for object in objects.iter().filter(here) {
        match (object["apiVersion"].as_str(), object["kind"].as_str()) {
            (Some("discovery.k8s.io/v1"), Some("EndpointSlice")) => {
                let addresses = items(&object["endpoints"]).flat_map(|one| items(&one["addresses"]));
                endpoints.extend(addresses.filter_map(address));
                ports.extend(items(&object["ports"]).filter_map(port));
            }
            (Some("v1"), Some("Endpoints")) => {
                for subset in items(&object["subsets"]) {
                    endpoints.extend(items(&subset["addresses"]).filter_map(|one| address(&one["ip"])));
                    ports.extend(items(&subset["ports"]).filter_map(port));
                }
            }
            (Some("v1"), Some("Service")) => {
                let spec = &object["spec"];
                let addresses = items(&spec["clusterIPs"]).chain([&spec["clusterIP"]]);
                service.extend(addresses.filter_map(address));
                ports.extend(items(&spec["ports"]).filter_map(port));
            }
            _ => {}
        }
    }
    if endpoints.is_empty() {
        return None;
    }
    endpoints.extend(service);
    Some(ApiServer { addresses: endpoints.into_iter().collect(), ports: ports.into_iter().collect() })
}

/// Blocks of pods' addresses beyond which none is told: each stands in every rule for the world, and people read those.
const MOST_BLOCKS: usize = 64;

/// The blocks of addresses that nodes give to their pods (`spec.podCIDRs`), where the cluster does it so; neighbours are one.
/// None if that leaves too many: the block that all of them are cut from has to be given then.
pub fn of_pods(objects: &[Value]) -> Vec<Cidr> {
    let nodes = objects.iter().filter(|object| object["apiVersion"] == "v1" && object["kind"] == "Node");
    let blocks = nodes.flat_map(|node| items(&node["spec"]["podCIDRs"]).chain([&node["spec"]["podCIDR"]]));
    let blocks = blocks.filter_map(|block| block.as_str()?.parse::<IpNet>().ok());
    let mut blocks = IpNet::aggregate(&blocks.collect());
    blocks.sort();
    if blocks.len() > MOST_BLOCKS {
        return Vec::new();
    }
    blocks.into_iter().map(Cidr).collect()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn address(text: &Value) -> Option<Cidr> {
    Some(Cidr(text.as_str()?.parse::<IpAddr>().ok()?.into()))
}

fn port(of: &Value) -> Option<u16> {
    of["port"].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service() -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "namespace": "default"},
            "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"], "ports": [{"port": 443}]}})
    }

    #[test]
    fn the_api_server_is_where_its_service_leads() {
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "kubernetes-x", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "endpoints": [{"addresses": ["192.0.2.7"]}, {"addresses": ["192.0.2.8", "api.example"]}],
            "ports": [{"name": "https", "port": 6443}]});
        let other = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "web", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
            "endpoints": [{"addresses": ["192.0.2.9"]}], "ports": [{"port": 80}]});
        let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "subsets": [{"addresses": [{"ip": "192.0.2.7"}, {"ip": "192.0.2.8"}], "ports": [{"port": 6443}]}]});
        for of in [slice, endpoints] {
            let found = api_server(&[other.clone(), service(), of]).unwrap();
            let addresses: Vec<String> = found.addresses.into_iter().map(String::from).collect();
            assert_eq!(addresses, ["10.96.0.1/32", "192.0.2.7/32", "192.0.2.8/32", "fd00::1/128"]);
            assert_eq!(found.ports, [443, 6443]);
        }
        assert_eq!(api_server(&[other, service()]), None);
    }

    #[test]
    fn nodes_tell_which_addresses_their_pods_get() {
        let node = |spec: Value| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": spec});
        let both = node(json!({"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd01::/64"]}));
        let found = of_pods(&[both, node(json!({})), node(json!({"podCIDR": "10.244.0.0/24"}))]);
        let found: Vec<String> = found.into_iter().map(String::from).collect();
        assert_eq!(found, ["10.244.0.0/23", "fd01::/64"]);
        // Every other block, so that no two are neighbours.
        let apart = |count: u8| -> Vec<Value> {
            (0..count).map(|at| node(json!({"podCIDR": format!("10.1.{}.0/24", at * 2)}))).collect()
        };
        assert_eq!((of_pods(&apart(64)).len(), of_pods(&apart(65)).len()), (64, 0));
    }
}
