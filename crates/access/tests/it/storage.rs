//! The accounts file: restarts, power loss, full disks, files that are not ours.

use parapet_access::{AccessError, Denied, Fault, NewToken, Role, Scope};
use parapet_fs::Fs;
use parapet_fs::sim::Faults;

use crate::world::{World, path};

fn wish() -> NewToken {
    NewToken { name: "agent".into(), scopes: [Scope::Read].into_iter().collect(), expires_in_days: None }
}

#[tokio::test]
async fn a_restart_finds_users_sessions_and_tokens() {
    let (world, password) = World::with_admin();
    let session = world.login("admin", &password).await.unwrap();
    let minted = world.accounts.mint_token(wish()).unwrap();
    let again = world.reopen().unwrap();
    assert_eq!(again.users(), world.accounts.users());
    assert_eq!(again.tokens(), world.accounts.tokens());
    let seen = again.session(session.id.unwrap().expose()).unwrap();
    assert!(seen.is_csrf_token(session.csrf_token.expose()));
    let header = format!("Bearer {}", minted.secret.expose());
    again.authenticate_bearer(Some(&header), Scope::Read).unwrap();
}

#[test]
fn what_was_answered_survives_a_power_loss() {
    let (world, _) = World::with_admin();
    let kept = world.accounts.mint_token(wish()).unwrap();
    let revoked = world.accounts.mint_token(wish()).unwrap();
    world.accounts.revoke_token(&revoked.token.id).unwrap();
    let after = world.reopen_on(&world.fs.crash()).unwrap();
    let ask =
        |secret: &str| after.authenticate_bearer(Some(&format!("Bearer {secret}")), Scope::Read).map(drop);
    assert_eq!(after.users().len(), 1);
    assert_eq!(ask(kept.secret.expose()), Ok(()));
    assert_eq!(ask(revoked.secret.expose()), Err(Denied::Unknown));
}

#[test]
fn a_crash_at_any_step_leaves_the_state_before_or_after() {
    // More steps than a replacement has.
    for step in 0..12 {
        let (world, _) = World::with_admin();
        let at = world.fs.operations() + step;
        world.fs.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
        let answered = world.accounts.add_user("ann", Role::Viewer).is_ok();
        let after = world.reopen_on(&world.fs.crash()).unwrap();
        let users: Vec<_> = after.users().into_iter().map(|user| user.name).collect();
        match users.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["admin"] => assert!(!answered, "step {step}: answered and lost"),
            ["admin", "ann"] => {}
            ref other => panic!("step {step}: {other:?}"),
        }
    }
}

#[test]
fn a_failed_write_changes_nothing_and_the_next_one_works() {
    let (world, _) = World::with_admin();
    let at = world.fs.operations();
    world.fs.set_faults(Faults { fail_at: vec![at], ..Faults::default() });
    let error = world.accounts.add_user("ann", Role::Viewer).unwrap_err();
    assert!(matches!(error, AccessError::Write(_)), "{error:?}");
    assert_eq!(error.fault(), Fault::Host);
    assert_eq!(world.accounts.users().len(), 1);
    world.accounts.add_user("ann", Role::Viewer).unwrap();
    assert_eq!(world.reopen().unwrap().users().len(), 2);
}

#[test]
fn users_are_unique_and_named_sensibly() {
    let (world, _) = World::with_admin();
    assert!(matches!(world.accounts.add_user("admin", Role::Viewer), Err(AccessError::UserExists)));
    assert!(matches!(world.accounts.add_user("a\nb", Role::Viewer), Err(AccessError::InvalidName)));
    assert!(matches!(world.accounts.reset_password("nobody"), Err(AccessError::NoSuchUser)));
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_kept() {
    let world = World::new();
    world.fs.create_dir_all(path().parent().unwrap()).unwrap();
    for (content, expect) in [
        ("{\"version\":9,\"users\":{}}", "newer"),
        ("not json", "damaged"),
        ("{\"version\":1,\"users\":{},\"tokens\":{},\"sessions\":{},\"token\":{}}", "damaged"),
    ] {
        parapet_fs::replace(&world.fs, &path(), content.as_bytes()).unwrap();
        let got = match world.reopen().unwrap_err() {
            AccessError::Newer { found: 9, known: 1 } => "newer",
            AccessError::Damaged(_) => "damaged",
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expect, "{content}");
        assert_eq!(world.file(), content);
    }
}
