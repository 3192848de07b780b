//! Versions of the stack: never a panic, written as they were read, and in one order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_api::{Role, Roles, StackVersion};
use parapet_orchestrate::upgrade_allowed;

fuzz_target!(|texts: (&str, &str)| {
    let (one, other) = texts;
    let Ok(one) = one.parse::<StackVersion>() else { return };
    assert_eq!(one.to_string().parse(), Ok(one.clone()));
    // What comes before a release counts as it, for what a version can do.
    assert!(one.at_least(one.major(), one.minor(), one.patch()));
    assert!(
        !one.at_least(one.major(), one.minor(), one.patch().saturating_add(1)) || one.patch() == u64::MAX
    );
    let labels = Roles::all_of(&one).labels(&one);
    assert!(labels.len() <= Role::ALL.len());
    assert_eq!(Roles::of_labels(&labels), Roles::all_of(&one));
    let Ok(other) = other.parse::<StackVersion>() else { return };
    assert_eq!(one < other, other > one);
    assert_eq!(one == other, one.cmp(&other).is_eq());
    // Nobody goes down, and not both ways between two.
    if upgrade_allowed(&one, &other).is_ok() {
        assert!(one <= other);
        assert!(one.cmp(&other).is_eq() || upgrade_allowed(&other, &one).is_err());
    }
});
