//! Plain scalars as Kubernetes reads them.
//!
//! Its decoder follows YAML 1.1 here: `yes`, `no`, `on` and `off` are truth values, `0400` is octal. A tool that read
//! them otherwise would audit another object than the one that is applied.

use crate::Value;

/// The value that a plain (unquoted, untagged) scalar means.
pub(crate) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => number(text).unwrap_or_else(|| Value::String(text.into())),
    }
}

fn number(text: &str) -> Option<Value> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return None;
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, &digits[2..]),
        [b'0', b'o', ..] => (8, &digits[2..]),
        [b'0', b'b', ..] => (2, &digits[2..]),
        [b'0', b'0'..=b'9', ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(|first: char| first.is_ascii_alphanumeric())
        && let Ok(magnitude) = i64::from_str_radix(digits, radix)
    {
        return Some(Value::Int(if negative { -magnitude } else { magnitude }));
    }
    let decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = decimal.then(|| text.parse().ok())??;
    value.is_finite().then_some(Value::Float(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubernetes_takes_them_for() {
        let check = |text: &str, expected: Value| assert_eq!(plain(text), expected, "{text}");
        check("", Value::Null);
        check("~", Value::Null);
        check("on", Value::Bool(true));
        check("No", Value::Bool(false));
        check("8080", Value::Int(8080));
        check("-1", Value::Int(-1));
        check("0400", Value::Int(256));
        check("0o644", Value::Int(420));
        check("0x10", Value::Int(16));
        check("1.5", Value::Float(1.5));
        check("1e3", Value::Float(1000.0));
        check("1.2.3", Value::String("1.2.3".into()));
        check("10.0.0.0/8", Value::String("10.0.0.0/8".into()));
        check("100m", Value::String("100m".into()));
        check("-sumologic", Value::String("-sumologic".into()));
        check("089", Value::Float(89.0));
        check("+", Value::String("+".into()));
        check("99999999999999999999", Value::Float(1e20));
    }
}
