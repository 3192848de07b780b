//! What a rule found, where, and how to put it right.

use std::sync::Arc;

use parapet_manifest::{Document, Span};
use serde::Serialize;
use serde_json::Value;

use crate::patch::Patch;
use crate::paths;
use crate::reach::Protocol;
use crate::rule::{Rule, Severity};
use crate::world::{Sources, Workload, World};

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
    /// Ways that connections take: from the client over the policies that let them through to the server.
    pub paths: Vec<Vec<Related>>,
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
            finding.patch.iter_mut().for_each(|patch| patch.finish(repairs));
            finding.patch.take_if(|patch| patch.is_empty());
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
            paths: Vec::new(),
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

    /// It rests on who reaches a port of a workload, and on what lets them.
    pub(crate) fn reached_by(
        &mut self,
        world: &World<'_>,
        sources: &Sources<'_, '_>,
        to: &Workload<'_>,
        port: (Protocol, u16),
    ) -> &mut Self {
        self.finding.evidence.extend(sources.evidence());
        self.finding.paths = paths::to(world, sources, to, port);
        self
    }

    /// Where it is in the object.
    pub(crate) fn path(&self) -> &str {
        &self.finding.path
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

    /// The part of the patch that changes `document`.
    fn part(&mut self, document: &Document) -> &mut Patch {
        self.finding.patch.get_or_insert_with(|| Patch::of(document)).part(document)
    }

    /// The patch sets `pointer` (of the finding's document) to `value`.
    pub(crate) fn set(&mut self, pointer: impl AsRef<str>, value: Value) -> &mut Self {
        self.set_in(self.document, pointer, value)
    }

    /// The patch sets `pointer` of `document` to `value`.
    pub(crate) fn set_in(
        &mut self,
        document: &Document,
        pointer: impl AsRef<str>,
        value: Value,
    ) -> &mut Self {
        self.part(document).set(document, pointer.as_ref(), value);
        self
    }

    /// The patch sets the place of the finding to `value`.
    pub(crate) fn becomes(&mut self, value: Value) -> &mut Self {
        let pointer = self.finding.path.clone();
        self.set(pointer, value)
    }

    /// The patch sets `inner` of what the text of `field` holds to `value`.
    pub(crate) fn set_in_text(
        &mut self,
        document: &Document,
        field: &str,
        inner: impl AsRef<str>,
        value: Value,
    ) -> &mut Self {
        let set = |part: &mut Patch, text: &Document| part.set(text, inner.as_ref(), value);
        self.part(document).edit_text(document, field, set);
        self
    }

    /// The patch takes bytes out of the text at the place of the finding.
    pub(crate) fn cut(&mut self, start: usize, end: usize) -> &mut Self {
        let (document, pointer) = (self.document, self.finding.path.clone());
        self.part(document).cut_text(document, &pointer, start, end);
        self
    }

    /// The patch takes `pointer` out.
    pub(crate) fn remove(&mut self, pointer: impl AsRef<str>) -> &mut Self {
        self.remove_in(self.document, pointer)
    }

    /// The patch takes `pointer` of `document` out.
    pub(crate) fn remove_in(&mut self, document: &Document, pointer: impl AsRef<str>) -> &mut Self {
        self.part(document).remove(document, pointer.as_ref());
        self
    }

    /// The patch takes the whole object out.
    pub(crate) fn delete(&mut self) -> &mut Self {
        let document = self.document;
        self.part(document).delete(document);
        self
    }

    /// The patch adds `value` to the list at `pointer`.
    pub(crate) fn push(&mut self, pointer: impl AsRef<str>, value: Value) -> &mut Self {
        self.push_in(self.document, pointer, value)
    }

    /// The patch adds `value` to the list at `pointer` of `document`.
    pub(crate) fn push_in(
        &mut self,
        document: &Document,
        pointer: impl AsRef<str>,
        value: Value,
    ) -> &mut Self {
        self.part(document).push(document, pointer.as_ref(), value);
        self
    }

    /// The patch adds an object after the finding's document.
    pub(crate) fn new_object(&mut self, object: &Value) -> &mut Self {
        self.new_object_after(self.document, object)
    }

    /// The patch adds an object after `document`, if there is one to add.
    pub(crate) fn maybe_new_object_after(
        &mut self,
        document: &Document,
        object: Option<&Value>,
    ) -> &mut Self {
        if let Some(object) = object {
            self.new_object_after(document, object);
        }
        self
    }

    /// The patch adds an object after `document`.
    pub(crate) fn new_object_after(&mut self, document: &Document, object: &Value) -> &mut Self {
        self.part(document).create(document, object);
        self
    }
}
