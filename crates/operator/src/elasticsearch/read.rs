//! A look at a cluster.

use std::sync::Arc;

use parapet_api::Health;
use parapet_orchestrate::{Observed, Shard, ShardState, shutdown_api};
use tokio::time::Instant;

use super::{Client, ClientError, Snapshot};
use crate::mesh::Answer;

/// Looks at a cluster: its health, whose it is if that isn't known yet, and the rest if asked for.
pub(super) async fn look(client: &Client, before: &Snapshot, closely: bool) -> Snapshot {
    let mut snapshot = Snapshot {
        cluster_uuid: before.cluster_uuid.clone(),
        version: before.version.clone(),
        ..Snapshot::nothing(Instant::now())
    };
    snapshot.answer = Answer::Elasticsearch;
    if let Err(error) = fill(client, &mut snapshot, closely).await {
        snapshot.failure = Some(error.to_string());
        snapshot.answer = match error {
            ClientError::Proxy { status, reason, .. } => {
                Answer::Proxy { status: status.as_u16(), body: reason }
            }
            ClientError::Status { .. } | ClientError::TooLong { .. } | ClientError::Malformed { .. } => {
                Answer::Elasticsearch
            }
            _ => Answer::None,
        };
    }
    snapshot
}

async fn fill(client: &Client, snapshot: &mut Snapshot, closely: bool) -> Result<(), ClientError> {
    let (health, settled) =
        if closely { client.settled_health().await? } else { (client.health().await?, true) };
    snapshot.health = health;
    if snapshot.cluster_uuid.is_none() || closely {
        let root = client.root().await?;
        snapshot.cluster_uuid = root.cluster_uuid;
        snapshot.version = root.version;
    }
    if closely {
        let health = if settled { health } else { Health::Unknown };
        snapshot.details = Some(Arc::new(details(client, health).await?));
    }
    Ok(())
}

async fn details(client: &Client, health: Health) -> Result<Observed, ClientError> {
    let nodes = client.nodes().await?;
    let all_have_it = nodes.values().all(|node| shutdown_api(&node.version));
    let shutdowns = if all_have_it { Some(client.shutdowns().await?) } else { None };
    // Asked in any case: an upgrade to the first version with the shutdown API ends with what was set by one without.
    let allocation = Some(client.allocation().await?);
    let shards = client.shards().await?;
    let health = worse(health, &shards);
    Ok(Observed {
        health,
        nodes: Some(nodes),
        shards: Some(shards),
        shutdowns,
        allocation,
        voting_exclusions: None,
    })
}

/// The calls follow each other: what the shards say is newer than the health.
fn worse(health: Health, shards: &[Shard]) -> Health {
    let missing = |shard: &&Shard| matches!(shard.state, ShardState::Unassigned | ShardState::Initializing);
    let seen = match shards.iter().filter(missing).map(|shard| shard.primary).max() {
        Some(true) => Health::Red,
        Some(false) => Health::Yellow,
        None => Health::Green,
    };
    match health {
        Health::Unknown => Health::Unknown,
        known => known.min(seen),
    }
}
