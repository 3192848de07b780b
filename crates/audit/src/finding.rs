//! What a rule found, where, and how to put it right.

use std::sync::Arc;

use parapet_manifest::{Document, Span};
use serde::Serialize;
use serde_json::Value;

use crate::patch::Patch;
use crate::rule::{Rule, Severity};
use crate::world::{Workload, World};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file as it was named.
    pub file: Arc<str>,
    /// Line and column, from 1.
    #[serde(flatten)]
    pub span: Span,
}

/// The object that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ObjectRef {
    /// `apiVersion`.
    #[serde(rename = "apiVersion")]
    pub api_version: Arc<str>,
    /// `kind`.
    pub kind: Arc<str>,
    /// Its namespace, or the one that it falls to.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
}

impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// Another place that has a part in a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What it has to do with it.
    pub message: String,
}

/// Why a finding is not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// `annotation`, `file` or `baseline`.
    pub by: &'static str,
    /// The reason that was given.
    pub reason: String,
    /// The last day that it holds, as `YYYY-MM-DD`.
    pub until: Option<String>,
}

/// One thing that is wrong in one place.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How much it matters here.
    pub severity: Severity,
    /// The object.
    pub object: ObjectRef,
    /// Where in its file.
    pub place: Place,
    /// Where in the object, as a JSON pointer.
    pub path: String,
    /// What is wrong here.
    pub message: String,
    /// What it rests on: who can reach it, which values.
    pub evidence: Vec<String>,
    /// Other places that have a part in it.
    pub related: Vec<Related>,
    /// What would put it right.
    pub patch: Option<Patch>,
    /// Why it doesn't count.
    pub suppressed: Option<Suppression>,
}

impl Finding {
    /// Names the finding across unrelated edits: rule, object and path, no line.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest as _, Sha256};
        let text = format!("{}\0{}\0{}\0{}", self.rule.id, self.object, self.path, self.object.api_version);
        hex::encode(&Sha256::digest(text.as_bytes())[..16])
    }
}

/// Where a rule puts what it finds.
pub(crate) struct Findings<'w> {
    world: &'w World<'w>,
    rule: &'static Rule,
    found: Vec<Draft<'w>>,
}

/// A finding that its rule is still adding to.
pub(crate) struct Draft<'w> {
    document: &'w Document,
    finding: Finding,
}

impl<'w> Findings<'w> {
    pub(crate) fn new(world: &'w World<'w>, rule: &'static Rule) -> Self {
        Self { world, rule, found: Vec::new() }
    }

    pub(crate) fn finish(self) -> Vec<Finding> {
        let repairs = self.rule.repairs();
        let findings = self.found.into_iter().map(|Draft { mut finding, .. }| {
            finding.patch.iter_mut().for_each(|patch| patch.repairs = repairs);
            finding
        });
        findings.collect()
    }

    /// A finding at `pointer` of `document`.
    pub(crate) fn add(
        &mut self,
        document: &'w Document,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Draft<'w> {
        let pointer = pointer.into();
        let span = document.place(&pointer);
        self.add_at(document, pointer, span, message)
    }

    /// A finding at `pointer` below a workload's pod template (`/spec/containers/0/…`).
    pub(crate) fn add_pod(
        &mut self,
        workload: &Workload<'w>,
        pointer: impl AsRef<str>,
        message: impl Into<String>,
    ) -> &mut Draft<'w> {
        self.add(workload.document, workload.pointer(pointer.as_ref()), message)
    }

    /// A finding inside of a text field, whose place the field itself doesn't tell.
    pub(crate) fn add_at(
        &mut self,
        document: &'w Document,
        pointer: impl Into<String>,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Draft<'w> {
        let finding = Finding {
            rule: self.rule,
            severity: self.rule.severity,
            object: self.world.object_ref(document),
            place: Place { file: document.file.clone(), span },
            path: pointer.into(),
            message: message.into(),
            evidence: Vec::new(),
            related: Vec::new(),
            patch: None,
            suppressed: None,
        };
        self.found.push(Draft { document, finding });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }
}

impl Draft<'_> {
    /// What the finding rests on.
    pub(crate) fn evidence(&mut self, evidence: impl IntoIterator<Item = String>) -> &mut Self {
        self.finding.evidence.extend(evidence);
        self
    }

    /// Another place that has a part in it.
    pub(crate) fn related(&mut self, document: &Document, pointer: &str, message: &str) -> &mut Self {
        let place = Place { file: document.file.clone(), span: document.place(pointer) };
        self.finding.related.push(Related { place, message: message.to_owned() });
        self
    }

    /// Replaces the rule's severity.
    pub(crate) fn severity(&mut self, severity: Severity) -> &mut Self {
        self.finding.severity = severity;
        self
    }

    /// One level worse if `condition`.
    pub(crate) fn raised_if(&mut self, condition: bool) -> &mut Self {
        if condition {
            self.finding.severity = self.finding.severity.raised();
        }
        self
    }

    /// One level milder if `condition`.
    pub(crate) fn lowered_if(&mut self, condition: bool) -> &mut Self {
        if condition {
            self.finding.severity = self.finding.severity.lowered();
        }
        self
    }

    /// The patch sets `pointer` (of the document) to `value`.
    pub(crate) fn set(&mut self, pointer: impl AsRef<str>, value: Value) -> &mut Self {
        let patch = self.finding.patch.get_or_insert_with(|| Patch::of(self.document));
        patch.set(self.document, pointer.as_ref(), value);
        self
    }

    /// The patch sets the place of the finding to `value`.
    pub(crate) fn becomes(&mut self, value: Value) -> &mut Self {
        let pointer = self.finding.path.clone();
        self.set(pointer, value)
    }

    /// The patch takes `pointer` out.
    pub(crate) fn remove(&mut self, pointer: impl AsRef<str>) -> &mut Self {
        let patch = self.finding.patch.get_or_insert_with(|| Patch::of(self.document));
        patch.remove(self.document, pointer.as_ref());
        self
    }

    /// The patch adds `value` to the list at `pointer`.
    pub(crate) fn push(&mut self, pointer: impl AsRef<str>, value: Value) -> &mut Self {
        let patch = self.finding.patch.get_or_insert_with(|| Patch::of(self.document));
        patch.push(self.document, pointer.as_ref(), value);
        self
    }

    /// The patch adds an object after the document.
    pub(crate) fn new_object(&mut self, object: &Value) -> &mut Self {
        let patch = self.finding.patch.get_or_insert_with(|| Patch::of(self.document));
        patch.create(self.document, object);
        self
    }
}
