//! Settings of Elasticsearch, Kibana, Logstash, Beats, APM Server and ECK, from wherever they are written.

use parapet_manifest::{Document, Node, Span, Value, pointer};

use super::{Role, Workload, embedded, namespace_of};
use crate::finding::Draft;
use crate::options::Options;

/// Whose settings they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Config {
    Elasticsearch,
    Kibana,
    Logstash,
    Beat,
    Apm,
    EckOperator,
    Prometheus,
}

/// One setting, its key in the form that [`normal`] gives.
pub(crate) struct Setting {
    pub key: String,
    pub value: String,
    pub span: Span,
    /// Where reports say it is.
    pub pointer: String,
    /// Where its value is, if the document has it as a field and not in a text.
    pub leaf: String,
}

/// The settings of one component in one place.
pub(crate) struct Settings<'a> {
    pub config: Config,
    pub document: &'a Document,
    /// Numbers of the workloads that have them.
    pub workloads: Vec<usize>,
    pub values: Vec<Setting>,
    /// Where to say that something is missing.
    pub pointer: String,
    /// The tree, if it came as one.
    pub root: Option<Node>,
}

impl<'a> Settings<'a> {
    /// The setting of a dotted key, whatever its spelling.
    pub(crate) fn get(&self, key: &str) -> Option<&Setting> {
        let key = normal(key);
        self.values.iter().find(|setting| setting.key == key)
    }

    /// Whether the setting is there and says so.
    pub(crate) fn is(&self, key: &str, value: &str) -> bool {
        self.get(key).is_some_and(|setting| setting.value.eq_ignore_ascii_case(value))
    }

    /// The patch sets a top-level key of the file that they came in.
    pub(crate) fn set(&self, draft: &mut Draft<'_>, key: &str, value: serde_json::Value) {
        if self.root.is_some() {
            draft.set_in_text(self.document, &self.pointer, pointer([key]), value);
        }
    }

    /// Settings whose key ends so.
    pub(crate) fn ending<'s>(&'s self, suffix: &str) -> impl Iterator<Item = &'s Setting> + use<'s, 'a> {
        let suffix = normal(suffix);
        self.values.iter().filter(move |setting| setting.key.ends_with(&suffix))
    }
}

/// Lower case with dots: `XPACK_SECURITY_ENABLED` and `xpack.security.enabled` are one key.
fn normal(key: &str) -> String {
    key.to_lowercase().replace(['_', '-'], ".")
}

const FILES: &[(&str, Config)] = &[
    ("elasticsearch.yml", Config::Elasticsearch),
    ("kibana.yml", Config::Kibana),
    ("logstash.yml", Config::Logstash),
    ("filebeat.yml", Config::Beat),
    ("apm-server.yml", Config::Apm),
    ("eck.yaml", Config::EckOperator),
    ("prometheus.yml", Config::Prometheus),
    ("prometheus.yaml", Config::Prometheus),
];

pub(super) fn all<'a>(
    documents: &'a [Document],
    workloads: &[Workload<'a>],
    options: &'a Options,
) -> Vec<Settings<'a>> {
    let mut all = Vec::new();
    for document in documents.iter().filter(|document| matches!(&*document.kind, "ConfigMap" | "Secret")) {
        for part in ["data", "stringData"] {
            for entry in document.root.get(part).map_or(&[] as &[_], Node::entries) {
                let Some((_, config)) = FILES.iter().find(|(file, _)| *file == &*entry.key.name) else {
                    continue;
                };
                let Some(root) = embedded::mapping(&entry.value) else { continue };
                let users = embedded::users(document, namespace_of(document, options), workloads);
                let at = pointer([part, &*entry.key.name]);
                all.push(settings(*config, document, users, root, at));
            }
        }
    }
    for workload in workloads {
        let (config, fields): (Config, &[&str]) = match workload.role {
            Some(Role::Elasticsearch) => (Config::Elasticsearch, &["config"]),
            Some(Role::Kibana) => (Config::Kibana, &["config"]),
            Some(Role::Apm) => (Config::Apm, &["config"]),
            Some(Role::Logstash) => (Config::Logstash, &["config"]),
            Some(Role::Filebeat) => (Config::Beat, &["config"]),
            _ => continue,
        };
        if workload.managed {
            for field in fields {
                let at = workload.template.replace("/podTemplate", &format!("/{field}"));
                let at = at.replace("/daemonSet", "").replace("/deployment", "");
                if let Some(root) = workload.document.at(&at) {
                    all.push(settings(config, workload.document, vec![workload.number], root.clone(), at));
                }
            }
        }
        for container in workload.main_containers().take(1) {
            let values = container.variables().into_iter().filter_map(|variable| {
                let at = workload.pointer(&variable.pointer);
                let span = workload.document.place(&at);
                let keeps = variable.name.contains('.') || variable.name.contains('_');
                keeps.then(|| Setting {
                    key: normal(variable.name),
                    value: variable.value.to_owned(),
                    span,
                    leaf: at.clone(),
                    pointer: at,
                })
            });
            let values: Vec<Setting> = values.collect();
            if !workload.managed || !values.is_empty() {
                all.push(Settings {
                    config,
                    document: workload.document,
                    workloads: vec![workload.number],
                    values,
                    pointer: workload.pointer(&container.pointer),
                    root: None,
                });
            }
        }
    }
    all
}

fn settings<'a>(
    config: Config,
    document: &'a Document,
    workloads: Vec<usize>,
    root: Node,
    at: String,
) -> Settings<'a> {
    let mut values = Vec::new();
    flatten(&root, "", &at, &at, &mut values);
    Settings { config, document, workloads, values, pointer: at, root: Some(root) }
}

/// The settings below `node`, which is at `here`; reports say that they are `at`.
fn flatten(node: &Node, prefix: &str, at: &str, here: &str, values: &mut Vec<Setting>) {
    let setting = |key: &str, value: String, span, leaf: &str| Setting {
        key: normal(key),
        value,
        span,
        pointer: at.to_owned(),
        leaf: leaf.to_owned(),
    };
    match &node.value {
        Value::Map(entries) => {
            for entry in entries.iter() {
                let key = if prefix.is_empty() {
                    entry.key.name.to_string()
                } else {
                    format!("{prefix}.{}", entry.key.name)
                };
                let leaf = format!("{here}{}", pointer([&*entry.key.name]));
                let place = entry.key.span;
                match &entry.value.value {
                    Value::Map(_) => flatten(&entry.value, &key, at, &leaf, values),
                    Value::List(items) => {
                        let texts: Vec<String> = items.iter().map(text).collect();
                        values.push(setting(&key, texts.join(","), place, &leaf));
                        for (index, item) in items.iter().enumerate() {
                            flatten(item, &key, at, &format!("{leaf}/{index}"), values);
                        }
                    }
                    _ => values.push(setting(&key, text(&entry.value), place, &leaf)),
                }
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(item, prefix, at, &format!("{here}/{index}"), values);
            }
        }
        _ if !prefix.is_empty() => values.push(setting(prefix, text(node), node.span, here)),
        _ => {}
    }
}

fn text(node: &Node) -> String {
    match &node.value {
        Value::String(text) => text.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => String::new(),
        _ => node.to_json().to_string(),
    }
}
