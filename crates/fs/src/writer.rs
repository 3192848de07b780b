//! Sequential writing over a positional file.

use std::io;

use crate::File;

/// Appends to a file through [`io::Write`]. Unbuffered: each call is one write; wrap it where calls are small.
#[derive(Debug)]
pub struct Writer {
    file: Box<dyn File>,
    position: u64,
}

impl Writer {
    /// Writes from the start of `file`.
    pub fn new(file: Box<dyn File>) -> Self {
        Self::at(file, 0)
    }

    /// Writes from `position` on.
    pub fn at(file: Box<dyn File>, position: u64) -> Self {
        Self { file, position }
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Gives the file back. Nothing is durable before its [`File::sync_data`].
    pub fn finish(self) -> Box<dyn File> {
        self.file
    }
}

impl io::Write for Writer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(buf, self.position)?;
        self.position += buf.len() as u64;
        Ok(buf.len())
    }

    /// Hands nothing over, as nothing is held back; it does not sync.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
