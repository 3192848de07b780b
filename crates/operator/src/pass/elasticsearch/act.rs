//! Carrying out what was decided about nodes.
//!
//! Elasticsearch is told before Kubernetes is: a call that fails leaves the pod where it is, and the next pass decides again.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use parapet_api::{Application as _, Elasticsearch, annotations};
use parapet_orchestrate::{Downscale, Forced, PodDelete, Restart, ShutdownKind, Unanswered};
use serde_json::json;

use super::observe::Known;
use crate::ApplicationKey;
use crate::cluster::{ClusterError, Deletion};
use crate::pass::{Context, PassError};

/// Who acts, and on what.
pub(super) struct Acting<'a> {
    pub(super) cx: &'a Context,
    pub(super) key: &'a ApplicationKey,
    pub(super) es: &'a Elasticsearch,
    pub(super) known: &'a Known,
    pub(super) live: &'a [Arc<StatefulSet>],
    pub(super) pods: &'a [Arc<Pod>],
}

impl Acting<'_> {
    /// Deletes pods that Elasticsearch needn't know of.
    pub(super) async fn force(&self, forced: &Forced) -> Result<(), PassError> {
        for doomed in &forced.delete {
            self.delete(doomed).await?;
        }
        Ok(())
    }

    /// Drains and removes nodes.
    pub(super) async fn downscale(&self, plan: &Downscale) -> Result<(), PassError> {
        let Downscale { cancel, shutdown, exclude_allocation, clear_voting_exclusions, lower, .. } = plan;
        let Downscale { delete_sets, .. } = plan;
        if !cancel.is_empty()
            || !shutdown.is_empty()
            || exclude_allocation.is_some()
            || *clear_voting_exclusions
        {
            let client = self.known.client()?;
            for node in cancel {
                self.told(client.end_shutdown(&node.node_id).await)?;
            }
            for node in shutdown {
                let removed = client.shut_down(&node.node_id, ShutdownKind::Remove, "removed", None).await;
                self.told(removed)?;
            }
            if let Some(names) = exclude_allocation {
                self.told(client.exclude_from_allocation(names).await)?;
            }
            if *clear_voting_exclusions {
                self.known.observer.clear_voting_exclusions(&client).await?;
            }
        }
        for lower in lower {
            if !lower.exclude_from_voting.is_empty() {
                self.known
                    .observer
                    .exclude_from_voting(&self.known.client()?, &lower.exclude_from_voting)
                    .await?;
            }
            if let Some(set) = self.set(&lower.set) {
                self.resize(set, lower.to).await?;
                self.known.observer.acted();
            }
        }
        for name in delete_sets {
            if let Some(set) = self.set(name) {
                self.cx.cluster.delete::<StatefulSet>(&set.metadata, Deletion::default()).await?;
            }
        }
        Ok(())
    }

    /// Makes pods anew.
    pub(super) async fn restart(&self, plan: &Restart) -> Result<(), PassError> {
        let Restart { clear_shutdowns, enable_allocation, shutdown, prepare, .. } = plan;
        let Restart { exclude_from_voting, delete, .. } = plan;
        if !clear_shutdowns.is_empty() || *enable_allocation || !shutdown.is_empty() || prepare.is_some() {
            let client = self.known.client()?;
            for node_id in clear_shutdowns {
                self.told(client.end_shutdown(node_id).await)?;
            }
            if *enable_allocation {
                self.told(client.allocate_replicas(true).await)?;
            }
            let trigger = self.es.annotation(annotations::RESTART_TRIGGER);
            let reason = trigger.or(self.es.metadata.resource_version.as_deref()).unwrap_or("restart");
            let delay = self.es.annotation(annotations::RESTART_ALLOCATION_DELAY);
            for node in shutdown {
                let told = client.shut_down(&node.node_id, ShutdownKind::Restart, reason, delay).await;
                self.told(told)?;
            }
            if let Some(prepare) = prepare {
                if prepare.disable_allocation {
                    self.told(client.allocate_replicas(false).await)?;
                }
                if prepare.synced_flush {
                    self.told(client.flush_synced().await)?;
                }
            }
        }
        if !exclude_from_voting.is_empty() {
            self.known.observer.exclude_from_voting(&self.known.client()?, exclude_from_voting).await?;
        }
        for doomed in delete {
            self.delete(doomed).await?;
        }
        Ok(())
    }

    /// Tells a StatefulSet how many replicas to have, and nothing else.
    pub(super) async fn resize(&self, set: &StatefulSet, replicas: u32) -> Result<(), PassError> {
        let patch = json!({"spec": {"replicas": replicas}});
        match self.cx.cluster.merge_patch::<StatefulSet>(&set.metadata, patch).await {
            Ok(written) => {
                self.expect(&written);
                Ok(())
            }
            Err(error) => {
                if !error.certainly_not_applied() {
                    self.known.observer.acted();
                }
                Err(error.into())
            }
        }
    }

    /// Nothing is taken down before this write is seen.
    pub(super) fn expect(&self, written: &StatefulSet) {
        let name = written.metadata.name.as_deref().unwrap_or_default();
        let uid = written.metadata.uid.as_deref().unwrap_or_default();
        let generation = written.metadata.generation.unwrap_or_default();
        self.cx.memory.with(self.key, |expectations| expectations.wrote(name, uid, generation));
    }

    /// If it still is the pod that was judged.
    async fn delete(&self, doomed: &PodDelete) -> Result<(), PassError> {
        let judged = |pod: &&Arc<Pod>| {
            pod.metadata.uid.as_deref() == Some(&doomed.uid)
                && pod.metadata.resource_version.as_deref() == Some(&doomed.resource_version)
        };
        let Some(pod) = self.pods.iter().find(judged) else { return Ok(()) };
        let answer =
            self.cx.cluster.delete::<Pod>(&pod.metadata, Deletion { unchanged: true, orphan: false }).await;
        if !answer.as_ref().is_err_and(ClusterError::certainly_not_applied) {
            self.cx.memory.with(self.key, |expectations| match &answer {
                Ok(()) => expectations.deleted(&doomed.pod, &doomed.uid),
                Err(_) => expectations.maybe_deleted(Unanswered {
                    pod: doomed.pod.clone(),
                    uid: doomed.uid.clone(),
                    resource_version: doomed.resource_version.clone(),
                }),
            });
            self.known.observer.acted();
        }
        answer?;
        tracing::info!(pod = doomed.pod, why = doomed.why, "deleted a pod to be made anew");
        Ok(())
    }

    /// Reads pods that may have been deleted, as nobody answered. Those that are as they were weren't; the others will be seen to
    /// have changed.
    pub(super) async fn look_after_the_unanswered(&self) -> Result<(), PassError> {
        let namespace = self.es.metadata.namespace.as_deref().unwrap_or_default();
        for lost in self.cx.memory.with(self.key, |expectations| expectations.unanswered()) {
            let pod = self.cx.cluster.fetch::<Pod>(namespace, &lost.pod).await?;
            let is_as_it_was = pod.is_some_and(|pod| {
                pod.metadata.uid.as_deref() == Some(&lost.uid)
                    && pod.metadata.resource_version.as_deref() == Some(&lost.resource_version)
            });
            if is_as_it_was {
                self.cx.memory.with(self.key, |expectations| expectations.wasnt_deleted(&lost.pod));
            }
        }
        Ok(())
    }

    fn set(&self, name: &str) -> Option<&StatefulSet> {
        let found = self.live.iter().find(|set| set.metadata.name.as_deref() == Some(name));
        found.map(|set| &**set)
    }

    /// What was seen before a change says nothing any more, whether or not its answer arrived.
    fn told(&self, answer: Result<(), crate::elasticsearch::ClientError>) -> Result<(), PassError> {
        if !answer.as_ref().is_err_and(crate::elasticsearch::ClientError::certainly_not_applied) {
            self.known.observer.acted();
        }
        Ok(answer?)
    }
}
