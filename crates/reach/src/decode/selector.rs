//! Label selectors, labels, and the syntax of names.

use super::field::Field;
use crate::model::{Labels, Operator, Requirement, Selector};

/// A selector that can't be right: the problem was reported.
pub(super) struct Invalid;

/// Reads a `LabelSelector`. Absent is `Ok(None)`; an empty one selects everything.
pub(super) fn selector(field: &Field<'_>) -> Result<Option<Selector>, Invalid> {
    if !field.is_present() {
        return Ok(None);
    }
    if !field.is_map() {
        return Err(Invalid);
    }
    field.only(&["matchLabels", "matchExpressions"]);
    let mut valid = true;
    let mut requirements = Vec::new();
    for (key, value) in field.get("matchLabels").map() {
        let label = label_pair(key, &value);
        valid &= label.is_some();
        requirements.extend(label.map(|value| Requirement {
            key: key.to_owned(),
            operator: Operator::In(vec![value.to_owned()]),
        }));
    }
    for expression in field.get("matchExpressions").list() {
        let requirement = requirement(&expression);
        valid &= requirement.is_some();
        requirements.extend(requirement);
    }
    if valid { Ok(Some(Selector::new(requirements))) } else { Err(Invalid) }
}

fn requirement(field: &Field<'_>) -> Option<Requirement> {
    field.only(&["key", "operator", "values"]);
    let key_field = field.get("key");
    let key = key_field.text()?;
    if let Err(why) = label_key(key) {
        key_field.error(why);
        return None;
    }
    let values_field = field.get("values");
    let elements = values_field.list();
    let values: Vec<String> =
        elements.iter().filter_map(|element| label_value(element)).map(str::to_owned).collect();
    if values.len() != elements.len() {
        return None;
    }
    let operator_field = field.get("operator");
    let operator = match operator_field.text()? {
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        "Exists" if values.is_empty() => Operator::Exists,
        "DoesNotExist" if values.is_empty() => Operator::DoesNotExist,
        operator @ ("Exists" | "DoesNotExist") => {
            values_field.error(format!("{operator} takes no values"));
            return None;
        }
        other => {
            operator_field
                .error(format!("unknown operator {other:?}; there are In, NotIn, Exists and DoesNotExist"));
            return None;
        }
    };
    if matches!(&operator, Operator::In(values) | Operator::NotIn(values) if values.is_empty()) {
        values_field.error("In and NotIn need at least one value");
        return None;
    }
    Some(Requirement { key: key.to_owned(), operator })
}

/// Reads `labels`; what can't be a label is reported and left out.
pub(super) fn labels(field: &Field<'_>) -> Labels {
    let pairs = field.map();
    pairs.iter().filter_map(|(key, value)| Some((*key, label_pair(key, value)?))).collect()
}

fn label_pair<'a>(key: &str, value: &Field<'a>) -> Option<&'a str> {
    if let Err(why) = label_key(key) {
        value.error(why);
        return None;
    }
    // A null value is an empty text after decoding.
    if value.is_present() { label_value(value) } else { Some("") }
}

fn label_value<'a>(field: &Field<'a>) -> Option<&'a str> {
    let value = field.text()?;
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    if value.len() > 63 {
        field.error("a label's value has at most 63 characters");
    } else if !(value.chars().all(inside) && edge(value.chars().next()) && edge(value.chars().next_back())) {
        field.error(format!(
            "{value:?} can't be a label's value: letters, digits, '-', '_' and '.', with a letter or digit at both ends"
        ));
    } else {
        return Some(value);
    }
    None
}

fn label_key(key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let name_fits = (1..=63).contains(&name.len())
        && name.chars().all(inside)
        && edge(name.chars().next())
        && edge(name.chars().next_back());
    if !name_fits || prefix.is_some_and(|prefix| !is_dns_subdomain(prefix)) {
        return Err(format!(
            "{key:?} can't be a label's key: [DNS name/]name of at most 63 letters, digits, '-', '_', '.'"
        ));
    }
    Ok(())
}

/// A name as most objects have it: DNS labels joined by dots, 253 characters at most.
pub(super) fn is_dns_subdomain(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// A port's name: up to 15 lower-case letters, digits and single '-' inside, with a letter somewhere.
pub(super) fn is_port_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && name.chars().any(|c| c.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}
