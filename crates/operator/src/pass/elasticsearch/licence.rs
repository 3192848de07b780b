//! The licence: the one of the cluster's Secret as long as it is valid, else at least a basic one. A trial is left alone.

use std::time::Duration;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, Kind, names};
use serde_json::Value;

use super::observe::Known;
use crate::ApplicationKey;
use crate::controller::Next;
use crate::elasticsearch::{Client, ClientError};
use crate::events::{News, Reason};
use crate::metrics::{Ended, LICENCE};
use crate::pass::{Context, PassError, controller};

/// The key of the Secret; a licence file's whole content.
const KEY: &str = "license";
/// What Elasticsearch says of a licence that it has taken.
const VALID: &str = "valid";

/// What became of it.
#[derive(Debug)]
pub(super) struct Ensured {
    /// When to look again: a licence ends.
    pub(super) next: Next,
    /// Why the cluster hasn't the licence that it was given.
    pub(super) refused: Option<String>,
}

/// Ensures the licence, once for each licence that is wanted and for each process: nobody else changes it.
pub(super) async fn reconcile(
    cx: &Context,
    key: &ApplicationKey,
    es: &Elasticsearch,
    known: &Known,
) -> Result<Ensured, PassError> {
    let name = names::generated(Kind::Elasticsearch, es.object_name(), &["license"]);
    let secret = cx.cluster.get::<Secret>(es.object_namespace(), &name);
    let given = secret.as_deref().and_then(Given::read);
    let left = given.as_ref().and_then(|given| given.ends).map(|ends| ends.duration_since(cx.now()));
    let is_over = |left: SignedDuration| !left.is_positive();
    match &given {
        Some(given) if left.is_some_and(is_over) => {
            let ended = given.ends.map(|ends| ends.to_string()).unwrap_or_default();
            let text =
                format!("The licence of the Secret {name} ended at {ended}; a basic one takes its place");
            invalid(cx, es, text);
        }
        _ => {}
    }
    let next = left.filter(|left| !is_over(*left)).and_then(|left| Duration::try_from(left).ok());
    let next = next.map_or(Next::Wait, Next::After);
    let wanted = given.filter(|_| !left.is_some_and(is_over));
    let uid = wanted.as_ref().map(|wanted| wanted.uid.as_str()).unwrap_or_default();
    let client = known.client_if_reachable();
    let Some(client) = client.filter(|_| cx.memory.licence(key).as_deref() != Some(uid)) else {
        return Ok(Ensured { next, refused: None });
    };
    let ended = |done: &Result<_, _>| if done.is_ok() { Ended::Success } else { Ended::Error };
    let verdict = cx.steps.count(LICENCE, ensure(&client, wanted.as_ref()), ended).await?;
    let refused = verdict.map(|verdict| {
        format!("Elasticsearch doesn't take the licence of the Secret {name}: it is {verdict}")
    });
    match &refused {
        Some(text) => invalid(cx, es, text.clone()),
        None => {
            cx.memory.has_licence(key, uid);
            if !uid.is_empty() {
                cx.events.over(es, Reason::InvalidLicense);
            }
        }
    }
    Ok(Ensured { next, refused })
}

fn invalid(cx: &Context, es: &Elasticsearch, text: String) {
    let news = News::warning(Reason::InvalidLicense, "Reconciliation", text);
    cx.events.tell(controller(Kind::Elasticsearch), es, news);
}

/// Gives the cluster its licence; what Elasticsearch says if it doesn't take it.
async fn ensure(client: &Client, wanted: Option<&Given>) -> Result<Option<String>, PassError> {
    let refused = |error: ClientError| match error.status() {
        Some(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
            PassError::Distribution(error)
        }
        _ => PassError::Elasticsearch(error),
    };
    let present = client.licence().await.map_err(refused)?;
    match wanted {
        Some(wanted) if present.uid != wanted.uid => {
            let verdict = client.put_licence(&wanted.file).await?;
            Ok((verdict != VALID).then_some(verdict))
        }
        None if !matches!(present.kind.as_str(), "basic" | "trial") => {
            client.start_basic_licence().await?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// A licence file.
struct Given {
    file: Value,
    uid: String,
    ends: Option<Timestamp>,
}

impl Given {
    /// Licence files have the licence as `license`; what is put may have a list of one.
    fn read(secret: &Secret) -> Option<Self> {
        let file: Value = serde_json::from_slice(&secret.data.as_ref()?.get(KEY)?.0).ok()?;
        let licence = file.get("license").or_else(|| file.pointer("/licenses/0"))?;
        let uid = licence.get("uid")?.as_str()?.to_owned();
        let ends = licence.get("expiry_date_in_millis").and_then(Value::as_i64);
        let ends = ends.and_then(|ends| Timestamp::from_millisecond(ends).ok());
        Some(Self { file, uid, ends })
    }
}
