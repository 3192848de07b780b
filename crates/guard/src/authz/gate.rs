//! The decision on a request, from its path to the API server's word.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use http::StatusCode;

use super::access::Access;
use super::attributes::Attributes;
use super::{AccessReviewer, AttributeSource, PathGlobs, StaticRules, VerbMapping};
use crate::authn::{Authenticators, Caller, Known};
use crate::{AllowReason, Consumed, Decide, Decision, Grant, Identity, Inquiry, Refusal, RefuseReason};

/// Questions of one request that are asked at once.
const AT_ONCE: usize = 4;
/// What callers are told to wait if nobody said how long the API server will be away.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What sources of bad tokens are told to wait.
const THROTTLED_FOR: Duration = Duration::from_secs(5);

/// What is decided without asking, and how.
#[derive(Clone, Debug)]
pub struct GateRules {
    /// Paths that exist; all others don't. None: all exist.
    pub allow: Option<PathGlobs>,
    /// Paths that anybody may use.
    pub ignore: PathGlobs,
    /// What is asked about a request.
    pub attributes: AttributeSource,
    /// What is allowed without asking.
    pub rules: StaticRules,
    /// What methods are called.
    pub verbs: VerbMapping,
    /// The reference's answers when the API server gives none, and its trust in form bodies.
    pub krp: bool,
    /// Put before each path that is asked about, so that roles written for the API server's own paths don't fit by chance.
    pub path_prefix: String,
    /// Whether a refusal says nothing of who asked for what.
    pub brief: bool,
}

/// Decides by rules, credentials and reviews.
pub struct Gate {
    rules: GateRules,
    authenticators: Arc<Authenticators>,
    access: Arc<AccessReviewer>,
}

/// How questions about one request ended.
enum Verdict {
    Allowed(AllowReason),
    Denied,
    Undecided { retry_after: Option<Duration> },
}

impl Gate {
    /// Several gates may share who is known and what is remembered.
    pub fn new(
        rules: GateRules,
        authenticators: impl Into<Arc<Authenticators>>,
        access: impl Into<Arc<AccessReviewer>>,
    ) -> Self {
        Self { rules, authenticators: authenticators.into(), access: access.into() }
    }

    async fn authenticated(&self, inquiry: &Inquiry<'_>) -> Result<(Known, Consumed), Refusal> {
        match self.authenticators.authenticate(inquiry).await {
            Caller::Known(known, consumed) => Ok((known, consumed)),
            Caller::Nobody => Err(unauthorized(RefuseReason::NoCredentials)),
            Caller::Refused(RefuseReason::AmbiguousCredentials) => {
                Err(malformed(RefuseReason::AmbiguousCredentials))
            }
            Caller::Refused(RefuseReason::Throttled) => Err(Refusal {
                retry_after: Some(THROTTLED_FOR),
                ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, RefuseReason::Throttled, "Too Many Requests")
            }),
            Caller::Refused(reason) => Err(unauthorized(reason)),
            Caller::Undecided { .. } if self.rules.krp => Err(unauthorized(RefuseReason::ReviewUnavailable)),
            Caller::Undecided { retry_after } => Err(undecided(retry_after)),
        }
    }

    async fn authorized(&self, known: &Known, questions: &[Attributes]) -> Result<AllowReason, Refusal> {
        match questions {
            [] => Err(malformed(RefuseReason::ParameterMissing)),
            [attributes] => self.judged(known, attributes, self.verdict(known, attributes).await),
            // Rare, and larger than all the rest of a decision.
            questions => Box::pin(self.all_authorized(known, questions)).await,
        }
    }

    async fn all_authorized(&self, known: &Known, questions: &[Attributes]) -> Result<AllowReason, Refusal> {
        let asked: Vec<_> = questions.iter().map(|attributes| self.verdict(known, attributes)).collect();
        let mut verdicts = std::pin::pin!(futures::stream::iter(asked).buffered(AT_ONCE));
        let mut granted = AllowReason::StaticRule;
        for attributes in questions {
            let verdict = verdicts.next().await.expect("one verdict for each question");
            // A review is the weaker reason of the two: it may be another one in a moment.
            if self.judged(known, attributes, verdict)? == AllowReason::Review {
                granted = AllowReason::Review;
            }
        }
        Ok(granted)
    }

    fn judged(
        &self,
        known: &Known,
        attributes: &Attributes,
        verdict: Verdict,
    ) -> Result<AllowReason, Refusal> {
        match verdict {
            Verdict::Allowed(reason) => Ok(reason),
            Verdict::Denied => {
                let (status, reason) = (StatusCode::FORBIDDEN, RefuseReason::Denied);
                Err(match self.rules.brief {
                    true => Refusal::new(status, reason, "Forbidden"),
                    false => {
                        let body = format!("Forbidden ({})", describe(&known.identity, attributes));
                        Refusal::new(status, reason, body)
                    }
                })
            }
            Verdict::Undecided { .. } if self.rules.krp => {
                let body = format!("Authorization error ({})", describe(&known.identity, attributes));
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Err(Refusal::new(status, RefuseReason::ReviewUnavailable, body))
            }
            Verdict::Undecided { retry_after } => Err(undecided(retry_after)),
        }
    }

    async fn verdict(&self, known: &Known, attributes: &Attributes) -> Verdict {
        if self.rules.rules.allow(&known.identity, attributes) {
            return Verdict::Allowed(AllowReason::StaticRule);
        }
        match self.access.review(known, attributes).await {
            Access::Allowed => Verdict::Allowed(AllowReason::Review),
            Access::Denied => Verdict::Denied,
            Access::Undecided { retry_after } => Verdict::Undecided { retry_after },
        }
    }

    async fn grant(&self, inquiry: &Inquiry<'_>) -> Result<Grant, Refusal> {
        if self.rules.allow.as_ref().is_some_and(|allow| !allow.matches(inquiry.path)) {
            let reason = RefuseReason::PathNotAllowed;
            return Err(Refusal::new(StatusCode::NOT_FOUND, reason, "404 page not found"));
        }
        // A path that another reader could divide differently is never open to everybody.
        if inquiry.path.is_plain() && self.rules.ignore.matches(inquiry.path) {
            return Ok(Grant { identity: None, reason: AllowReason::IgnoredPath, consumed: Consumed::None });
        }
        let (known, consumed) = self.authenticated(inquiry).await?;
        let GateRules { attributes, verbs, krp, path_prefix, .. } = &self.rules;
        let questions = attributes.of(inquiry, *verbs, *krp, path_prefix).map_err(|reason| match reason {
            RefuseReason::FormBody => Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                reason,
                "Unsupported Media Type: parameters decide here, and a form body may hold others",
            ),
            reason => malformed(reason),
        })?;
        let reason = self.authorized(&known, &questions).await?;
        Ok(Grant { identity: Some(known.identity), reason, consumed })
    }
}

#[async_trait]
impl Decide for Gate {
    async fn decide(&self, inquiry: &Inquiry<'_>) -> Decision {
        match self.grant(inquiry).await {
            Ok(grant) => Decision::Allow(grant),
            Err(refusal) => Decision::Refuse(refusal),
        }
    }
}

fn unauthorized(reason: RefuseReason) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, reason, "Unauthorized")
}

fn malformed(reason: RefuseReason) -> Refusal {
    let body = "Bad Request. The request or configuration is malformed.";
    Refusal::new(StatusCode::BAD_REQUEST, reason, body)
}

fn undecided(retry_after: Option<Duration>) -> Refusal {
    Refusal::undecided(RefuseReason::ReviewUnavailable, retry_after.unwrap_or(RETRY_AFTER).max(RETRY_AFTER))
}

/// The reference's words. Names have no control characters; that is checked where they come in.
fn describe(identity: &Identity, attributes: &Attributes) -> String {
    let (resource, subresource) = attributes.target.names();
    format!(
        "user={}, verb={}, resource={resource}, subresource={subresource}",
        identity.user, attributes.verb
    )
}
