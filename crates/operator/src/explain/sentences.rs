//! From facts to sentences.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use parapet_api::{AssociationState, ConditionType, Kind};
use serde::Serialize;

use super::pods::trouble;
use super::{Facts, Happened, Reference};

/// Certificates that end sooner are told. The operator renews a day before; whose end comes closer is somebody else's, or
/// isn't renewed.
const ENDS_SOON: SignedDuration = SignedDuration::from_hours(23);
/// How many events are told at most.
const EVENTS: usize = 10;

/// What is known, in sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Which application.
    pub application: String,
    /// Where it stands, in a sentence.
    pub standing: String,
    /// What it waits for, or what holds it. Nothing if it is as specified.
    pub blocked_by: Vec<String>,
    /// What is going on.
    pub going_on: Vec<String>,
    /// What is odd in what was specified; nothing is held back for it.
    pub odd: Vec<String>,
    /// What was said of it lately, the newest first.
    pub lately: Vec<String>,
    /// What to do next.
    pub next: Vec<String>,
}

impl Explanation {
    /// Whether it is as specified and nothing is wrong.
    pub fn is_fine(&self) -> bool {
        self.blocked_by.is_empty()
    }

    fn blocked(&mut self, text: impl Into<String>, advice: Option<&str>) {
        self.blocked_by.push(text.into());
        if let Some(advice) = advice.filter(|advice| !self.next.iter().any(|known| known == advice)) {
            self.next.push(advice.to_owned());
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.application)?;
        writeln!(f, "  {}.", self.standing)?;
        let parts = [
            ("What holds it", &self.blocked_by),
            ("What is going on", &self.going_on),
            ("What is odd", &self.odd),
            ("What was said lately", &self.lately),
            ("What to do next", &self.next),
        ];
        for (title, sentences) in parts.into_iter().filter(|(_, sentences)| !sentences.is_empty()) {
            writeln!(f, "{title}:")?;
            for sentence in sentences {
                writeln!(f, "  - {sentence}.")?;
            }
        }
        Ok(())
    }
}

/// Puts facts into sentences.
pub fn explain(facts: &Facts) -> Explanation {
    let application = format!("{} {}/{}", facts.kind.name(), facts.namespace, facts.name);
    let mut found = Explanation { application, standing: standing(facts), ..Explanation::default() };
    if looked_at(facts, &mut found) {
        conditions(facts, &mut found);
        nodes(facts, &mut found);
        facts.references.iter().for_each(|reference| refers(reference, &mut found));
    }
    for trouble in facts.pods.iter().filter_map(trouble) {
        found.blocked(trouble.text, trouble.advice);
    }
    missing_pods(facts, &mut found);
    certificates(facts, &mut found);
    found.odd = facts.odd.iter().map(|odd| plain(odd)).collect();
    found.lately = lately(&facts.events, facts.now);
    found
}

fn standing(facts: &Facts) -> String {
    let said = &facts.said;
    if said.deleted {
        return "It is being deleted".to_owned();
    }
    let what = if facts.kind == Kind::Elasticsearch { "nodes" } else { "instances" };
    let mut parts = Vec::new();
    parts.extend(said.phase.clone());
    parts.extend(said.health.as_ref().map(|health| format!("health {health}")));
    parts.push(format!("{} of {} {what} ready", said.available.unwrap_or_default(), said.wanted));
    parts.push(match &said.running {
        Some(running) if *running != said.version => format!("runs {running}, {} is specified", said.version),
        Some(running) => format!("runs {running}"),
        None => format!("{} is specified, nothing runs", said.version),
    });
    parts.join(", ")
}

/// Whether the operator has looked at what is specified now; if not, all else is of no use.
fn looked_at(facts: &Facts, found: &mut Explanation) -> bool {
    const IS_ONE: &str = "See whether an operator runs that looks after this namespace (its keys namespaces and \
                          namespace-selector), and what it logs";
    let said = &facts.said;
    if let Some(why) = &said.unreadable {
        found.blocked(
            format!("The operator can't read it: {why}"),
            Some("Correct that field; nothing of the application is touched until then"),
        );
        return false;
    }
    if let Some(annotation) = &said.left_alone {
        found.blocked(
            format!("The operator leaves it alone, as its annotation {annotation} says"),
            Some("Take the annotation away to have it looked after again"),
        );
        return false;
    }
    match said.observed_generation {
        None => found.blocked("No operator has looked at it yet", Some(IS_ONE)),
        Some(observed) if observed < said.generation => {
            found.blocked("The operator hasn't looked at the last change yet", Some(IS_ONE));
        }
        Some(_) => {}
    }
    true
}

fn conditions(facts: &Facts, found: &mut Explanation) {
    let said = &facts.said;
    if said.phase.as_deref() == Some("Invalid") {
        let why = said.unmet(ConditionType::ReconciliationComplete).unwrap_or("its specification is refused");
        found.blocked(
            format!("It is refused: {}", plain(why)),
            Some("Correct the specification; what runs goes on as it is until then"),
        );
        return;
    }
    if said.paused {
        found.blocked(
            "Changes of its nodes are held by the annotation eck.k8s.elastic.co/pause-orchestration",
            Some("Take the annotation away to have them carried out"),
        );
    }
    if let Some(why) = said.unmet(ConditionType::ElasticsearchIsReachable) {
        found.blocked(
            plain(why),
            Some(
                "See what its pods log, and whether a NetworkPolicy or the mesh keeps the operator from port 9200 of the \
                 pods; nodes are neither removed nor restarted until it answers",
            ),
        );
    }
    if let Some(why) = said.unmet(ConditionType::ReconciliationComplete)
        && !found.blocked_by.iter().any(|known| known == &plain(why))
    {
        found.blocked(plain(why), None);
    }
    if let Some(why) = said.unmet(ConditionType::RunningDesiredVersion) {
        found.going_on.push(plain(why));
    }
    if let Some(why) = said.unmet(ConditionType::CertificatesValid) {
        found.blocked(plain(why), Some("Put a certificate that is valid into that Secret"));
    }
    if let Some(why) = said.unmet(ConditionType::MeshReady) {
        found.blocked(plain(why), Some("Do what each of the mesh's checks says"));
    }
    if let Some(why) = said.unmet(ConditionType::FullyManaged) {
        found.going_on.push(format!("Not looked after here: {}", plain(why)));
    }
}

fn nodes(facts: &Facts, found: &mut Explanation) {
    let doing = &facts.said.in_progress;
    for node in &doing.upgrade.nodes {
        let why = node.message.as_deref().map(plain).unwrap_or_default();
        if node.status == "DELETED" {
            found.going_on.push(format!("Node {} is being restarted", node.name));
            continue;
        }
        match &node.predicate {
            Some(rule) => found.blocked(
                format!("Node {} waits for its restart: {why} (rule {rule})", node.name),
                Some(advice_of(rule).as_str()),
            ),
            None => found.going_on.push(with(format!("Node {} waits for its restart", node.name), &why)),
        }
    }
    for node in &doing.downscale.nodes {
        let why = node.explanation.as_deref().map(plain).unwrap_or_default();
        match node.shutdown_status.as_str() {
            "STALLED" => found.blocked(
                with(format!("Node {} can't hand over its data", node.name), &why),
                Some("Add a node that may take its shards, or lower the number of replicas of what it holds"),
            ),
            _ => found.going_on.push(with(format!("Node {} leaves", node.name), &why)),
        }
    }
    for node in &doing.upscale.nodes {
        let why = node.message.as_deref().map(plain).unwrap_or_default();
        found.going_on.push(with(format!("Node {} is to come", node.name), &why));
    }
}

/// Which advice helps where a rule holds a restart for long.
fn advice_of(rule: &str) -> String {
    match rule {
        "do_not_restart_healthy_node_if_MaxUnavailable_reached" => {
            "Wait until the other nodes are ready, or raise updateStrategy.changeBudget.maxUnavailable"
                .to_owned()
        }
        "only_restart_healthy_node_if_green_or_yellow" => {
            "Repair what makes the cluster red (GET _cluster/allocation/explain) before nodes are restarted"
                .to_owned()
        }
        "one_master_at_a_time" => "Wait until every other master is ready".to_owned(),
        rule => format!(
            "Wait; if nothing changes, see GET _cluster/allocation/explain. The annotation \
             eck.k8s.elastic.co/disable-upgrade-predicates: {rule} switches the rule off, at the risk that it names"
        ),
    }
}

fn refers(reference: &Reference, found: &mut Explanation) {
    let Reference { field, kind, target, exists, state } = reference;
    let kind = kind.name();
    let place = target.as_ref().map(|(namespace, name)| format!("{kind} {namespace}/{name}"));
    match (state, place) {
        (Some(AssociationState::Established), _) => {}
        (_, Some(place)) if !exists => found.blocked(
            format!("{field} names {place}, which doesn't exist"),
            Some("Make it, or correct the reference (its namespace, above all)"),
        ),
        (Some(AssociationState::Failed), place) => found.blocked(
            format!("{field} can't be had: {}", place.unwrap_or_else(|| "what its Secret says".to_owned())),
            Some("See the events: a right that is missing (serviceAccountName), a port without a name, or a Secret without a url"),
        ),
        (Some(AssociationState::Pending) | None, Some(place)) => {
            let (namespace, name) = target.clone().unwrap_or_default();
            let advice = format!("Explain that one: parapet operator explain {namespace}/{name}");
            found.blocked(format!("{field} waits for {place}"), Some(&advice));
        }
        (Some(AssociationState::Pending) | None, None) => {
            found.blocked(format!("{field} waits for the Secret that it names"), None);
        }
    }
}

fn missing_pods(facts: &Facts, found: &mut Explanation) {
    let there = i64::try_from(facts.pods.len()).unwrap_or(i64::MAX);
    let said = &facts.said;
    let is_known = said.unreadable.is_none() && said.left_alone.is_none() && !said.deleted;
    if is_known && there < said.wanted && found.blocked_by.is_empty() && found.going_on.is_empty() {
        found.blocked(
            format!("Of {} pods {} are missing", said.wanted, said.wanted - there),
            Some("See the events of its StatefulSets or its Deployment: a quota or an admission webhook may refuse pods"),
        );
    }
}

fn certificates(facts: &Facts, found: &mut Explanation) {
    for certificate in &facts.certificates {
        let left = certificate.not_after.duration_since(facts.now);
        if left > ENDS_SOON {
            continue;
        }
        let which = format!("The certificate {} in Secret {}", certificate.key, certificate.secret);
        let text = match left.is_negative() || left.is_zero() {
            true => format!("{which} has ended {} ago", span(-left)),
            false => format!("{which} ends in {}", span(left)),
        };
        let advice = "Certificates of the operator's are renewed a day before they end: see whether it runs; renew your own \
                      in the Secret that http.tls.certificate.secretName names";
        found.blocked(text, Some(advice));
    }
}

fn lately(events: &[Happened], now: Timestamp) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for event in events.iter().filter(|event| !event.note.is_empty()) {
        if seen.contains(&event.note.as_str()) {
            continue;
        }
        seen.push(&event.note);
        let ago = event.at.map(|at| format!("{} ago, ", span(now.duration_since(at)))).unwrap_or_default();
        let kind = if event.warning { "warning" } else { "normal" };
        let about = event.about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default();
        told.push(format!("{ago}{kind} {}: {about}{}", event.reason, plain(&event.note)));
        if told.len() == EVENTS {
            break;
        }
    }
    told
}

/// As people say it: the largest unit.
fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn with(text: String, why: &str) -> String {
    if why.is_empty() { text } else { format!("{text}: {why}") }
}

/// Without the full stop that each sentence gets at last.
fn plain(text: &str) -> String {
    text.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
