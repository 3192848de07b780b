//! The API server's two answers, TokenReview and SubjectAccessReview, asked for with deadlines of our own.

mod breaker;
mod error;
mod metrics;
mod retry;
mod throttle;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::authorization::v1::{
    SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Clock;
use breaker::Breaker;
pub use error::ReviewError;
pub use metrics::{ReviewKind, ReviewMetrics};
pub(crate) use throttle::Bucket;

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
/// An answer is a few hundred bytes; a user with thousands of groups still fits.
const ANSWER_LIMIT: usize = 1 << 20;
/// What stands in logs instead of a token.
const MASK: &str = "<masked>";

/// How patient and how demanding the client of the API server is.
#[derive(Clone, Debug)]
pub struct ReviewLimits {
    /// One review, with all its attempts.
    pub deadline: Duration,
    /// One attempt: shorter than the deadline, so that a dead connection leaves time for a new one.
    pub attempt: Duration,
    /// Reviews in flight; more wait, within their deadline.
    pub in_flight: usize,
    /// Reviews per second and burst. None: as many as callers cause.
    pub rate: Option<(f64, u32)>,
}

impl Default for ReviewLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5), // the spec's bound of a decision without an API server
            attempt: Duration::from_secs(2),
            in_flight: 64, // below API priority and fairness' share of one ordinary flow
            rate: None,
        }
    }
}

/// The client.
pub struct Reviews {
    client: kube::Client,
    limits: ReviewLimits,
    permits: Semaphore,
    bucket: Option<Bucket>,
    breaker: Breaker,
    metrics: ReviewMetrics,
}

impl Reviews {
    /// Asks through `client`, whose own retries must be off.
    pub fn new(client: kube::Client, limits: ReviewLimits, clock: Clock, metrics: ReviewMetrics) -> Self {
        let permits = Semaphore::new(limits.in_flight);
        let bucket = limits.rate.map(|(rate, burst)| Bucket::new(rate, burst, clock.clone()));
        Self { client, limits, permits, bucket, breaker: Breaker::new(clock), metrics }
    }

    /// Who holds `token`, if it is meant for one of `audiences` (any, if there are none)?
    pub async fn token(&self, token: &str, audiences: &[String]) -> Result<TokenReviewStatus, ReviewError> {
        let mut review = TokenReview {
            spec: TokenReviewSpec {
                audiences: (!audiences.is_empty()).then(|| audiences.to_vec()),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let body = encode(&review)?;
        // Whatever is said of the review from here on, it says no token.
        review.spec.token = Some(MASK.to_owned());
        say("token review asked", &review);
        let answer: TokenReview = self.ask(ReviewKind::Token, TOKEN_REVIEWS, body).await?;
        review.status = answer.status.clone().map(|status| without(token, status));
        say("token review answered", &review);
        answer.status.ok_or(ReviewError::NoStatus)
    }

    /// May this user do this?
    pub async fn access(
        &self,
        spec: SubjectAccessReviewSpec,
    ) -> Result<SubjectAccessReviewStatus, ReviewError> {
        let mut review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let body = encode(&review)?;
        let answer: SubjectAccessReview = self.ask(ReviewKind::Access, ACCESS_REVIEWS, body).await?;
        review.status = answer.status.clone();
        say("subject access review answered", &review);
        let status = answer.status.ok_or(ReviewError::NoStatus)?;
        if let Some(error) = unsure(&status) {
            self.metrics.unsure();
            tracing::warn!(error, "an authorizer of the API server failed, and no other allows the request");
        }
        Ok(status)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        kind: ReviewKind,
        path: &'static str,
        body: Bytes,
    ) -> Result<T, ReviewError> {
        let began = Instant::now();
        let deadline = began + self.limits.deadline;
        let result = tokio::time::timeout_at(deadline, self.attempts(path, body, deadline))
            .await
            .unwrap_or(Err(ReviewError::Deadline));
        self.metrics.answered(kind, began.elapsed(), result.as_ref().err());
        if let Err(error) = &result {
            tracing::warn!(
                kind = kind.as_str(),
                reason = error.reason(),
                error = error as &dyn std::error::Error,
                "the API server gave no review"
            );
        }
        result
    }

    async fn attempts<T: DeserializeOwned>(
        &self,
        path: &'static str,
        body: Bytes,
        deadline: Instant,
    ) -> Result<T, ReviewError> {
        let _permit = self.permits.acquire().await.map_err(|_| ReviewError::Busy)?;
        if let Some(bucket) = &self.bucket {
            tokio::time::sleep(bucket.wait()).await;
        }
        let mut waits = retry::waits();
        loop {
            let pass = self.breaker.pass()?;
            let attempt = tokio::time::timeout(self.limits.attempt, self.attempt(path, body.clone()));
            let error = match attempt.await.unwrap_or(Err(ReviewError::Attempt)) {
                Ok(answer) => {
                    pass.succeeded();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if error.is_outage() {
                pass.failed();
            } else {
                pass.succeeded();
            }
            let wait = match waits.next() {
                Some(wait) if error.is_worth_a_retry() => error.retry_after().unwrap_or(wait),
                _ => return Err(error),
            };
            // An answer that can't come in time isn't waited for.
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt<T: DeserializeOwned>(&self, path: &'static str, body: Bytes) -> Result<T, ReviewError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::ACCEPT, "application/json")
            .body(kube::client::Body::from(body))
            .expect("a constant path and constant headers make a request");
        let response = self.client.send(request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(ReviewError::Body)?.to_bytes();
        if !head.status.is_success() {
            return Err(ReviewError::refused(&Response::from_parts(head, body)));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

/// Why this answer might have been a yes: an authorizer failed, and none of the others allows it. Who denies outright is sure.
pub(crate) fn unsure(status: &SubjectAccessReviewStatus) -> Option<&str> {
    let open = !status.allowed && !status.denied.unwrap_or_default();
    status.evaluation_error.as_deref().filter(|error| open && !error.is_empty())
}

fn encode(review: &impl Serialize) -> Result<Bytes, ReviewError> {
    Ok(serde_json::to_vec(review)?.into())
}

/// The status, without its words if they repeat any part of `token`.
fn without(token: &str, mut status: TokenReviewStatus) -> TokenReviewStatus {
    let repeats = |text: &String| token.split('.').any(|part| !part.is_empty() && text.contains(part));
    if status.error.as_ref().is_some_and(repeats) {
        status.error = Some(MASK.to_owned());
    }
    status
}

/// Only for who debugs, and never with a token: `review` has none.
fn say(what: &'static str, review: &impl Serialize) {
    if tracing::enabled!(tracing::Level::TRACE) {
        let review = serde_json::to_string(review).unwrap_or_default();
        tracing::trace!(%review, "{what}");
    }
}
