//! Noticing that the configuration file has changed: the process ends cleanly then, and is started again with the new one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Given, Settings};

/// How often the file is looked at. A ConfigMap's files change by links, up to a minute after the ConfigMap.
pub const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Returns when the file says something else than `given` did, and what it says can be used: with an edit that can't,
/// the operator goes on as it was, and says so.
pub async fn changed(path: PathBuf, given: Given, every: Duration) {
    let mut last = given.file.as_ref().map(|(_, text)| text.clone());
    loop {
        tokio::time::sleep(every).await;
        let text = match read(&path).await {
            Ok(text) => text,
            // A ConfigMap's link is missing for a moment while it is exchanged.
            Err(error) => {
                tracing::debug!(%error, "the configuration file can't be read now");
                continue;
            }
        };
        if last.as_ref() == Some(&text) {
            continue;
        }
        last = Some(text.clone());
        let same_as_first = given.file.as_ref().is_some_and(|(_, first)| *first == text);
        if same_as_first {
            continue;
        }
        let now = Given { file: Some((path.clone(), text)), ..given.clone() };
        match Settings::resolve(&now) {
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%error, "the changed configuration can't be used; the operator goes on with what it has");
            }
        }
    }
}

async fn read(path: &Path) -> std::io::Result<String> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || super::read_bounded(&path));
    reading.await.map_err(std::io::Error::other)?
}
