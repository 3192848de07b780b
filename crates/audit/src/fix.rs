//! All patches of an audit as one unified diff, which `patch -p1` and `git apply` take.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use serde_json::Value;

use crate::audit::Audit;
use crate::patch::{Patch, apply};

/// What a diff holds, and what it had to leave out.
#[derive(Debug, Default)]
pub struct Fix {
    /// The diff; empty if nothing can be changed.
    pub diff: String,
    /// Findings whose patch is in it.
    pub applied: usize,
    /// Patches left out because they still touch what others change.
    pub skipped: usize,
}

/// The bytes of changed files, by the name that documents have.
pub type Files = BTreeMap<Arc<str>, Vec<u8>>;

/// Rounds of patching and looking again, at most: a container's securityContext alone takes five patches in one place, and
/// what is let through on one side is looked at on the other.
const ROUNDS: usize = 30;

/// The unified diff of every patch of findings that count; `repairs` takes in those that let something through, see
/// [`Rule::repairs`](crate::Rule::repairs).
///
/// `read` gives a file's bytes by the name that documents have; `again` audits with the files changed so far, because a
/// patch that touches what another has changed must be made anew.
pub fn fix(
    audit: &Audit,
    read: &dyn Fn(&str) -> io::Result<Vec<u8>>,
    again: &dyn Fn(&Files) -> Audit,
    repairs: bool,
) -> io::Result<Fix> {
    let mut files = Files::new();
    let mut fix = Fix::default();
    let mut latest = None;
    for _ in 0..ROUNDS {
        let findings = latest.as_ref().unwrap_or(audit).findings.iter();
        let mut by_file: BTreeMap<Arc<str>, Vec<&Patch>> = BTreeMap::new();
        for finding in findings.filter(|finding| finding.suppressed.is_none()) {
            let wanted = finding.patch.as_ref().filter(|patch| repairs || !patch.repairs);
            let is_written =
                |patch: &&Patch| patch.parts().all(|part| !matches!(&*part.file, "-" | "cluster"));
            for part in wanted.filter(is_written).into_iter().flat_map(Patch::parts) {
                by_file.entry(part.file.clone()).or_default().push(part);
            }
        }
        let default_denies = default_denies(by_file.values().flatten().copied());
        for patches in by_file.values_mut() {
            patches.retain(|patch| !is_said_by(patch, &default_denies));
        }
        fix.skipped = 0;
        let before = fix.applied;
        for (file, patches) in by_file {
            let bytes = match files.get(&file) {
                Some(bytes) => bytes.clone(),
                None => read(&file)?,
            };
            let (changed, skipped) = apply(&bytes, &patches);
            fix.skipped += skipped;
            fix.applied += patches.len() - skipped;
            files.insert(file, changed);
        }
        // A patch can call for another: a policy that is added needs its way to the name servers.
        if fix.applied == before {
            break;
        }
        latest = Some(again(&files));
    }
    for (file, changed) in files {
        let bytes = read(&file)?;
        let (before, after) = (String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&changed));
        let [old, new] = header(&file);
        let diff = similar::TextDiff::from_lines(&*before, &*after);
        fix.diff.push_str(&diff.unified_diff().header(&old, &new).to_string());
    }
    Ok(fix)
}

/// What a diff calls a file before and after, for `patch -p1`.
pub(crate) fn header(file: &str) -> [String; 2] {
    let name = file.trim_start_matches("./").trim_start_matches('/');
    [format!("a/{name}"), format!("b/{name}")]
}

/// Namespaces and directions that patches deny by default.
fn default_denies<'p>(patches: impl Iterator<Item = &'p Patch>) -> BTreeSet<(String, String)> {
    let objects = patches.flat_map(|patch| &patch.create);
    objects.filter(|object| denies(object) && selects_all(object)).flat_map(denied).collect()
}

/// Whether a patch only denies what the default deny of its namespace denies anyway: then it isn't needed.
fn is_said_by(patch: &Patch, default_denies: &BTreeSet<(String, String)>) -> bool {
    let said = |object: &Value| {
        denies(object) && !selects_all(object) && denied(object).all(|one| default_denies.contains(&one))
    };
    patch.operations.is_empty() && !patch.create.is_empty() && patch.create.iter().all(said)
}

/// A policy without any rule.
fn denies(object: &Value) -> bool {
    object["kind"] == "NetworkPolicy"
        && object["spec"]["ingress"].is_null()
        && object["spec"]["egress"].is_null()
}

fn selects_all(object: &Value) -> bool {
    object["spec"]["podSelector"].as_object().is_some_and(serde_json::Map::is_empty)
}

fn denied(object: &Value) -> impl Iterator<Item = (String, String)> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let types = object["spec"]["policyTypes"].as_array().into_iter().flatten();
    types.filter_map(move |one| Some((namespace.to_owned(), one.as_str()?.to_owned())))
}
