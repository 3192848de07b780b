//! Asking over HTTP as people do, with curl, which doesn't check self-signed certificates here.

use tokio::process::Command;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 0 if there was none.
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks with more of curl's arguments.
pub(crate) async fn ask(url: &str, args: &[&str]) -> Answer {
    let output = Command::new("curl")
        .args(["--silent", "--insecure", "--noproxy", "*", "--write-out", "\n%{http_code}"])
        .args(args)
        .arg(url)
        .kill_on_drop(true)
        .output()
        .await
        .expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let (body, status) = text.rsplit_once('\n').expect("curl writes what it was told to");
    Answer { status: status.parse().expect("a status"), body: body.to_owned() }
}

/// The status without a token.
pub(crate) async fn status(url: &str) -> u16 {
    ask(url, &[]).await.status
}

/// Asks with a token.
pub(crate) async fn ask_with(token: &str, url: &str) -> Answer {
    ask(url, &["--header", &format!("Authorization: Bearer {token}")]).await
}
