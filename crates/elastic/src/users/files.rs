//! The file realm's own formats.

use std::collections::{BTreeMap, BTreeSet};

/// `users`: `name:hash` in each line, sorted as whole lines.
pub(super) fn users(hashes: &BTreeMap<String, String>) -> String {
    lines(hashes.iter().map(|(name, hash)| format!("{name}:{hash}")))
}

/// `users_roles`: `role:user,user` in each line.
pub(super) fn users_roles(roles: &BTreeMap<String, BTreeSet<String>>) -> String {
    lines(roles.iter().filter(|(_, users)| !users.is_empty()).map(|(role, users)| {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        format!("{role}:{}", users.join(","))
    }))
}

/// `service_tokens`: `namespace/service/token:hash` in each line.
pub(super) fn service_tokens(tokens: &BTreeMap<String, String>) -> String {
    lines(tokens.iter().map(|(name, hash)| format!("{name}:{hash}")))
}

/// Reads a file of `name:value` lines; empty lines and comments are left out. Nothing if a line is neither.
pub(super) fn parse(text: &str) -> Option<Vec<(String, String)>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.split_once(':')?;
            let (name, value) = (name.trim(), value.trim());
            (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Sorted lines with a line break after each; nothing at all if there are none.
fn lines(unsorted: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = unsorted.collect();
    all.sort_unstable();
    all.into_iter().fold(String::new(), |text, line| text + &line + "\n")
}
