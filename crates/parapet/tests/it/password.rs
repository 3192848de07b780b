//! The admin's password where somebody else keeps it: a rotation during which nobody is locked out.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Up, up};

/// A folder with one secret in it, and the configuration that refers to it.
struct Kept {
    secret: PathBuf,
    config: PathBuf,
}

impl Kept {
    fn new(folder: &Path) -> Self {
        let root = folder.join("secrets");
        let secret = root.join("admin");
        fs::create_dir_all(&secret).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
        let config = folder.join("parapet.yaml");
        let yaml = format!(
            "secrets:\n  startDeadline: 2s\n  providers: {{mounted: {{file: {{root: '{}', poll: 1s}}}}}}\n\
             access:\n  adminPassword: {{secretRef: {{provider: mounted, path: admin, key: password}}}}\n  \
             passwordOverlap: 1d\n",
            root.display(),
        );
        fs::write(&config, yaml).unwrap();
        Self { secret, config }
    }

    fn put(&self, password: &str) {
        let new = self.secret.join(".new");
        fs::write(&new, password).unwrap();
        fs::rename(new, self.secret.join("password")).unwrap();
    }

    fn flags(&self) -> [&str; 5] {
        ["--config", self.config.to_str().unwrap(), "--log-level", "trace", "--no-host"]
    }
}

fn login(server: &Up, password: &str) -> u16 {
    let body = json!({"username": "admin", "password": password}).to_string();
    server.curl("/api/v1/session", &["--json", &body]).0
}

/// What the status page says of the one secret.
fn status(server: &Up) -> Value {
    serde_json::from_str::<Value>(&server.read("/api/v1/status")).unwrap()["secrets"][0].clone()
}

/// Puts another password there, and returns when it is in use or refused.
fn rotate(server: &Up, kept: &Kept, password: &str) -> Value {
    let before = status(server);
    kept.put(password);
    loop {
        let now = status(server);
        let user = &now["users"][0];
        if now["version"] != before["version"]
            && (user["applied"] == now["version"] || !user["refused"].is_null())
        {
            return now;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn both_passwords_open_during_a_rotation_and_none_is_ever_told() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    let passwords = ["first-4jd8x0q2", "second-k3m9z7w1", "third-p5t2v6b8"];
    // A final line end is an editor's.
    kept.put(&format!("{}\n", passwords[0]));
    let data = folder.path().join("data");
    let server = Up::start(&data, &kept.flags());
    assert!(server.welcome.contains("access.adminPassword"), "{}", server.welcome);
    assert_eq!((&server.ready["username"], &server.ready["password"]), (&Value::Null, &Value::Null));
    assert_eq!([login(&server, passwords[0]), login(&server, passwords[1])], [200, 401]);

    rotate(&server, &kept, passwords[1]);
    assert_eq!([login(&server, passwords[0]), login(&server, passwords[1])], [200, 200]);
    // An empty one would open to everybody: refused, and the two stay.
    let said = rotate(&server, &kept, "\n");
    assert_eq!(said["users"][0]["refused"], "the password is empty");
    assert_eq!([login(&server, passwords[0]), login(&server, passwords[1])], [200, 200]);
    // There are two slots and no more.
    rotate(&server, &kept, passwords[2]);
    assert_eq!([login(&server, passwords[1]), login(&server, passwords[2])], [200, 200]);
    assert_eq!(login(&server, passwords[0]), 401);

    let rows =
        server.said(&["sql", "SELECT body, attributes FROM logs", "--max-rows", "10000", "-o", "json"]);
    let metrics = server.said(&["sql", "SELECT * FROM metrics", "--max-rows", "10000", "-o", "json"]);
    let proc = Path::new("/proc").join(server.pid().to_string());
    let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let mut shown = vec![
        ("environment", read(proc.join("environ"))),
        ("arguments", read(proc.join("cmdline"))),
        ("own logs", rows),
        ("own metrics", metrics),
        ("status", server.read("/api/v1/status")),
        ("metrics", server.read("/metrics")),
        ("accounts", read(data.join("accounts.json"))),
    ];
    let (_, said) = server.interrupt();
    assert!(
        said.contains("the password before the last change was used"),
        "whoever still uses it can be found"
    );
    shown.push(("log", said));
    for (place, text) in &shown {
        for password in passwords {
            assert!(!text.contains(password), "a password is shown in the {place}");
        }
    }
}

#[test]
fn a_password_that_is_not_there_stops_the_start_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Kept::new(folder.path());
    let refused = |expected: &str| {
        let output = up(&folder.path().join("data"), &kept.flags()[..2]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("access.adminPassword") && said.contains(expected),
            "{expected:?} is missing in: {said}"
        );
    };
    refused("mounted:admin (missing)");
    kept.put("\n");
    refused("the password is empty");
}
