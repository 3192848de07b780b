//! Credentials of this machine's own clients, in the data folder, each readable by its owner alone: the tokens that the
//! command line and local OTLP senders present, and where the server is. The server itself keeps only their hashes.

use std::path::{Path, PathBuf};

/// Token of the command line: scope `admin`.
pub(crate) const CLI_TOKEN: &str = "cli.token";
/// Token of local OTLP senders: scope `ingest`.
pub(crate) const OTLP_TOKEN: &str = "otlp.token";
/// Where the API is ([`crate::client::Endpoint`]).
pub(crate) const ENDPOINT: &str = "endpoint.json";

/// The folder inside the data folder `data`.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("credentials")
}
