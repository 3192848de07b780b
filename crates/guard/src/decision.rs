//! What the gate answers: let through, and as whom; or refuse, and how.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

use crate::{Identity, Inquiry};

/// Decides on a request.
///
/// The engine asks after it has found the request canonical and before it touches anything else.
/// An implementation that can't reach a decision refuses (503 with [`Refusal::retry_after`]).
#[async_trait]
pub trait Decide: Send + Sync {
    /// May this request pass, and as whom?
    async fn decide(&self, inquiry: &Inquiry<'_>) -> Decision;
}

#[async_trait]
impl<T: Decide + ?Sized> Decide for Arc<T> {
    async fn decide(&self, inquiry: &Inquiry<'_>) -> Decision {
        T::decide(self, inquiry).await
    }
}

/// The answer to an [`Inquiry`].
#[derive(Debug, Clone)]
pub enum Decision {
    /// Forward it.
    Allow(Grant),
    /// Answer it here.
    Refuse(Refusal),
}

/// Permission to forward.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who is calling. None if the path needs nobody to be known.
    pub identity: Option<Arc<Identity>>,
    /// Why it may pass: a label of metrics and audit lines.
    pub reason: AllowReason,
    /// The credential that was used up. All others are removed from the request too.
    pub consumed: Consumed,
}

/// Where the credential stood that the decision rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Consumed {
    /// In the handshake, or nothing was needed.
    #[default]
    None,
    /// In the `Authorization` header.
    Bearer,
    /// In `Sec-WebSocket-Protocol`; this is the subprotocol to take out of the list.
    WebSocketProtocol(String),
}

/// A refusal, as the caller will see it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// 4xx if the caller can do something about it, 503 if the gate couldn't decide.
    pub status: StatusCode,
    /// Why: a label of metrics and audit lines.
    pub reason: RefuseReason,
    /// Plain text for the caller, without line end and without details that only the operator may know.
    pub body: Cow<'static, str>,
    /// Sent as `Retry-After`, rounded up to seconds.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal without `Retry-After`.
    pub fn new(status: StatusCode, reason: RefuseReason, body: impl Into<Cow<'static, str>>) -> Self {
        Self { status, reason, body: body.into(), retry_after: None }
    }

    /// 503: the gate could not decide. The caller may try again after `retry_after`.
    pub fn undecided(reason: RefuseReason, retry_after: Duration) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason,
            body: Cow::Borrowed("Service Unavailable"),
            retry_after: Some(retry_after),
        }
    }
}

/// Why a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AllowReason {
    /// The path is listed as open.
    IgnoredPath,
    /// A static rule of the configuration allows it.
    StaticRule,
    /// A SubjectAccessReview allowed it.
    Review,
    /// This process knows the caller, and its account may do this.
    Account,
}

impl AllowReason {
    /// Every reason.
    pub const ALL: &[Self] = &[Self::IgnoredPath, Self::StaticRule, Self::Review, Self::Account];

    /// The word in audit lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IgnoredPath => "ignored_path",
            Self::StaticRule => "static_rule",
            Self::Review => "review",
            Self::Account => "account",
        }
    }
}

/// Declares [`RefuseReason`] with the word that each reason has in metrics and audit lines.
macro_rules! refuse_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident => $word:literal,)+) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum RefuseReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl RefuseReason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in metrics and audit lines.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

refuse_reasons! {
    // Found by the engine, before anybody is asked.
    /// The path has another, simpler spelling, or bytes that parsers disagree about.
    Path => "path",
    /// The query can't be decoded in exactly one way, or has too many parameters.
    Query => "query",
    /// The request's framing, target or `Host` is ambiguous.
    Malformed => "malformed",
    /// `CONNECT`, `TRACE` or a method that isn't upper case.
    Method => "method",
    /// An upgrade that isn't allowed on this path.
    Upgrade => "upgrade",
    /// Too many or too long headers.
    Headers => "headers",
    /// More requests in flight than the limit.
    Overload => "overload",

    // Found by the gate.
    /// No credentials at all.
    NoCredentials => "no_credentials",
    /// Credentials that nobody accepts.
    BadCredentials => "bad_credentials",
    /// A token that is meant for somebody else.
    Audience => "audience",
    /// A credential that has ended or hasn't begun.
    Expired => "expired",
    /// More than one `Authorization` header, or two kinds of credentials that contradict each other.
    AmbiguousCredentials => "ambiguous_credentials",
    /// Too many bad credentials from one source.
    Throttled => "throttled",
    /// The path isn't among those that are let through.
    PathNotAllowed => "path_not_allowed",
    /// A parameter that the authorisation needs is missing.
    ParameterMissing => "parameter_missing",
    /// A parameter that the authorisation needs isn't a valid Kubernetes name, or there are too many of them.
    ParameterInvalid => "parameter_invalid",
    /// A form body where parameters decide, which would hide some from the gate.
    FormBody => "form_body",
    /// Known, and not allowed.
    Denied => "denied",
    /// The API server can't be asked or doesn't answer usably.
    ReviewUnavailable => "review_unavailable",
    /// A configuration that can't be applied to this request.
    Configuration => "configuration",

    // Found while forwarding.
    /// The upstream can't be reached.
    UpstreamUnreachable => "upstream_unreachable",
    /// The upstream didn't begin its answer in time.
    UpstreamTimeout => "upstream_timeout",
    /// The upstream's answer isn't HTTP, or contradicts the request.
    UpstreamAnswer => "upstream_answer",
}

impl EncodeLabelValue for AllowReason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

impl EncodeLabelValue for RefuseReason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}
