//! What stands between the operator and its API server: it counts writes, answers badly when told to, and ends the operator
//! in the middle of a write.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use rand::RngCore as _;
use serde_json::json;
use tokio::sync::watch;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The API server answers it.
    Pass,
    /// It is answered with this status, and the API server never sees it.
    Status(u16),
    /// Somebody changes the object just before, so that what is written is refused.
    Conflict,
    /// Somebody makes this object just before.
    Forestalled(&'static str),
    /// It is answered with this, and the API server never sees it.
    Answer(&'static str),
    /// The API server does it, and its answer is lost on the way: somebody in between answers with this status.
    Unheard(u16),
    /// Nobody answers.
    Hang,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    /// What a patch or a new object says.
    pub(crate) body: String,
}

impl Asked {
    /// Whether it changes something; questions about rights are asked by POST, and events are only told.
    pub(crate) fn writes(&self) -> bool {
        self.method != Method::GET
            && !self.path.contains("reviews")
            && !self.path.contains("/events")
            && !self.query.contains("dryRun=")
    }

    /// Whether it is a watch.
    pub(crate) fn watches(&self) -> bool {
        self.query.contains("watch=true") || self.query.contains("watch=1")
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, tower::BoxError>>;

type Rule = Box<dyn FnMut(&Asked) -> Verdict + Send>;

/// Stands between one operator and the API server.
pub(crate) struct Meddler {
    state: Mutex<State>,
    /// Another number ends all watches.
    watches: watch::Sender<u64>,
    /// Whether the operator's last write was reached.
    struck: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    writes: Vec<Asked>,
    /// Writes until the last one, and whether the API server sees that one.
    left: Option<(usize, bool)>,
}

impl Meddler {
    /// One that lets everything through.
    pub(crate) fn new() -> Arc<Self> {
        let (watches, struck) = (watch::Sender::new(0), watch::Sender::new(false));
        Arc::new(Self { state: Mutex::default(), watches, struck })
    }

    /// A client whose requests pass through here.
    pub(crate) fn client(self: &Arc<Self>, inner: Client) -> Client {
        let meddler = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let (meddler, inner) = (Arc::clone(&meddler), inner.clone());
            async move { meddler.send(&inner, request).await }
        });
        Client::new(service, "default")
    }

    /// Decides about every request from now on.
    pub(crate) fn rule(&self, rule: impl FnMut(&Asked) -> Verdict + Send + 'static) {
        self.lock().rule = Some(Box::new(rule));
    }

    /// Lets everything through again.
    pub(crate) fn behave(&self) {
        self.lock().rule = None;
    }

    /// Ends all watches that are open.
    pub(crate) fn drop_watches(&self) {
        self.watches.send_modify(|number| *number += 1);
    }

    /// After so many writes from now, nothing passes any more; the last one is seen by the API server or not.
    pub(crate) fn strike_after(&self, writes: usize, last_is_sent: bool) {
        self.lock().left = Some((writes, last_is_sent));
    }

    /// Returns when the last write was reached.
    pub(crate) async fn struck(&self) {
        // The sender is in `self`, so it can't be gone.
        let _ = self.struck.subscribe().wait_for(|struck| *struck).await;
    }

    /// What was written so far, or tried to.
    pub(crate) fn writes(&self) -> Vec<Asked> {
        self.lock().writes.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, inner: &Client, request: Request<Body>) -> Result<Answer, kube::Error> {
        let asked = Asked {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            body: match request
                .body()
                .try_clone()
                .filter(|_| [Method::PATCH, Method::POST].contains(request.method()))
            {
                Some(body) => String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned(),
                None => String::new(),
            },
        };
        let (verdict, is_last) = self.judge(&asked);
        if *self.struck.borrow() {
            return pending().await;
        }
        if let Some(is_sent) = is_last {
            if is_sent {
                let _ = inner.send(request).await;
            }
            self.struck.send_replace(true);
            return pending().await;
        }
        match verdict {
            Verdict::Hang => pending().await,
            Verdict::Status(code) => Ok(refusal(code)),
            Verdict::Unheard(code) => {
                inner.send(request).await?;
                Ok(refusal(code))
            }
            Verdict::Answer(body) => Ok(answer(201, body.to_owned())),
            Verdict::Conflict => {
                touch(inner, &asked.path).await?;
                Ok(refusal(409))
            }
            Verdict::Forestalled(object) => {
                let theirs = Request::post(&asked.path)
                    .header("content-type", "application/json")
                    .body(Body::from(object.as_bytes().to_vec()))
                    .expect("a path and a header make a request");
                inner.send(theirs).await?;
                inner.send(request).await.map(whole)
            }
            Verdict::Pass => {
                let answer = inner.send(request).await?;
                Ok(if asked.watches() { self.until_dropped(answer) } else { whole(answer) })
            }
        }
    }

    fn judge(&self, asked: &Asked) -> (Verdict, Option<bool>) {
        let mut state = self.lock();
        let mut is_last = None;
        if asked.writes() {
            state.writes.push(asked.clone());
            if let Some((left, is_sent)) = &mut state.left {
                // What others write at the same moment comes after the last one.
                let Some(after_it) = left.checked_sub(1) else { return (Verdict::Hang, None) };
                *left = after_it;
                is_last = (after_it == 0).then_some(*is_sent);
            }
        }
        let verdict = state.rule.as_mut().map_or(Verdict::Pass, |rule| rule(asked));
        (verdict, is_last)
    }

    /// The same answer, whose body ends when watches are dropped.
    fn until_dropped(&self, answer: Response<Body>) -> Answer {
        let mut watches = self.watches.subscribe();
        let dropped = async move {
            let _ = watches.changed().await;
        };
        answer.map(|body| {
            let frames = body.into_data_stream().map_ok(Frame::data).map_err(Into::into);
            StreamBody::new(frames.take_until(Box::pin(dropped))).boxed_unsync()
        })
    }
}

/// Changes the object that a path names, without changing what it says.
async fn touch(inner: &Client, path: &str) -> Result<(), kube::Error> {
    let mut random = [0; 8];
    rand::rng().fill_bytes(&mut random);
    let patch = json!({ "metadata": { "annotations": { "test/touched": format!("{random:?}") } } });
    let request = Request::patch(path.trim_end_matches("/status"))
        .header("content-type", "application/merge-patch+json")
        .body(Body::from(patch.to_string().into_bytes()))
        .expect("a path and a header make a request");
    inner.send(request).await.map(drop)
}

fn whole(answer: Response<Body>) -> Answer {
    answer.map(|body| body.map_err(Into::into).boxed_unsync())
}

/// As the API server refuses.
fn refusal(code: u16) -> Answer {
    let (reason, message) = match code {
        409 => ("Conflict", "the object has been modified"),
        404 => ("NotFound", "the server could not find the requested resource"),
        410 => ("Expired", "too old resource version"),
        _ => ("InternalError", "the API server is told to fail"),
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": reason, "message": message, "code": code,
    });
    answer(code, status.to_string())
}

fn answer(code: u16, body: String) -> Answer {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(body)
        .expect("a status and a header make a response")
}
