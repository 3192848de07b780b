//! Credentials with leases: kept for as long as that goes, replaced in time, given back.

use parapet_secrets::Provider as _;

use super::login::{by_kubernetes, server};
use super::{location, read, stored, watch};
use crate::world::{status_of, text};

const CREDENTIAL: &str = "p:database/creds/app#password";

#[tokio::test]
async fn a_lease_is_renewed_and_at_its_last_end_another_credential_is_fetched() {
    let server = server().await;
    server.state().lease_ttl = (2, 4);
    let store = stored(by_kubernetes(&server));
    let mut used = watch(&store, CREDENTIAL);
    used.changed().await;
    let first = text(&used.latest().unwrap(), "username");
    used.apply(|_| Ok(()));
    used.changed().await;
    let second = used.latest().unwrap();
    assert_ne!(text(&second, "username"), first);
    assert_eq!(second.version().as_str(), "lease-2");
    assert!(server.count("sys/leases/renew") >= 1, "it was kept for as long as it could be");
    assert_eq!(status_of(&store, "p:database/creds/app").failures, 0);
    store.close().await;
    let state = server.state();
    assert!(state.leases.is_empty(), "no lease is left behind");
    assert!(state.revoked.iter().any(|id| id.starts_with("database/creds/")), "{:?}", state.revoked);
    assert!(state.revoked.last().unwrap().starts_with("hvs."), "the token goes last");
}

#[tokio::test]
async fn a_renewed_lease_is_the_same_credential() {
    let server = server().await;
    server.state().lease_ttl = (60, 600);
    let provider = by_kubernetes(&server);
    let first = read(&provider, "database/creds/app").await.unwrap();
    let second = read(&provider, "database/creds/app").await.unwrap();
    assert_eq!(text(&first, "username"), text(&second, "username"));
    assert_eq!(first.version(), second.version());
    assert!(second.expires_at > first.expires_at);
    assert_eq!((server.count("database/creds/app"), server.count("sys/leases/renew")), (1, 1));
}

#[tokio::test]
async fn a_lease_that_was_revoked_is_replaced() {
    let server = server().await;
    server.state().lease_ttl = (60, 600);
    let provider = by_kubernetes(&server);
    let first = read(&provider, "database/creds/app").await.unwrap();
    server.state().leases.clear();
    let second = read(&provider, "database/creds/app").await.unwrap();
    assert_ne!(text(&first, "username"), text(&second, "username"));
}

#[tokio::test]
async fn credentials_die_with_their_token_and_are_fetched_anew_at_once() {
    let server = server().await;
    server.state().lease_ttl = (3600, 36_000);
    let store = stored(by_kubernetes(&server));
    let mut credential = watch(&store, CREDENTIAL);
    let mut other = watch(&store, "p:kv/app/db#password");
    credential.changed().await;
    other.changed().await;
    let first = text(&credential.latest().unwrap(), "username");
    credential.apply(|_| Ok(()));
    // The token is revoked; reading the other secret notices, and logs in.
    {
        let mut state = server.state();
        state.tokens.clear();
        state.leases.clear();
    }
    credential.changed().await;
    assert_ne!(text(&credential.latest().unwrap(), "username"), first);
    store.close().await;
}

#[tokio::test]
async fn a_credential_that_nobody_uses_any_more_is_given_back() {
    let server = server().await;
    server.state().lease_ttl = (60, 600);
    let provider = by_kubernetes(&server);
    read(&provider, "database/creds/app").await.unwrap();
    provider.forget(&location("database/creds/app")).await;
    assert_eq!(server.count("PUT /v1/sys/leases/revoke"), 1);
    assert!(server.state().leases.is_empty());
    provider.close().await;
    assert_eq!(server.count("PUT /v1/sys/leases/revoke"), 1);
}
