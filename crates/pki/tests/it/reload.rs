//! Certificates that others replace: files, mounted Secrets, watched Secrets, and those that live in memory alone.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parapet_pki::{
    Authority, Bundle, ClientCertificates, ClientProfile, Leaf, LeafOptions, Metrics, Names, Options,
    PairPaths, PkiError, Reloader, Reloading, SecretData, SecretPair, SelfSigned, ServerProfile, ServerTls,
    Source, WatchedPair, client_config, reloading,
};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::wire::shake;

/// Longer than any test: what happens, happens because of a notification or a look.
const NEVER: Duration = Duration::from_secs(24 * 3600);

struct World {
    folder: tempfile::TempDir,
    authority: Authority,
    now: Arc<Mutex<Timestamp>>,
    registry: Registry,
    metrics: Metrics,
}

impl World {
    fn new() -> Self {
        let now = Timestamp::now();
        let mut registry = Registry::default();
        Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Authority::generate(now).unwrap(),
            now: Arc::new(Mutex::new(now)),
            metrics: Metrics::register(&mut registry),
            registry,
        }
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn leaf(&self) -> Leaf {
        self.leaf_of(self.now(), SignedDuration::from_hours(24))
    }

    fn leaf_of(&self, at: Timestamp, life: SignedDuration) -> Leaf {
        let options = LeafOptions { life, ..LeafOptions::default() };
        self.authority.issue_with(&options, &Names::new([]).unwrap(), at).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, leaf: &Leaf) {
        replace(&self.path("tls.crt"), leaf.certificate_pem().as_bytes());
        replace(&self.path("tls.key"), leaf.key_pem().as_bytes());
    }

    fn files(&self) -> WatchedPair {
        WatchedPair::new(PairPaths { pair: Some((self.path("tls.crt"), self.path("tls.key"))), trust: None })
    }

    fn options(&self, poll: Duration) -> Options {
        let now = Arc::clone(&self.now);
        let clock: parapet_pki::Clock = Arc::new(move || *now.lock().unwrap());
        let settle = Duration::from_millis(5);
        Options { clock, poll, settle, ..Options::new("test", self.metrics.clone()) }
    }

    fn start(&self) -> (Reloading<ServerTls>, Reloader<WatchedPair, ServerProfile>) {
        reloading(self.files(), ServerProfile::default(), self.options(NEVER)).unwrap()
    }

    fn counted(&self, line: &str) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines().any(|counted| counted == line)
    }
}

fn replace(path: &Path, bytes: &[u8]) {
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, bytes).unwrap();
    std::fs::rename(temporary, path).unwrap();
}

fn shown(tls: &ServerTls) -> &rustls::pki_types::CertificateDer<'static> {
    tls.pair().certificate()
}

#[tokio::test]
async fn a_replaced_pair_is_served_when_the_system_says_so() {
    let world = World::new();
    world.write(&world.leaf());
    let (tls, reloader) = world.start();
    let mut changes = tls.subscribe();
    let following = tokio::spawn(reloader.run(std::future::pending()));
    for generation in 2..5 {
        let leaf = world.leaf();
        world.write(&leaf);
        // The halves may be noticed one by one; in the end it is the new pair.
        while shown(&changes.borrow_and_update()) != leaf.certificate() {
            changes.changed().await.unwrap();
        }
        assert_eq!(tls.current().generation(), generation);
    }
    drop((tls, changes));
    following.await.unwrap();
}

#[tokio::test]
async fn what_is_not_notified_is_found_by_looking() {
    // The same, but the watch is on a folder that is replaced as a whole, so that nothing is notified.
    let world = World::new();
    let mounted = world.path("mounted");
    let write = |folder: &Path, leaf: &Leaf| {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("tls.crt"), leaf.certificate_pem()).unwrap();
        std::fs::write(folder.join("tls.key"), leaf.key_pem().as_bytes()).unwrap();
    };
    write(&mounted, &world.leaf());
    let paths = PairPaths { pair: Some((mounted.join("tls.crt"), mounted.join("tls.key"))), trust: None };
    let options = world.options(Duration::from_millis(10));
    let (tls, reloader) = reloading(WatchedPair::new(paths), ServerProfile::default(), options).unwrap();
    let following = tokio::spawn(reloader.run(std::future::pending()));
    let leaf = world.leaf();
    write(&world.path("other"), &leaf);
    std::fs::rename(&mounted, world.path("gone")).unwrap();
    std::fs::rename(world.path("other"), &mounted).unwrap();
    let mut changes = tls.subscribe();
    let found = changes.wait_for(|tls| shown(tls) == leaf.certificate()).await.map(|_| ());
    found.unwrap();
    drop((tls, changes));
    following.await.unwrap();
}

#[tokio::test]
async fn half_a_pair_is_waited_out() {
    let world = World::new();
    let (old, new) = (world.leaf(), world.leaf());
    world.write(&old);
    let (tls, mut reloader) = world.start();
    replace(&world.path("tls.crt"), new.certificate_pem().as_bytes());
    assert!(!reloader.look().await);
    assert_eq!(shown(&tls.current()), old.certificate());
    assert!(world.counted(r#"parapet_pki_refused_reloads_total{source="test",reason="key_mismatch"} 1"#));
    replace(&world.path("tls.key"), new.key_pem().as_bytes());
    assert!(reloader.look().await);
    assert_eq!(shown(&tls.current()), new.certificate());
    assert!(world.counted(r#"parapet_pki_reloads_total{source="test"} 2"#));
    let expiry = new.not_after().as_second();
    assert!(
        world.counted(&format!(
            r#"parapet_certificate_expiry_timestamp_seconds{{certificate="test"}} {expiry}"#
        ))
    );
}

#[tokio::test]
async fn the_last_good_pair_stays_whatever_comes() {
    let world = World::new();
    let good = world.leaf();
    world.write(&good);
    let (tls, mut reloader) = world.start();
    let (crt, key) = (world.path("tls.crt"), world.path("tls.key"));
    let pem = world.leaf().certificate_pem();
    let expired = world.leaf_of(world.now(), SignedDuration::from_secs(1));
    let other = world.leaf();
    let cases: [(&str, &dyn Fn()); 8] = [
        ("malformed", &|| replace(&crt, b"")),
        ("malformed", &|| replace(&crt, b"\xff\xfe no text")),
        ("malformed", &|| replace(&crt, &pem.as_bytes()[..pem.len() / 2])),
        ("malformed", &|| replace(&key, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")),
        ("unreadable", &|| replace(&crt, &vec![b'x'; 2 << 20])),
        ("incomplete", &|| std::fs::remove_file(&key).unwrap()),
        ("incomplete", &|| std::fs::remove_file(&crt).unwrap()),
        ("not_valid_now", &|| world.write(&expired)),
    ];
    *world.now.lock().unwrap() += SignedDuration::from_secs(30);
    let mut counts = std::collections::BTreeMap::new();
    for (reason, damage) in cases {
        world.write(&good);
        assert!(reloader.look().await, "the good pair is fine");
        damage();
        assert!(!reloader.look().await, "{reason}");
        let count = counts.entry(reason).and_modify(|count| *count += 1).or_insert(1);
        let line = format!(r#"parapet_pki_refused_reloads_total{{source="test",reason="{reason}"}} {count}"#);
        assert!(world.counted(&line), "{line}");
        assert_eq!(shown(&tls.current()), good.certificate());
        assert_eq!(tls.current().generation(), 1);
    }
    world.write(&other);
    assert!(reloader.look().await);
    assert_eq!(shown(&tls.current()), other.certificate());
}

#[tokio::test]
async fn of_two_pairs_that_are_not_valid_the_one_that_lasts_longer_is_served() {
    let world = World::new();
    world.write(&world.leaf());
    let (tls, mut reloader) = world.start();
    // The clock is wrong by a year, or nobody renewed in time.
    let (earlier, later) = (world.leaf_of(world.now(), SignedDuration::from_hours(1)), {
        world.leaf_of(world.now(), SignedDuration::from_hours(48))
    });
    *world.now.lock().unwrap() += SignedDuration::from_hours(24 * 300);
    world.write(&earlier);
    assert!(!reloader.look().await);
    world.write(&later);
    assert!(reloader.look().await);
    assert_eq!(shown(&tls.current()), later.certificate());
}

#[tokio::test]
async fn a_start_without_a_good_pair_is_refused() {
    let world = World::new();
    let start = || reloading(world.files(), ServerProfile::default(), world.options(NEVER)).map(|_| ());
    assert!(matches!(start(), Err(PkiError::Io { .. })));
    world.write(&world.leaf());
    start().unwrap();
    replace(&world.path("tls.key"), world.leaf().key_pem().as_bytes());
    assert!(matches!(start(), Err(PkiError::KeyMismatch)));
    let expired = world.leaf_of(world.now(), SignedDuration::from_secs(1));
    *world.now.lock().unwrap() += SignedDuration::from_secs(30);
    world.write(&expired);
    start().unwrap();
    let profile =
        ServerProfile { client_certificates: ClientCertificates::Required, ..ServerProfile::default() };
    assert!(matches!(reloading(world.files(), profile, world.options(NEVER)), Err(PkiError::NoTrust)));
}

/// A folder as the kubelet mounts a Secret: links to `..data`, which is a link to what it last wrote.
fn mount(folder: &Path, version: u64, leaf: &Leaf) {
    let written = folder.join(format!("..{version}"));
    std::fs::create_dir(&written).unwrap();
    std::fs::write(written.join("tls.crt"), leaf.certificate_pem()).unwrap();
    std::fs::write(written.join("tls.key"), leaf.key_pem().as_bytes()).unwrap();
    symlink(written.file_name().unwrap(), folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    if version == 0 {
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), folder.join(name)).unwrap();
        }
    }
    if let Some(old) = version.checked_sub(2) {
        std::fs::remove_dir_all(folder.join(format!("..{old}"))).unwrap();
    }
}

#[tokio::test]
async fn a_mounted_secret_is_never_read_half_old_half_new() {
    let world = World::new();
    let leaves = [world.leaf(), world.leaf()];
    mount(world.folder.path(), 0, &leaves[0]);
    let source = world.files();
    let folder = world.folder.path().to_owned();
    let kubelet = std::thread::spawn(move || {
        for version in 1..=300_u64 {
            mount(&folder, version, &leaves[usize::try_from(version % 2).unwrap()]);
        }
        leaves
    });
    let mut read = 0;
    while !kubelet.is_finished() || read == 0 {
        match source.read() {
            Ok(material) => {
                let (certificates, key) = material.pair.unwrap();
                parapet_pki::Pair::from_pem(&certificates, &key).unwrap();
                read += 1;
            }
            Err(PkiError::KeepsChanging(_) | PkiError::Io { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let leaves = kubelet.join().unwrap();
    // And the change of the link is noticed.
    let (tls, reloader) = world.start();
    let following = tokio::spawn(reloader.run(std::future::pending()));
    let mut changes = tls.subscribe();
    mount(world.folder.path(), 301, &leaves[1]);
    let found = changes.wait_for(|tls| shown(tls) == leaves[1].certificate()).await.map(|_| ());
    found.unwrap();
    drop((tls, changes));
    following.await.unwrap();
}

#[tokio::test]
async fn a_watched_secret_is_served() {
    let world = World::new();
    let data = |leaf: &Leaf| {
        let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        SecretData::from([
            ("tls.crt".to_owned(), bytes(&leaf.certificate_pem())),
            ("tls.key".to_owned(), bytes(&leaf.key_pem())),
            ("ca.crt".to_owned(), bytes(world.authority.certificate_pem())),
        ])
    };
    let first = world.leaf();
    let (secret, receiver) = watch::channel(Some(Arc::new(data(&first))));
    let profile =
        ServerProfile { client_certificates: ClientCertificates::Required, ..ServerProfile::default() };
    let (tls, mut reloader) = reloading(SecretPair::new(receiver), profile, world.options(NEVER)).unwrap();
    assert_eq!(shown(&tls.current()), first.certificate());
    assert!(tls.current().trust().unwrap().bundle().contains(world.authority.certificate()));

    // Deleted, or half of it: what was read stays.
    secret.send_replace(None);
    assert!(!reloader.look().await);
    let mut half = data(&world.leaf());
    half.remove("tls.key");
    secret.send_replace(Some(Arc::new(half)));
    assert!(!reloader.look().await);
    assert!(world.counted(r#"parapet_pki_refused_reloads_total{source="test",reason="incomplete"} 2"#));
    assert_eq!(shown(&tls.current()), first.certificate());

    let following = tokio::spawn(reloader.run(std::future::pending()));
    let mut changes = tls.subscribe();
    for _ in 0..3 {
        let leaf = world.leaf();
        secret.send_replace(Some(Arc::new(data(&leaf))));
        let found = changes.wait_for(|tls| shown(tls) == leaf.certificate()).await.map(|_| ());
        found.unwrap();
    }
    // Whoever watched goes away: no error, and no loop either.
    drop(secret);
    drop((tls, changes));
    following.await.unwrap();
}

#[tokio::test]
async fn a_self_signed_certificate_is_renewed_in_memory() {
    let world = World::new();
    let options = world.options(NEVER);
    let source = SelfSigned::generate(Names::only(["localhost"]).unwrap(), options.clock.clone()).unwrap();
    let client = client_config(&source.authority_pem()).unwrap();
    let (tls, mut reloader) = reloading(source, ServerProfile::default(), options).unwrap();
    shake(&tls.current().config(), &client).unwrap();
    assert!(reloader.look().await);
    assert_eq!(tls.current().generation(), 1, "not before it is due");
    *world.now.lock().unwrap() += SignedDuration::from_hours(24 * 244);
    assert!(reloader.look().await);
    assert_eq!(tls.current().generation(), 2);
    assert!(shake(&tls.current().config(), &client).is_err(), "it is another authority's");
}

#[tokio::test]
async fn a_client_follows_its_bundle() {
    let world = World::new();
    let server = world.authority.issue(&Names::new([]).unwrap(), world.now()).unwrap().pair();
    let server = Arc::new(ServerProfile::default().config(&server, None).unwrap());
    let other = Authority::generate(world.now()).unwrap();
    let bundle = |authorities: &[&Authority]| {
        Bundle::new(authorities.iter().map(|authority| authority.certificate().clone())).unwrap().to_pem()
    };
    let path = world.path("ca.crt");
    replace(&path, bundle(&[&other]).as_bytes());
    let paths = PairPaths { pair: None, trust: Some(path.clone()) };
    let (tls, mut reloader) =
        reloading(WatchedPair::new(paths), ClientProfile::default(), world.options(NEVER)).unwrap();
    assert!(shake(&server, &tls.current().config()).is_err());
    replace(&path, bundle(&[&other, &world.authority]).as_bytes());
    assert!(reloader.look().await);
    shake(&server, &tls.current().config()).unwrap();
    replace(&path, b"");
    assert!(!reloader.look().await);
    shake(&server, &tls.current().config()).unwrap();
    // Back to the first: sessions of the bundle before are of no use.
    replace(&path, bundle(&[&other]).as_bytes());
    assert!(reloader.look().await);
    assert!(shake(&server, &tls.current().config()).is_err());
    assert_eq!(tls.current().generation(), 3);
}
