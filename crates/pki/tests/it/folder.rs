//! What is found in a folder, and what is made of it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parapet_fs::sim::{Faults, SimFs};
use parapet_fs::{Fs, OpenMode, OsFs, replace};
use parapet_pki::{Authority, Folder, IssueReason, Leaf, Names, PkiError};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const DIR: &str = "pki";

fn start() -> Timestamp {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

fn names() -> Names {
    Names::new([]).unwrap()
}

fn disk() -> Arc<dyn Fs> {
    Arc::new(SimFs::new(1))
}

fn open(fs: &Arc<dyn Fs>, now: Timestamp) -> Result<Folder, PkiError> {
    Folder::open(Arc::clone(fs), Path::new(DIR), names(), now)
}

fn file(fs: &dyn Fs, name: &str) -> Vec<u8> {
    parapet_fs::read(fs, &Path::new(DIR).join(name), 1 << 20).unwrap()
}

fn put(fs: &dyn Fs, name: &str, bytes: &[u8]) {
    replace(fs, &Path::new(DIR).join(name), bytes).unwrap();
}

#[test]
fn a_second_start_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    let first = Folder::open(Arc::clone(&fs), &dir, names(), start()).unwrap();
    for name in ["ca.key", "ca.crt", "server.pem"] {
        let mode = std::fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let second = Folder::open(fs, &dir, names(), start() + DAY).unwrap();
    assert_eq!(first.authority().certificate_pem(), second.authority().certificate_pem());
    assert_eq!(first.identity().leaf().certificate(), second.identity().leaf().certificate());
    assert_eq!(std::fs::read_to_string(second.ca_path()).unwrap(), second.authority().certificate_pem());
    assert_eq!(second.renew(start() + DAY).unwrap(), None);
}

#[test]
fn a_leaf_is_renewed_after_two_thirds_of_its_life() {
    let fs = disk();
    let folder = open(&fs, start()).unwrap();
    let leaf = folder.identity().leaf();
    let due = leaf.renew_at();
    assert!(start() + DAY * 53 < due && due < start() + DAY * 67, "{due}");
    assert_eq!(folder.renew(due - SignedDuration::from_secs(1)).unwrap(), None);
    assert_eq!(folder.renew(due).unwrap(), Some(IssueReason::Due));
    let renewed = folder.identity().leaf();
    assert_ne!(leaf.certificate(), renewed.certificate());
    assert_eq!(renewed.not_after(), due + DAY * 90);
    assert_eq!(folder.expiries(), [("ca", folder.authority().not_after()), ("server", renewed.not_after())]);
    assert_eq!(
        open(&fs, due).unwrap().identity().leaf().certificate(),
        renewed.certificate(),
        "it is durable"
    );
}

#[test]
fn a_failed_renewal_goes_on_with_the_old_leaf() {
    let sim = SimFs::new(1);
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let folder = open(&fs, start()).unwrap();
    let leaf = folder.identity().leaf();
    sim.set_faults(Faults { fail_syncs_from: Some(0), ..Faults::default() });
    let error = folder.renew(leaf.renew_at()).unwrap_err();
    assert!(matches!(error, PkiError::Io { .. }) && !error.needs_repair());
    assert_eq!(folder.identity().leaf().certificate(), leaf.certificate());
    sim.set_faults(Faults::default());
    assert_eq!(folder.renew(leaf.renew_at()).unwrap(), Some(IssueReason::Due));
}

#[test]
fn unusable_leaves_are_replaced_at_start() {
    let now = start() + DAY;
    let check = |leaf: &[u8], names: Names| {
        let fs = disk();
        let authority = open(&fs, start()).unwrap().authority().certificate_pem().to_owned();
        let own = file(&*fs, "server.pem");
        put(&*fs, "server.pem", if leaf == b"own" { &own } else { leaf });
        let folder = Folder::open(Arc::clone(&fs), Path::new(DIR), names.clone(), now).unwrap();
        assert_eq!(folder.authority().certificate_pem(), authority);
        folder.identity().leaf().check(folder.authority(), &names, now).unwrap();
        file(&*fs, "server.pem") != own
    };
    let foreign = Authority::generate(start()).unwrap().issue(&names(), start()).unwrap();
    let other = Authority::generate(start()).unwrap().issue(&names(), start()).unwrap();
    let certificate = foreign.to_pem().split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    let other_key = other.to_pem().split_once("-----BEGIN PRIVATE KEY-----").unwrap().1;
    let mixed = format!("{certificate}-----BEGIN PRIVATE KEY-----{other_key}");
    assert!(matches!(Leaf::from_pem(&mixed), Err(PkiError::KeyMismatch)));

    assert!(!check(b"own", names()), "the own leaf stays");
    assert!(check(b"own", Names::new(["parapet.example"]).unwrap()), "a new name");
    assert!(check(b"", names()), "empty");
    assert!(check(b"\xff\xfe", names()), "no text");
    assert!(check(certificate.as_bytes(), names()), "half a pair");
    assert!(check(mixed.as_bytes(), names()), "a key of another");
    assert!(check(foreign.to_pem().as_bytes(), names()), "of another authority");
}

#[test]
fn an_expired_leaf_is_replaced_at_start() {
    let fs = disk();
    let old = open(&fs, start()).unwrap().identity().leaf();
    let folder = open(&fs, start() + DAY * 400).unwrap();
    assert_ne!(folder.identity().leaf().certificate(), old.certificate());
    assert_eq!(folder.identity().not_after(), start() + DAY * 490);
}

#[test]
fn no_leaf_outlives_its_authority() {
    let authority = Authority::generate(start()).unwrap();
    let late = authority.not_after() - DAY * 10;
    assert_eq!(authority.issue(&names(), late).unwrap().not_after(), authority.not_after());
    let fs = disk();
    let end = open(&fs, start()).unwrap().authority().not_after();
    let error = open(&fs, end + DAY).unwrap_err();
    assert!(matches!(error, PkiError::AuthorityNotValid { .. }) && error.needs_repair(), "{error}");
}

#[test]
fn an_authority_is_never_made_anew_in_silence() {
    let other = Authority::generate(start()).unwrap();
    let check = |damage: &dyn Fn(&dyn Fs)| {
        let fs = disk();
        open(&fs, start()).unwrap();
        damage(&*fs);
        let error = open(&fs, start()).unwrap_err();
        assert!(error.needs_repair(), "{error}");
        match error {
            PkiError::Authority { source, .. } => *source,
            error => error,
        }
    };
    let remove = |fs: &dyn Fs, name: &str| fs.remove_file(&Path::new(DIR).join(name)).unwrap();
    let other_key = other.key_pem();
    let leaf = other.issue(&names(), start()).unwrap();
    let leaf_pem = leaf.to_pem();
    let leaf_key = &leaf_pem[leaf_pem.find("-----BEGIN PRIVATE KEY-----").unwrap()..];

    assert!(
        matches!(check(&|fs| remove(fs, "ca.key")), PkiError::AuthorityIncomplete(path) if path.ends_with("ca.key"))
    );
    assert!(
        matches!(check(&|fs| remove(fs, "ca.crt")), PkiError::AuthorityIncomplete(path) if path.ends_with("ca.crt"))
    );
    assert!(matches!(check(&|fs| put(fs, "ca.key", other_key.as_bytes())), PkiError::KeyMismatch));
    assert!(matches!(check(&|fs| put(fs, "ca.key", b"?")), PkiError::Pem { what: "private key" }));
    assert!(matches!(check(&|fs| put(fs, "ca.crt", b"?")), PkiError::Pem { what: "certificate" }));
    assert!(matches!(
        check(&|fs| {
            put(fs, "ca.crt", leaf_pem.as_bytes());
            put(fs, "ca.key", leaf_key.as_bytes());
        }),
        PkiError::NotAnAuthority
    ));
    let huge = vec![b'x'; 1 << 20];
    let error = {
        let fs = disk();
        open(&fs, start()).unwrap();
        put(&*fs, "ca.key", &huge);
        open(&fs, start()).unwrap_err()
    };
    assert!(matches!(error, PkiError::Io { .. }), "{error}");
}

#[test]
fn a_power_loss_at_any_moment_of_the_first_start_is_survived() {
    let clean = SimFs::new(0);
    Folder::open(Arc::new(clean.clone()), Path::new(DIR), names(), start()).unwrap();
    for at in 0..clean.operations() {
        for seed in 0..4 {
            let sim = SimFs::new(seed);
            sim.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
            assert!(Folder::open(Arc::new(sim.clone()), Path::new(DIR), names(), start()).is_err());
            let fs: Arc<dyn Fs> = Arc::new(sim.crash());
            let published = fs.open(&Path::new(DIR).join("ca.crt"), OpenMode::Read).is_ok();
            let before = published.then(|| file(&*fs, "ca.crt"));
            let folder =
                open(&fs, start()).unwrap_or_else(|error| panic!("operation {at}, seed {seed}: {error}"));
            if let Some(before) = before {
                assert_eq!(folder.authority().certificate_pem().as_bytes(), before);
            }
        }
    }
}

#[test]
fn names_are_checked() {
    for bad in ["", "a b", "-", "https://localhost", "1.2.3.4:80", "*.", "ä.example"] {
        assert!(matches!(Names::new([bad]), Err(PkiError::Name(name)) if name == bad), "{bad:?}");
    }
    assert_eq!(Names::new(["LOCALHOST", "::1"]).unwrap(), names());
}
