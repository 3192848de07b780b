//! What was found out, as it is printed.

use parapet_api::{Application, annotations};
use parapet_elastic::ADOPTED_CONFIG_HASH;
use parapet_elastic::compare::Difference;
use serde::Serialize;
use serde_json::Value;

use crate::ApplicationKey;
use crate::cluster::{Change, Recorded, Resource};

/// What would be done to all applications.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// One by one, in the order in which each is referred to.
    pub applications: Vec<Taken>,
}

/// What would be done to one application.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// `Elasticsearch`, `Kibana` or `ApmServer`.
    pub kind: &'static str,
    /// Where it is.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// In a word.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Object by object.
    pub changes: Vec<ObjectChange>,
    /// The pods that would be made anew.
    pub restarts: Vec<Restart>,
    /// Secrets whose content stays as it is: passwords, keys, certificates.
    pub kept_secrets: Vec<String>,
    /// What the other operator looked after and this one doesn't, in sentences: it stays as it is.
    pub left_alone: Vec<String>,
}

/// What is known of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// Nothing would be written.
    Nothing,
    /// Something would be written.
    Changes,
    /// Nobody can say: the pass wouldn't come to its end.
    Unknown {
        /// What holds it.
        why: String,
    },
}

/// What would be done to one object.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectChange {
    /// `StatefulSet`, `Secret` …
    pub kind: &'static str,
    /// Where it is.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// What would be done.
    pub what: What,
    /// Why, in a sentence.
    pub why: &'static str,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It would be made.
    Created,
    /// It would be changed.
    Changed,
    /// It would be deleted.
    Deleted,
}

/// A field that would change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Where; elements of lists go by their names.
    pub path: String,
    /// As it is; nothing if it isn't there.
    pub from: Option<Value>,
    /// As it would be; nothing if it goes.
    pub to: Option<Value>,
}

/// A pod that would be made anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restart {
    /// Its name.
    pub pod: String,
    /// Why, in a sentence.
    pub why: String,
}

impl Report {
    /// Of all of them: unknown if any is, else changes if any would be.
    pub fn verdict(&self) -> Verdict {
        let verdicts = || self.applications.iter().map(|one| &one.verdict);
        let unknown = verdicts().find(|one| matches!(one, Verdict::Unknown { .. }));
        match unknown {
            Some(unknown) => unknown.clone(),
            None if verdicts().any(|one| *one == Verdict::Changes) => Verdict::Changes,
            None => Verdict::Nothing,
        }
    }
}

impl From<Recorded> for ObjectChange {
    fn from(recorded: Recorded) -> Self {
        let Recorded { resource, key, change, .. } = recorded;
        let (what, why, fields) = match &change {
            Change::Create => (What::Created, "it isn't there", Vec::new()),
            Change::Delete if resource == Resource::Pod => {
                (What::Deleted, "it can't start with the template that it was made of", Vec::new())
            }
            Change::Delete => (What::Deleted, "nothing asks for it any more", Vec::new()),
            Change::Update(differences) => (
                What::Changed,
                why(resource, differences),
                differences.iter().map(FieldChange::from).collect(),
            ),
        };
        let (namespace, name) = (key.namespace.to_string(), key.name.to_string());
        Self { kind: resource.name(), namespace, name, what, why, fields }
    }
}

impl ObjectChange {
    /// The application itself, whose annotations are the only part of it that an operator writes.
    pub(super) fn annotations(key: &ApplicationKey, differences: &[Difference]) -> Self {
        Self {
            kind: key.kind.name(),
            namespace: key.object.namespace.to_string(),
            name: key.object.name.to_string(),
            what: What::Changed,
            why: "an operator keeps its own notes there; nothing of the specification is touched",
            fields: differences.iter().map(FieldChange::from).collect(),
        }
    }
}

impl From<&Difference> for FieldChange {
    fn from(difference: &Difference) -> Self {
        let Difference { path, live, desired } = difference.clone();
        Self { path, from: live, to: desired }
    }
}

/// Whether pods are made anew because of it.
pub(super) fn touches_pods(resource: Resource, differences: &[Difference]) -> bool {
    matches!(resource, Resource::StatefulSet | Resource::Deployment)
        && differences.iter().any(|one| one.path.starts_with("spec.template"))
}

fn why(resource: Resource, differences: &[Difference]) -> &'static str {
    if touches_pods(resource, differences) {
        "its pods are made of another template"
    } else if differences.iter().all(|one| one.path.contains(ADOPTED_CONFIG_HASH)) {
        "a note says to which configuration the other operator's hash belongs, so that the hash stays and no pod restarts"
    } else if differences.iter().all(|one| one.path.starts_with("metadata")) {
        "labels and notes only: no pod is touched"
    } else if differences.iter().any(|one| one.path.starts_with("data")) {
        "its content differs"
    } else {
        "its specification differs"
    }
}

/// Why an application that could be read is held: left alone, refused, or waiting for what it refers to.
pub(super) fn held<K: Application>(object: &K, status: &Value) -> Option<String> {
    if object.annotation(annotations::MANAGED) == Some("false") {
        return Some(format!("it is left alone, as its annotation {} says", annotations::MANAGED));
    }
    if object.annotation(annotations::PAUSE) == Some("true") {
        return Some(format!("it is left alone, as its annotation {} says", annotations::PAUSE));
    }
    if status["phase"] == "Invalid" {
        let conditions = status["conditions"].as_array()?;
        let complete = conditions.iter().find(|one| one["type"] == "ReconciliationComplete")?;
        return Some(format!("it is refused: {}", complete["message"].as_str().unwrap_or_default()));
    }
    let references =
        [("elasticsearchAssociationStatus", "elasticsearchRef"), ("kibanaAssociationStatus", "kibanaRef")];
    let waits = references
        .into_iter()
        .find(|(field, _)| status[*field].as_str().is_some_and(|state| state != "Established"));
    waits.map(|(field, reference)| {
        format!("it waits for what {reference} names ({})", status[field].as_str().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(paths: &[&str]) -> Vec<Difference> {
        let one = |path: &&str| Difference { path: (*path).to_owned(), live: None, desired: Some(json!(1)) };
        paths.iter().map(one).collect()
    }

    #[test]
    fn only_templates_restart() {
        assert!(touches_pods(
            Resource::StatefulSet,
            &differences(&["metadata.labels", "spec.template.spec.volumes"])
        ));
        assert!(!touches_pods(Resource::StatefulSet, &differences(&["spec.replicas"])));
        assert!(!touches_pods(Resource::Secret, &differences(&["spec.template"])));
    }

    #[test]
    fn why_is_said_by_what_differs() {
        let note = format!("metadata.labels[{ADOPTED_CONFIG_HASH}]");
        assert!(why(Resource::StatefulSet, &differences(&[&note])).starts_with("a note says"));
        assert!(
            why(Resource::StatefulSet, &differences(&[&note, "metadata.labels[a]"])).starts_with("labels")
        );
        assert!(
            why(Resource::Secret, &differences(&["data.a", "metadata.labels[a]"])).starts_with("its content")
        );
        assert!(why(Resource::Service, &differences(&["spec.type"])).starts_with("its specification"));
    }

    #[test]
    fn what_is_left_alone_or_refused_is_held() {
        let kibana = |annotations: Value| -> parapet_api::Kibana {
            let object = json!({
                "apiVersion": "kibana.k8s.elastic.co/v1", "kind": "Kibana",
                "metadata": { "name": "k", "annotations": annotations }, "spec": { "version": "8.15.3" },
            });
            serde_json::from_value(object).unwrap()
        };
        let plain = kibana(json!({}));
        assert_eq!(held(&plain, &Value::Null), None);
        for annotation in [json!({ annotations::MANAGED: "false" }), json!({ annotations::PAUSE: "true" })] {
            assert!(held(&kibana(annotation), &Value::Null).unwrap().starts_with("it is left alone"));
        }
        let refused = json!({ "phase": "Invalid",
            "conditions": [{ "type": "ReconciliationComplete", "message": "spec.version: x" }] });
        assert_eq!(held(&plain, &refused).unwrap(), "it is refused: spec.version: x");
        let waits = json!({ "elasticsearchAssociationStatus": "Pending" });
        assert_eq!(held(&plain, &waits).unwrap(), "it waits for what elasticsearchRef names (Pending)");
        let fine = json!({ "phase": "Ready", "elasticsearchAssociationStatus": "Established" });
        assert_eq!(held(&plain, &fine), None);
    }

    #[test]
    fn the_worst_of_all_is_the_verdict() {
        let taken = |verdict: Verdict| Taken {
            kind: "Kibana",
            namespace: String::new(),
            name: String::new(),
            verdict,
            changes: Vec::new(),
            restarts: Vec::new(),
            kept_secrets: Vec::new(),
            left_alone: Vec::new(),
        };
        let of =
            |all: &[Verdict]| Report { applications: all.iter().cloned().map(taken).collect() }.verdict();
        let unknown = Verdict::Unknown { why: "x".to_owned() };
        assert_eq!(of(&[]), Verdict::Nothing);
        assert_eq!(of(&[Verdict::Nothing, Verdict::Changes]), Verdict::Changes);
        assert_eq!(of(&[Verdict::Changes, unknown.clone()]), unknown);
    }
}
