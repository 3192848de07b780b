//! Scenarios that a scripted and a real server must both pass. A real one is used if these are set: `PARAPET_TEST_VAULT_ADDR`
//! (`https://…`), `PARAPET_TEST_VAULT_CA_FILE` and `PARAPET_TEST_VAULT_TOKEN_FILE` (a root token of a server for tests).

use std::path::Path;

use parapet_secrets::{SecretError, VaultProvider};
use serde_json::json;

use super::admin::Admin;
use super::server::Server;
use super::state::ROOT;
use super::{provider, read, stored, watch};
use crate::world::{becomes, status_of, text};

/// Runs a scenario against the scripted server and, where there is one, a real one.
macro_rules! both {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        mod scripted {
            $(#[tokio::test] async fn $name() {
                let server = super::Server::start().await;
                let admin = super::Admin::new(&server.address, &server.ca_file, super::ROOT);
                admin.prepare().await;
                super::$name(&admin).await;
            })+
        }
        mod real {
            $(#[tokio::test] async fn $name() {
                let Some(admin) = super::real_server() else { return };
                admin.prepare().await;
                super::$name(&admin).await;
            })+
        }
    };
}

both!(
    the_newest_version_is_read_and_a_pinned_one_stays,
    a_deleted_version_keeps_the_last_value_until_it_is_back,
    version_1_is_read,
    a_revoked_token_is_replaced_from_its_file,
    a_missing_right_is_told_from_a_dead_token,
    a_token_is_renewed_for_as_long_as_it_can_be,
);

fn real_server() -> Option<Admin> {
    let Ok(address) = std::env::var("PARAPET_TEST_VAULT_ADDR") else {
        parapet_testbed::skip("no PARAPET_TEST_VAULT_ADDR");
        return None;
    };
    let path = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let token = std::fs::read_to_string(path("PARAPET_TEST_VAULT_TOKEN_FILE")).unwrap();
    Some(Admin::new(&address, Path::new(&path("PARAPET_TEST_VAULT_CA_FILE")), token.trim()))
}

/// A provider with a token of this policy in a file.
struct Given {
    folder: tempfile::TempDir,
    token: String,
}

impl Given {
    async fn new(admin: &Admin, policy: &str, ttl: &str, most: &str) -> Self {
        let given =
            Self { folder: tempfile::tempdir().unwrap(), token: admin.token(policy, ttl, most).await };
        given.write(&given.token);
        given
    }

    fn write(&self, token: &str) {
        std::fs::write(self.folder.path().join("token"), format!("{token}\n")).unwrap();
    }

    fn provider(&self, admin: &Admin) -> VaultProvider {
        let file = self.folder.path().join("token");
        let more = format!("auth: {{tokenFile: '{}'}}, mounts: {{kv: kv2, kv1: kv1}}", file.display());
        provider(&[&admin.address], &admin.ca_file, &more)
    }
}

async fn the_newest_version_is_read_and_a_pinned_one_stays(admin: &Admin) {
    let given = Given::new(admin, "parapet", "60s", "120s").await;
    admin.put("app/pinned", json!({"password": "one", "port": 5432})).await;
    let store = stored(given.provider(admin));
    let mut newest = watch(&store, "p:kv/app/pinned#password");
    becomes(&mut newest, "one").await;
    let first = newest.latest().unwrap().version().as_str().parse::<u64>().unwrap();
    assert_eq!(text(&newest.latest().unwrap(), "port"), "5432");
    let mut pinned = watch(&store, &format!("p:kv/app/pinned@{first}#password"));
    becomes(&mut pinned, "one").await;
    admin.put("app/pinned", json!({"password": "two"})).await;
    becomes(&mut newest, "two").await;
    assert_eq!(newest.latest().unwrap().version().as_str(), (first + 1).to_string());
    assert_eq!(text(&pinned.latest().unwrap(), "password"), "one");
    store.close().await;
    assert!(
        read(&given.provider(admin), "kv/app/pinned").await.is_ok(),
        "a token that was given isn't revoked"
    );
}

async fn a_deleted_version_keeps_the_last_value_until_it_is_back(admin: &Admin) {
    let given = Given::new(admin, "parapet", "60s", "120s").await;
    admin.put("app/deleted", json!({"password": "kept"})).await;
    let store = stored(given.provider(admin));
    let mut used = watch(&store, "p:kv/app/deleted#password");
    becomes(&mut used, "kept").await;
    let version = used.latest().unwrap().version().as_str().parse().unwrap();
    let probe = given.provider(admin);
    admin.versions("delete", "app/deleted", version).await;
    assert!(matches!(read(&probe, "kv/app/deleted").await, Err(SecretError::Deleted)));
    store.refresh_now();
    while status_of(&store, "p:kv/app/deleted").last_failure.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(text(&used.latest().unwrap(), "password"), "kept");
    admin.versions("undelete", "app/deleted", version).await;
    while status_of(&store, "p:kv/app/deleted").last_failure.is_some() {
        tokio::task::yield_now().await;
    }
    admin.versions("destroy", "app/deleted", version).await;
    assert!(matches!(read(&probe, "kv/app/deleted").await, Err(SecretError::Destroyed)));
    assert!(matches!(read(&probe, "kv/app/never").await, Err(SecretError::NotFound)));
    store.close().await;
}

async fn version_1_is_read(admin: &Admin) {
    let given = Given::new(admin, "parapet", "60s", "120s").await;
    admin.put_kv1("app/one", json!({"password": "plain"})).await;
    let provider = given.provider(admin);
    assert_eq!(text(&read(&provider, "kv1/app/one").await.unwrap(), "password"), "plain");
    assert!(matches!(read(&provider, "kv1/app/never").await, Err(SecretError::NotFound)));
    assert!(matches!(read(&provider, "kv1/app/one@1").await, Err(SecretError::Unsupported(_))));
    assert!(matches!(read(&provider, "elsewhere/one").await, Err(SecretError::Unsupported(_))));
}

async fn a_revoked_token_is_replaced_from_its_file(admin: &Admin) {
    let given = Given::new(admin, "parapet", "60s", "120s").await;
    admin.put("app/revoked", json!({"password": "x"})).await;
    let provider = given.provider(admin);
    read(&provider, "kv/app/revoked").await.unwrap();
    admin.revoke(&given.token).await;
    assert!(matches!(read(&provider, "kv/app/revoked").await, Err(SecretError::Denied(_))));
    given.write(&admin.token("parapet", "60s", "120s").await);
    assert_eq!(text(&read(&provider, "kv/app/revoked").await.unwrap(), "password"), "x");
}

async fn a_missing_right_is_told_from_a_dead_token(admin: &Admin) {
    let given = Given::new(admin, "nothing", "60s", "120s").await;
    admin.put("app/denied", json!({"password": "x"})).await;
    let provider = given.provider(admin);
    let error = read(&provider, "kv/app/denied").await.unwrap_err();
    assert_eq!(error.to_string(), "the provider refused: its policies don't grant this path");
    given.write(&admin.token("parapet", "60s", "120s").await);
    read(&provider, "kv/app/denied").await.unwrap();
}

async fn a_token_is_renewed_for_as_long_as_it_can_be(admin: &Admin) {
    let given = Given::new(admin, "parapet", "3s", "600s").await;
    admin.put("app/renewed", json!({"password": "1"})).await;
    let store = stored(given.provider(admin));
    let mut used = watch(&store, "p:kv/app/renewed#password");
    becomes(&mut used, "1").await;
    // Without renewals the token would be dead by the third of these.
    let begun = std::time::Instant::now();
    let mut round = 1;
    while begun.elapsed() < std::time::Duration::from_secs(5) {
        round += 1;
        admin.put("app/renewed", json!({ "password": round.to_string() })).await;
        becomes(&mut used, &round.to_string()).await;
    }
    assert_eq!(status_of(&store, "p:kv/app/renewed").failures, 0);
    store.close().await;
}
