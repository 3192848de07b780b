//! `filebeat.yml`.

use parapet_api::{Application, Kind, StackVersion};

use super::{Output, processors};
use crate::config::{Node, Yml};

/// The parts of the module for Elasticsearch, and what they read of its folder of logs.
const ELASTICSEARCH: [(&str, &[&str]); 6] = [
    ("server", &["*_server.json"]),
    ("gc", &["gc.log.[0-9]*", "gc.log", "gc.output.[0-9]*", "gc.output"]),
    ("audit", &["*_audit.json"]),
    ("slowlog", &["*_index_search_slowlog.json", "*_index_indexing_slowlog.json"]),
    ("deprecation", &["*_deprecation.json"]),
    ("querylog", &["*_querylog.json"]),
];
/// The same for Kibana.
const KIBANA: [(&str, &[&str]); 2] = [("log", &["kibana.json"]), ("audit", &["*_audit.json"])];

/// Where an application writes its logs, and Filebeat finds them.
pub(crate) fn logs_folder(kind: Kind) -> String {
    format!("/usr/share/{}/logs", kind.type_label())
}

/// The configuration beside an application of that kind.
pub fn filebeat<K: Application>(output: &Output<'_>, version: &StackVersion) -> Vec<Yml> {
    let parts: &[(&str, &[&str])] = match K::KIND {
        Kind::Elasticsearch => &ELASTICSEARCH,
        Kind::Kibana | Kind::ApmServer => &KIBANA,
    };
    let folder = logs_folder(K::KIND);
    let mut module = Yml::default();
    module.set("module", K::KIND.type_label());
    // A log of queries came with 9.4.
    for (part, files) in parts.iter().filter(|(part, _)| *part != "querylog" || version.at_least(9, 4, 0)) {
        let paths: Vec<String> = files.iter().map(|file| format!("{folder}/{file}")).collect();
        module.set(&format!("{part}.enabled"), true);
        module.set(&format!("{part}.var.paths"), paths);
        module.set(&format!("{part}.close_timeout"), "2h");
        module.set(&format!("{part}.fields_under_root"), true);
    }
    let mut yml = Yml::default();
    yml.set("filebeat.modules", Node::List(vec![module.into_node()]));
    yml.set("processors", processors());
    output.write::<K>(&mut yml, version);
    vec![yml]
}
