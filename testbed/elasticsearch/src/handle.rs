//! The handle that a test holds.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context as _, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::{Call, Fault, Member, State, serve};

/// How it begins.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's name.
    pub cluster_name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { cluster_name: "quickstart".to_owned() }
    }
}

/// A running cluster: one server for all of its nodes. It ends with this handle.
#[derive(Debug)]
pub struct ScriptedElasticsearch {
    shared: Arc<Shared>,
    https: SocketAddr,
    http: SocketAddr,
    tasks: Mutex<JoinSet<()>>,
}

/// What the handle and the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    access: Mutex<Access>,
    calls: Mutex<Vec<Call>>,
    faults: Mutex<Faults>,
    /// Raised by every call and by every change of the state.
    changes: watch::Sender<u64>,
    /// A certificate that nobody trusts.
    another: Arc<ServerConfig>,
}

#[derive(Debug, Default)]
struct Access {
    passwords: BTreeMap<String, String>,
    tls: Option<Arc<ServerConfig>>,
}

#[derive(Debug, Default)]
struct Faults {
    always: Option<Fault>,
    next: VecDeque<(String, Fault)>,
}

impl ScriptedElasticsearch {
    /// Listens on two free ports of 127.0.0.1, with TLS and without. There are no nodes, no users and no certificate yet.
    pub async fn start(options: Options) -> Result<Self> {
        let authority = parapet_testbed::Authority::new("nobody trusts this one")?;
        let another =
            authority.sign(parapet_testbed::Leaf { names: &["localhost"], ..Default::default() })?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(options.cluster_name)),
            access: Mutex::default(),
            calls: Mutex::default(),
            faults: Mutex::default(),
            changes: watch::Sender::new(0),
            another: server_config(&another.certificate, &another.key)?,
        });
        let mut tasks = JoinSet::new();
        let mut listen = async |tls| -> Result<SocketAddr> {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("failed to listen")?;
            let address = listener.local_addr().context("the listener has an address")?;
            tasks.spawn(serve::accept(listener, tls, Arc::clone(&shared)));
            Ok(address)
        };
        let https = listen(true).await?;
        let http = listen(false).await?;
        Ok(Self { shared, https, http, tasks: Mutex::new(tasks) })
    }

    /// Where TLS is spoken. Until [`ScriptedElasticsearch::serve_tls`], connections are closed.
    pub fn https(&self) -> SocketAddr {
        self.https
    }

    /// Where plain HTTP is spoken.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// From the next connection on, this certificate (and those after it) is shown.
    pub fn serve_tls(&self, certificates: &str, key: &str) -> Result<()> {
        let config = server_config(certificates, key)?;
        lock(&self.shared.access).tls = Some(config);
        Ok(())
    }

    /// A user and its password; all others are refused.
    pub fn set_password(&self, user: &str, password: &str) {
        lock(&self.shared.access).passwords.insert(user.to_owned(), password.to_owned());
    }

    /// These are the users and their passwords; all others are refused.
    pub fn set_passwords(&self, passwords: BTreeMap<String, String>) {
        lock(&self.shared.access).passwords = passwords;
    }

    /// A node comes.
    pub fn join(&self, member: Member) {
        self.state(|state| state.join(member));
    }

    /// A node goes.
    pub fn leave(&self, name: &str) {
        self.state(|state| state.leave(name));
    }

    /// From now on these are the nodes, whenever they change.
    pub fn follow(&self, mut members: watch::Receiver<Vec<Member>>) {
        let shared = Arc::clone(&self.shared);
        lock(&self.tasks).spawn(async move {
            loop {
                let now = members.borrow_and_update().clone();
                lock(&shared.state).set_members(&now);
                shared.changed();
                if members.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Reads or changes the cluster.
    pub fn state<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        let result = read(&mut lock(&self.shared.state));
        self.shared.changed();
        result
    }

    /// Returns when the cluster is so; asks after every call and every change.
    pub async fn until(&self, is_so: impl Fn(&State) -> bool) {
        self.shared.until(|shared| is_so(&lock(&shared.state))).await;
    }

    /// Returns when something was called so that `is_so`, since the calls were last forgotten.
    pub async fn until_called(&self, is_so: impl Fn(&[Call]) -> bool) {
        self.shared.until(|shared| is_so(&lock(&shared.calls))).await;
    }

    /// Answers badly from now on, or well again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        lock(&self.shared.faults).always = fault;
    }

    /// Answers the next call whose path begins so badly, once; several are taken in order.
    pub fn fail_next(&self, path: &str, fault: Fault) {
        lock(&self.shared.faults).next.push_back((path.to_owned(), fault));
    }

    /// What was called, in order.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// What was called and isn't known.
    pub fn refused(&self) -> Vec<Call> {
        lock(&self.shared.calls).iter().filter(|call| call.refused).cloned().collect()
    }

    /// How often a method and path were called.
    pub fn count(&self, method: &str, path: &str) -> usize {
        lock(&self.shared.calls).iter().filter(|call| call.method == method && call.path == path).count()
    }

    /// Forgets what was called.
    pub fn forget_calls(&self) {
        lock(&self.shared.calls).clear();
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn record(&self, call: Call) {
        lock(&self.calls).push(call);
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|number| *number += 1);
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let mut changes = self.changes.subscribe();
        // The sender is in `self`, so it can't be gone.
        let _ = changes.wait_for(|_| is_so(self)).await;
    }

    /// Whether the user has this password.
    pub(crate) fn knows(&self, user: &str, password: &str) -> bool {
        lock(&self.access).passwords.get(user).is_some_and(|own| own == password)
    }

    /// What the next connection is shown.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        match self.fault() {
            Some(Fault::AnotherCertificate) => Some(Arc::clone(&self.another)),
            _ => lock(&self.access).tls.clone(),
        }
    }

    /// What is wrong with all answers.
    pub(crate) fn fault(&self) -> Option<Fault> {
        lock(&self.faults).always.clone()
    }

    /// What is wrong with the answer to this call.
    pub(crate) fn fault_of(&self, path: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let once = faults.next.iter().position(|(prefix, _)| path.starts_with(prefix.as_str()));
        match once {
            Some(at) => faults.next.remove(at).map(|(_, fault)| fault),
            None => faults.always.clone(),
        }
    }
}

fn server_config(certificates: &str, key: &str) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_slice_iter(certificates.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .context("the certificate is not PEM")?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("the key is not PEM")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("the provider has cipher suites")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and its key can't be used")?;
    Ok(Arc::new(config))
}

/// A test that panicked while it held the lock has failed already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
