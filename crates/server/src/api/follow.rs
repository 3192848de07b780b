//! New log lines as they arrive, as server-sent events.
//!
//! A stream holds one page of rows at most: the next is read from the store when the one before is sent, so a slow reader
//! falls behind without costing memory, and catches up without a gap. Its credentials are looked at again while it lasts.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use http::HeaderMap;
use parapet_access::Scope;
use parapet_query::{LogQuery, LogRow};
use parapet_signal::{Signal, UnixNanos};
use parapet_store::TimeRange;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use utoipa::IntoParams;

use super::logs::Lines;
use crate::app::Shared;
use crate::causes::Causes;
use crate::gate::Caller;
use crate::metrics::Follower;
use crate::openapi::Refusals;
use crate::problem::Problem;
use crate::query::Parameters;

/// A comment is sent so often while there is nothing else, so that proxies and readers know that the stream is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// New rows are looked for no more often: fast enough for eyes, and a busy store is not asked for every batch.
const PACE: Duration = Duration::from_millis(250);
/// How long a stream outlives the revocation of its credentials.
const RECHECK: Duration = Duration::from_secs(30);
/// Rows read at once.
const PAGE: usize = 500;

/// From where.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Start {
    /// Lines that arrived after the one with this `seq`; from now on if neither this nor the header `Last-Event-ID` is given.
    after: Option<u64>,
    /// Only lines that happened at or after this instant, however late they arrive.
    #[param(value_type = Option<String>)]
    from: Option<UnixNanos>,
}

impl Start {
    fn take(parameters: &mut Parameters) -> Self {
        Self { after: parameters.number("after", 0..=u64::MAX), from: parameters.instant("from") }
    }
}

/// Follow log lines
///
/// Events named `row` with a line as data and its `seq` as id, in order of arrival; `problem` with a problem's
/// text before the stream ends early. Comments keep it alive.
#[utoipa::path(
    get, path = "/logs/follow", tag = "logs", params(Start, Lines), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, description = "Events", body = String, content_type = "text/event-stream"), Refusals)
)]
pub(super) async fn follow(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Start { after, from } = Start::take(&mut parameters);
    let from = from.unwrap_or(TimeRange::ALL.from);
    let mut query = Lines::take(&mut parameters).within(TimeRange { from, ..TimeRange::ALL });
    query.limit = PAGE;
    parameters.finish()?;
    // A browser that reconnects says where it was; what the page asked for at first is older.
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = seen.or(after).unwrap_or_else(|| app.state.engine.last_log_seq());
    let mut recheck = interval(RECHECK);
    recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let following = Following {
        visible: app.state.store.subscribe(Signal::Logs),
        shutdown: app.state.shutdown.clone(),
        _counted: app.state.metrics.follower(),
        recheck,
        next_read: Instant::now(),
        rows: VecDeque::new(),
        ended: false,
        query,
        after,
        caller,
        app,
    };
    Ok(Sse::new(unfold(following, Following::next)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

struct Following {
    app: Shared,
    /// Holds its place among the caller's requests.
    caller: Caller,
    query: LogQuery,
    after: u64,
    rows: VecDeque<LogRow>,
    visible: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    recheck: Interval,
    next_read: Instant,
    ended: bool,
    _counted: Follower,
}

/// What a stream waits for.
enum Wake {
    Rows,
    Recheck,
    End,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                let event = Event::default().event("row").id(row.seq.to_string()).json_data(&row);
                return event.ok().map(|event| (Ok(event), self));
            }
            if self.ended {
                return None;
            }
            match self.wake().await {
                Wake::End => return None,
                Wake::Recheck if self.is_admitted() => {}
                Wake::Recheck => {
                    return Some((Ok(self.last_words("the credentials are not valid any more")), self));
                }
                Wake::Rows => {
                    self.next_read = Instant::now() + PACE;
                    match self.app.state.engine.follow(self.query.clone(), self.after).await {
                        Ok(page) => {
                            self.after = page.last_seq.max(self.after);
                            self.rows.extend(page.rows);
                        }
                        Err(error) => {
                            tracing::warn!(error = %Causes(&error), "following logs failed");
                            return Some((Ok(self.last_words("reading new lines failed")), self));
                        }
                    }
                }
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let (after, next_read) = (self.after, self.next_read);
        let visible = &mut self.visible;
        let rows = async {
            let more = visible.wait_for(|seq| *seq > after).await.is_ok();
            sleep_until(next_read).await;
            more
        };
        tokio::select! {
            biased;
            _ = self.shutdown.wait_for(|stopping| *stopping) => Wake::End,
            _ = self.recheck.tick() => Wake::Recheck,
            more = rows => if more { Wake::Rows } else { Wake::End },
        }
    }

    fn is_admitted(&self) -> bool {
        self.app.admit(Some(&self.caller.credential), Scope::Read).is_ok()
    }

    fn last_words(&mut self, text: &str) -> Event {
        self.ended = true;
        Event::default().event("problem").data(text)
    }
}
