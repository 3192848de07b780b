//! A certificate of a stranger's: never a panic, and no name that could be taken for something else in a header or a log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_guard::authn::user_of_certificate;
use parapet_pki::Bundle;

fuzz_target!(|bytes: &[u8]| {
    if let Some(user) = user_of_certificate(bytes) {
        assert!(!user.is_empty() && !user.chars().any(char::is_control));
    }
    let _ = Bundle::from_pem(bytes);
});
