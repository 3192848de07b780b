//! A server in a process of its own rotates its authority under load, and is killed in each phase once.
//!
//! The listening socket belongs to this process and is handed down, so that connections wait while the server is away.
//! What a kill cannot but cut, the connections that the dead process had accepted, clients open anew and ask again, once
//! per kill, as every HTTP client does with a kept connection that turns out to be gone. Everything else that goes wrong is
//! a failed request: above all a certificate that a client doesn't trust, which is never forgiven.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};

use jiff::Timestamp;
use parapet_fs::OsFs;
use parapet_pki::rotation::{Consumers, InUse, Phase};
use parapet_pki::{Folder, FolderOptions, Leaf, Names, Reports, client_config};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

/// Where the server process finds its folder and this process's control socket; not set in ordinary test runs.
const FOLDER: &str = "PARAPET_PKI_TEST_FOLDER";
const CLIENTS: usize = 8;
/// How many requests are seen in each state before the next thing happens.
const REQUESTS: usize = 300;

/// The stages that the server may be allowed to reach, in order; `Stable` is the end here.
const STAGES: [Phase; 5] = [Phase::Prepare, Phase::Switch, Phase::Drain, Phase::Finish, Phase::Stable];

#[derive(Clone, Copy)]
struct Control {
    /// How many of [`STAGES`] may be entered.
    stages: usize,
    ready: u64,
}

#[test]
fn a_rotation_under_load_fails_no_request_though_the_server_is_killed_in_each_phase() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let ca = folder.path().join("pki/ca.crt");
    let old_only = client_config(&std::fs::read_to_string(&ca).unwrap()).unwrap();
    let load = Load::start(server.address, ca.clone(), Arc::clone(&server.kills));
    load.until(Phase::Stable, 0);

    for (stage, phase) in STAGES.into_iter().enumerate() {
        let finished = u64::from(phase == Phase::Stable);
        if phase == Phase::Switch {
            load.adopt();
            server.control.ready = CLIENTS as u64;
        }
        server.control.stages = stage + 1;
        server.tell();
        load.until(phase, finished);
        server.kill_and_restart();
        // It goes on in the phase that it was killed in.
        load.until(phase, finished);
    }

    load.adopt();
    load.until(Phase::Stable, 1);
    let totals = load.stop();
    assert_eq!(totals.failed, Vec::<String>::new());
    assert_eq!(totals.old_open, 0, "no connection of the old authority is open");
    assert!(totals.done >= (REQUESTS * 11) as u64);
    let bound = (CLIENTS * STAGES.len()) as u64;
    assert!(totals.cut <= bound, "{} cut, though {bound} are the most that kills can cut", totals.cut);
    println!("{} requests, {} cut by a kill and repeated, 0 failed", totals.done, totals.cut);

    // Whoever trusts nothing but the old authority is no longer served, and nobody has it.
    let refused = Connection::open(server.address, &old_only).and_then(|mut connection| connection.ask());
    assert!(is_certificate_error(&refused.unwrap_err()));
    assert_eq!(std::fs::read_to_string(&ca).unwrap().matches("BEGIN CERTIFICATE").count(), 1);
}

/// The server process, and the socket it listens on.
struct Server {
    folder: PathBuf,
    listener: OwnedFd,
    address: SocketAddr,
    control_socket: UnixListener,
    control: Control,
    process: Child,
    controlled: UnixStream,
    /// Counted before and after each kill: odd while one is under way.
    kills: Arc<AtomicU64>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener = OwnedFd::from(listener);
        let control_socket = UnixListener::bind(folder.join("control")).unwrap();
        let control = Control { stages: 0, ready: 0 };
        let (process, controlled) = spawn(folder, &listener, &control_socket, control);
        let kills = Arc::default();
        let folder = folder.to_owned();
        Self { folder, listener, address, control_socket, control, process, controlled, kills }
    }

    fn tell(&mut self) {
        tell(&mut self.controlled, self.control);
    }

    fn kill_and_restart(&mut self) {
        self.kills.fetch_add(1, Ordering::SeqCst);
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.kills.fetch_add(1, Ordering::SeqCst);
        (self.process, self.controlled) =
            spawn(&self.folder, &self.listener, &self.control_socket, self.control);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(
    folder: &Path,
    listener: &OwnedFd,
    control_socket: &UnixListener,
    control: Control,
) -> (Child, UnixStream) {
    let process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rotating::server_process"])
        .env(FOLDER, folder)
        .stdin(Stdio::from(listener.try_clone().unwrap()))
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let (mut controlled, _) = control_socket.accept().unwrap();
    tell(&mut controlled, control);
    (process, controlled)
}

fn tell(to: &mut UnixStream, Control { stages, ready }: Control) {
    writeln!(to, "{stages} {ready}").unwrap();
}

/// The other process; in an ordinary run there is nothing to do.
#[test]
fn server_process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = PathBuf::from(folder);
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let options = FolderOptions::new(Names::new([]).unwrap());
    let served = Arc::new(Served {
        folder: Folder::open(Arc::new(OsFs), &folder.join("pki"), options, Timestamp::now()).unwrap(),
        state: Mutex::new((Control { stages: 0, ready: 0 }, HashMap::new())),
        changed: Condvar::new(),
    });
    let config = served.folder.identity().server_config(&[]).unwrap();
    let accepting = Arc::clone(&served);
    std::thread::spawn(move || {
        for (id, socket) in listener.incoming().enumerate() {
            let (served, config) = (Arc::clone(&accepting), Arc::clone(&config));
            std::thread::spawn(move || served.connection(id, socket.unwrap(), config));
        }
    });
    let driving = Arc::clone(&served);
    std::thread::spawn(move || driving.drive());
    // Until the other process goes away.
    let control = UnixStream::connect(folder.join("control")).unwrap();
    for line in BufReader::new(control).lines() {
        let line = line.unwrap();
        let (stages, ready) = line.split_once(' ').unwrap();
        served.state.lock().unwrap().0 =
            Control { stages: stages.parse().unwrap(), ready: ready.parse().unwrap() };
        served.changed.notify_all();
    }
}

struct Served {
    folder: Folder,
    /// What is allowed, and the open connections with the leaf that each was shown, or an older one.
    state: Mutex<(Control, HashMap<usize, Arc<Leaf>>)>,
    changed: Condvar,
}

impl Served {
    /// How many of the stages were entered.
    fn stage(&self) -> usize {
        let rotation = self.folder.rotation();
        if rotation.finished() == 1 {
            return STAGES.len();
        }
        STAGES.iter().position(|stage| *stage == rotation.phase()).map_or(0, |stage| (stage + 1) % 5)
    }

    /// Whether a connection began with another leaf than the one that is shown now. There is one per authority here.
    fn is_old(&self, leaf: &Leaf) -> bool {
        leaf.certificate() != self.folder.identity().leaf().certificate()
    }

    fn old_open(&self, open: &HashMap<usize, Arc<Leaf>>) -> u64 {
        open.values().filter(|leaf| self.is_old(leaf)).count() as u64
    }

    /// Ticks whenever something changed and more is allowed.
    fn drive(&self) {
        let mut state = self.state.lock().unwrap();
        loop {
            let (control, open) = &*state;
            let reports = Reports {
                asked: true,
                consumers: Consumers::Counted { ready: control.ready, all: CLIENTS as u64 },
                to_replace: 0,
                in_use: InUse::Counted(self.old_open(open)),
            };
            let before = self.stage();
            if before < control.stages {
                self.folder.tick(Timestamp::now(), &reports).unwrap();
            }
            if self.stage() == before {
                state = self.changed.wait(state).unwrap();
            }
        }
    }

    fn connection(&self, id: usize, socket: TcpStream, config: Arc<ServerConfig>) {
        // Read before the handshake, so that it is never newer than what the handshake shows.
        self.state.lock().unwrap().1.insert(id, self.folder.identity().leaf());
        let connection = ServerConnection::new(config).unwrap();
        // A client that is gone is gone.
        let _ = self.answer(id, StreamOwned::new(connection, socket));
        self.state.lock().unwrap().1.remove(&id);
        self.changed.notify_all();
    }

    fn answer(&self, id: usize, mut stream: StreamOwned<ServerConnection, TcpStream>) -> io::Result<()> {
        loop {
            let mut question = [0];
            stream.read_exact(&mut question)?;
            let (old_open, old) = {
                let open = &self.state.lock().unwrap().1;
                (self.old_open(open), self.is_old(&open[&id]))
            };
            let rotation = self.folder.rotation();
            // Connections that began with the old authority are asked to come again.
            let last = old && rotation.phase() >= Phase::Drain;
            let (last, phase) = (u8::from(last), rotation.phase().name());
            stream.write_all(format!("{last} {phase} {} {old_open}\n", rotation.finished()).as_bytes())?;
            stream.flush()?;
            if last == 1 {
                stream.conn.send_close_notify();
                return stream.flush();
            }
        }
    }
}

/// An answer, as a client reads it.
#[derive(Debug)]
struct Answer {
    last: bool,
    phase: String,
    finished: u64,
    old_open: u64,
}

struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    fn ask(&mut self) -> io::Result<Answer> {
        self.0.write_all(b"?")?;
        self.0.flush()?;
        let mut line = String::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte)?;
            match byte[0] {
                b'\n' => break,
                byte => line.push(char::from(byte)),
            }
        }
        let parts: Vec<&str> = line.split(' ').collect();
        Ok(Answer {
            last: parts[0] == "1",
            phase: parts[1].to_owned(),
            finished: parts[2].parse().unwrap(),
            old_open: parts[3].parse().unwrap(),
        })
    }
}

fn is_certificate_error(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

#[derive(Default)]
struct Totals {
    done: u64,
    cut: u64,
    failed: Vec<String>,
    old_open: u64,
}

/// Clients at work.
struct Load {
    clients: Vec<std::thread::JoinHandle<Totals>>,
    answers: mpsc::Receiver<Result<(String, u64), String>>,
    /// How many bundles are to have been adopted.
    bundles: Arc<AtomicU64>,
    adopted: mpsc::Receiver<()>,
    stopping: Arc<AtomicBool>,
}

impl Load {
    fn start(address: SocketAddr, ca: PathBuf, kills: Arc<AtomicU64>) -> Self {
        let (told, answers) = mpsc::channel();
        let (adopts, adopted) = mpsc::channel();
        let (bundles, stopping) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
        let clients = (0..CLIENTS)
            .map(|number| {
                let client = Client {
                    address,
                    ca: ca.clone(),
                    kills: Arc::clone(&kills),
                    told: told.clone(),
                    adopts: adopts.clone(),
                    bundles: Arc::clone(&bundles),
                    stopping: Arc::clone(&stopping),
                    // Some keep their connection for long, others open one for each request.
                    keeps: [1, 1, 7, 1000][number % 4],
                };
                std::thread::spawn(move || client.run())
            })
            .collect();
        for _ in 0..CLIENTS {
            adopted.recv().unwrap();
        }
        Self { clients, answers, bundles, adopted, stopping }
    }

    /// Waits until enough requests were answered in this phase.
    fn until(&self, phase: Phase, finished: u64) {
        // What was answered before is no news.
        while let Ok(answer) = self.answers.try_recv() {
            answer.unwrap_or_else(|error| panic!("{error}"));
        }
        let mut seen = 0;
        while seen < REQUESTS {
            let (answered, rotations) =
                self.answers.recv().unwrap().unwrap_or_else(|error| panic!("{error}"));
            seen += usize::from(answered == phase.name() && rotations == finished);
        }
    }

    /// Has every client take the bundle that is published now.
    fn adopt(&self) {
        self.bundles.fetch_add(1, Ordering::SeqCst);
        for _ in 0..CLIENTS {
            self.adopted.recv().unwrap();
        }
    }

    fn stop(self) -> Totals {
        self.stopping.store(true, Ordering::SeqCst);
        let mut totals = Totals::default();
        for client in self.clients {
            let Totals { done, cut, failed, old_open } = client.join().unwrap();
            totals.done += done;
            totals.cut += cut;
            totals.failed.extend(failed);
            totals.old_open = totals.old_open.max(old_open);
        }
        totals
    }
}

struct Client {
    address: SocketAddr,
    ca: PathBuf,
    kills: Arc<AtomicU64>,
    told: mpsc::Sender<Result<(String, u64), String>>,
    adopts: mpsc::Sender<()>,
    bundles: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    keeps: u32,
}

impl Client {
    fn run(self) -> Totals {
        let mut totals = Totals::default();
        let mut bundles = 0;
        let mut trust = None;
        let mut kept: Option<(Connection, u64, u32)> = None;
        while !self.stopping.load(Ordering::SeqCst) {
            let wanted = self.bundles.load(Ordering::SeqCst);
            if bundles < wanted {
                trust = Some(client_config(&std::fs::read_to_string(&self.ca).unwrap()).unwrap());
                bundles = wanted;
                self.adopts.send(()).unwrap();
            }
            let config = trust.as_ref().unwrap();
            let kills =
                kept.as_ref().map_or_else(|| self.kills.load(Ordering::SeqCst), |(_, kills, _)| *kills);
            let attempt = match kept.take() {
                Some((connection, _, asked)) => Ok((connection, asked)),
                None => Connection::open(self.address, config).map(|connection| (connection, 0)),
            };
            let answered =
                attempt.and_then(|(mut connection, asked)| Ok((connection.ask()?, connection, asked + 1)));
            match answered {
                Ok((answer, connection, asked)) => {
                    totals.done += 1;
                    totals.old_open = answer.old_open;
                    if !answer.last && asked < self.keeps {
                        kept = Some((connection, kills, asked));
                    }
                    // Nobody listens any more at the end.
                    let _ = self.told.send(Ok((answer.phase, answer.finished)));
                }
                Err(error) if !is_tls_error(&error) && self.cut_by_kill(kills) => {
                    totals.cut += 1;
                }
                Err(error) => {
                    totals.failed.push(error.to_string());
                    let _ = self.told.send(Err(error.to_string()));
                    return totals;
                }
            }
        }
        totals
    }
}

impl Client {
    /// Whether the server was killed, or being killed, since there were so many `kills`.
    fn cut_by_kill(&self, kills: u64) -> bool {
        kills % 2 == 1 || self.kills.load(Ordering::SeqCst) != kills
    }
}

fn is_tls_error(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<rustls::Error>())
}
