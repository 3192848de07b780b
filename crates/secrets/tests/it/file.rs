//! Files as kubelet, CSI drivers, agents and people write them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parapet_secrets::{
    FileConfig, FileProvider, Need, Provider as _, Reason, Refused, Scope, SecretError, Snapshot, Store,
    Subscription, Version,
};
use tempfile::TempDir;

use crate::world::{becomes, providers, quick, reference, status_of, store, text, value};

/// A root folder with one secret in it.
struct Root(TempDir);

impl Root {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(root.path().join("db")).unwrap();
        Self(root)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn provider(&self, more: &str) -> FileProvider {
        let config = format!("{{root: '{}', poll: 200ms{more}}}", self.0.path().display());
        FileProvider::new(&serde_saphyr::from_str::<FileConfig>(&config).unwrap())
    }

    async fn read(&self, more: &str) -> Result<Snapshot, SecretError> {
        self.provider(more).resolve(&reference("p:db#k").location()).await
    }

    fn store(&self) -> Store {
        store(providers(Arc::new(self.provider(""))), quick())
    }

    /// As an agent writes: beside it, then over it.
    fn put(&self, name: &str, content: &str) {
        fs::write(self.path("db/.new"), content).unwrap();
        fs::rename(self.path("db/.new"), self.path("db").join(name)).unwrap();
    }

    /// As kubelet writes: a folder for the version, and the link swapped to it.
    fn swap(&self, version: u32, keys: &[&str]) {
        let folder = self.path("db");
        let name = format!("..2026_11_21_{version:06}");
        fs::create_dir(folder.join(&name)).unwrap();
        for key in keys {
            let file = folder.join(&name).join(key);
            fs::write(&file, format!("{key} {version}")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            if !folder.join(key).exists() {
                symlink(Path::new("..data").join(key), folder.join(key)).unwrap();
            }
        }
        let old = fs::read_link(folder.join("..data")).ok();
        symlink(&name, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        if let Some(old) = old {
            fs::remove_dir_all(folder.join(old)).unwrap();
        }
    }

    /// Every user of the machine can come as far as the files.
    fn open_to_all(&self) {
        for folder in [self.path(""), self.path("db")] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

fn watch(store: &Store, key: &str) -> Subscription {
    let reference = reference(&format!("p:db#{key}"));
    store.watch(&Scope::Own, &reference, Need::Required, "test").unwrap()
}

#[tokio::test]
async fn a_folder_is_a_secret_and_a_file_a_key() {
    let root = Root::new();
    root.put("user", "app");
    root.put("password", "hunter2\n");
    root.put(".hidden", "x");
    fs::create_dir(root.path("db/more")).unwrap();
    let snapshot = root.read("").await.unwrap();
    assert_eq!(snapshot.keys().collect::<Vec<_>>(), ["password", "user"]);
    // Bytes are bytes: whether a line end belongs to a value only its user knows.
    assert_eq!(text(&snapshot, "password"), "hunter2\n");
    assert!(snapshot.version().as_str().starts_with("20"), "a time: {}", snapshot.version());
}

/// A hundred rotations in a few seconds, some hundred times what anybody does; each version is seen whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn swapped_links_give_whole_versions_and_the_last_one_arrives() {
    let root = Root::new();
    root.swap(0, &["tls.crt", "tls.key"]);
    let store = root.store();
    let mut used = watch(&store, "tls.crt");
    let rotations = tokio::task::spawn_blocking(move || {
        for version in 1..=100 {
            root.swap(version, &["tls.crt", "tls.key"]);
            std::thread::sleep(Duration::from_millis(30));
        }
        root
    });
    let mut seen = Vec::new();
    while seen.last() != Some(&100) {
        used.changed().await;
        let applied = used.apply(|snapshot| {
            let number = |key: &str| text(snapshot, key).rsplit(' ').next().unwrap().parse::<u32>().unwrap();
            assert_eq!(number("tls.crt"), number("tls.key"), "a pair of one version");
            assert_eq!(snapshot.version(), &Version::new(format!("2026_11_21_{:06}", number("tls.crt"))));
            seen.push(number("tls.crt"));
            Ok(())
        });
        applied.unwrap().unwrap();
    }
    let _root = rotations.await.unwrap();
    assert!(seen.is_sorted() && seen.len() > 5, "{seen:?}");
    assert_eq!(status_of(&store, "p:db").failures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_being_written_is_waited_for() {
    let root = Root::new();
    root.put("password", "old-password");
    let store = root.store();
    let mut used = watch(&store, "password");
    becomes(&mut used, "old-password").await;
    let file = root.path("db/password");
    let writing = tokio::task::spawn_blocking(move || {
        fs::write(&file, "").unwrap();
        for part in ["new", "new-", "new-password"] {
            std::thread::sleep(Duration::from_millis(60));
            fs::write(&file, part).unwrap();
        }
    });
    used.changed().await;
    used.apply(|snapshot| {
        assert_eq!(text(snapshot, "password"), "new-password", "nothing between the two");
        Ok(())
    });
    writing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_half_written_is_refused_and_the_old_pair_stays() {
    let root = Root::new();
    root.put("tls.crt", "pair 1");
    root.put("tls.key", "pair 1");
    let store = root.store();
    let mut used = watch(&store, "tls.crt");
    let fits = |snapshot: &Snapshot| {
        if text(snapshot, "tls.crt") == text(snapshot, "tls.key") { Ok(()) } else { Err(Refused("no pair")) }
    };
    used.changed().await;
    let first = used.apply(fits).unwrap().unwrap();
    // An agent that died between the two.
    root.put("tls.crt", "pair 2");
    used.changed().await;
    assert_eq!(used.apply(fits), Some(Err(Refused("no pair"))));
    assert_eq!(status_of(&store, "p:db").consumers[0].applied, Some(first));
    root.put("tls.key", "pair 2");
    used.changed().await;
    used.apply(fits).unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_stays_in_use_until_it_is_back() {
    let root = Root::new();
    root.put("password", "old");
    let store = root.store();
    let mut used = watch(&store, "password");
    becomes(&mut used, "old").await;
    fs::remove_dir_all(root.path("db")).unwrap();
    while status_of(&store, "p:db").last_failure != Some(Reason::Missing) {
        tokio::task::yield_now().await;
    }
    assert_eq!(value(&used).as_deref(), Some("old"));
    fs::create_dir(root.path("db")).unwrap();
    root.put("password", "new");
    becomes(&mut used, "new").await;
    assert_eq!(status_of(&store, "p:db").last_failure, None);
}

#[tokio::test]
async fn files_that_everybody_can_write_are_refused() {
    let root = Root::new();
    root.open_to_all();
    root.put("password", "x");
    fs::set_permissions(root.path("db/password"), fs::Permissions::from_mode(0o602)).unwrap();
    let error = root.read(", worldReadable: allow").await.unwrap_err();
    assert!(error.to_string().contains("write"), "{error}");
}

#[tokio::test]
async fn files_that_everybody_can_read_are_refused_unless_allowed_or_a_volumes() {
    let root = Root::new();
    root.put("password", "x");
    fs::set_permissions(root.path("db/password"), fs::Permissions::from_mode(0o644)).unwrap();
    // Nobody else can come as far as the file.
    fs::set_permissions(root.path(""), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(root.read("").await.is_ok());
    root.open_to_all();
    let error = root.read("").await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unsafe);
    assert!(error.to_string().contains("chmod o-r"), "{error}");
    assert!(root.read(", worldReadable: allow").await.is_ok());
    fs::remove_file(root.path("db/password")).unwrap();
    root.swap(1, &["password"]);
    assert_eq!(text(&root.read("").await.unwrap(), "password"), "password 1");
}

#[tokio::test]
async fn links_that_lead_out_of_the_root_are_refused() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("shadow"), "root").unwrap();
    let root = Root::new();
    symlink(elsewhere.path().join("shadow"), root.path("db/password")).unwrap();
    let error = root.read("").await.unwrap_err();
    assert!(matches!(error, SecretError::Unsafe(_)), "{error}");
    fs::remove_dir_all(root.path("db")).unwrap();
    symlink(elsewhere.path(), root.path("db")).unwrap();
    let error = root.read("").await.unwrap_err();
    assert!(matches!(error, SecretError::Unsafe(_)), "{error}");
}

#[tokio::test]
async fn what_is_no_secret_is_refused() {
    let root = Root::new();
    assert!(matches!(root.read("").await, Err(SecretError::NotFound)), "an empty folder");
    fs::write(root.path("db/.big"), vec![b'x'; 1 << 20]).unwrap();
    fs::rename(root.path("db/.big"), root.path("db/big")).unwrap();
    root.put("password", "x");
    assert!(matches!(root.read("").await, Err(SecretError::TooLarge)));
    fs::remove_file(root.path("db/big")).unwrap();
    fs::write(root.path("db/password"), "").unwrap();
    assert!(matches!(root.read("").await, Err(SecretError::Incomplete)));
    fs::remove_dir_all(root.path("db")).unwrap();
    fs::write(root.path("db"), "a file").unwrap();
    assert!(matches!(root.read("").await, Err(SecretError::NotFound)));
    let pinned = root.provider("").resolve(&reference("p:db@3#k").location()).await;
    assert!(matches!(pinned, Err(SecretError::Unsupported(_))));
}
