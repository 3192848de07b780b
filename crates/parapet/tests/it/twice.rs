//! A second start finds everything again, and each record once.

use std::io::Write as _;

use crate::world::Up;

#[test]
fn a_second_start_finds_all_the_data_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let log = folder.path().join("app.log");
    let glob = log.to_str().unwrap().to_owned();
    let flags = ["--logs", glob.as_str(), "--no-host", "--no-self"];
    let mut file = std::fs::File::create(&log).unwrap();
    let count = "SELECT count(*) AS n, count(DISTINCT body) AS different FROM logs";

    let first = Up::start(&data, &flags);
    assert!(first.welcome.contains("Password"), "{}", first.welcome);
    for number in 0..1000 {
        writeln!(file, "line number {number}").unwrap();
    }
    let rows = until(&first, count, 1000);
    assert_eq!(rows["different"], 1000);
    let newest = first.said(&["logs", "number 999", "-o", "json"]);
    assert_eq!(newest.lines().count(), 1, "{newest}");
    let (status, said) = first.interrupt();
    assert!(status.success(), "{said}");

    for number in 1000..1500 {
        writeln!(file, "line number {number}").unwrap();
    }
    let second = Up::start(&data, &flags);
    assert!(!second.welcome.contains("shown this once"), "the password is printed by the first start alone");
    let rows = until(&second, count, 1500);
    assert_eq!(rows["different"], 1500);
    let (status, said) = second.interrupt();
    assert!(status.success(), "{said}");

    let doctor = crate::world::parapet().arg("doctor").arg("--data").arg(&data).output().unwrap();
    let report = String::from_utf8(doctor.stdout).unwrap();
    assert!(
        doctor.status.success() && report.contains("1500 rows") && report.contains("All is well"),
        "{report}"
    );
}

/// Asks until the count is reached: each answer is waited for, and a count that stays short hangs the test rather than pass it.
fn until(server: &Up, query: &str, wanted: u64) -> serde_json::Value {
    loop {
        let row = server.sql(query).remove(0);
        let counted = row["n"].as_u64().unwrap();
        assert!(counted <= wanted, "{counted} rows of {wanted} lines");
        if counted == wanted {
            return row;
        }
    }
}
