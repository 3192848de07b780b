//! Clusters that are made in one line: all of their nodes run and all shards are there, unless a case says otherwise.

use std::collections::{BTreeMap, BTreeSet};

use parapet_api::Health;
use parapet_orchestrate::{
    Allocation, Budget, Desired, Disabled, Live, Node, NodeSet, Observed, Pod, Roles, Shard, ShardState,
    Shutdown, ShutdownKind, ShutdownStatus, State, pod_name,
};

/// What every node runs, unless a case says otherwise.
pub(super) const BEFORE: &str = "8.15.3";
/// What it is upgraded to.
pub(super) const AFTER: &str = "8.16.0";

const PRESENT: &str = "present";
const OUTDATED: &str = "outdated";

/// A formed, green cluster in which everything is as specified. Groups have a name, a number of nodes, and roles by name.
pub(super) fn cluster(groups: &[(&str, u32, &[&str])]) -> State {
    let mut state = State {
        version: BEFORE.parse().unwrap(),
        running: Some(BEFORE.parse().unwrap()),
        node_sets: Vec::new(),
        pods: Vec::new(),
        observed: Observed {
            health: Health::Green,
            nodes: Some(BTreeMap::new()),
            shards: Some(Vec::new()),
            shutdowns: Some(BTreeMap::new()),
            allocation: Some(Allocation { enabled: true, excluded: BTreeSet::new() }),
            voting_exclusions: Some(false),
        },
        budget: Budget { max_unavailable: None, max_surge: None },
        disabled: Disabled::default(),
        paused: false,
        formed: true,
        unsettled: Vec::new(),
    };
    for (name, count, roles) in groups {
        let roles = Roles::named(roles.iter().copied());
        state.node_sets.push(NodeSet {
            name: (*name).to_owned(),
            desired: Some(Desired { count: *count, roles: roles.clone() }),
            live: Some(Live {
                uid: format!("uid-of-{name}"),
                replicas: *count,
                generation: 1,
                observed_generation: 1,
                update_revision: PRESENT.to_owned(),
                version: Some(state.version.clone()),
                roles: roles.clone(),
                changed: false,
            }),
        });
        for ordinal in 0..*count {
            let pod = pod(name, ordinal, roles.clone());
            let node = Node { id: id(&pod.name), version: state.version.clone() };
            state.observed.nodes.as_mut().unwrap().insert(pod.name.clone(), node);
            state.pods.push(pod);
        }
    }
    state
}

fn pod(set: &str, ordinal: u32, roles: Roles) -> Pod {
    let name = pod_name(set, ordinal);
    Pod {
        uid: format!("uid-of-{name}"),
        resource_version: "1".to_owned(),
        set: set.to_owned(),
        ordinal,
        revision: PRESENT.to_owned(),
        ready: true,
        terminating: false,
        pending: false,
        restarts: 0,
        looping: false,
        version: Some(BEFORE.parse().unwrap()),
        roles,
        name,
    }
}

fn id(node: &str) -> String {
    format!("id-of-{node}")
}

/// The same state, changed by a case.
pub(super) trait Changed: Sized {
    fn state(&mut self) -> &mut State;

    /// The templates of all groups changed.
    fn with_new_templates(mut self) -> Self {
        self.state().pods.iter_mut().for_each(|pod| OUTDATED.clone_into(&mut pod.revision));
        self
    }

    /// Another version is specified, and all templates have it already.
    fn upgraded_to(mut self, version: &str) -> Self {
        let state = self.state();
        state.version = version.parse().unwrap();
        for live in state.node_sets.iter_mut().filter_map(|set| set.live.as_mut()) {
            live.version = Some(state.version.clone());
        }
        self.with_new_templates()
    }

    /// All nodes run that version.
    fn running(mut self, version: &str) -> Self {
        let state = self.state();
        state.running = Some(version.parse().unwrap());
        state.pods.iter_mut().for_each(|pod| pod.version = Some(version.parse().unwrap()));
        state
            .observed
            .nodes
            .iter_mut()
            .flatten()
            .for_each(|(_, node)| node.version = version.parse().unwrap());
        self
    }

    /// One node runs what is specified.
    fn with_done(mut self, name: &str) -> Self {
        let state = self.state();
        let version = state.version.clone();
        state.observed.nodes.as_mut().unwrap().get_mut(name).unwrap().version = version.clone();
        let pod = find(state, name);
        PRESENT.clone_into(&mut pod.revision);
        pod.version = Some(version);
        self
    }

    /// One node isn't ready.
    fn with_down(mut self, name: &str) -> Self {
        find(self.state(), name).ready = false;
        self
    }

    fn with_terminating(mut self, name: &str) -> Self {
        find(self.state(), name).terminating = true;
        self
    }

    fn with_health(mut self, health: Health) -> Self {
        self.state().observed.health = health;
        self
    }

    /// A shard of an index of one: where its primary is, and what becomes of its replica.
    fn with_shard(mut self, index: &str, primary: &str, replica: (ShardState, Option<&str>)) -> Self {
        let copy = |primary: bool, state: ShardState, node: Option<&str>| Shard {
            index: index.to_owned(),
            number: 0,
            primary,
            state,
            node: node.map(str::to_owned),
            target: None,
        };
        let copies = [copy(true, ShardState::Started, Some(primary)), copy(false, replica.0, replica.1)];
        self.state().observed.shards.as_mut().unwrap().extend(copies);
        self
    }

    /// Elasticsearch knows that the node restarts, and is ready for it.
    fn told(mut self, name: &str) -> Self {
        let record =
            Shutdown { kind: ShutdownKind::Restart, status: ShutdownStatus::Complete, explanation: None };
        self.state().observed.shutdowns.as_mut().unwrap().insert(id(name), record);
        self
    }

    fn with_max_unavailable(mut self, most: u32) -> Self {
        self.state().budget.max_unavailable = Some(most);
        self
    }

    /// What the annotation says.
    fn without_rules(mut self, annotation: &str) -> Self {
        let (disabled, unknown) = Disabled::parse(annotation);
        assert_eq!(unknown, [], "{annotation}");
        self.state().disabled = disabled;
        self
    }
}

impl Changed for State {
    fn state(&mut self) -> &mut State {
        self
    }
}

fn find<'a>(state: &'a mut State, name: &str) -> &'a mut Pod {
    state.pods.iter_mut().find(|pod| pod.name == name).unwrap()
}
