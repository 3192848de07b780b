//! The applications that use the gateway: who asks for what, how often, and what they do when it fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::catalogue::{Application, OPERATIONS};
use crate::chance::Chance;
use crate::component::send;
use crate::gateway::KEY;
use crate::tls::HttpsClient;

/// Requests under way; when the machine is slower than the demo, the demo waits.
const MAX_IN_FLIGHT: usize = 64;
/// How often a request that met a 503 is made again.
const RETRIES: u32 = 2;

#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) client: HttpsClient,
    pub(crate) gateway: SocketAddr,
    pub(crate) keys: Vec<(HeaderValue, &'static Application)>,
    pub(crate) chance: Chance,
    pub(crate) requests_per_second: f64,
}

impl Traffic {
    /// Makes requests until there were `max`, or `stop` is set; returns when the last is answered.
    pub(crate) async fn run(self, max: Option<u64>, mut stop: watch::Receiver<bool>) {
        let traffic = Arc::new(self);
        let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        let mut requests = JoinSet::new();
        let mut made = 0;
        while max.is_none_or(|max| made < max) {
            let gap = traffic.chance.gap(traffic.requests_per_second * day(Timestamp::now()));
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(gap) => {}
            }
            while requests.try_join_next().is_some() {}
            let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
            let traffic = Arc::clone(&traffic);
            requests.spawn(async move {
                traffic.ask().await;
                drop(place);
            });
            made += 1;
        }
        while requests.join_next().await.is_some() {}
    }

    async fn ask(&self) {
        let (key, application) = self.chance.one_of(&self.keys, |(_, application)| application.weight);
        let (method, path, body) = self.question();
        let mut headers = HeaderMap::new();
        let key = if self.chance.happens(0.015) { HeaderValue::from_static("expired") } else { key.clone() };
        headers.insert(KEY, key);
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static(application.agent));
        headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        let url = format!("https://{}{path}", self.gateway);
        for retry in 0..=RETRIES {
            let answer = send(&self.client, method.clone(), &url, headers.clone(), body.clone()).await;
            if !matches!(answer, Ok((StatusCode::SERVICE_UNAVAILABLE, ..))) {
                return;
            }
            tokio::time::sleep(self.chance.latency(Duration::from_millis(100 << retry))).await;
        }
    }

    fn question(&self) -> (Method, String, Bytes) {
        if self.chance.happens(0.01) {
            return (Method::GET, "/order/v1".to_owned(), Bytes::new()); // somebody's typing error
        }
        let operation = self.chance.one_of(&OPERATIONS, |operation| operation.weight);
        let id = match operation.api {
            "Inventory" => ["kettle", "lamp", "desk", "chair", "shelf", "clock", "sofa"]
                [self.chance.below(7) as usize]
                .to_owned(),
            "Payments" => format!("p-{}", 1000 + self.chance.below(9000)),
            _ => format!("o-{}", 1000 + self.chance.below(9000)),
        };
        let method = Method::from_bytes(operation.method.as_bytes()).unwrap_or_default();
        let mut path = operation.path.replace("{id}", &id);
        if operation.name == "searchItems" {
            path.push_str("?q=home");
        }
        let body =
            if method == Method::POST { Bytes::from(r#"{"sku":"lamp","quantity":1}"#) } else { Bytes::new() };
        (method, path, body)
    }
}

/// The share of the usual rate at a time of day: 1.3 at 13:00 UTC, 0.7 at 01:00, and a wave of 15 % every five minutes, so that
/// a curve has a shape even within an hour.
fn day(now: Timestamp) -> f64 {
    let second = now.as_second() as f64;
    let day = ((second / 86_400.0 - 13.0 / 24.0) * std::f64::consts::TAU).cos();
    let wave = (second / 300.0 * std::f64::consts::TAU).sin();
    (1.0 + 0.3 * day) * (1.0 + 0.15 * wave)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_more_to_do_at_noon_than_at_night() {
        let at = |hour: i64| day(Timestamp::from_second(hour * 3600).unwrap());
        assert!(at(13) > 1.25 && at(1) < 0.75, "{} {}", at(13), at(1));
        assert!(
            (0..86_400).step_by(60).all(|s| (0.5..1.6).contains(&day(Timestamp::from_second(s).unwrap())))
        );
    }
}
