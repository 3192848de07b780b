//! curl, told not to check the guard's own certificate, as the scenarios have it.

use tokio::process::Command;

/// What curl saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 0 if there was no answer at all.
    pub(crate) status: u16,
    /// `1.1` or `2`.
    pub(crate) version: String,
    pub(crate) body: String,
    /// curl's own verdict: 0, or 35 for a handshake that failed.
    pub(crate) exit: i32,
}

/// Asks for `url` with more arguments.
pub(crate) async fn curl(url: &str, args: &[&str]) -> Answer {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--insecure",
            "--globoff",
            "--path-as-is",
            "--write-out",
            "\n%{http_code} %{http_version}",
        ])
        .args(args)
        .arg(url)
        .kill_on_drop(true)
        .output()
        .await
        .expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let (body, seen) = text.rsplit_once('\n').expect("curl writes what it was told to");
    let (status, version) = seen.split_once(' ').expect("two words");
    Answer {
        status: status.parse().expect("a status"),
        version: version.to_owned(),
        body: body.to_owned(),
        exit: output.status.code().expect("curl ends by itself"),
    }
}

/// Asks with a token; the status.
pub(crate) async fn status_with(token: &str, url: &str) -> u16 {
    curl(url, &["--header", &format!("Authorization: Bearer {token}")]).await.status
}

/// Asks without any credentials; the status.
pub(crate) async fn status(url: &str) -> u16 {
    curl(url, &[]).await.status
}
