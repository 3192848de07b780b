//! The generated pages of `docs/reference/`: each test makes one from the program itself and compares it with what is
//! committed. `UPDATE_REFERENCE=1 cargo test -p parapet reference` (or `cargo xtask docs`) writes them anew.

#![allow(clippy::unwrap_used, reason = "only tests are here")]

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use serde_json::Value;

#[track_caller]
fn compare(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "docs/reference/{name} is out of date; `cargo xtask docs` makes it anew");
}

#[test]
fn command_line() {
    let mut page =
        String::from("# Command line\n\nGenerated from the program: `parapet help COMMAND` says the same.\n");
    let mut root = crate::cli::Arguments::command().term_width(100).disable_help_subcommand(true);
    root.build();
    write_command(&mut page, &mut root, "parapet");
    compare("cli.md", &page);
}

fn write_command(page: &mut String, command: &mut clap::Command, path: &str) {
    let help = command.render_long_help().to_string();
    let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let _ = write!(page, "\n## {path}\n\n```text\n{help}```\n");
    for sub in command.get_subcommands_mut() {
        let path = format!("{path} {}", sub.get_name());
        write_command(page, sub, &path);
    }
}

#[test]
fn configuration() {
    let schema = schemars::schema_for!(crate::config::file::File).to_value();
    let mut page = String::from(
        "# Configuration file\n\n`parapet up --config FILE` reads YAML with these keys. An unknown key, a wrong type, a bad duration, or a value that is\n\
         also given by a flag stops the start with file, line and key.\n\n| key | type | meaning |\n|---|---|---|\n",
    );
    write_keys(&mut page, &schema, &schema, "");
    compare("configuration.md", &page);
    compare("configuration.schema.json", &format!("{}\n", serde_json::to_string_pretty(&schema).unwrap()));
}

fn write_keys(page: &mut String, root: &Value, schema: &Value, prefix: &str) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{prefix}{key}");
        let described = value["description"].as_str();
        let value = resolve(root, value);
        let each = resolve(root, &value["additionalProperties"]);
        if value["properties"].is_object() {
            write_keys(page, root, value, &format!("{path}."));
        } else if let Some(variants) = kinds(value) {
            variants.iter().for_each(|variant| write_keys(page, root, variant, &format!("{path}.")));
        } else if let Some(variants) = kinds(each) {
            variants.iter().for_each(|variant| write_keys(page, root, variant, &format!("{path}.NAME.")));
        } else {
            let meaning = described.or(value["description"].as_str()).unwrap_or_default().replace('\n', " ");
            let _ = writeln!(page, "| `{path}` | {} | {meaning} |", type_name(root, value));
        }
    }
}

/// The alternatives of which one is chosen by its key.
fn kinds(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array().filter(|variants| variants.iter().all(|one| one["properties"].is_object()))
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let one = schema["anyOf"]
        .as_array()
        .and_then(|any| any.iter().find(|one| one["type"] != "null"))
        .unwrap_or(schema);
    match one["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        Some(name) => &root["$defs"][name],
        None => one,
    }
}

fn type_name(root: &Value, schema: &Value) -> String {
    if schema["description"].as_str().is_some_and(|text| text.starts_with("a duration")) {
        return "duration".to_owned();
    }
    let of = |value: &Value| match value {
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).find(|name| *name != "null").map(str::to_owned)
        }
        other => other.as_str().map(str::to_owned),
    };
    match of(&schema["type"]).as_deref() {
        Some("array") => format!("list of {}", type_name(root, resolve(root, &schema["items"]))),
        Some("object") => {
            format!("map to {}", type_name(root, resolve(root, &schema["additionalProperties"])))
        }
        Some(name) => name.to_owned(),
        None => String::new(),
    }
}

#[test]
fn metrics() {
    let mut registry = prometheus_client::registry::Registry::default();
    let _metrics = crate::up::metrics::Metrics::register(&mut registry);
    let folder = tempfile::tempdir().unwrap();
    let options = parapet_store::Options {
        fs: std::sync::Arc::new(parapet_fs::OsFs),
        dir: folder.path().to_owned(),
        config: parapet_store::Config::default(),
        clock: std::sync::Arc::new(parapet_store::SystemClock),
    };
    let (store, _) = parapet_store::Store::open(options, &mut registry).unwrap();
    store.close().unwrap();
    let mut page = String::from(
        "# Metrics\n\nServed at `/metrics` of the console's listener (a token with scope `read`), where counters end in `_total`, and kept by\n\
         Parapet itself as service `parapet`. Generated from the program.\n\n| metric | meaning |\n|---|---|\n",
    );
    // The registry encodes only families that have counted something; what it holds is in its `Debug`.
    let part = concat!(
        r#"prefix: (?:None|Some\(Prefix\("([^"]+)"\)\))|"#,
        r#"Descriptor \{ name: "([^"]+)", help: "((?:[^"\\]|\\.)*)", unit: (?:None|Some\((\w+)\))"#,
    );
    let held = format!("{registry:?}");
    let mut prefix = String::new();
    let mut rows = Vec::new();
    for found in regex::Regex::new(part).unwrap().captures_iter(&held) {
        let text = |group| found.get(group).map_or("", |found| found.as_str());
        if text(2).is_empty() {
            // A registry says its prefix, then its metrics, then the registries in it.
            prefix = if text(1).is_empty() { String::new() } else { format!("{}_", text(1)) };
        } else {
            let unit =
                if text(4).is_empty() { String::new() } else { format!("_{}", text(4).to_lowercase()) };
            rows.push(format!("| `{prefix}{}{unit}` | {} |\n", text(2), text(3).replace("\\\"", "\"")));
        }
    }
    assert!(rows.len() > 40, "the registry's Debug has changed: only {} metrics were found", rows.len());
    rows.sort();
    page.extend(rows);
    compare("metrics.md", &page);
}
