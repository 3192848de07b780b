//! The record of a folder's authorities: JSON with a version, written whole.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use parapet_fs::Fs;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{BUNDLE, EARLIER_KEY, LEAF, RECORD, read, read_private};
use crate::rotation::{Phase, Rotation};
use crate::{Authority, AuthorityOptions, PkiError};

/// Of the record; a newer one is refused.
const VERSION: u32 = 1;

/// What is held in memory, as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) rotation: Rotation,
    pub(super) current: Arc<Authority>,
    pub(super) successor: Option<Arc<Authority>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    rotation: Rotation,
    current: Stored,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    successor: Option<Stored>,
}

/// An authority in PEM.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    certificate: String,
    key: String,
}

/// Reads the record, takes over what an earlier version left, or makes a first authority.
pub(super) fn open(
    fs: &dyn Fs,
    dir: &Path,
    options: &AuthorityOptions,
    now: Timestamp,
) -> Result<Held, PkiError> {
    let (record, earlier) = (dir.join(RECORD), dir.join(EARLIER_KEY));
    let unusable = |source| PkiError::Authority { path: dir.to_owned(), source: Box::new(source) };
    if let Some(text) = read_private(fs, &record)? {
        let held = parse(&text).map_err(unusable)?;
        forget_earlier(fs, dir)?;
        return Ok(held);
    }
    let stable =
        |authority| Held { rotation: Rotation::stable(now), current: Arc::new(authority), successor: None };
    let held = match (read_private(fs, &earlier)?, read(fs, &dir.join(BUNDLE))?) {
        (Some(key), Some(certificate)) => stable(Authority::from_pem(&certificate, &key).map_err(unusable)?),
        (Some(_), None) => return Err(PkiError::AuthorityIncomplete(dir.join(BUNDLE))),
        (None, published) => {
            // P-1: either file says that there was an authority, and that clients trust it.
            let leaf = fs.metadata(&dir.join(LEAF)).map_err(PkiError::io("look at", dir))?;
            if published.is_some() || leaf.is_some() {
                return Err(PkiError::AuthorityIncomplete(record));
            }
            tracing::info!(path = %dir.display(), "new certificate authority");
            stable(Authority::generate_with(options, now)?)
        }
    };
    write(fs, dir, &held)?;
    forget_earlier(fs, dir)?;
    Ok(held)
}

/// Stores the state; durable when it returns.
pub(super) fn write(fs: &dyn Fs, dir: &Path, held: &Held) -> Result<(), PkiError> {
    let stored = |authority: &Arc<Authority>| Stored {
        certificate: authority.certificate_pem().to_owned(),
        key: authority.key_pem().to_string(),
    };
    let record = Record {
        version: VERSION,
        rotation: held.rotation,
        current: stored(&held.current),
        successor: held.successor.as_ref().map(stored),
    };
    let text = serde_json::to_vec_pretty(&record).map_err(|error| PkiError::Record(error.to_string()))?;
    let path = dir.join(RECORD);
    parapet_fs::replace(fs, &path, &Zeroizing::new(text)).map_err(PkiError::io("write", &path))
}

fn parse(text: &str) -> Result<Held, PkiError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    // The messages of serde_json quote no values of strings, only their place.
    let damaged = |error: serde_json::Error| {
        PkiError::Record(format!("line {}, column {}", error.line(), error.column()))
    };
    let Versioned { version } = serde_json::from_str(text).map_err(damaged)?;
    if version != VERSION {
        return Err(PkiError::NewerVersion(version));
    }
    let record: Record = serde_json::from_str(text).map_err(damaged)?;
    let authority = |stored: &Stored| {
        let key = Zeroizing::new(stored.key.clone());
        Authority::from_pem(&stored.certificate, &key).map(Arc::new)
    };
    let current = authority(&record.current)?;
    let successor = record.successor.as_ref().map(authority).transpose()?;
    if (record.rotation.phase() == Phase::Stable) != successor.is_none() {
        return Err(PkiError::Record("authorities and phase do not fit".to_owned()));
    }
    Ok(Held { rotation: record.rotation, current, successor })
}

/// Removes the key file of an earlier version once the record has the key.
fn forget_earlier(fs: &dyn Fs, dir: &Path) -> Result<(), PkiError> {
    let path = dir.join(EARLIER_KEY);
    if fs.metadata(&path).map_err(PkiError::io("look at", &path))?.is_some() {
        fs.remove_file(&path).map_err(PkiError::io("remove", &path))?;
        fs.sync_dir(dir).map_err(PkiError::io("sync", dir))?;
    }
    Ok(())
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").finish_non_exhaustive()
    }
}
