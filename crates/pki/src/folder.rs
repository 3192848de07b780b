//! The authority and the server's leaf in a folder.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use parapet_fs::Fs;
use rcgen::KeyPair;
use zeroize::Zeroizing;

use crate::{Authority, AuthorityOptions, Leaf, Names, PkiError, ServerIdentity};

const AUTHORITY_KEY: &str = "ca.key";
const AUTHORITY_CERTIFICATE: &str = "ca.crt";
const LEAF: &str = "server.pem";
/// Ours have less than two kilobytes; somebody else's chain may have more, but never this much.
const FILE_LIMIT: u64 = 64 << 10;

/// Why a leaf was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IssueReason {
    /// There was none.
    Missing,
    /// What was there is no certificate with its key.
    Unreadable,
    /// Clients would refuse it: expired, of another authority, or without one of the names.
    Unacceptable,
    /// Most of its life is over.
    Due,
}

impl IssueReason {
    /// The word for it in logs and labels.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Unacceptable => "unacceptable",
            Self::Due => "due",
        }
    }
}

/// A folder with an authority and the server's leaf. Its user sees to it that only one process has it open.
#[derive(Debug)]
pub struct Folder {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    names: Names,
    authority: Authority,
    identity: ServerIdentity,
}

impl Folder {
    /// Opens the folder, or makes one with a new authority. A leaf that is missing, unusable, due for renewal, or lacks
    /// one of `names` is issued; an authority that is unusable is an error, because nobody would trust a new one.
    /// Everything is durable when this returns.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, names: Names, now: Timestamp) -> Result<Self, PkiError> {
        parapet_fs::ensure_dir(&*fs, dir).map_err(PkiError::io("create", dir))?;
        let authority = authority(&*fs, dir, now)?;
        let path = dir.join(LEAF);
        let stored = read(&*fs, &path)?.map(|pem| Leaf::from_pem(&pem));
        let leaf = match judge(stored, &authority, &names, now) {
            Ok(leaf) => leaf,
            Err(reason) => issue(&*fs, &path, &authority, &names, now, reason)?,
        };
        Ok(Self { fs, dir: dir.to_owned(), names, authority, identity: ServerIdentity::new(leaf) })
    }

    /// Replaces the leaf if it is due, durably, and shows the new one from the next handshake on. Call it about hourly:
    /// clocks jump and machines sleep. After an error the old leaf goes on being shown.
    pub fn renew(&self, now: Timestamp) -> Result<Option<IssueReason>, PkiError> {
        let current = self.identity.leaf();
        let reason = if current.check(&self.authority, &self.names, now).is_err() {
            IssueReason::Unacceptable
        } else if now >= current.renew_at() {
            IssueReason::Due
        } else {
            return Ok(None);
        };
        let path = self.dir.join(LEAF);
        self.identity.replace(issue(&*self.fs, &path, &self.authority, &self.names, now, reason)?);
        Ok(Some(reason))
    }

    /// What listeners show.
    pub fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// The authority.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The file with the certificate that clients are to trust.
    pub fn ca_path(&self) -> PathBuf {
        self.dir.join(AUTHORITY_CERTIFICATE)
    }

    /// Name and end of each certificate, for gauges and the status page.
    pub fn expiries(&self) -> [(&'static str, Timestamp); 2] {
        [("ca", self.authority.not_after()), ("server", self.identity.not_after())]
    }
}

fn authority(fs: &dyn Fs, dir: &Path, now: Timestamp) -> Result<Authority, PkiError> {
    let (key_path, certificate_path) = (dir.join(AUTHORITY_KEY), dir.join(AUTHORITY_CERTIFICATE));
    let unusable = |source| PkiError::Authority { path: dir.to_owned(), source: Box::new(source) };
    let key = read(fs, &key_path)?;
    match (read(fs, &certificate_path)?, key) {
        (Some(certificate), Some(key)) => Authority::from_pem(&certificate, &key).map_err(unusable),
        (Some(_), None) => Err(PkiError::AuthorityIncomplete(key_path)),
        (None, key) => {
            // P-1: a leaf says that there was a certificate, and that clients trust it.
            if fs.metadata(&dir.join(LEAF)).map_err(PkiError::io("look at", dir))?.is_some() {
                return Err(PkiError::AuthorityIncomplete(certificate_path));
            }
            let authority = match key {
                Some(key) => {
                    let key = KeyPair::from_pem(&key)
                        .map_err(|_| unusable(PkiError::Pem { what: "private key" }))?;
                    Authority::with_key(key, &AuthorityOptions::default(), now)?
                }
                None => {
                    let authority = Authority::generate(now)?;
                    write(fs, &key_path, &authority.key_pem())?;
                    authority
                }
            };
            write(fs, &certificate_path, authority.certificate_pem())?;
            tracing::info!(path = %certificate_path.display(), "new certificate authority");
            Ok(authority)
        }
    }
}

/// The stored leaf if it is to be kept.
fn judge(
    stored: Option<Result<Leaf, PkiError>>,
    authority: &Authority,
    names: &Names,
    now: Timestamp,
) -> Result<Leaf, IssueReason> {
    let leaf = stored.ok_or(IssueReason::Missing)?.map_err(|_| IssueReason::Unreadable)?;
    leaf.check(authority, names, now).map_err(|_| IssueReason::Unacceptable)?;
    if now >= leaf.renew_at() { Err(IssueReason::Due) } else { Ok(leaf) }
}

fn issue(
    fs: &dyn Fs,
    path: &Path,
    authority: &Authority,
    names: &Names,
    now: Timestamp,
    reason: IssueReason,
) -> Result<Leaf, PkiError> {
    let leaf = authority.issue(names, now)?;
    leaf.check(authority, names, now)?;
    write(fs, path, leaf.to_pem())?;
    tracing::info!(reason = reason.reason(), not_after = %leaf.not_after(), "server certificate issued");
    Ok(leaf)
}

fn write(fs: &dyn Fs, path: &Path, pem: &str) -> Result<(), PkiError> {
    parapet_fs::replace(fs, path, pem.as_bytes()).map_err(PkiError::io("write", path))
}

fn read(fs: &dyn Fs, path: &Path) -> Result<Option<Zeroizing<String>>, PkiError> {
    match parapet_fs::read(fs, path, FILE_LIMIT).map(Zeroizing::new) {
        // Bytes that are no text are no PEM either; what reads them says so.
        Ok(bytes) => Ok(Some(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PkiError::io("read", path)(error)),
    }
}
