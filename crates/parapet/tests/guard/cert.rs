//! `parapet cert` and `parapet version`, as people and scripts call them.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parapet_pki::{Authority, AuthorityOptions, Bundle, Leaf, Names, ServerProfile};
use serde_json::Value;

struct Folder {
    folder: tempfile::TempDir,
    authority: Authority,
    leaf: Leaf,
}

impl Folder {
    /// As a Secret is mounted.
    fn new() -> Self {
        let authority = Authority::generate(Timestamp::now()).unwrap();
        let leaf = authority.issue(&Names::new([]).unwrap(), Timestamp::now()).unwrap();
        let folder = Self { folder: tempfile::tempdir().unwrap(), authority, leaf };
        folder.write("tls.crt", &folder.leaf.certificate_pem());
        folder.write("tls.key", &folder.leaf.key_pem());
        folder.write("ca.crt", folder.authority.certificate_pem());
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }
}

fn cert(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parapet")).arg("cert").args(arguments).output().unwrap()
}

#[track_caller]
fn ends(arguments: &[&str], code: i32, says: &str) {
    let output = cert(arguments);
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(says), "{said}");
}

#[test]
fn check_ends_with_a_number_that_scripts_can_tell_apart() {
    let folder = Folder::new();
    let file = |name: &str| folder.folder.path().join(name).to_str().unwrap().to_owned();
    ends(&["check", folder.path()], 0, "Nothing is wrong");
    ends(&["check", &file("tls.crt")], 0, "Trust was not judged");
    ends(&["check", folder.path(), "--within", "60d"], 0, "Nothing is wrong");
    ends(&["check", folder.path(), "--within", "100d"], 1, "expires in");
    ends(&["check", folder.path(), "--name", "other.example"], 1, "not for other.example");
    ends(&["check", &file("tls.key")], 1, "no certificate");

    let other = Folder::new();
    let ca = other.folder.path().join("ca.crt");
    ends(&["check", folder.path(), "--ca", ca.to_str().unwrap()], 1, "is not sent along and not trusted");
    folder.write("tls.key", &other.leaf.key_pem());
    ends(&["check", folder.path()], 1, "belongs to none of the certificates");
    folder.write("tls.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    ends(&["check", folder.path()], 1, "certificate 1: malformed certificate");

    ends(&["check", &file("none")], 2, "can't read");
    ends(&["check", folder.path(), "--within", "soon"], 2, "--within");
    ends(&["check", folder.path(), "--name", "a b"], 2, "neither a DNS name nor an IP address");
    ends(&["check"], 2, "TARGET");
    // Bound and let go: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    ends(&["check", &address.to_string()], 4, "can't connect");
}

#[test]
fn a_server_is_checked_as_its_clients_see_it() {
    let folder = Folder::new();
    let config = Arc::new(ServerProfile::default().config(&folder.leaf.pair(), None).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut socket = socket.unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut socket).is_ok() {}
        }
    });
    let ca = folder.folder.path().join("ca.crt");
    ends(&["check", &address, "--ca", ca.to_str().unwrap()], 0, "TLSv1_3");
    ends(&["check", &address, "--ca", ca.to_str().unwrap(), "--name", "a.example"], 1, "not for a.example");
    let shown = cert(&["show", &address, "-o", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown[0]["connection"]["address"], address.as_str());
    assert_eq!(shown[0]["certificates"].as_array().unwrap().len(), 1);
    assert_eq!(shown[0]["certificates"][0]["names"][0], "DNS:localhost");
}

#[test]
fn no_private_key_is_ever_printed() {
    let folder = Folder::new();
    let key = folder.leaf.key_pem();
    for command in ["show", "check", "explain"] {
        for output in ["text", "json"] {
            let said = cert(&[command, folder.path(), "-o", output]);
            let said =
                format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
            assert!(said.contains("localhost") || command == "check", "{said}");
            for line in key.lines() {
                assert!(!said.contains(line), "{command} {output}");
            }
        }
    }
}

#[test]
fn what_strangers_wrote_does_not_reach_the_terminal_as_it_is() {
    let options =
        AuthorityOptions { common_name: Some("red \x1b[31m\r\n".to_owned()), ..AuthorityOptions::default() };
    let authority = Authority::generate_with(&options, Timestamp::now()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.crt"), authority.certificate_pem()).unwrap();
    for command in ["show", "explain"] {
        let said = cert(&[command, folder.path().to_str().unwrap()]).stdout;
        assert!(!said.contains(&0x1b) && !said.contains(&b'\r'));
        assert!(String::from_utf8(said).unwrap().contains("\\u{1b}[31m"));
    }
}

#[test]
fn a_rotation_is_explained() {
    let folder = Folder::new();
    ends(&["explain", folder.path()], 0, "it would be replaced about");
    let rotation = r#"{"rotation": {"phase": "prepare", "since": "2026-11-01T12:00:00Z", "finished": 0}}"#;
    folder.write("authorities.json", rotation);
    ends(&["explain", folder.path()], 0, "prepare since 2026-11-01T12:00:00Z: ca.crt has the successor too");
}

#[test]
fn an_authority_that_ends_before_what_it_signed_is_told() {
    let short = AuthorityOptions { life: SignedDuration::from_hours(48), ..AuthorityOptions::default() };
    let authority = Authority::generate_with(&short, Timestamp::now()).unwrap();
    let bundle = Bundle::new([authority.certificate().clone()]).unwrap();
    let folder = Folder::new();
    folder.write("ca.crt", &bundle.to_pem());
    let leaf = authority.issue(&Names::new([]).unwrap(), Timestamp::now()).unwrap();
    folder.write("tls.crt", &leaf.certificate_pem());
    folder.write("tls.key", &leaf.key_pem());
    ends(&["check", folder.path()], 0, "Nothing is wrong");
    ends(&["check", folder.path(), "--within", "3d"], 1, "the trusted authority that signed it");
}

#[test]
fn the_version_says_what_was_built() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_parapet")).args(["version", "-o", "json"]).output().unwrap();
    let version: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["features"].as_array().unwrap().contains(&"guard".into()));
    assert_eq!(version["fips_build"], cfg!(feature = "fips"));
    assert_eq!(
        version["fips_enabled"],
        cfg!(feature = "fips"),
        "a build for FIPS is in FIPS mode, others aren't"
    );
    let output = Command::new(env!("CARGO_BIN_EXE_parapet")).arg("version").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().lines().any(|line| line.starts_with("FIPS ")));
}

/// A folder as `parapet up` has it.
fn own_folder(dir: &std::path::Path, name: &str) -> parapet_pki::Folder {
    let options = parapet_pki::FolderOptions::new(Names::new([name]).unwrap());
    let fs: Arc<dyn parapet_fs::Fs> = Arc::new(parapet_fs::OsFs);
    parapet_pki::Folder::open(fs, dir, options, Timestamp::now()).unwrap()
}

fn authorities(dir: &std::path::Path) -> usize {
    Bundle::from_pem(&std::fs::read(dir.join("ca.crt")).unwrap()).unwrap().certificates().len()
}

#[test]
fn a_rotation_by_hand_of_a_folder_that_nobody_has_open() {
    let dir = tempfile::tempdir().unwrap();
    drop(own_folder(dir.path(), "parapet.example"));
    let path = dir.path().to_str().unwrap();
    let leaf = std::fs::read(dir.path().join("server.pem")).unwrap();
    ends(&["abort", path], 1, "no rotation is under way");
    ends(&["rotate", path], 0, "it is in its phase prepare");
    assert_eq!(authorities(dir.path()), 2);
    ends(&["explain", path], 0, "repare");
    ends(&["rotate", path], 1, "a rotation is under way, in its phase prepare");
    ends(&["abort", path], 0, "is gone");
    assert_eq!(authorities(dir.path()), 1);
    // Neither is a reason for another certificate, whatever names it has.
    assert_eq!(std::fs::read(dir.path().join("server.pem")).unwrap(), leaf);

    let other = Folder::new();
    ends(&["rotate", other.path()], 2, "has no authority of Parapet's own");
    ends(&["rotate"], 2, "FOLDER");
}

#[test]
fn a_rotation_by_hand_is_done_by_the_process_that_has_the_folder_open() {
    let dir = tempfile::tempdir().unwrap();
    let folder = own_folder(dir.path(), "parapet.example");
    let lock = parapet_pki::FolderLock::take(&parapet_fs::OsFs, dir.path()).unwrap().unwrap();
    let path = dir.path().to_str().unwrap();
    // Nobody answers: the question is taken back.
    ends(&["rotate", path, "--timeout", "300ms"], 1, "did not answer within 300ms");
    assert_eq!(folder.answer(Timestamp::now()).unwrap(), None);
    let answering = std::thread::spawn(move || {
        let mut answers = Vec::new();
        while answers.len() < 2 {
            answers.extend(folder.answer(Timestamp::now()).unwrap());
            std::thread::yield_now();
        }
        drop(lock);
        answers.into_iter().map(|(what, answered)| (what, answered.refused)).collect::<Vec<_>>()
    });
    ends(&["rotate", path], 0, "it is in its phase prepare");
    assert_eq!(authorities(dir.path()), 2);
    ends(&["rotate", path], 1, "under way");
    let (rotate, refused) = (parapet_pki::Request::Rotate, "a rotation is under way, in its phase prepare");
    assert_eq!(answering.join().unwrap(), [(rotate, None), (rotate, Some(refused.to_owned()))]);
}
