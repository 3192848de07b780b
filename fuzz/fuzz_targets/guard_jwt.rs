//! A token of a stranger's, an issuer's keys, and the claims of one whose signature is good: never a panic, no token that our
//! keys have not signed, nobody without a name or beyond the token's end.
#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use parapet_guard::authn::{ClaimRules, KeySet, SigningAlgorithm, TokenTimes, identity_of_claims};

/// One key of each kind; what would sign with them is gone.
const KEYS: &str = include_str!("../guard_jwt_keys.json");
/// All that are allowed.
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

fuzz_target!(|text: &str| {
    let now = Timestamp::from_second(1_780_000_000).expect("2026 is a year");
    let times = TokenTimes::of(text);
    // Not both, unless it says that it begins after its end.
    if times.is_over(now) && times.is_early(now) {
        assert!(times.begins > times.ends);
    }
    let allowed = ALGORITHMS.map(|name| name.parse::<SigningAlgorithm>().expect("a name of an algorithm"));
    let ours = KeySet::from_json(KEYS.as_bytes()).expect("a set of keys");
    assert_eq!(ours.claims(text, &allowed), None);
    if let Some((token, keys)) = text.split_once('\n')
        && let Ok(keys) = KeySet::from_json(keys.as_bytes())
    {
        let _ = keys.claims(token, &allowed);
    }
    let Ok(claims) = serde_json::from_str(text) else { return };
    let rules = ClaimRules {
        issuer: "i".to_owned(),
        audience: "a".to_owned(),
        username: "email".to_owned(),
        username_prefix: String::new(),
        groups: "groups".to_owned(),
        groups_prefix: String::new(),
        system_names: false,
    };
    if let Ok(identity) = identity_of_claims(&claims, &rules, now) {
        assert!(!identity.user.is_empty() && !identity.user.chars().any(char::is_control));
        assert!(!identity.user.starts_with("system:"));
        assert!(identity.expires.is_some_and(|expires| expires > now));
        let reserved = identity.groups.iter().filter(|group| group.starts_with("system:"));
        assert!(reserved.eq(["system:authenticated"]));
    }
});
