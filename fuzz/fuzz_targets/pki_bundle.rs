//! Certificate files with anything in them: bundles, pairs, and what is said about them. Never a panic; what is taken as a
//! bundle is written and read back as the same one; a private key is never shown.
#![no_main]

use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use parapet_pki::inspect::{Question, judge, read};
use parapet_pki::{Bundle, Pair};

fuzz_target!(|file: &[u8]| {
    let bundle = Bundle::from_pem(file).ok();
    if let Some(bundle) = &bundle {
        let again = Bundle::from_pem(bundle.to_pem().as_bytes()).expect("what was written is read");
        assert_eq!(*bundle, again);
        assert_eq!(bundle.hash(), again.hash());
    }
    if let Ok(pair) = Pair::from_pem(file, file) {
        assert!(pair.renew_at() <= pair.validity().not_after);
    }
    if let Ok(found) = read(file) {
        let now = Timestamp::from_second(1_793_534_400).expect("a time in 2026");
        let question = Question { now, within: SignedDuration::from_hours(24), trust: bundle.as_ref(), name: None };
        if let Ok(findings) = judge(&found, &question) {
            let said = format!("{findings:?}");
            assert!(!said.contains("PRIVATE KEY"));
        }
    }
});
