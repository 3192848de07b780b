//! A query of anybody's: never a panic; what is forwarded reads back as what was authorised, by another parser too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_guard::CanonicalQuery;

fuzz_target!(|wire: &str| {
    let Ok(query) = CanonicalQuery::parse(Some(wire)) else { return };
    let written = query.to_string();
    let forwarded = written.strip_prefix('?').expect("a query that was there is written");
    assert_eq!(CanonicalQuery::parse(Some(forwarded)).as_ref(), Ok(&query));
    assert!(!forwarded.contains([';', '+', '#', ' ']));
    let theirs: Vec<(String, String)> = form_urlencoded::parse(forwarded.as_bytes()).into_owned().collect();
    let ours: Vec<(String, String)> = query.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    assert_eq!(theirs, ours);
});
