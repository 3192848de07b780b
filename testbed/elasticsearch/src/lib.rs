//! A scripted Elasticsearch for tests: the calls that an operator makes, answered over TLS with state and with faults.
//! It refuses every call it doesn't know, so that nothing passes by accident.
//!
//! Its cluster behaves as far as an operator can tell: nodes join and leave, copies of shards are allocated, moved and lost,
//! masters vote (a majority that is gone answers 503, and is counted), nodes that are to be shut down hand over their data.
//!
//! ```no_run
//! # use parapet_scripted_elasticsearch::{Member, Options, ScriptedElasticsearch};
//! # async fn a_test() -> anyhow::Result<()> {
//! let elasticsearch = ScriptedElasticsearch::start(Options::default()).await?;
//! elasticsearch.set_password("elastic-internal", "secret");
//! elasticsearch.serve_tls("-----BEGIN CERTIFICATE-----…", "-----BEGIN PRIVATE KEY-----…")?;
//! elasticsearch.join(Member::new("quickstart-es-default-0", "8.15.3"));
//! // … connect to elasticsearch.https(), then:
//! assert!(elasticsearch.refused().is_empty());
//! assert_eq!(elasticsearch.state(|state| state.voting.times_lost()), 0);
//! # Ok(()) }
//! ```

mod answer;
mod fault;
mod handle;
mod journal;
mod member;
mod serve;
mod shards;
mod shutdown;
mod state;
mod voting;

pub use fault::Fault;
pub use handle::{Options, ScriptedElasticsearch};
pub use journal::Call;
pub use member::Member;
pub use shards::{Copy, CopyState, Shards};
pub use shutdown::{Progress, Script, Shutdown, ShutdownKind};
pub use state::State;
pub use voting::Voting;
