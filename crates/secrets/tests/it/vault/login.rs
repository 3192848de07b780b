//! Ways to log in, and when it is done again.

use parapet_secrets::{Provider as _, SecretError, VaultProvider};
use serde_json::json;

use super::admin::Admin;
use super::server::Server;
use super::state::{ROLE, ROOT};
use super::{location, provider, read, stored, watch};
use crate::world::{becomes, text};

/// A server with one secret, and a role that tokens of 60 seconds are given for.
pub(crate) async fn server() -> Server {
    let server = Server::start().await;
    let admin = Admin::new(&server.address, &server.ca_file, ROOT);
    admin.prepare().await;
    admin.put("app/db", json!({"password": "hunter2"})).await;
    {
        let mut state = server.state();
        state.token_ttl = (60, 600);
        state.jwts.push("first-jwt".to_owned());
        state.secret_ids.push("the-secret-id".to_owned());
    }
    server.write("jwt", "first-jwt\n");
    server
}

pub(crate) fn by_kubernetes(server: &Server) -> VaultProvider {
    by_kubernetes_at(server, &[&server.address])
}

pub(crate) fn by_kubernetes_at(server: &Server, addresses: &[&str]) -> VaultProvider {
    let file = server.folder.path().join("jwt");
    let more = format!(
        "namespace: team-a, auth: {{kubernetes: {{role: {ROLE}, tokenFile: '{}'}}}}, \
         mounts: {{kv: kv2, kv1: kv1, database: leased}}",
        file.display()
    );
    provider(addresses, &server.ca_file, &more)
}

fn by_app_role(server: &Server, wrapped: bool) -> VaultProvider {
    let file = server.folder.path().join("secret-id");
    let more = format!(
        "auth: {{appRole: {{roleId: {ROLE}, secretIdFile: '{}', wrapped: {wrapped}}}}}, mounts: {{kv: kv2}}",
        file.display()
    );
    provider(&[&server.address], &server.ca_file, &more)
}

#[tokio::test]
async fn a_service_account_logs_in_once_and_every_call_names_the_namespace() {
    let server = server().await;
    let before = server.calls().len();
    let provider = by_kubernetes(&server);
    for _ in 0..3 {
        assert_eq!(text(&read(&provider, "kv/app/db").await.unwrap(), "password"), "hunter2");
    }
    provider.close().await;
    let calls = server.calls().split_off(before);
    let what: Vec<&str> = calls.iter().map(|call| call.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "POST /v1/auth/kubernetes/login",
            "GET /v1/kv/data/app/db",
            "GET /v1/kv/data/app/db",
            "GET /v1/kv/data/app/db",
            "POST /v1/auth/token/revoke-self",
        ]
    );
    assert!(calls.iter().all(|call| call.marked && call.namespace.as_deref() == Some("team-a")), "{calls:?}");
}

#[tokio::test]
async fn many_secrets_at_once_log_in_once() {
    let server = server().await;
    let provider = by_kubernetes(&server);
    let reads = (0..8).map(|_| read(&provider, "kv/app/db"));
    assert!(futures::future::join_all(reads).await.iter().all(Result::is_ok));
    assert_eq!(server.count("auth/kubernetes/login"), 1);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_with_what_the_file_says_now() {
    let server = server().await;
    let provider = by_kubernetes(&server);
    read(&provider, "kv/app/db").await.unwrap();
    // Revoked behind our back, and kubelet has rotated the file.
    server.state().tokens.clear();
    server.state().jwts = vec!["second-jwt".to_owned()];
    server.write("jwt", "second-jwt\n");
    read(&provider, "kv/app/db").await.unwrap();
    assert_eq!(server.count("auth/kubernetes/login"), 2);
    // A second revocation is no different from the first.
    server.state().tokens.clear();
    read(&provider, "kv/app/db").await.unwrap();
    assert_eq!(server.count("auth/kubernetes/login"), 3);
}

#[tokio::test]
async fn a_missing_right_costs_one_login_and_not_one_each_time() {
    let server = server().await;
    let provider = by_kubernetes(&server);
    for _ in 0..5 {
        let error = read(&provider, "kv/other/db").await.unwrap_err();
        assert!(error.to_string().contains("policies"), "{error}");
    }
    assert_eq!(server.count("auth/kubernetes/login"), 2);
    read(&provider, "kv/app/db").await.unwrap();
    assert_eq!(server.count("auth/kubernetes/login"), 2);
}

#[tokio::test]
async fn a_login_that_is_refused_says_so_and_is_tried_again() {
    let server = server().await;
    server.write("jwt", "not-known");
    let provider = by_kubernetes(&server);
    let error = read(&provider, "kv/app/db").await.unwrap_err();
    assert_eq!(error.to_string(), "the provider refused: the login");
    server.write("jwt", "");
    let error = read(&provider, "kv/app/db").await.unwrap_err();
    assert!(error.to_string().contains("is empty"), "{error}");
    server.write("jwt", "first-jwt");
    read(&provider, "kv/app/db").await.unwrap();
}

#[tokio::test]
async fn a_token_at_the_end_of_its_longest_life_is_replaced_before_it_ends() {
    let server = server().await;
    server.state().token_ttl = (2, 3);
    let store = stored(by_kubernetes(&server));
    let mut used = watch(&store, "p:kv/app/db#password");
    becomes(&mut used, "hunter2").await;
    server.called("auth/kubernetes/login", 3).await;
    assert!(server.count("auth/token/renew-self") >= 2);
    assert_eq!(crate::world::status_of(&store, "p:kv/app/db").failures, 0, "nobody noticed");
    store.close().await;
}

#[tokio::test]
async fn a_role_logs_in_with_its_secret_id() {
    let server = server().await;
    server.write("secret-id", "the-secret-id");
    read(&by_app_role(&server, false), "kv/app/db").await.unwrap();
}

#[tokio::test]
async fn a_wrapped_secret_id_is_unwrapped_once_and_kept() {
    let server = server().await;
    server.write("secret-id", "wrapping-token");
    server.state().wrapped.insert("wrapping-token".to_owned(), "the-secret-id".to_owned());
    let provider = by_app_role(&server, true);
    read(&provider, "kv/app/db").await.unwrap();
    server.state().tokens.clear();
    read(&provider, "kv/app/db").await.unwrap();
    assert_eq!((server.count("sys/wrapping/unwrap"), server.count("auth/approle/login")), (1, 2));
    // A new one in the file is unwrapped in its turn.
    server.state().tokens.clear();
    server.state().wrapped.insert("second".to_owned(), "the-second-id".to_owned());
    server.state().secret_ids = vec!["the-second-id".to_owned()];
    server.write("secret-id", "second");
    read(&provider, "kv/app/db").await.unwrap();
    assert_eq!(server.count("sys/wrapping/unwrap"), 2);
}

#[tokio::test]
async fn a_wrapping_token_that_somebody_used_is_an_alarm() {
    let server = server().await;
    server.write("secret-id", "wrapping-token");
    let error = read(&by_app_role(&server, true), "kv/app/db").await.unwrap_err();
    assert!(matches!(error, SecretError::Denied(_)));
    assert!(error.to_string().contains("known to others"), "{error}");
}

#[tokio::test]
async fn a_path_below_no_mount_is_no_reason_to_log_in() {
    let server = server().await;
    let provider = by_kubernetes(&server);
    assert!(matches!(provider.resolve(&location("elsewhere/db")).await, Err(SecretError::Unsupported(_))));
    assert_eq!(server.count("login"), 0);
}
