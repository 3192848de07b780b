//! One finding's patch as a diff: what `patch` would make of it is what the patch makes.

use std::fs;
use std::path::Path;

use parapet_audit::{FileText, Patch, apply, proposal, rules};

use crate::fixtures::look_at;

/// A unified diff of one file done to it as `patch` does, line by line, without any leniency.
fn patched(before: &str, diff: &str) -> String {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let mut lines = diff.split_inclusive('\n').peekable();
    assert!(lines.next().unwrap().starts_with("--- a/"), "{diff}");
    assert!(lines.next().unwrap().starts_with("+++ b/"), "{diff}");
    let (mut after, mut at) = (Vec::<String>::new(), 0);
    while let Some(line) = lines.next() {
        if let Some(head) = line.strip_prefix("@@ -") {
            let (removed, added) = head.trim_end().trim_end_matches(" @@").split_once(" +").unwrap();
            let start = |range: &str| -> usize {
                let (start, count) = range.split_once(',').unwrap_or((range, "1"));
                start.parse::<usize>().unwrap() - usize::from(count != "0")
            };
            after.extend(old[at..start(removed)].iter().map(|line| (*line).to_owned()));
            at = start(removed);
            assert_eq!(after.len(), start(added), "{diff}");
            continue;
        }
        let (sign, text) = line.split_at(1);
        let text = match lines.next_if(|next| next.starts_with('\\')) {
            Some(_) => text.trim_end_matches('\n'),
            None => text,
        };
        if sign != "+" {
            assert_eq!(old[at], text, "{diff}");
            at += 1;
        }
        if sign != "-" {
            after.push(text.to_owned());
        }
    }
    after.extend(old[at..].iter().map(|line| (*line).to_owned()));
    after.concat()
}

fn proposed(text: &str, patch: &Patch) -> Option<String> {
    let file = FileText::new(text.as_bytes().to_vec());
    proposal(patch, &|_| Some(&file))
}

/// Fixtures with other text around them, and with another end.
fn surrounded(text: &str) -> [String; 3] {
    let comment = "# a line that nothing is about\n".repeat(40);
    [text.to_owned(), format!("{comment}---\n{text}---\n{comment}"), text.trim_end_matches('\n').to_owned()]
}

#[test]
fn a_proposal_makes_of_a_file_what_its_patch_makes() {
    let mut checked = 0;
    for (rule, fixture) in rules().flat_map(|rule| ["fail", "decided"].map(|fixture| (rule, fixture))) {
        let path = format!("tests/fixtures/{}/{fixture}.yaml", rule.id);
        let Ok(text) = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)) else { continue };
        for text in surrounded(&text) {
            for finding in look_at(&text, rule.id) {
                let Some(patch) = finding.patch else { continue };
                let parts: Vec<&Patch> = patch.parts().collect();
                let (expected, skipped) = apply(text.as_bytes(), &parts);
                if skipped > 0 {
                    assert_eq!(proposed(&text, &patch), None, "{}", rule.id);
                    continue;
                }
                let diff = proposed(&text, &patch).unwrap_or_else(|| panic!("{}: nothing changes", rule.id));
                assert_eq!(patched(&text, &diff).into_bytes(), expected, "{}\n{diff}", rule.id);
                checked += 1;
            }
        }
    }
    assert!(checked >= 3 * 127, "only {checked}");
}

#[test]
fn a_proposal_shows_what_is_around_and_nothing_else() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/OBS-POD-01/fail.yaml"));
    let text = surrounded(&text.unwrap())[1].clone();
    let finding = look_at(&text, "OBS-POD-01").remove(0);
    let diff = proposed(&text, finding.patch.as_ref().unwrap()).unwrap();
    let signs = |sign: char| diff.lines().skip(2).filter(|line| line.starts_with(sign)).count();
    assert!(signs(' ') <= 6 * signs('@'), "{diff}");
    assert!(signs('+') > 0, "{diff}");
}

#[test]
fn where_the_file_is_not_there_nothing_is_proposed() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/OBS-POD-01/fail.yaml"));
    let finding = look_at(&text.unwrap(), "OBS-POD-01").remove(0);
    assert_eq!(proposal(finding.patch.as_ref().unwrap(), &|_| None), None);
}
