//! What every test needs: a disk, a clock, accounts.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parapet_access::{AccessError, Accounts, LoginError, Metrics, Policy, Secret, Session};
use parapet_fs::Fs;
use parapet_fs::sim::SimFs;

pub(crate) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const START: i64 = 1_800_000_000;

pub(crate) struct World {
    pub(crate) fs: SimFs,
    pub(crate) accounts: Accounts,
    seconds: Arc<AtomicI64>,
}

impl World {
    /// No accounts.
    pub(crate) fn new() -> Self {
        let fs = SimFs::new(1);
        fs.create_dir_all(path().parent().unwrap()).unwrap();
        fs.sync_dir(&PathBuf::from("/")).unwrap();
        let seconds = Arc::new(AtomicI64::new(START));
        let accounts = open(&fs, &seconds).unwrap();
        Self { fs, accounts, seconds }
    }

    /// A first administrator and the password.
    pub(crate) fn with_admin() -> (Self, String) {
        let world = Self::new();
        let password = world.accounts.create_first_admin().unwrap().unwrap();
        (world, password.expose().to_owned())
    }

    /// The accounts as another start finds them.
    pub(crate) fn reopen(&self) -> Result<Accounts, AccessError> {
        open(&self.fs, &self.seconds)
    }

    /// The accounts as a start after a power loss finds them.
    pub(crate) fn reopen_on(&self, fs: &SimFs) -> Result<Accounts, AccessError> {
        open(fs, &self.seconds)
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.seconds.fetch_add(i64::try_from(time.as_secs()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.seconds.load(Ordering::Relaxed)).unwrap()
    }

    pub(crate) async fn login(&self, user: &str, password: &str) -> Result<Session, LoginError> {
        self.login_from(user, password, HOME).await
    }

    pub(crate) async fn login_from(
        &self,
        user: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<Session, LoginError> {
        self.accounts.login(user, Secret::from(password.to_owned()), source).await
    }

    pub(crate) fn file(&self) -> String {
        let file = self.fs.open(&path(), parapet_fs::OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        let read = file.read_at(&mut bytes, 0).unwrap();
        assert_eq!(read, bytes.len());
        String::from_utf8(bytes).unwrap()
    }
}

pub(crate) fn path() -> PathBuf {
    PathBuf::from("/data/accounts.json")
}

fn open(fs: &SimFs, seconds: &Arc<AtomicI64>) -> Result<Accounts, AccessError> {
    let seconds = seconds.clone();
    let clock = move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap();
    let policy =
        Policy { session_idle: Duration::from_secs(3600), session_absolute: Duration::from_secs(24 * 3600) };
    Accounts::open_with(Arc::new(fs.clone()), path(), Arc::new(clock), Metrics::default(), policy)
}
