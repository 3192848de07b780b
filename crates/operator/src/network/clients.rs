//! Clients that an application's owner declares.

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use parapet_api::Application;

use super::listeners::is_public;

/// On a custom resource: who may use its HTTP port, as the `from` of a NetworkPolicy in JSON or YAML. An empty list: nobody but those who
/// are known anyway.
pub const CLIENTS: &str = "network.parapet.dev/clients";

/// Why declared clients can't be read. No policy is made or changed then.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// It is no list of peers.
    #[error("the annotation {CLIENTS} is not a list of peers as in a NetworkPolicy")]
    NotPeers(#[source] serde_saphyr::Error),
    /// A peer that selects nothing, which a NetworkPolicy must not have.
    #[error(
        "peer {index} in the annotation {CLIENTS} has neither podSelector, namespaceSelector nor ipBlock"
    )]
    Empty {
        /// Its place, counted from 1.
        index: usize,
    },
}

/// Who may use an application's HTTP port, besides those that the operator knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Clients {
    /// Anybody: its Service is open to the world outside of the cluster, so its owner has decided.
    Anybody,
    /// These.
    Peers(Vec<NetworkPolicyPeer>),
}

impl Clients {
    /// What the owner of `application` declares; if nothing, the pods of its namespace, or anybody if its Service is of
    /// type LoadBalancer or NodePort.
    pub fn of<K: Application>(application: &K) -> Result<Self, ClientsError> {
        let Some(text) = application.annotation(CLIENTS) else {
            let is_public = is_public(&application.http().service.spec);
            return Ok(if is_public { Self::Anybody } else { Self::Peers(vec![namespace()]) });
        };
        let peers: Vec<NetworkPolicyPeer> = serde_saphyr::from_str(text).map_err(ClientsError::NotPeers)?;
        match peers.iter().position(|peer| *peer == NetworkPolicyPeer::default()) {
            Some(index) => Err(ClientsError::Empty { index: index + 1 }),
            None => Ok(Self::Peers(peers)),
        }
    }
}

/// Every pod of the policy's own namespace.
fn namespace() -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() }
}
