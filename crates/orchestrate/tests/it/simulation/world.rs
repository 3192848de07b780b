//! Kubernetes and the user.

use std::collections::BTreeMap;

use parapet_api::StackVersion;
use parapet_orchestrate::{
    Budget, Desired, Disabled, Expectations, Live, NodeSet, Observed, Pod, Role, Roles, State, Unanswered,
    pod_name,
};

use super::Change;
use super::elasticsearch::Cluster;
use super::seen::Watched;

/// What the user wants.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) sets: Vec<Set>,
    pub(super) budgets: Budgets,
    /// Of the version.
    pub(super) minor: u64,
    /// A version without the shutdown API.
    pub(super) legacy: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) master: bool,
    pub(super) data: bool,
    pub(super) template: u32,
    pub(super) broken: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Budgets {
    pub(super) max_unavailable: Option<u32>,
    pub(super) max_surge: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) shards: u32,
    pub(super) replicas: u32,
}

impl Spec {
    /// As a specification that is accepted: some node is a master, some node holds data.
    pub(super) fn mend(&mut self) {
        if !self.sets.iter().any(|set| set.count > 0 && set.master) {
            self.sets[0].master = true;
            self.sets[0].count = self.sets[0].count.max(1);
        }
        if !self.sets.iter().any(|set| set.count > 0 && set.data) {
            self.sets[0].data = true;
            self.sets[0].count = self.sets[0].count.max(1);
        }
    }

    pub(super) fn version(&self) -> StackVersion {
        let text = if self.legacy { format!("7.{}.0", self.minor) } else { format!("8.{}.0", self.minor) };
        text.parse().unwrap()
    }
}

fn roles(master: bool, data: bool) -> Roles {
    let master = master.then_some(Role::Master);
    let data = data.then_some(Role::Data);
    master.into_iter().chain(data).collect()
}

/// What a StatefulSet makes pods of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    number: u32,
    broken: bool,
    version: StackVersion,
    roles: Roles,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct StatefulSet {
    uid: u32,
    replicas: u32,
    generation: i64,
    observed_generation: i64,
    template: Template,
    observed_template: Template,
}

#[derive(Clone, Debug)]
pub(super) struct SimPod {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) set: String,
    pub(super) ordinal: u32,
    pub(super) template: Template,
    pub(super) started: bool,
    pub(super) terminating: bool,
}

impl SimPod {
    pub(super) fn runs(&self) -> bool {
        self.started && !self.terminating
    }
    pub(super) fn roles(&self) -> &Roles {
        &self.template.roles
    }
    pub(super) fn version(&self) -> &StackVersion {
        &self.template.version
    }
}

pub(super) struct World {
    pub(super) spec: Spec,
    sets: BTreeMap<String, StatefulSet>,
    pub(super) pods: BTreeMap<String, SimPod>,
    pub(super) cluster: Cluster,
    /// The lowest version, as the last finished pass wrote it down.
    pub(super) running: StackVersion,
    /// Elasticsearch doesn't answer for so many passes.
    pub(super) away: u8,
    /// What the operator remembers of voting exclusions: whether it set some. One that begins knows nothing.
    pub(super) remembers_exclusions: Option<bool>,
    /// What it knows of its own writes.
    pub(super) expectations: Expectations,
    /// The answer to its next write is lost: it is carried out, and the operator doesn't know.
    pub(super) deaf: bool,
    /// What it has seen, if its watches and looks may be late; else it sees everything at once.
    lags: bool,
    seen_sets: Watched<StatefulSet>,
    seen_pods: Watched<Pod>,
    /// What the last look at Elasticsearch saw; nothing if the operator has changed something since, or begins.
    looked: Option<Observed>,
    uids: u32,
}

impl World {
    /// Everything as specified, and every index there. `lags`: what happens from then on is seen when it is told.
    pub(super) fn formed(spec: Spec, indices: &[Index], lags: bool) -> Self {
        let running = spec.version();
        let mut world = Self {
            cluster: Cluster::default(),
            sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            running,
            away: 0,
            remembers_exclusions: None,
            expectations: Expectations::default(),
            deaf: false,
            lags: false,
            seen_sets: Watched::default(),
            seen_pods: Watched::default(),
            looked: None,
            uids: 0,
            spec,
        };
        for set in world.spec.sets.clone() {
            world.create(&set.name, set.count);
        }
        for _ in 0..3 {
            world.controllers();
        }
        world.cluster.form(world.pods.values());
        for (number, index) in indices.iter().enumerate() {
            world.cluster.create(&format!("index-{number}"), index.shards, index.replicas);
        }
        for _ in 0..8 {
            world.cluster.tick(&world.pods);
        }
        world.note();
        world.begin_anew();
        world.lags = lags;
        world
    }

    /// Another operator begins: it lists everything, and remembers nothing.
    pub(super) fn begin_anew(&mut self) {
        self.seen_sets.tell_all();
        self.seen_pods.tell_all();
        self.looked = None;
        self.remembers_exclusions = None;
        self.expectations = Expectations::default();
    }

    /// The watches tell of so many changes.
    pub(super) fn tell(&mut self, sets: usize, pods: usize) {
        self.seen_sets.tell(sets);
        self.seen_pods.tell(pods);
    }

    /// Elasticsearch is looked at.
    pub(super) fn look(&mut self) {
        self.looked = (self.away == 0).then(|| self.cluster.observed());
    }

    /// The operator is up to date.
    pub(super) fn catch_up(&mut self) {
        self.seen_sets.tell_all();
        self.seen_pods.tell_all();
        self.look();
    }

    /// A pass begins. Whoever isn't late has seen everything.
    pub(super) fn begin_pass(&mut self) {
        if !self.lags {
            self.catch_up();
        }
    }

    /// The operator has changed something: what was seen of Elasticsearch before says nothing.
    pub(super) fn acted(&mut self) {
        self.looked = None;
    }

    /// Whether an object is as the operator knows it; else what it decided isn't carried out.
    pub(super) fn knows_pod(&self, name: &str) -> bool {
        self.seen_pods.is_current(name)
    }

    /// The same of a StatefulSet.
    pub(super) fn knows_set(&self, name: &str) -> bool {
        self.seen_sets.is_current(name)
    }

    /// Watches have something to tell, if something changed.
    fn note(&mut self) {
        self.seen_sets.note(self.sets.clone());
        let pods: Vec<_> = self.pods.values().map(|pod| (pod.name.clone(), self.pod(pod))).collect();
        self.seen_pods.note(pods);
    }

    fn wrote_set(&mut self, name: &str) {
        self.note();
        if self.deaf {
            return;
        }
        self.seen_sets.answered(name);
        if let Some(set) = self.sets.get(name) {
            self.expectations.wrote(name, &set.uid.to_string(), set.generation);
        }
    }

    /// What a pass decides on.
    pub(super) fn observe(&mut self) -> State {
        let mut state = self.state();
        state.unsettled = self.expectations.pending(&state);
        state
    }

    fn state(&self) -> State {
        let observed = self.looked.clone().filter(|_| self.away == 0).unwrap_or_default();
        let voting_exclusions = self.remembers_exclusions.filter(|_| observed.reachable());
        let observed = Observed { voting_exclusions, ..observed };
        let mut node_sets: Vec<NodeSet> = self
            .spec
            .sets
            .iter()
            .map(|set| NodeSet {
                name: set.name.clone(),
                desired: Some(Desired { count: set.count, roles: roles(set.master, set.data) }),
                live: self.live(&set.name, Some(&self.template(set))),
            })
            .collect();
        let specified = |name: &String| self.spec.sets.iter().any(|set| set.name == *name);
        for (name, ..) in self.seen_sets.seen().filter(|(name, ..)| !specified(name)) {
            node_sets.push(NodeSet { name: name.clone(), desired: None, live: self.live(name, None) });
        }
        let versioned = |(_, version, pod): (&String, u64, &Pod)| Pod {
            resource_version: version.to_string(),
            ..pod.clone()
        };
        State {
            version: self.spec.version(),
            running: Some(self.running.clone()),
            node_sets,
            pods: self.seen_pods.seen().map(versioned).collect(),
            observed,
            budget: Budget {
                max_unavailable: self.spec.budgets.max_unavailable,
                max_surge: self.spec.budgets.max_surge,
            },
            disabled: Disabled::default(),
            paused: false,
            formed: true,
            unsettled: Vec::new(),
        }
    }

    fn live(&self, name: &str, built: Option<&Template>) -> Option<Live> {
        let set = self.seen_sets.get(name)?;
        Some(Live {
            uid: set.uid.to_string(),
            replicas: set.replicas,
            generation: set.generation,
            observed_generation: set.observed_generation,
            update_revision: revision(&set.observed_template),
            version: Some(set.template.version.clone()),
            roles: set.template.roles.clone(),
            changed: built.is_some_and(|built| *built != set.template),
        })
    }

    fn pod(&self, pod: &SimPod) -> Pod {
        Pod {
            name: pod.name.clone(),
            uid: pod.uid.to_string(),
            resource_version: String::new(),
            set: pod.set.clone(),
            ordinal: pod.ordinal,
            revision: revision(&pod.template),
            ready: pod.runs() && self.cluster.has_master(),
            terminating: pod.terminating,
            pending: !pod.started && !pod.template.broken,
            restarts: u32::from(pod.template.broken),
            looping: pod.template.broken,
            version: Some(pod.template.version.clone()),
            roles: pod.template.roles.clone(),
        }
    }

    fn template(&self, set: &Set) -> Template {
        Template {
            number: set.template,
            broken: set.broken,
            version: self.spec.version(),
            roles: roles(set.master, set.data),
        }
    }

    pub(super) fn create(&mut self, name: &str, replicas: u32) {
        let Some(set) = self.spec.sets.iter().find(|set| set.name == name) else { return };
        let template = self.template(set);
        self.uids += 1;
        let set = StatefulSet {
            uid: self.uids,
            replicas,
            generation: 1,
            observed_generation: 0,
            observed_template: template.clone(),
            template,
        };
        self.sets.insert(name.to_owned(), set);
        self.wrote_set(name);
    }

    pub(super) fn update(&mut self, name: &str) {
        let Some(built) = self.spec.sets.iter().find(|set| set.name == name).map(|set| self.template(set))
        else {
            return;
        };
        if let Some(set) = self.sets.get_mut(name) {
            set.template = built;
            set.generation += 1;
        }
        self.wrote_set(name);
    }

    pub(super) fn resize(&mut self, name: &str, replicas: u32) {
        if let Some(set) = self.sets.get_mut(name) {
            set.replicas = replicas;
            set.generation += 1;
        }
        self.wrote_set(name);
    }

    pub(super) fn delete_set(&mut self, name: &str) {
        self.sets.remove(name);
        self.note();
        if !self.deaf {
            self.seen_sets.answered(name);
        }
    }

    /// The operator deletes a pod.
    pub(super) fn delete_pod(&mut self, name: &str) {
        let judged = self.seen_pods.seen().find(|(seen, ..)| *seen == name).map(|(_, version, pod)| {
            Unanswered { pod: name.to_owned(), uid: pod.uid.clone(), resource_version: version.to_string() }
        });
        self.end_pod(name);
        if self.deaf {
            judged.into_iter().for_each(|lost| self.expectations.maybe_deleted(lost));
            return;
        }
        self.seen_pods.answered(name);
        if let Some(pod) = self.pods.get(name) {
            self.expectations.deleted(name, &pod.uid.to_string());
        }
    }

    /// The operator reads pods that it may have deleted. Here it has: whatever isn't heard was done.
    pub(super) fn look_after_the_unanswered(&mut self) {
        for lost in self.expectations.unanswered() {
            if self.seen_pods.is_current(&lost.pod) {
                self.expectations.wasnt_deleted(&lost.pod);
            }
        }
    }

    /// A pod that its StatefulSet has no more replica for, or that somebody deletes.
    pub(super) fn end_pod(&mut self, name: &str) {
        if let Some(pod) = self.pods.get_mut(name) {
            pod.terminating = true;
        }
        self.cluster.membership(&self.pods);
        self.note();
    }

    /// Nobody can help whoever deletes a pod in the same moment as the operator does; but one of the two is seen before the next.
    pub(super) fn kill(&mut self, at: usize) {
        let Some(name) = self.pods.keys().nth(at).cloned() else { return };
        self.end_pod(&name);
        self.acted();
    }

    /// Whether so many voters are gone for good that no others are a majority: nobody can help such a cluster. That comes of a
    /// user who deletes a master which is to become something else before the operator has taken its vote away.
    pub(super) fn is_lost(&self) -> bool {
        let returns = |name: &String| {
            self.pods.get(name).is_some_and(|pod| {
                let becomes = self.sets.get(&pod.set).map(|set| &set.template.roles);
                pod.roles().is_master_eligible() || becomes.is_some_and(Roles::is_master_eligible)
            })
        };
        !self.cluster.has_master() && !self.cluster.may_have_master(returns)
    }

    pub(super) fn tick(&mut self) {
        let starting = self.tell_of_those_that_start();
        self.controllers();
        self.cluster.tick(&self.pods);
        self.note();
        if starting && self.looked.is_some() {
            self.look();
        }
    }

    /// Watches and looks may be late by seconds, and a node takes longer to start: nobody joins whose pod wasn't told of, and
    /// Elasticsearch is looked at again before what it gives to the newcomer is there. Tells whether there is one.
    fn tell_of_those_that_start(&mut self) -> bool {
        let mut any = false;
        for pod in self.pods.values().filter(|pod| !pod.started && !pod.template.broken) {
            let uid = pod.uid.to_string();
            self.seen_pods.tell_until(&pod.name, |seen| seen.uid == uid);
            any = true;
        }
        any
    }

    /// The StatefulSet controller, the scheduler and the kubelets.
    fn controllers(&mut self) {
        self.pods.retain(|_, pod| !pod.terminating);
        self.pods.values_mut().for_each(|pod| pod.started = !pod.template.broken);
        for set in self.sets.values_mut() {
            set.observed_generation = set.generation;
            set.observed_template = set.template.clone();
        }
        for (name, set) in &self.sets {
            for ordinal in 0..set.replicas {
                let pod = pod_name(name, ordinal);
                self.pods.entry(pod.clone()).or_insert_with(|| {
                    self.uids += 1;
                    SimPod {
                        name: pod,
                        uid: self.uids,
                        set: name.clone(),
                        ordinal,
                        template: set.template.clone(),
                        started: false,
                        terminating: false,
                    }
                });
            }
        }
        for pod in self.pods.values_mut() {
            let wanted = self.sets.get(&pod.set).is_some_and(|set| pod.ordinal < set.replicas);
            pod.terminating |= !wanted;
        }
        self.cluster.membership(&self.pods);
    }

    /// Volumes of nodes that are gone for good go too. What nobody else has is lost.
    pub(super) fn collect_volumes(&mut self) -> Vec<String> {
        let sets = &self.seen_sets;
        let wanted = |name: &str| {
            let (set, ordinal) = name.rsplit_once('-').unwrap();
            sets.get(set).is_some_and(|set| ordinal.parse::<u32>().unwrap() < set.replicas)
        };
        let pods = &self.seen_pods;
        self.cluster.collect_volumes(|name| wanted(name) || pods.get(name).is_some())
    }

    pub(super) fn change(&mut self, change: &Change) {
        let at = |at: &usize, spec: &Spec| at % spec.sets.len();
        match change {
            Change::Scale(set, count) => {
                let at = at(set, &self.spec);
                self.spec.sets[at].count = *count;
            }
            Change::Template(set) => {
                let at = at(set, &self.spec);
                self.spec.sets[at].template += 1;
                self.spec.sets[at].broken = false;
            }
            Change::Break(set) => {
                let at = at(set, &self.spec);
                self.spec.sets[at].template += 1;
                self.spec.sets[at].broken = true;
            }
            // Who upgrades before all nodes have the version before is refused nothing, but one step at a time is enough.
            Change::Version => self.spec.minor += u64::from(self.running == self.spec.version()),
            Change::Rename(set) => {
                let at = at(set, &self.spec);
                if self.is_broken(at) {
                    return;
                }
                self.uids += 1;
                self.spec.sets[at].name = format!("x-es-n{}", self.uids);
            }
            Change::Master(set) => {
                let at = at(set, &self.spec);
                if self.is_broken(at) {
                    return;
                }
                self.spec.sets[at].master ^= true;
            }
        }
        self.spec.mend();
    }

    /// A broken group that is no longer specified, or no longer as masters, can't be repaired: nobody can help its user.
    fn is_broken(&self, at: usize) -> bool {
        let set = &self.spec.sets[at];
        let live = self.sets.get(&set.name).is_some_and(|live| live.template.broken);
        set.broken || live || self.pods.values().any(|pod| pod.set == set.name && pod.template.broken)
    }

    /// Everything is as specified.
    pub(super) fn settled(&self) -> bool {
        self.sets.len() == self.spec.sets.len()
            && self.spec.sets.iter().all(|set| {
                let template = self.template(set);
                let live = self.sets.get(&set.name);
                live.is_some_and(|live| live.template == template && live.replicas == set.count)
                    && (0..set.count).all(|ordinal| {
                        let pod = self.pods.get(&pod_name(&set.name, ordinal));
                        pod.is_some_and(|pod| pod.template == template && pod.runs())
                    })
            })
            && self.cluster.has_master()
    }

    /// As the status would have it.
    pub(super) fn write_status(&mut self) {
        let lowest = self.seen_pods.seen().filter_map(|(_, _, pod)| pod.version.as_ref());
        let lowest = lowest.chain(self.seen_sets.seen().map(|(_, _, set)| &set.template.version)).min();
        if let Some(lowest) = lowest {
            self.running = lowest.clone();
        }
    }

    pub(super) fn describe(&self) -> String {
        let plan = parapet_orchestrate::decide(&self.state());
        let pods: Vec<String> = self
            .pods
            .values()
            .map(|pod| {
                format!("{} {} {}", pod.name, revision(&pod.template), if pod.runs() { "runs" } else { "-" })
            })
            .collect();
        format!("plan {plan:?}\nspec {:?}\npods {pods:#?}\n{:?}", self.spec, self.cluster)
    }
}

fn revision(template: &Template) -> String {
    let roles: Vec<&str> = template.roles.iter().map(Role::name).collect();
    format!("{}-{}-{}-{}", template.number, template.broken, template.version, roles.join("-"))
}
