//! The licence: the one of the cluster's Secret as long as it is valid, else at least a basic one. A trial is left alone, and so
//! is whatever there is while the Secret can't be read.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
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
    let name = names::elasticsearch::license(es.object_name());
    let secret = cx.cluster.get::<Secret>(es.object_namespace(), &name);
    let given = secret.as_deref().map(|secret| Given::read(secret, cx.now())).transpose();
    let given = match given {
        Ok(given) => given,
        Err(useless) => return Ok(kept(cx, es, &name, &useless)),
    };
    let ends = given.as_ref().and_then(|given| given.ends);
    let left = ends.and_then(|ends| Duration::try_from(ends.duration_since(cx.now())).ok());
    let next = left.map_or(Next::Wait, Next::After);
    let uid = given.as_ref().map(|given| given.uid.as_str()).unwrap_or_default();
    let client = known.client_if_reachable();
    let Some(client) = client.filter(|_| cx.memory.licence(key).as_deref() != Some(uid)) else {
        return Ok(Ensured { next, refused: None });
    };
    let ended = |done: &Result<_, _>| if done.is_ok() { Ended::Success } else { Ended::Error };
    let unlabelled = async || {
        let found = cx.cluster.fetch::<Secret>(es.object_namespace(), &name).await?;
        Ok(found.map(|secret| Given::read(&secret, cx.now())))
    };
    let verdict = cx.steps.count(LICENCE, ensure(&client, given.as_ref(), unlabelled), ended).await?;
    let refused = match verdict {
        Verdict::Fine => None,
        Verdict::Refused(verdict) => {
            Some(format!("Elasticsearch doesn't take the licence of the Secret {name}: it is {verdict}"))
        }
        Verdict::Useless(useless) => return Ok(kept(cx, es, &name, &useless)),
    };
    match &refused {
        Some(text) => invalid(cx, es, text.clone()),
        None => {
            cx.memory.has_licence(key, uid);
            cx.events.over(es, Reason::InvalidLicense);
        }
    }
    Ok(Ensured { next, refused })
}

/// What was paid for isn't thrown away because of a Secret that can't be used, or of a clock that is wrong: Elasticsearch itself
/// knows when its licence ends.
fn kept(cx: &Context, es: &Elasticsearch, name: &str, useless: &Useless) -> Ensured {
    let text = format!(
        "The Secret {name} {useless}; the cluster keeps the licence that it has, and gets a basic one once there is no such Secret"
    );
    invalid(cx, es, text);
    Ensured { next: Next::Wait, refused: None }
}

/// Whether the cluster was given an enterprise licence, or a trial of one, that holds: what the reference asks of its own licence.
pub(super) fn is_enterprise(cx: &Context, es: &Elasticsearch) -> bool {
    let name = names::elasticsearch::license(es.object_name());
    let secret = cx.cluster.get::<Secret>(es.object_namespace(), &name);
    let given = secret.and_then(|secret| Given::read(&secret, cx.now()).ok());
    given.is_some_and(|given| matches!(given.kind.as_str(), "enterprise" | "enterprise_trial" | "trial"))
}

fn invalid(cx: &Context, es: &Elasticsearch, text: String) {
    let news = News::warning(Reason::InvalidLicense, "Reconciliation", text);
    cx.events.tell(controller(Kind::Elasticsearch), es, news);
}

/// What became of a licence.
enum Verdict {
    /// The cluster has what it should have.
    Fine,
    /// Elasticsearch doesn't take it, and says what it is.
    Refused(String),
    /// There is a Secret after all, and nothing in it that could be given.
    Useless(Useless),
}

/// Gives the cluster its licence. Before another one gives way to a basic licence it is asked once more whether there really is
/// no Secret: what was paid for isn't thrown away for want of a label.
async fn ensure(
    client: &Client,
    wanted: Option<&Given>,
    unlabelled: impl AsyncFnOnce() -> Result<Option<Result<Given, Useless>>, PassError>,
) -> Result<Verdict, PassError> {
    let refused = |error: ClientError| match error.status() {
        Some(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
            PassError::Distribution(error)
        }
        _ => PassError::Elasticsearch(error),
    };
    let present = client.licence().await.map_err(refused)?;
    let found;
    let wanted = match wanted {
        None if !matches!(present.kind.as_str(), "basic" | "trial") => match unlabelled().await? {
            None => {
                client.start_basic_licence().await?;
                return Ok(Verdict::Fine);
            }
            Some(Err(useless)) => return Ok(Verdict::Useless(useless)),
            Some(Ok(given)) => {
                found = given;
                &found
            }
        },
        None => return Ok(Verdict::Fine),
        Some(wanted) => wanted,
    };
    if present.uid == wanted.uid {
        return Ok(Verdict::Fine);
    }
    let verdict = client.put_licence(&wanted.file).await?;
    Ok(if verdict == VALID { Verdict::Fine } else { Verdict::Refused(verdict) })
}

/// A licence file.
struct Given {
    file: Value,
    uid: String,
    kind: String,
    ends: Option<Timestamp>,
}

/// Why a Secret gives no licence.
#[derive(Debug, thiserror::Error)]
enum Useless {
    /// It isn't one, or can't be read.
    #[error("has no licence under the key {KEY} that can be read")]
    Unreadable,
    /// It is over.
    #[error("has a licence that ended at {0}")]
    Ended(Timestamp),
}

impl Given {
    /// Licence files have the licence as `license`; what is put may have a list of one.
    fn read(secret: &Secret, now: Timestamp) -> Result<Self, Useless> {
        let read = || {
            let file: Value = serde_json::from_slice(&secret.data.as_ref()?.get(KEY)?.0).ok()?;
            let licence = file.get("license").or_else(|| file.pointer("/licenses/0"))?;
            let uid = licence.get("uid")?.as_str()?.to_owned();
            let kind = licence.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            let ends = licence.get("expiry_date_in_millis").and_then(Value::as_i64);
            let ends = ends.and_then(|ends| Timestamp::from_millisecond(ends).ok());
            Some(Self { file, uid, kind, ends })
        };
        let given = read().ok_or(Useless::Unreadable)?;
        match given.ends {
            Some(ends) if ends <= now => Err(Useless::Ended(ends)),
            _ => Ok(given),
        }
    }
}
