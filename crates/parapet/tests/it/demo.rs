//! The demo beside a server whose authority rotates.

use crate::world::{Up, parapet};

#[test]
fn the_demo_goes_on_when_the_authority_rotates() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Up::start(&data, &["--demo", "--no-host"]);
    let calls = "SELECT count(*) AS n FROM spans WHERE service_name = 'toy-gateway'";
    let count = || server.sql(calls)[0]["n"].as_u64().unwrap();
    while count() == 0 {}

    let rotate = parapet().args(["cert", "rotate"]).arg(data.join("pki")).output().unwrap();
    assert!(rotate.status.success(), "{}", String::from_utf8_lossy(&rotate.stderr));
    let bundle = std::fs::read_to_string(data.join("pki/ca.crt")).unwrap();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2);
    let anew =
        "SELECT body FROM logs WHERE body LIKE '%the demo has been started anew with other certificates%'";
    while server.sql(anew).is_empty() {}
    // What was under way has arrived when the old one ended; what comes now is the new one's.
    let before = count();
    while count() < before + 10 {}
    assert_eq!(server.sql(anew).len(), 1, "once for one change");
    let (status, said) = server.interrupt();
    assert!(status.success(), "{said}");
}
