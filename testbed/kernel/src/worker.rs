//! Inside of one namespace: echoes on every port, and probes others when told.

use std::io::{self, BufRead as _, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// The ports that everybody listens on, over TCP and UDP.
pub(crate) const PORTS: [u16; 5] = [80, 81, 443, 8080, 9200];
/// How long an answer may take; a refusal comes at once, so only a lost packet takes as long.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where the source ports of UDP probes start: one for each round, so that no round meets the tracked flows of another.
const FIRST_SOURCE_PORT: u16 = 20_000;

/// Probes to make.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) round: u16,
    pub(crate) targets: Vec<IpAddr>,
}

/// What came of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Allowed,
    Denied,
    Lost,
}

/// Serves on `address` and answers orders, a line each, until its input ends.
pub(crate) fn run(address: IpAddr) -> Result<()> {
    for port in PORTS {
        let listener =
            TcpListener::bind((address, port)).with_context(|| format!("failed to listen on {port}"))?;
        let socket = UdpSocket::bind((address, port)).with_context(|| format!("failed to bind {port}"))?;
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // It was let in, which is the answer; the client closes first.
                thread::spawn(move || drop(io::copy(&mut { connection }, &mut io::sink())));
            }
        });
        thread::spawn(move || {
            let mut byte = [0; 1];
            while let Ok((_, from)) = socket.recv_from(&mut byte) {
                // A client that has gone away needs no answer.
                let _ = socket.send_to(&byte, from);
            }
        });
    }
    let mut out = io::stdout().lock();
    writeln!(out, "ready").and_then(|()| out.flush()).context("failed to answer")?;
    for line in io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line.context("failed to read an order")?)?;
        let outcomes: Vec<Outcome> = order
            .targets
            .iter()
            .flat_map(|target| PORTS.map(|port| SocketAddr::new(*target, port)))
            .flat_map(|target| [tcp(target), udp(address, target, order.round)])
            .collect();
        serde_json::to_writer(&mut out, &outcomes).context("failed to answer")?;
        writeln!(out).and_then(|()| out.flush()).context("failed to answer")?;
    }
    Ok(())
}

fn tcp(target: SocketAddr) -> Outcome {
    match TcpStream::connect_timeout(&target, PATIENCE) {
        Ok(mut connection) => {
            // Closed by us, so that the port in time-wait is ours, and a new one each time.
            let _ = connection.shutdown(std::net::Shutdown::Write);
            // It was let in whatever comes now: a machine that is too busy may lose the other end's goodbye.
            let _ = connection.set_read_timeout(Some(PATIENCE));
            let _ = connection.read(&mut [0; 1]);
            Outcome::Allowed
        }
        Err(error) => refused(&error),
    }
}

fn udp(address: IpAddr, target: SocketAddr, round: u16) -> Outcome {
    let asked = || -> io::Result<()> {
        let socket = UdpSocket::bind((address, FIRST_SOURCE_PORT + round))?;
        socket.connect(target)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(&[1])?;
        socket.recv(&mut [0; 1]).map(drop)
    };
    match asked() {
        Ok(()) => Outcome::Allowed,
        Err(error) => refused(&error),
    }
}

fn refused(error: &io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::PermissionDenied => Outcome::Denied,
        _ => Outcome::Lost,
    }
}
