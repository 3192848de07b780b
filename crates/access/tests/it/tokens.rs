//! API tokens.

use std::time::Duration;

use parapet_access::{AccessError, Denied, NewToken, PrincipalKind, Scope};

use crate::world::World;

fn wish(scopes: &[Scope], expires_in_days: Option<u32>) -> NewToken {
    NewToken { name: "agent".into(), scopes: scopes.iter().copied().collect(), expires_in_days }
}

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

#[test]
fn a_token_is_what_was_promised() {
    let world = World::new();
    let minted = world.accounts.mint_token(wish(&[Scope::Read], None)).unwrap();
    let text = minted.secret.expose();
    assert_eq!(text.strip_prefix(&format!("ppt_{}_", minted.token.id)).unwrap().len(), 64);
    let principal = world.accounts.authenticate_bearer(Some(&bearer(text)), Scope::Read).unwrap();
    assert_eq!(principal.kind, PrincipalKind::Token { id: minted.token.id.clone(), name: "agent".into() });
    assert_eq!(principal.key(), format!("token:{}", minted.token.id));
}

#[test]
fn who_may_what() {
    let world = World::new();
    for (has, may) in [
        (vec![Scope::Ingest], vec![Scope::Ingest]),
        (vec![Scope::Read], vec![Scope::Read]),
        (vec![Scope::Ingest, Scope::Read], vec![Scope::Ingest, Scope::Read]),
        (vec![Scope::Admin], Scope::ALL.to_vec()),
    ] {
        let minted = world.accounts.mint_token(wish(&has, None)).unwrap();
        for needed in Scope::ALL {
            let got = world.accounts.authenticate_bearer(Some(&bearer(minted.secret.expose())), needed);
            let expect = if may.contains(&needed) { Ok(()) } else { Err(Denied::Scope { needed }) };
            assert_eq!(got.map(drop), expect, "{has:?} for {needed:?}");
        }
    }
}

#[test]
fn headers_that_let_nobody_in() {
    let world = World::new();
    let minted = world.accounts.mint_token(wish(&[Scope::Read], None)).unwrap();
    let good = minted.secret.expose();
    let id = &minted.token.id;
    let check = |header: Option<&str>, expect: Result<(), Denied>| {
        let got = world.accounts.authenticate_bearer(header, Scope::Read).map(drop);
        assert_eq!(got, expect, "{header:?}");
    };
    check(Some(&bearer(good)), Ok(()));
    check(Some(&format!("bearer  {good} ")), Ok(()));
    check(None, Err(Denied::Missing));
    check(Some(""), Err(Denied::Malformed));
    check(Some(good), Err(Denied::Malformed));
    check(Some("Bearer"), Err(Denied::Malformed));
    check(Some("Bearer "), Err(Denied::Malformed));
    check(Some(&format!("Basic {good}")), Err(Denied::Malformed));
    check(Some(&bearer(&good.to_uppercase())), Err(Denied::Malformed));
    check(Some(&bearer(&good[..good.len() - 1])), Err(Denied::Malformed));
    check(Some(&bearer(&format!("{good}0"))), Err(Denied::Malformed));
    check(Some(&bearer(&format!("{good} {good}"))), Err(Denied::Malformed));
    check(Some(&bearer(&format!("ppt_{id}_{}", "0".repeat(64)))), Err(Denied::Unknown));
    check(Some(&bearer(&format!("ppt_{}_{}", "0".repeat(16), &good[21..]))), Err(Denied::Unknown));
}

#[test]
fn tokens_expire_and_are_revoked() {
    let world = World::new();
    let short = world.accounts.mint_token(wish(&[Scope::Read], Some(1))).unwrap();
    let long = world.accounts.mint_token(wish(&[Scope::Read], None)).unwrap();
    let ask = |secret: &str| world.accounts.authenticate_bearer(Some(&bearer(secret)), Scope::Read).map(drop);
    world.pass(Duration::from_secs(86_399));
    assert_eq!(ask(short.secret.expose()), Ok(()));
    world.pass(Duration::from_secs(1));
    assert_eq!(ask(short.secret.expose()), Err(Denied::Expired));
    assert_eq!(ask(long.secret.expose()), Ok(()));
    world.accounts.revoke_token(&long.token.id).unwrap();
    assert_eq!(ask(long.secret.expose()), Err(Denied::Unknown));
    assert!(matches!(world.accounts.revoke_token(&long.token.id), Err(AccessError::NoSuchToken)));
    assert_eq!(world.accounts.tokens().len(), 1);
}

#[test]
fn wishes_that_are_refused() {
    let world = World::new();
    let named = |name: &str| NewToken { name: name.into(), ..wish(&[Scope::Read], None) };
    for name in ["", " x", "x ", "a\nb", "a\u{1b}[2Jb", &"x".repeat(65)] {
        assert!(matches!(world.accounts.mint_token(named(name)), Err(AccessError::InvalidName)), "{name:?}");
    }
    for name in ["x", "otel-collector@node 1", "Bär", &"x".repeat(64)] {
        world.accounts.mint_token(named(name)).unwrap();
    }
    assert!(matches!(world.accounts.mint_token(wish(&[], None)), Err(AccessError::NoScopes)));
    for days in [0, 3651, u32::MAX] {
        let refused = world.accounts.mint_token(wish(&[Scope::Read], Some(days)));
        assert!(matches!(refused, Err(AccessError::InvalidExpiry { .. })), "{days}");
    }
}

#[test]
fn the_last_use_is_coarse_and_saved_on_request() {
    let world = World::new();
    let minted = world.accounts.mint_token(wish(&[Scope::Read], None)).unwrap();
    let ask =
        || world.accounts.authenticate_bearer(Some(&bearer(minted.secret.expose())), Scope::Read).map(drop);
    let last = |accounts: &parapet_access::Accounts| accounts.tokens()[0].last_used_at;
    assert_eq!(last(&world.accounts), None);
    assert!(!world.accounts.has_unsaved());
    ask().unwrap();
    let first = Some(world.now());
    assert_eq!(last(&world.accounts), first);
    world.pass(Duration::from_secs(599));
    ask().unwrap();
    assert_eq!(last(&world.accounts), first, "coarse");
    assert_eq!(last(&world.reopen().unwrap()), None, "not saved yet");
    assert!(world.accounts.has_unsaved());
    world.accounts.flush().unwrap();
    assert!(!world.accounts.has_unsaved());
    assert_eq!(last(&world.reopen().unwrap()), first);
    world.pass(Duration::from_secs(1));
    ask().unwrap();
    assert_eq!(last(&world.accounts), Some(world.now()));
}
