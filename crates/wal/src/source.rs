//! Where a scan reads: a file through a window of bounded size, or bytes in memory.

use std::io;

use parapet_fs::File;

/// Bytes at positions.
pub(crate) trait Source {
    /// How many there are.
    fn len(&self) -> u64;
    /// `n` bytes from `offset` on, fewer at the end.
    fn get(&mut self, offset: u64, n: usize) -> io::Result<&[u8]>;
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn get(&mut self, offset: u64, n: usize) -> io::Result<&[u8]> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(<[u8]>::len(self));
        let to = from.saturating_add(n).min(<[u8]>::len(self));
        Ok(&self[from..to])
    }
}

/// The part of a file that is in memory: [`WINDOW`] bytes, or one frame if that is larger.
#[derive(Debug)]
pub(crate) struct Window {
    file: Box<dyn File>,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

/// Read at once: large enough that system calls don't matter, small enough for the processor's cache.
const WINDOW: usize = 256 << 10;

impl Window {
    pub(crate) fn new(file: Box<dyn File>) -> io::Result<Self> {
        let len = file.len()?;
        Ok(Self { file, len, start: 0, bytes: Vec::new() })
    }

    fn holds(&self, offset: u64, n: usize) -> bool {
        let end = offset.saturating_add(n as u64).min(self.len);
        offset >= self.start && end <= self.start + self.bytes.len() as u64
    }

    fn load(&mut self, offset: u64, n: usize) -> io::Result<()> {
        let rest = self.len.saturating_sub(offset);
        let want = usize::try_from(rest).unwrap_or(usize::MAX).min(n.max(WINDOW));
        self.start = offset;
        self.bytes.resize(want, 0);
        self.bytes.shrink_to(WINDOW.max(want));
        let mut filled = 0;
        while filled < want {
            match self.file.read_at(&mut self.bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => {
                    self.bytes.clear();
                    return Err(error);
                }
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}

impl Source for Window {
    fn len(&self) -> u64 {
        self.len
    }

    fn get(&mut self, offset: u64, n: usize) -> io::Result<&[u8]> {
        if !self.holds(offset, n) {
            self.load(offset, n)?;
        }
        let from =
            usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.bytes.len());
        let to = from.saturating_add(n).min(self.bytes.len());
        Ok(&self.bytes[from..to])
    }
}
