//! The one cluster of a test binary, and the visible skip where there can't be one.

use std::io::Write as _;

use tokio::sync::OnceCell;

use crate::cluster::Cluster;
use crate::programs::Programs;

/// Set (to anything), a missing testbed fails tests instead of skipping them; `cargo xtask test` sets it where it could
/// build one.
pub const REQUIRED: &str = "PARAPET_TESTBED_REQUIRED";

/// The handle outlives every test: libtest ends the process without dropping it, and the sandbox's watchdog cleans up.
static SHARED: OnceCell<Option<Cluster>> = OnceCell::const_new();

impl Cluster {
    /// The cluster that all tests of this process share, started by the first that asks.
    ///
    /// `None`: there is no testbed on this machine, and the calling test has been reported as skipped ([`skip`]).
    ///
    /// # Panics
    /// It could not be started; or [`REQUIRED`] is set and nothing was built.
    pub async fn shared() -> Option<&'static Self> {
        let cluster = SHARED
            .get_or_init(|| async {
                let programs = Programs::find().expect("the testbed's programs can be looked for")?;
                Some(Self::start(programs).await.expect("the testbed starts"))
            })
            .await;
        if cluster.is_none() {
            let reason = "the testbed is not built; `cargo xtask testbed build` builds it";
            assert!(std::env::var_os(REQUIRED).is_none(), "{reason}");
            skip(reason);
        }
        cluster.as_ref()
    }
}

/// Says on standard output that the current test did not run: `SKIPPED: test name: reason`, which `cargo xtask test`
/// counts. Not by `println!`, which the test runner keeps back when a test passes.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED: {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Nobody reads it if standard output is closed.
    let _ = std::io::stdout().write_all(line.as_bytes());
}
