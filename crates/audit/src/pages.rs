//! The rules as pages of documentation.

use std::fmt::Write as _;

use crate::rule::{Group, Needs, Rule};
use crate::rules;

/// The pages by file name, `README.md` among them, made of the rules and of their fixtures (`fail`, `pass`).
pub fn pages(fixture: &dyn Fn(&str, &str) -> String) -> Vec<(String, String)> {
    let mut all = vec![("README.md".to_owned(), index())];
    all.extend(rules::all().map(|rule| (format!("{}.md", rule.id), page(rule, fixture))));
    all
}

fn index() -> String {
    let mut text = "<!-- Made by a test of crates/audit: UPDATE_REFERENCE=1 writes it anew. -->\n# Rules of the audit\n\n\
                    Severities are where nothing is known of reachability; a finding says more, or less, where the way is open or closed.\n"
        .to_owned();
    let mut group: Option<Group> = None;
    for rule in rules::all() {
        if group != Some(rule.group) {
            group = Some(rule.group);
            let _ = write!(
                text,
                "\n## {}\n\n| rule | severity | needs | what |\n|---|---|---|---|\n",
                rule.group.title()
            );
        }
        let _ = writeln!(
            text,
            "| [{0}]({0}.md) | {1} | {2} | {3} |",
            rule.id,
            rule.severity,
            needs(rule),
            rule.title
        );
    }
    text
}

fn needs(rule: &Rule) -> &'static str {
    match rule.needs {
        Needs::Manifests => "manifests",
        Needs::Reach => "reachability",
        Needs::Option => "an option",
        Needs::Live => "running pods",
    }
}

fn page(rule: &Rule, fixture: &dyn Fn(&str, &str) -> String) -> String {
    format!(
        "<!-- Made by a test of crates/audit: UPDATE_REFERENCE=1 writes it anew. -->\n# {}: {}\n\n\
         {} · {} · needs {}\n\n## Why\n\n{}\n\n## What to do\n\n{}\n\n\
         To live with it in one object, annotate it: `audit.parapet.dev/ignore.{}: \"<reason>; until=YYYY-MM-DD\"`.\n\n\
         ## Found\n\nAt the marked line.\n\n```yaml\n{}```\n\n## Not found\n\n```yaml\n{}```\n",
        rule.id,
        rule.title,
        rule.severity,
        rule.group.title(),
        needs(rule),
        rule.why,
        rule.fix,
        rule.id,
        fixture(rule.id, "fail"),
        fixture(rule.id, "pass"),
    )
}
