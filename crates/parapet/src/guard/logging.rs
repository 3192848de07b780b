//! What is said on standard error. Other libraries' words are left out below `info`: some print what they send, and
//! what is sent to the API server are tokens.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// By klog's level.
pub(super) fn init(verbosity: u32) -> anyhow::Result<()> {
    let own = match verbosity {
        0..=3 => LevelFilter::INFO,
        4..=5 => LevelFilter::DEBUG,
        6.. => LevelFilter::TRACE,
    };
    // Crates of the workspace all begin so.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        // Says in other words what `parapet_guard` says of each failed review.
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("parapet", own)
        .with_target(parapet_guard::AUDIT_TARGET, LevelFilter::INFO);
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    tracing_subscriber::registry().with(targets).with(lines).try_init()?;
    Ok(())
}
