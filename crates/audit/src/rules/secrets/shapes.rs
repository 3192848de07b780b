//! What looks like a credential, and where such things are written.

use parapet_manifest::{Document, Node, Value as Kind};
use serde_json::json;

use crate::finding::{Draft, Findings};
use crate::world::{Workload, World};

/// Parts of names of variables that hold credentials.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "jwt",
    "bearer",
    "credential",
    "passphrase",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "encryptionkey",
    "encryption_key",
];

/// Whether a variable of this name holds a credential.
pub(super) fn is_sensitive(name: &str) -> bool {
    let name = name.to_lowercase();
    let names_a_place =
        ["_file", "_path", "_dir", "_name", "_url", "_enabled", "_ttl", "_type", "_user", "_username"]
            .iter()
            .any(|suffix| name.ends_with(suffix));
    !names_a_place && NAMES.iter().any(|part| name.contains(part))
}

/// Whether a value is one, rather than a path, a reference, a switch or nothing.
pub(super) fn is_literal(value: &str) -> bool {
    let value = value.trim();
    !(value.is_empty()
        || value.starts_with('/')
        || value.starts_with("$(")
        || value.starts_with("${")
        || value.starts_with("vault:")
        || value.contains("{{")
        || matches!(value.to_lowercase().as_str(), "true" | "false" | "yes" | "no" | "none" | "null"))
}

pub(super) fn clear_text<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        for container in &workload.containers {
            for (pointer, entry) in container.env() {
                let name = entry.get("name").and_then(Node::as_str).unwrap_or("");
                let Some(value) = entry.get("value").and_then(Node::as_str) else { continue };
                if !is_sensitive(name) || !is_literal(value) {
                    continue;
                }
                let draft = found.add_pod(
                    workload,
                    format!("{pointer}/value"),
                    format!("{name} holds a credential in clear text"),
                );
                by_reference(draft, workload, &pointer, name);
            }
        }
    }
}

/// The patch takes a variable's value out, and has it come from a Secret that is to be made.
pub(super) fn by_reference(draft: &mut Draft<'_>, workload: &Workload<'_>, pointer: &str, name: &str) {
    let secret = format!("{}-credentials", workload.name);
    draft.remove(workload.pointer(&format!("{pointer}/value"))).set(
        workload.pointer(&format!("{pointer}/valueFrom")),
        json!({"secretKeyRef": {"name": secret, "key": name}}),
    );
}

/// What a value is, if it has the shape of a credential.
fn shape(value: &str) -> Option<&'static str> {
    let word = |prefix: &str, length: usize| {
        value.find(prefix).is_some_and(|at| {
            let rest = &value[at + prefix.len()..];
            let before = value[..at].chars().next_back();
            rest.chars()
                .take_while(|character| character.is_ascii_alphanumeric() || "_-".contains(*character))
                .count()
                >= length
                && !before.is_some_and(|character| character.is_ascii_alphanumeric())
        })
    };
    if value.contains("PRIVATE KEY-----") {
        Some("a private key")
    } else if word("AKIA", 16) {
        Some("an AWS access key")
    } else if word("ghp_", 30) || word("github_pat_", 30) {
        Some("a GitHub token")
    } else if word("AIza", 30) {
        Some("a Google API key")
    } else if ["xoxa-", "xoxb-", "xoxp-"].iter().any(|prefix| word(prefix, 10)) {
        Some("a Slack token")
    } else if word("eyJ", 20) && value.matches('.').count() >= 2 {
        Some("a JSON Web Token")
    } else if url_with_password(value) {
        Some("a password in a URL")
    } else {
        None
    }
}

fn url_with_password(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '"', '\'', '\n']).next().unwrap_or("");
        authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).is_some_and(|(_, password)| {
            !password.is_empty()
                && !password.contains('$')
                && !password.contains('%')
                && !password.contains('<')
        })
    })
}

/// Arguments whose next word, or whose value, is a password.
const PASSWORD_FLAGS: &[&str] = &["--password", "--passwd", "-p", "--token", "--api-key"];

fn password_argument(arguments: &[(String, &str)], index: usize) -> bool {
    let text = arguments[index].1;
    let by_value = PASSWORD_FLAGS.iter().any(|flag| {
        flag.starts_with("--")
            && text.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')).is_some_and(is_literal)
    });
    let next = arguments.get(index + 1).map_or("", |(_, next)| next);
    let by_next = PASSWORD_FLAGS[..2].contains(&text) && is_literal(next) && !next.starts_with('-');
    by_value || by_next
}

pub(super) fn material<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        for container in &workload.containers {
            let arguments = container.arguments();
            for (index, (pointer, _)) in arguments.iter().enumerate() {
                if password_argument(&arguments, index) {
                    found.add_pod(
                        workload,
                        pointer,
                        "a credential in an argument: every process on the node reads it",
                    );
                }
            }
        }
    }
    for document in world.documents.iter().filter(|document| &*document.kind != "Secret") {
        walk(&document.root, &mut String::new(), &mut |pointer, text| {
            if let Some(what) = shape(text) {
                let draft = found.add(document, pointer.to_owned(), format!("{what} in the manifest"));
                if let Some((workload, pointer, name)) = variable_at(world, document, pointer) {
                    by_reference(draft, workload, &pointer, name);
                }
            }
        });
    }
}

/// The variable whose value stands at a place: its workload, its entry below the template, its name.
fn variable_at<'w>(
    world: &'w World<'w>,
    document: &Document,
    pointer: &str,
) -> Option<(&'w Workload<'w>, String, &'w str)> {
    let of_document = world.workloads.iter().filter(|workload| std::ptr::eq(workload.document, document));
    of_document.into_iter().find_map(|workload| {
        let mut variables = workload.containers.iter().flat_map(|container| container.variables());
        let one = variables.find(|variable| workload.pointer(&variable.pointer) == pointer)?;
        Some((workload, one.pointer.strip_suffix("/value")?.to_owned(), one.name))
    })
}

/// Calls `take` with every text of a tree and its pointer.
pub(super) fn walk<'n>(node: &'n Node, pointer: &mut String, take: &mut dyn FnMut(&str, &'n str)) {
    let length = pointer.len();
    match &node.value {
        Kind::String(text) => take(pointer, text),
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                walk(item, pointer, take);
                pointer.truncate(length);
            }
        }
        Kind::Map(entries) => {
            for entry in entries.iter() {
                pointer.push('/');
                pointer.push_str(&parapet_manifest::escape_pointer(&entry.key.name));
                walk(&entry.value, pointer, take);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

/// What switches verification off, in commands and scripts.
const UNVERIFIED: &[&str] = &[
    "--no-check-certificate",
    "curl -k",
    "curl -sk",
    "curl -ks",
    "curl --insecure",
    "--insecure-skip-tls-verify",
    "wget --no-check",
    "GIT_SSL_NO_VERIFY=true",
    "NODE_TLS_REJECT_UNAUTHORIZED=0",
];

pub(super) fn verification_off<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        for container in &workload.containers {
            for variable in container.variables() {
                if variable.name == "NODE_TLS_REJECT_UNAUTHORIZED" && variable.value == "0" {
                    found
                        .add_pod(workload, variable.pointer.clone(), "Node.js accepts any certificate")
                        .becomes(json!("1"));
                }
            }
        }
    }
    for document in world.documents {
        check_text(document, found);
    }
}

/// The bytes of a program's switch that stands alone, with the space before it; nothing where the same word says more.
fn switch(text: &str, flag: &str) -> Option<(usize, usize)> {
    let at = text.find(flag)?;
    let own = flag.rfind(' ').unwrap_or(0);
    // `-sk` says -s as well.
    if !matches!(
        &flag[own..],
        " -k" | " --insecure" | "--no-check-certificate" | "--insecure-skip-tls-verify"
    ) {
        return None;
    }
    let end = at + flag.len();
    let is_whole = text[end..].chars().next().is_none_or(char::is_whitespace);
    let start = if own == 0 && text[..at].ends_with(' ') { at - 1 } else { at + own };
    is_whole.then_some((start, end))
}

fn check_text<'w>(document: &'w Document, found: &mut Findings<'w>) {
    walk(&document.root, &mut String::new(), &mut |pointer, text| {
        // One word of a list of arguments may be the flag alone.
        let alone = pointer.contains("/command/") && matches!(text, "-k" | "--insecure");
        if let Some(flag) =
            UNVERIFIED.iter().find(|flag| text.contains(*flag)).copied().or(alone.then_some(text))
        {
            let draft =
                found.add(document, pointer.to_owned(), format!("{flag:?}: the certificate isn't verified"));
            if alone {
                draft.remove(pointer);
            } else if let Some((start, end)) = switch(text, flag) {
                draft.cut(start, end);
            }
        }
    });
}
