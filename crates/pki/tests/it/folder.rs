//! What is found in a folder, and what is made of it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parapet_fs::sim::{Faults, SimFs};
use parapet_fs::{Fs, OpenMode, OsFs, replace};
use parapet_pki::{Authority, Event, Folder, FolderOptions, IssueReason, Leaf, Names, PkiError, Reports};

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
    Folder::open(Arc::clone(fs), Path::new(DIR), FolderOptions::new(names()), now)
}

/// Why the leaf was replaced, if anything was changed.
fn renew(folder: &Folder, now: Timestamp) -> Result<Option<IssueReason>, PkiError> {
    Ok(match folder.tick(now, &Reports::default())?.as_slice() {
        [] => None,
        [Event::Issued(reason)] => Some(*reason),
        events => panic!("{events:?}"),
    })
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
    let first = Folder::open(Arc::clone(&fs), &dir, FolderOptions::new(names()), start()).unwrap();
    for name in ["authorities.json", "ca.crt", "server.pem"] {
        let mode = std::fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let second = Folder::open(fs, &dir, FolderOptions::new(names()), start() + DAY).unwrap();
    assert_eq!(first.authority().certificate_pem(), second.authority().certificate_pem());
    assert_eq!(first.identity().leaf().certificate(), second.identity().leaf().certificate());
    assert_eq!(std::fs::read_to_string(second.ca_path()).unwrap(), second.authority().certificate_pem());
    assert_eq!(renew(&second, start() + DAY).unwrap(), None);
}

#[test]
fn a_leaf_is_renewed_after_two_thirds_of_its_life() {
    let fs = disk();
    let folder = open(&fs, start()).unwrap();
    let leaf = folder.identity().leaf();
    let due = leaf.renew_at();
    assert!(start() + DAY * 53 < due && due < start() + DAY * 67, "{due}");
    assert_eq!(renew(&folder, due - SignedDuration::from_secs(1)).unwrap(), None);
    assert_eq!(renew(&folder, due).unwrap(), Some(IssueReason::Due));
    let renewed = folder.identity().leaf();
    assert_ne!(leaf.certificate(), renewed.certificate());
    assert_eq!(renewed.not_after(), due + DAY * 90);
    assert_eq!(
        folder.expiries(),
        vec![("ca", folder.authority().not_after()), ("server", renewed.not_after())]
    );
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
    let error = renew(&folder, leaf.renew_at()).unwrap_err();
    assert!(matches!(error, PkiError::Io { .. }) && !error.needs_repair());
    assert_eq!(folder.identity().leaf().certificate(), leaf.certificate());
    sim.set_faults(Faults::default());
    assert_eq!(renew(&folder, leaf.renew_at()).unwrap(), Some(IssueReason::Due));
}

#[test]
fn unusable_leaves_are_replaced_at_start() {
    let now = start() + DAY;
    let check = |leaf: &[u8], names: Names| {
        let fs = disk();
        let authority = open(&fs, start()).unwrap().authority().certificate_pem().to_owned();
        let own = file(&*fs, "server.pem");
        put(&*fs, "server.pem", if leaf == b"own" { &own } else { leaf });
        let folder =
            Folder::open(Arc::clone(&fs), Path::new(DIR), FolderOptions::new(names.clone()), now).unwrap();
        assert_eq!(folder.authority().certificate_pem(), authority);
        folder.identity().leaf().check(&folder.authority(), &names, now).unwrap();
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
    let leaf = authority.issue(&names(), late).unwrap();
    assert_eq!(leaf.not_after(), authority.not_after() - SignedDuration::from_secs(60));
    let too_late = authority.not_after() - SignedDuration::from_secs(60);
    assert!(matches!(authority.issue(&names(), too_late), Err(PkiError::AuthorityNotValid { .. })));
    let fs = disk();
    let end = open(&fs, start()).unwrap().authority().not_after();
    let error = open(&fs, end + DAY).unwrap_err();
    assert!(matches!(error, PkiError::AuthorityNotValid { .. }) && error.needs_repair(), "{error}");
}

#[test]
fn an_authority_is_never_made_anew_in_silence() {
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
    let other = Authority::generate(start()).unwrap();
    let leaf = other.issue(&names(), start()).unwrap();
    let remove = |fs: &dyn Fs, name: &str| fs.remove_file(&Path::new(DIR).join(name)).unwrap();
    let record = |fs: &dyn Fs, edit: &dyn Fn(&mut serde_json::Value)| {
        let mut record = serde_json::from_slice(&file(fs, "authorities.json")).unwrap();
        edit(&mut record);
        put(fs, "authorities.json", record.to_string().as_bytes());
    };
    let other_key = other.key_pem().to_string();

    assert!(
        matches!(check(&|fs| remove(fs, "authorities.json")), PkiError::AuthorityIncomplete(path) if path.ends_with("authorities.json"))
    );
    assert!(matches!(check(&|fs| put(fs, "authorities.json", b"?")), PkiError::Record(_)));
    assert!(matches!(check(&|fs| record(fs, &|r| r["version"] = 2.into())), PkiError::NewerVersion(2)));
    assert!(matches!(check(&|fs| record(fs, &|r| r["wrong"] = 2.into())), PkiError::Record(_)));
    assert!(matches!(
        check(&|fs| record(fs, &|r| r["rotation"]["phase"] = "switch".into())),
        PkiError::Record(_)
    ));
    assert!(matches!(
        check(&|fs| record(fs, &|r| r["current"]["key"] = other_key.clone().into())),
        PkiError::KeyMismatch
    ));
    assert!(matches!(
        check(&|fs| record(fs, &|r| r["current"]["key"] = "?".into())),
        PkiError::Pem { what: "private key" }
    ));
    assert!(matches!(
        check(&|fs| record(fs, &|r| r["current"]["certificate"] = "?".into())),
        PkiError::Pem { what: "certificate" }
    ));
    assert!(matches!(
        check(&|fs| record(fs, &|r| {
            r["current"]["certificate"] = leaf.certificate_pem().into();
            r["current"]["key"] = leaf.key_pem().to_string().into();
        })),
        PkiError::NotAnAuthority
    ));
    let error = {
        let fs = disk();
        open(&fs, start()).unwrap();
        put(&*fs, "authorities.json", &vec![b'x'; 1 << 20]);
        open(&fs, start()).unwrap_err()
    };
    assert!(matches!(error, PkiError::Io { .. }), "{error}");
}

#[test]
fn a_damaged_record_is_reported_without_its_keys() {
    let fs = disk();
    let key = open(&fs, start()).unwrap().authority().key_pem();
    let record = String::from_utf8(file(&*fs, "authorities.json")).unwrap();
    put(&*fs, "authorities.json", record.replace("\"key\":", "\"kee\":").as_bytes());
    let error = format!("{:?}", open(&fs, start()).unwrap_err());
    for line in key.lines() {
        assert!(!error.contains(line), "{error}");
    }
}

#[test]
fn what_clients_are_given_is_written_again_when_it_is_lost() {
    let fs = disk();
    let folder = open(&fs, start()).unwrap();
    let published = file(&*fs, "ca.crt");
    fs.remove_file(&folder.ca_path()).unwrap();
    folder.tick(start(), &Reports::default()).unwrap();
    assert_eq!(file(&*fs, "ca.crt"), published);
    put(&*fs, "ca.crt", b"?");
    open(&fs, start()).unwrap();
    assert_eq!(file(&*fs, "ca.crt"), published);
}

#[test]
fn a_folder_of_an_earlier_version_is_taken_over() {
    let authority = Authority::generate(start()).unwrap();
    let leaf = authority.issue(&names(), start()).unwrap();
    let earlier = |sim: SimFs| {
        parapet_fs::ensure_dir(&sim, Path::new(DIR)).unwrap();
        put(&sim, "ca.key", authority.key_pem().as_bytes());
        put(&sim, "ca.crt", authority.certificate_pem().as_bytes());
        put(&sim, "server.pem", leaf.to_pem().as_bytes());
        sim
    };
    let check = |fs: Arc<dyn Fs>| {
        let folder = open(&fs, start()).unwrap();
        assert_eq!(folder.authority().certificate(), authority.certificate());
        assert_eq!(folder.identity().leaf().certificate(), leaf.certificate());
        assert_eq!(fs.metadata(&Path::new(DIR).join("ca.key")).unwrap(), None, "the key is in one place");
        assert!(open(&fs, start()).is_ok());
    };
    check(Arc::new(earlier(SimFs::new(1))));

    let clean = earlier(SimFs::new(0));
    let before = clean.operations();
    open(&(Arc::new(clean.clone()) as Arc<dyn Fs>), start()).unwrap();
    for at in before..clean.operations() {
        let sim = earlier(SimFs::new(at));
        sim.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
        assert!(open(&(Arc::new(sim.clone()) as Arc<dyn Fs>), start()).is_err());
        check(Arc::new(sim.crash()));
    }

    let sim = earlier(SimFs::new(1));
    sim.remove_file(&Path::new(DIR).join("ca.key")).unwrap();
    let error = open(&(Arc::new(sim) as Arc<dyn Fs>), start()).unwrap_err();
    assert!(matches!(error, PkiError::AuthorityIncomplete(_)), "{error}");
    let sim = earlier(SimFs::new(1));
    put(&sim, "ca.key", Authority::generate(start()).unwrap().key_pem().as_bytes());
    assert!(open(&(Arc::new(sim) as Arc<dyn Fs>), start()).is_err());
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    for name in ["authorities.json", "server.pem"] {
        let folder = tempfile::tempdir().unwrap();
        let open = || Folder::open(Arc::new(OsFs), folder.path(), FolderOptions::new(names()), start());
        open().unwrap();
        let mode = |mode| {
            std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(mode))
                .unwrap();
        };
        for exposed in [0o644, 0o640, 0o602] {
            mode(exposed);
            let error = open().unwrap_err();
            assert!(matches!(&error, PkiError::KeyExposed(path) if path.ends_with(name)), "{error}");
            assert!(error.to_string().contains("chmod 600") && error.needs_repair());
        }
        mode(0o400);
        open().unwrap();
    }
}

#[test]
fn a_power_loss_at_any_moment_of_the_first_start_is_survived() {
    let clean = SimFs::new(0);
    Folder::open(Arc::new(clean.clone()), Path::new(DIR), FolderOptions::new(names()), start()).unwrap();
    for at in 0..clean.operations() {
        for seed in 0..4 {
            let sim = SimFs::new(seed);
            sim.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
            assert!(
                Folder::open(Arc::new(sim.clone()), Path::new(DIR), FolderOptions::new(names()), start())
                    .is_err()
            );
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
