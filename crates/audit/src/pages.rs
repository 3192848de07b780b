//! The rules as pages of documentation.

use std::fmt::Write as _;

use crate::remedy::Remedy;
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
                    Severities are where nothing is known of reachability; a finding says more, or less, where the way is open or closed.\n\n\
                    Remedy: `patch`, where the input decides it (`--fix`); `sample`, where people decide and an answer can be shown; \
                    `by hand`, where it can't.\n"
        .to_owned();
    let mut group: Option<Group> = None;
    for rule in rules::all() {
        if group != Some(rule.group) {
            group = Some(rule.group);
            let _ = write!(
                text,
                "\n## {}\n\n| rule | severity | needs | remedy | what |\n|---|---|---|---|---|\n",
                rule.group.title()
            );
        }
        let _ = writeln!(
            text,
            "| [{0}]({0}.md) | {1} | {2} | {3} | {4} |",
            rule.id,
            rule.severity,
            needs(rule),
            rule.remedy().name(),
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
         {}To live with it in one object, annotate it: `audit.parapet.dev/ignore.{}: \"<reason>; until=YYYY-MM-DD\"`.\n\n\
         ## Found\n\nAt the marked line.\n\n```yaml\n{}```\n\n## Not found\n\n```yaml\n{}```\n",
        rule.id,
        rule.title,
        rule.severity,
        rule.group.title(),
        needs(rule),
        rule.why,
        rule.fix,
        remedy(rule),
        rule.id,
        readable(&fixture(rule.id, "fail")),
        readable(&fixture(rule.id, "pass")),
    )
}

fn remedy(rule: &Rule) -> String {
    let repairs =
        if rule.repairs() { " with `--repair`: it lets through what is declared and cut" } else { "" };
    match rule.remedy() {
        Remedy::Patch => format!("Where the input decides it, `--fix` writes the patch{repairs}.\n\n"),
        Remedy::Sample(decision) => {
            format!("To decide: {}\n\n```\n{}```\n\n", decision.decide, decision.sample)
        }
        Remedy::Hand(decision) => format!("To decide: {}\n\n", decision.decide),
    }
}

/// Without what nobody reads: the inside of keys and certificates.
fn readable(fixture: &str) -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in fixture.lines() {
        inside &= !line.trim_start().starts_with("-----END ");
        if !inside {
            text.push_str(line);
            text.push('\n');
        }
        if line.trim_start().starts_with("-----BEGIN ") {
            inside = true;
            text.push_str(&line[..line.len() - line.trim_start().len()]);
            text.push_str("…\n");
        }
    }
    text
}
