//! redb over our files, so that faults reach the commit point too.

use std::io;

use crate::File;

/// Lets redb keep its database in a [`File`]. It takes no lock: who opens the data folder holds one already.
#[derive(Debug)]
pub struct RedbFile(pub Box<dyn File>);

impl RedbFile {
    /// A database in `file`.
    pub fn new(file: Box<dyn File>) -> Self {
        Self(file)
    }
}

impl redb::StorageBackend for RedbFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}
