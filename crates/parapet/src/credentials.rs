//! Credentials of this machine's own clients, in the data folder, each readable by its owner alone: the tokens that the
//! command line and local OTLP senders present, and where the server is. The server itself keeps only their hashes.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use parapet_access::{Accounts, NewToken, Scope, Secret};
use parapet_fs::Fs;

use crate::client::Endpoint;

/// Token of the command line: scope `admin`.
pub(crate) const CLI_TOKEN: &str = "cli.token";
/// Token of local OTLP senders: scope `ingest`.
pub(crate) const OTLP_TOKEN: &str = "otlp.token";
/// Where the API is ([`Endpoint`]).
pub(crate) const ENDPOINT: &str = "endpoint.json";

/// The folder inside the data folder `data`.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("credentials")
}

/// The token in `file`, or a new one there if it is missing or no longer valid. Durable when it returns.
pub(crate) fn ensure_token(
    fs: &dyn Fs,
    accounts: &Accounts,
    folder: &Path,
    file: &str,
    scope: Scope,
) -> anyhow::Result<Secret> {
    let path = folder.join(file);
    if let Ok(kept) = std::fs::read_to_string(&path) {
        let kept = Secret::from(kept.trim().to_owned());
        let header = Secret::from(format!("Bearer {}", kept.expose()));
        if accounts.authenticate_bearer(Some(header.expose()), scope).is_ok() {
            return Ok(kept);
        }
        tracing::warn!(path = %path.display(), "local token is no longer valid; making a new one");
    }
    let wanted = NewToken {
        name: format!("local {}", file.trim_end_matches(".token")),
        scopes: [scope].into_iter().collect(),
        expires_in_days: None,
    };
    let minted = accounts.mint_token(wanted)?;
    parapet_fs::replace(fs, &path, format!("{}\n", minted.secret.expose()).as_bytes())
        .with_context(|| format!("can't write {}", path.display()))?;
    Ok(minted.secret)
}

/// Leaves word for the command line where the API is.
pub(crate) fn write_endpoint(fs: &dyn Fs, folder: &Path, endpoint: &Endpoint) -> anyhow::Result<()> {
    let path = folder.join(ENDPOINT);
    let text = serde_json::to_string_pretty(endpoint)?;
    parapet_fs::replace(fs, &path, text.as_bytes()).with_context(|| format!("can't write {}", path.display()))
}
