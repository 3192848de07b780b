//! `parapet operator`: from arguments to a running operator.

mod logs;

use std::io;

use anyhow::{Context as _, anyhow};
use parapet_operator::run::{self, Ended, Role};
use parapet_operator::settings::Settings;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::operator::RunArguments;
use crate::exit::{Failure, OrExit as _, Reason};

/// Where Linux says what the pod (or the machine) is called.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// Runs until SIGTERM or Ctrl-C, until its configuration changes, or until it loses the lease.
pub(crate) fn run(arguments: RunArguments) -> Result<(), Failure> {
    let given = arguments.given().or_exit(Reason::Usage)?;
    let settings = Settings::resolve(&given).or_exit(Reason::Usage)?;
    logs::init(settings.log_verbosity)?;
    parapet_pki::assert_fips().or_exit(Reason::Usage)?;
    // One thread: passes wait for the API server most of the time, and each thread more has a part of the heap of its own, of
    // which a burst of new clusters leaves holes behind.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("operator")
        .build()
        .context("can't start the runtime")?;
    runtime.block_on(async {
        let host = std::fs::read_to_string(HOSTNAME).unwrap_or_default().trim().to_owned();
        let role = Role::new(settings, given, arguments.kubeconfig, host).await.or_exit(Reason::Usage)?;
        let (mut terminate, mut interrupt) = signals().context("can't wait for signals")?;
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        match run::run(role, run::passes, stop).await.or_exit(Reason::Failed)? {
            Ended::Stopped | Ended::ConfigurationChanged => Ok(()),
            Ended::LeaseLost => {
                let lost =
                    anyhow!("the lease is lost, another operator may work; ended without finishing anything");
                Err(Failure::new(Reason::Failed, lost))
            }
        }
    })
}

fn signals() -> io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
}
