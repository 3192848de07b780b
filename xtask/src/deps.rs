//! Which crate may depend on which, and what nobody may depend on: decisions over what `cargo metadata` and `cargo tree` say.
//!
//! Reading and printing happen in `check`; everything here is a pure function.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The allowed edges of ordinary dependencies; ARCHITECTURE.md draws them. A new one is a design change: it gets its
/// own commit, and a sentence there.
const ALLOWED: &[(&str, &[&str])] = &[
    ("parapet-fs", &[]),
    ("parapet-listen", &[]),
    ("parapet-signal", &[]),
    ("parapet-access", &["parapet-fs"]),
    ("parapet-collect", &["parapet-fs", "parapet-signal"]),
    ("parapet-demo", &["parapet-listen"]),
    ("parapet-pki", &["parapet-fs"]),
    ("parapet-telemetry", &["parapet-signal"]),
    ("parapet-wal", &["parapet-fs"]),
    ("parapet-store", &["parapet-fs", "parapet-signal", "parapet-wal"]),
    ("parapet-query", &["parapet-signal", "parapet-store"]),
    ("parapet-secrets", &[]),
    ("parapet-guard", &["parapet-pki"]),
    ("parapet-api", &[]),
    ("parapet-elastic", &["parapet-api"]),
    ("parapet-orchestrate", &["parapet-api"]),
    (
        "parapet-operator",
        &[
            "parapet-api",
            "parapet-elastic",
            "parapet-guard",
            "parapet-orchestrate",
            "parapet-pki",
            "parapet-policy",
            "parapet-reach",
        ],
    ),
    ("parapet-manifest", &[]),
    ("parapet-reach", &[]),
    ("parapet-policy", &["parapet-reach"]),
    ("parapet-audit", &["parapet-manifest", "parapet-policy", "parapet-reach"]),
    ("parapet-server", &["parapet-access", "parapet-query", "parapet-signal", "parapet-store"]),
    (
        "parapet",
        &[
            "parapet-access",
            "parapet-api",
            "parapet-audit",
            "parapet-collect",
            "parapet-demo",
            "parapet-fs",
            "parapet-guard",
            "parapet-listen",
            "parapet-manifest",
            "parapet-operator",
            "parapet-pki",
            "parapet-policy",
            "parapet-query",
            "parapet-reach",
            "parapet-secrets",
            "parapet-server",
            "parapet-signal",
            "parapet-store",
            "parapet-telemetry",
            "parapet-wal",
        ],
    ),
    ("parapet-bench", &["parapet-testbed"]),
    ("parapet-kernel-check", &["parapet-reach"]),
    ("parapet-node-check", &["parapet-testbed"]),
    ("parapet-scripted-elasticsearch", &["parapet-testbed"]),
    ("parapet-testbed", &[]),
    ("xtask", &["parapet-api"]),
];

/// What tests may use besides: a real thing below where a fake would prove less. Nothing here reaches the binary.
const ALLOWED_IN_TESTS: &[(&str, &[&str])] = &[
    ("parapet-demo", &["parapet-pki"]),
    ("parapet-elastic", &["parapet-testbed"]),
    ("parapet-guard", &["parapet-testbed"]),
    ("parapet-listen", &["parapet-pki"]),
    ("parapet-operator", &["parapet-scripted-elasticsearch", "parapet-testbed"]),
    ("parapet-query", &["parapet-fs"]),
    ("parapet-secrets", &["parapet-pki", "parapet-testbed"]),
    ("parapet-server", &["parapet-fs", "parapet-listen", "parapet-pki"]),
    ("parapet", &["parapet-testbed"]),
];

/// Libraries that only one of our crates may name, so that the others' builds and tests don't pay for them.
const ONLY_BEHIND: &[(&str, &str)] = &[
    ("datafusion", "parapet-query"),
    ("rcgen", "parapet-pki parapet-testbed"),
    ("redb", "parapet-fs parapet-store"),
];

/// Libraries that must not be in the graph at all: one TLS (rustls) with one provider (aws-lc-rs).
const BANNED: &[&str] = &["ring", "openssl", "openssl-sys", "native-tls"];

/// The dependencies between our crates, and their direct ones on others'.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    members: BTreeMap<String, Direct>,
}

#[derive(Debug, Default)]
struct Direct {
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

impl Graph {
    /// From the output of `cargo metadata --format-version 1 --no-deps`.
    pub(crate) fn parse(metadata: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(metadata).context("cargo metadata is no JSON")?;
        let list = |value: &Value, key: &str| -> Result<Vec<Value>> {
            value[key].as_array().cloned().with_context(|| format!("cargo metadata has no list {key:?}"))
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut graph = Self::default();
        for package in list(&metadata, "packages")? {
            let mut direct = Direct::default();
            for dependency in list(&package, "dependencies")? {
                let kind = if dependency["kind"] == "dev" { &mut direct.dev } else { &mut direct.normal };
                kind.insert(text(&dependency["name"]));
            }
            graph.members.insert(text(&package["name"]), direct);
        }
        Ok(graph)
    }

    /// How many edges between our crates there are.
    pub(crate) fn edges(&self) -> usize {
        let ours =
            |names: &BTreeSet<String>| names.iter().filter(|name| self.members.contains_key(*name)).count();
        self.members.values().map(|direct| ours(&direct.normal) + ours(&direct.dev)).sum()
    }

    /// Every broken rule, as a sentence that names the edge.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, direct) in &self.members {
            let Some(allowed) = list_of(ALLOWED, name) else {
                found.push(format!("{name} is not in the list of allowed edges; add it to xtask/src/deps.rs and ARCHITECTURE.md"));
                continue;
            };
            let in_tests = list_of(ALLOWED_IN_TESTS, name).unwrap_or_default();
            for used in direct.normal.iter().filter(|used| self.members.contains_key(*used)) {
                if !allowed.contains(&used.as_str()) {
                    found.push(format!("{name} → {used} is not an allowed edge"));
                }
            }
            for used in direct.dev.iter().filter(|used| self.members.contains_key(*used)) {
                if !allowed.contains(&used.as_str()) && !in_tests.contains(&used.as_str()) {
                    found.push(format!("{name} → {used} (in tests) is not an allowed edge"));
                }
            }
            for (library, owners) in ONLY_BEHIND {
                if (direct.normal.contains(*library) || direct.dev.contains(*library))
                    && !owners.split(' ').any(|owner| owner == name)
                {
                    found.push(format!("{name} → {library}: only {owners} may use it directly"));
                }
            }
        }
        found
    }
}

/// The banned libraries that are built, each with one way that leads to it, from the output of
/// `cargo tree --workspace --target all --prefix depth --format '{p}'`.
///
/// Not from `cargo metadata`: its graph also has what the lock file knows and no enabled feature builds.
pub(crate) fn banned(tree: &str) -> Vec<String> {
    let mut found = BTreeMap::new();
    let mut chain: Vec<&str> = Vec::new();
    for line in tree.lines() {
        let name_at = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
        let Ok(depth) = line[..name_at].parse::<usize>() else { continue };
        let name = line[name_at..].split(' ').next().unwrap_or_default();
        chain.truncate(depth);
        chain.push(name);
        if BANNED.contains(&name) {
            found.entry(name).or_insert_with(|| format!("{name} is banned, and used: {}", chain.join(" → ")));
        }
    }
    found.into_values().collect()
}

fn list_of<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph of `package: dependencies | dependencies of tests` lines.
    fn graph(lines: &[&str]) -> Graph {
        let mut graph = Graph::default();
        for line in lines {
            let (name, uses) = line.split_once(':').unwrap();
            let (normal, dev) = uses.split_once('|').unwrap_or((uses, ""));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
            graph.members.insert(name.to_owned(), Direct { normal: words(normal), dev: words(dev) });
        }
        graph
    }

    fn check(lines: &[&str], expect: &[&str]) {
        assert_eq!(graph(lines).violations(), expect);
    }

    #[test]
    fn allowed_edges_pass() {
        check(&["parapet-wal: parapet-fs tokio", "parapet-fs: redb"], &[]);
    }

    #[test]
    fn an_edge_against_the_direction_is_named() {
        check(
            &["parapet-fs: parapet-wal", "parapet-wal: parapet-fs"],
            &["parapet-fs → parapet-wal is not an allowed edge"],
        );
    }

    #[test]
    fn tests_may_use_what_is_listed_for_tests_only() {
        check(&["parapet-query: | parapet-fs", "parapet-fs:"], &[]);
        check(
            &["parapet-query: parapet-fs", "parapet-fs:"],
            &["parapet-query → parapet-fs is not an allowed edge"],
        );
        check(
            &["parapet-fs: | parapet-signal", "parapet-signal:"],
            &["parapet-fs → parapet-signal (in tests) is not an allowed edge"],
        );
    }

    #[test]
    fn a_crate_nobody_listed_fails() {
        check(
            &["parapet-new:"],
            &[
                "parapet-new is not in the list of allowed edges; add it to xtask/src/deps.rs and ARCHITECTURE.md",
            ],
        );
    }

    #[test]
    fn datafusion_stays_behind_query() {
        check(
            &["parapet-server: datafusion", "parapet-query: datafusion"],
            &["parapet-server → datafusion: only parapet-query may use it directly"],
        );
    }

    #[test]
    fn banned_libraries_are_found_however_deep() {
        let tree = "0parapet-pki v0.0.0 (/p)\n1rcgen v0.14.0\n2yasna v0.5.0\n2ring v0.17.14\n1spring v1.0.0\n\n\
                    0parapet v0.0.0 (/p)\n1ring v0.17.14 (*)\n";
        assert_eq!(banned(tree), ["ring is banned, and used: parapet-pki → rcgen → ring"]);
        assert!(banned("0parapet v0.0.0\n1spring v1.0.0\n").is_empty());
    }

    #[test]
    fn what_cargo_says_is_understood() {
        let metadata = serde_json::json!({
            "packages": [
                {"name": "parapet-wal", "dependencies": [
                    {"name": "parapet-fs", "kind": null}, {"name": "parapet-store", "kind": "dev"},
                ]},
                {"name": "parapet-fs", "dependencies": []},
                {"name": "parapet-store", "dependencies": []},
            ],
        });
        let graph = Graph::parse(&metadata.to_string()).unwrap();
        assert_eq!(graph.violations(), ["parapet-wal → parapet-store (in tests) is not an allowed edge"]);
        assert_eq!(graph.edges(), 2);
        assert!(Graph::parse("{}").is_err());
    }
}
