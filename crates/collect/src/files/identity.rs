//! What makes a file the same file: device, inode and its first bytes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use sha2::{Digest as _, Sha256};

/// Device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId {
    pub(super) dev: u64,
    pub(super) ino: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { dev: metadata.dev(), ino: metadata.ino() }
    }
}

/// Bytes that a fingerprint covers at most: what OTel's file receiver takes too.
const MAX_LEN: usize = 1024;

/// A digest of a file's first bytes, as many as there were up to 1 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint {
    pub(super) len: u32,
    pub(super) digest: [u8; 16],
}

impl Fingerprint {
    /// Of the file as it is.
    pub(super) fn read(file: &File) -> io::Result<Self> {
        Self::of_first(file, MAX_LEN)
    }

    /// Whether the file still begins with the bytes this was taken of.
    pub(super) fn matches(&self, file: &File) -> io::Result<bool> {
        Ok(*self == Self::of_first(file, self.len as usize)?)
    }

    /// Whether it would cover more if it were taken of a file of `size` bytes.
    pub(super) fn can_grow(&self, size: u64) -> bool {
        (self.len as usize) < MAX_LEN && size > u64::from(self.len)
    }

    fn of_first(file: &File, len: usize) -> io::Result<Self> {
        let mut bytes = [0; MAX_LEN];
        let mut filled = 0;
        while filled < len {
            match file.read_at(&mut bytes[filled..len], filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(&bytes[..filled])[..16]);
        Ok(Self { len: filled as u32, digest })
    }
}
