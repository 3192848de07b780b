//! The accounts file: what it holds, and how it is read and replaced.
//!
//! Format 1 is one JSON object: `{"version":1,"users":{NAME:…},"tokens":{ID:…},"sessions":{SHA256 of the id:…}}`.
//! Unknown keys and newer versions are refused rather than dropped at the next write.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use parapet_fs::{Fs, OpenMode};
use serde::{Deserialize, Serialize};

use crate::secret::Digest;
use crate::{AccessError, Role, Scopes};

/// The version written; the only one so far.
const VERSION: u32 = 1;

/// Everything that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    version: u32,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) sessions: BTreeMap<Digest, Login>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) role: Role,
    /// PHC string.
    pub(crate) password: String,
    pub(crate) created_at: Timestamp,
    pub(crate) password_set_at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) secret: Digest,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) last_used_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) created_at: Timestamp,
    pub(crate) last_seen_at: Timestamp,
}

impl Default for State {
    fn default() -> Self {
        Self { version: VERSION, users: BTreeMap::new(), tokens: BTreeMap::new(), sessions: BTreeMap::new() }
    }
}

impl State {
    /// The state in `path`, or an empty one if there is no such file.
    pub(crate) fn load(fs: &dyn Fs, path: &Path) -> Result<Self, AccessError> {
        match read(fs, path).map_err(AccessError::Read)? {
            None => Ok(Self::default()),
            Some(bytes) => Self::parse(&bytes),
        }
    }

    /// Durable when it returns.
    pub(crate) fn save(&self, fs: &dyn Fs, path: &Path) -> Result<(), AccessError> {
        let mut bytes =
            serde_json::to_vec_pretty(self).expect("maps have string keys, and nothing else can fail");
        bytes.push(b'\n');
        parapet_fs::replace(fs, path, &bytes).map_err(AccessError::Write)
    }

    fn parse(bytes: &[u8]) -> Result<Self, AccessError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        // The version first: a newer file may well have keys that are unknown here.
        let Versioned { version: found } = serde_json::from_slice(bytes).map_err(AccessError::Damaged)?;
        if found > VERSION {
            return Err(AccessError::Newer { found, known: VERSION });
        }
        serde_json::from_slice(bytes).map_err(AccessError::Damaged)
    }
}

fn read(fs: &dyn Fs, path: &Path) -> io::Result<Option<Vec<u8>>> {
    if fs.metadata(path)?.is_none() {
        return Ok(None);
    }
    let file = fs.open(path, OpenMode::Read)?;
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expect: &str) {
        let got = match State::parse(json.as_bytes()) {
            Ok(_) => String::from("ok"),
            Err(AccessError::Damaged(source)) => format!("damaged: {source}"),
            Err(other) => other.to_string(),
        };
        assert!(got.starts_with(expect), "{json}: {got}");
    }

    #[test]
    fn what_is_read() {
        check(r#"{"version":1,"users":{},"tokens":{},"sessions":{}}"#, "ok");
        check(
            r#"{"version":1,"users":{"ann":{"role":"admin","password":"$x","created_at":"2026-01-01T00:00:00Z","password_set_at":"2026-01-01T00:00:00Z"}},"tokens":{},"sessions":{}}"#,
            "ok",
        );
    }

    #[test]
    fn what_is_refused() {
        check("", "damaged: EOF");
        check("{}", "damaged: missing field `version`");
        check(r#"{"version":1}"#, "damaged: missing field `users`");
        check(
            r#"{"version":1,"users":{},"tokens":{},"sessions":{},"groups":{}}"#,
            "damaged: unknown field `groups`",
        );
        check(r#"{"version":2,"new":true}"#, "the accounts file has format version 2");
        check(
            r#"{"version":1,"users":{},"tokens":{},"sessions":{"ab":{"user":"x","created_at":"2026-01-01T00:00:00Z","last_seen_at":"2026-01-01T00:00:00Z"}}}"#,
            "damaged: ",
        );
    }
}
