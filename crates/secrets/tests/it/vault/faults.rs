//! Servers that are down, throttle, redirect, lie or talk too much.

use std::time::Duration;

use jiff::Timestamp;
use parapet_pki::Authority;
use parapet_secrets::{Reason, SecretError};
use serde_json::json;

use super::login::{by_kubernetes, by_kubernetes_at, server};
use super::server::Server;
use super::state::Answer;
use super::{read, stored, watch};
use crate::world::{becomes, status_of, text, value};

const SECRET: &str = "kv/app/db";

#[tokio::test]
async fn throttling_is_passed_on_with_the_time_that_was_asked_for() {
    let server = server().await;
    server.fault("GET /v1/kv/", 1, Answer::error(429).with("retry-after", "7"));
    let error = read(&by_kubernetes(&server), SECRET).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Throttled);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn failures_are_retried_and_nobody_loses_the_value() {
    let server = server().await;
    let store = stored(by_kubernetes(&server));
    let mut used = watch(&store, "p:kv/app/db#password");
    becomes(&mut used, "hunter2").await;
    server.fault("GET /v1/kv/", 2, Answer::error(500));
    while status_of(&store, "p:kv/app/db").failures < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(value(&used).as_deref(), Some("hunter2"));
    while status_of(&store, "p:kv/app/db").failures > 0 {
        tokio::task::yield_now().await;
    }
    store.close().await;
}

#[tokio::test]
async fn the_next_address_answers_for_one_that_is_down_or_sealed() {
    let server = server().await;
    // Nobody listens there any more.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let provider = by_kubernetes_at(&server, &[&format!("https://{gone}"), &server.address]);
    read(&provider, SECRET).await.unwrap();
    server.fault("GET /v1/kv/", 1, Answer::error(503));
    // Sealed: the other one is asked, and is down.
    assert_eq!(read(&provider, SECRET).await.unwrap_err().reason(), Reason::Unavailable);
    read(&provider, SECRET).await.unwrap();
}

#[tokio::test]
async fn a_standby_sends_us_to_configured_places_over_https_alone() {
    let active = server().await;
    let standby = Server::start().await;
    let trusted = format!(
        "{}{}",
        std::fs::read_to_string(&active.ca_file).unwrap(),
        std::fs::read_to_string(&standby.ca_file).unwrap()
    );
    std::fs::write(&active.ca_file, trusted).unwrap();
    let to = |place: &str| Answer::error(307).with("location", &format!("{place}/v1/kv/data/somewhere/else"));
    let both = [standby.address.as_str(), active.address.as_str()];
    standby.fault("", 2, to(&active.address));
    let snapshot = read(&by_kubernetes_at(&active, &both), SECRET).await.unwrap();
    assert_eq!(text(&snapshot, "password"), "hunter2");
    assert_eq!(active.count("somewhere"), 0, "what is asked for stays ours");

    let alone = [standby.address.as_str()];
    for place in [&active.address, &active.address.replace("https", "http"), "https://169.254.169.254", "//x"]
    {
        standby.fault("", 1, to(place));
        let error = read(&by_kubernetes_at(&active, &alone), SECRET).await.unwrap_err();
        assert!(matches!(error, SecretError::Redirect), "{place}: {error}");
    }
    // In a circle.
    standby.fault("", 5, to(&standby.address));
    let error = read(&by_kubernetes_at(&active, &alone), SECRET).await.unwrap_err();
    assert!(matches!(error, SecretError::Redirect), "{error}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_talked_to_until_its_file_says_so() {
    let server = server().await;
    let right = std::fs::read_to_string(&server.ca_file).unwrap();
    let wrong = Authority::generate(Timestamp::now()).unwrap();
    std::fs::write(&server.ca_file, wrong.certificate_pem()).unwrap();
    let provider = by_kubernetes(&server);
    let error = read(&provider, SECRET).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unavailable);
    assert_eq!(server.count("login"), 0, "no token of ours was sent");
    std::fs::write(&server.ca_file, right).unwrap();
    read(&provider, SECRET).await.unwrap();
    // What is no certificate changes nothing.
    std::fs::write(&server.ca_file, "half a cert").unwrap();
    read(&provider, SECRET).await.unwrap();
}

#[tokio::test]
async fn answers_that_are_too_large_or_malformed_are_refused() {
    let server = server().await;
    let provider = by_kubernetes(&server);
    let large = json!({"data": {"data": {"k": "x".repeat(1 << 20)}, "metadata": {"version": 1}}});
    server.fault("GET /v1/kv/", 1, Answer::json(200, large));
    assert!(matches!(read(&provider, SECRET).await, Err(SecretError::TooLarge)));
    server.fault("GET /v1/kv/", 1, Answer::json(200, json!("x".repeat(3 << 20))));
    assert!(matches!(read(&provider, SECRET).await, Err(SecretError::TooLarge)));
    for body in [json!({"data": {"password": "hunter2"}}), json!(["hunter2"]), json!("<html>")] {
        server.fault("GET /v1/kv/", 1, Answer::json(200, body));
        let error = read(&provider, SECRET).await.unwrap_err();
        assert!(matches!(error, SecretError::Malformed(_)), "{error}");
    }
    read(&provider, SECRET).await.unwrap();
}
