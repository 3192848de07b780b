//! Quantities: never a panic; what is read is written so that it is read again; and it is worth what arithmetic says.
#![no_main]

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use libfuzzer_sys::fuzz_target;
use parapet_api::{Amount, same_quantity};

/// What a suffix multiplies with; nothing for an exponent, which is read by the float itself.
fn factor(suffix: &str) -> Option<f64> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|own| *own == suffix);
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"].iter().position(|own| *own == suffix);
    binary.map(|at| 1024_f64.powi(at as i32 + 1)).or(decimal.map(|at| 1000_f64.powi(at as i32 - 3)))
}

/// The same by floats, near enough.
fn roughly(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    match factor(suffix) {
        Some(factor) => Some(number.parse::<f64>().ok()? * factor),
        None => text.parse().ok(),
    }
}

fuzz_target!(|text: &str| {
    let quantity = Quantity(text.to_owned());
    assert!(same_quantity(&quantity, &quantity));
    let Ok(amount) = text.parse::<Amount>() else { return };
    let again: Amount = amount.to_string().parse().unwrap();
    assert_eq!(amount, again);
    assert!(same_quantity(&quantity, &Quantity(amount.to_string())));
    let nanos: i128 = amount.to_string().trim_end_matches('n').parse().unwrap();
    assert!(amount.units() >= nanos / 1_000_000_000 && amount.units() - 1 <= nanos / 1_000_000_000);
    assert!(amount.millis() >= amount.units() * 1000 - 999);
    let expected = roughly(text).unwrap() * 1e9;
    // What is below a billionth is rounded away from zero.
    assert!((nanos as f64 - expected).abs() <= 1.0 + expected.abs() * 1e-9, "{text} {nanos} {expected}");
});
