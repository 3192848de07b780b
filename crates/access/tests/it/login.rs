//! Logging in, sessions, throttling.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use parapet_access::{AccessError, Denied, LoginError, Role, Scope, Secret};

use crate::world::{HOME, World};

#[tokio::test]
async fn the_first_admin_logs_in_with_the_printed_password() {
    let (world, password) = World::with_admin();
    assert!(world.accounts.create_first_admin().unwrap().is_none(), "only once");
    let session = world.login("admin", &password).await.unwrap();
    assert_eq!((session.user.as_str(), session.role), ("admin", Role::Admin));

    let cookie = session.id.as_ref().unwrap().expose();
    let seen = world.accounts.session(cookie).unwrap();
    assert!(seen.id.is_none(), "the id is told once");
    assert!(seen.is_csrf_token(session.csrf_token.expose()));
    assert!(!seen.is_csrf_token(""));
    assert!(!seen.is_csrf_token(cookie));
    assert!(seen.principal().scopes.allow(Scope::Read) && seen.principal().scopes.allow(Scope::Admin));
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_get_the_same_answer() {
    let (world, password) = World::with_admin();
    let long = "x".repeat(100_000);
    for (user, wrong) in [("admin", "x"), ("admin", ""), ("nobody", &*password), ("", ""), ("admin", &*long)]
    {
        // Far apart, so that throttling does not answer first.
        world.pass(Duration::from_secs(3600));
        let error = world.login(user, wrong).await.unwrap_err();
        assert!(matches!(error, LoginError::Wrong), "{user}: {error:?}");
    }
}

#[tokio::test]
async fn viewers_only_read() {
    let world = World::new();
    let password = world.accounts.add_user("ann", Role::Viewer).unwrap();
    let scopes = world.login("ann", password.expose()).await.unwrap().principal().scopes;
    assert!(scopes.allow(Scope::Read));
    assert!(!scopes.allow(Scope::Admin) && !scopes.allow(Scope::Ingest));
}

#[tokio::test]
async fn failures_throttle_even_the_right_password_and_waiting_helps() {
    let (world, password) = World::with_admin();
    let mut throttled = None;
    for _ in 0..10 {
        match world.login("admin", "wrong").await.unwrap_err() {
            LoginError::Wrong => {}
            LoginError::Throttled { retry_after } => {
                throttled = Some(retry_after);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    let retry_after = throttled.unwrap();
    let error = world.login("admin", &password).await.unwrap_err();
    assert!(matches!(error, LoginError::Throttled { .. }), "{error:?}");
    assert_eq!(error.retry_after(), Some(retry_after));
    world.pass(retry_after);
    world.login("admin", &password).await.unwrap();
    // The user's failures are forgotten, those of the address are not: it waits, but no longer than before.
    world.pass(retry_after);
    world.login("admin", &password).await.unwrap();
}

#[tokio::test]
async fn an_address_that_guesses_at_many_users_is_throttled_others_are_not() {
    let (world, password) = World::with_admin();
    for n in 0..5 {
        world.login(&format!("user{n}"), "guess").await.unwrap_err();
    }
    let error = world.login("admin", &password).await.unwrap_err();
    assert!(matches!(error, LoginError::Throttled { .. }), "{error:?}");
    world.login_from("admin", &password, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_logins_is_bounded_and_ends() {
    let (world, password) = World::with_admin();
    let tries = (0..60u32).map(|n| {
        let (accounts, password) = (world.accounts.clone(), password.clone());
        tokio::spawn(async move {
            // Different addresses and names: the throttle has nothing against them.
            let source = IpAddr::V4(Ipv4Addr::from_bits(n));
            accounts.login(&format!("user{n}"), password.into(), source).await
        })
    });
    let (mut wrong, mut busy) = (0, 0);
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap().unwrap_err() {
            LoginError::Wrong => wrong += 1,
            LoginError::Busy { .. } => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(wrong + busy, 60);
    assert!(wrong >= 32, "{wrong} were looked at");
    world.login("admin", &password).await.unwrap();
}

#[tokio::test]
async fn sessions_end_when_idle_and_in_any_case_after_their_time() {
    let (world, password) = World::with_admin();
    let idle = world.login("admin", &password).await.unwrap();
    let used = world.login("admin", &password).await.unwrap();
    let (idle, used) = (idle.id.unwrap(), used.id.unwrap());
    // The policy of these tests: an hour idle, a day in all.
    for _ in 0..24 {
        world.pass(Duration::from_secs(3599));
        world.accounts.session(used.expose()).unwrap();
    }
    assert_eq!(world.accounts.session(idle.expose()).unwrap_err(), Denied::Expired);
    world.pass(Duration::from_secs(24));
    assert_eq!(world.accounts.session(used.expose()).unwrap_err(), Denied::Expired);
}

#[tokio::test]
async fn what_a_session_says_of_its_end_is_true() {
    let (world, password) = World::with_admin();
    let session = world.login("admin", &password).await.unwrap();
    assert_eq!(session.expires_at, world.now() + jiff::SignedDuration::from_hours(1));
    let id = session.id.unwrap();
    world.pass(Duration::from_secs(1800));
    let seen = world.accounts.session(id.expose()).unwrap();
    assert_eq!(seen.expires_at, world.now() + jiff::SignedDuration::from_hours(1));
}

#[tokio::test]
async fn logout_ends_one_session_and_a_new_password_all() {
    let (world, password) = World::with_admin();
    let [one, two, three] = [
        world.login("admin", &password).await.unwrap().id.unwrap(),
        world.login("admin", &password).await.unwrap().id.unwrap(),
        world.login("admin", &password).await.unwrap().id.unwrap(),
    ];
    world.accounts.logout(one.expose()).unwrap();
    world.accounts.logout(one.expose()).unwrap();
    world.accounts.logout("no session").unwrap();
    assert_eq!(world.accounts.session(one.expose()).unwrap_err(), Denied::Unknown);
    world.accounts.session(two.expose()).unwrap();

    let new = world.accounts.reset_password("admin").unwrap();
    for id in [two, three] {
        assert_eq!(world.accounts.session(id.expose()).unwrap_err(), Denied::Unknown);
    }
    assert!(matches!(world.login("admin", &password).await.unwrap_err(), LoginError::Wrong));
    world.login("admin", new.expose()).await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_kept_elsewhere_is_the_only_one() {
    let (world, generated) = World::with_admin();
    let other = world.accounts.add_user("ann", Role::Viewer).unwrap();
    world.accounts.keep_password_elsewhere("admin", Arc::new(|sent| sent.expose() == "kept")).unwrap();
    let absent = world.accounts.keep_password_elsewhere("bob", Arc::new(|_| true));
    assert!(matches!(absent, Err(AccessError::NoSuchUser)));
    let session = world.login("admin", "kept").await.unwrap();
    assert_eq!((session.user.as_str(), session.role), ("admin", Role::Admin));
    world.login("ann", other.expose()).await.unwrap();
    for (user, wrong) in [("admin", &*generated), ("admin", ""), ("ann", "kept"), ("bob", "kept")] {
        world.pass(Duration::from_secs(3600));
        let error = world.login(user, wrong).await.unwrap_err();
        assert!(matches!(error, LoginError::Wrong), "{user}: {error:?}");
    }
    // Guesses are throttled like any others.
    let mut tries = 0;
    while !matches!(world.login("admin", "guess").await, Err(LoginError::Throttled { .. })) {
        tries += 1;
        assert!(tries < 100, "nobody stops the guessing");
    }
    // It isn't written anywhere: the next start has to be told again.
    let reopened = world.reopen().unwrap();
    reopened.login("admin", Secret::from(generated), HOME).await.unwrap();
}

#[tokio::test]
async fn sessions_of_one_user_are_bounded_the_oldest_ends() {
    let (world, password) = World::with_admin();
    let mut ids = Vec::new();
    for n in 0..33 {
        world.pass(Duration::from_secs(1));
        let source = IpAddr::V4(Ipv4Addr::from_bits(n));
        ids.push(world.login_from("admin", &password, source).await.unwrap().id.unwrap());
    }
    assert_eq!(world.accounts.session(ids[0].expose()).unwrap_err(), Denied::Unknown);
    for id in &ids[1..] {
        world.accounts.session(id.expose()).unwrap();
    }
}

#[test]
fn cookies_that_are_none_of_ours() {
    let world = World::new();
    let unknown = "A".repeat(43);
    for (cookie, expect) in [
        ("", Denied::Malformed),
        ("x", Denied::Malformed),
        ("ä", Denied::Malformed),
        (&*unknown, Denied::Unknown),
    ] {
        assert_eq!(world.accounts.session(cookie).unwrap_err(), expect, "{cookie}");
    }
}
