//! A log file that stays small: it is renamed away when it has grown, and the oldest of the renamed are removed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// How large one file grows, and how many renamed ones are kept beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) file_bytes: u64,
    pub(crate) kept_files: usize,
}

impl Bounds {
    /// Four files of 4 MiB: some hours at the demo's usual rate; 80 MiB for all five logs together.
    pub(crate) const USUAL: Self = Self { file_bytes: 4 << 20, kept_files: 3 };
}

/// Appends to `<dir>/<live>`; rotated files are `<dir>/<rotated.0><time><rotated.1>`.
#[derive(Debug)]
pub(crate) struct Rotating {
    dir: PathBuf,
    live: String,
    rotated: (String, String),
    bounds: Bounds,
    file: File,
    bytes: u64,
}

impl Rotating {
    /// Goes on with the file that is there, if one is.
    pub(crate) fn open(dir: &Path, live: &str, rotated: (&str, &str), bounds: Bounds) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = append_to(&dir.join(live))?;
        Ok(Self {
            dir: dir.to_owned(),
            live: live.to_owned(),
            rotated: (rotated.0.to_owned(), rotated.1.to_owned()),
            bounds,
            bytes: file.metadata()?.len(),
            file,
        })
    }

    /// Appends `text`, whole lines, to one file: a line is never cut by a rotation.
    pub(crate) fn append(&mut self, text: &str, now: Timestamp) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + text.len() as u64 > self.bounds.file_bytes {
            self.rotate(now)?;
        }
        self.file.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        let live = self.dir.join(&self.live);
        let name = format!("{}{}{}", self.rotated.0, now.strftime("%Y%m%d-%H%M%S-%6f"), self.rotated.1);
        std::fs::rename(&live, self.dir.join(name))?;
        self.file = append_to(&live)?;
        self.bytes = 0;
        // Names sort by time.
        let mut old = self.rotated_files()?;
        old.sort();
        let surplus = old.len().saturating_sub(self.bounds.kept_files);
        old.iter().take(surplus).try_for_each(std::fs::remove_file)
    }

    fn rotated_files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name != self.live && name.starts_with(&self.rotated.0) && name.ends_with(&self.rotated.1) {
                files.push(self.dir.join(name));
            }
        }
        Ok(files)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn grown_files_are_renamed_and_the_oldest_removed() {
        let dir = tempfile::tempdir().unwrap();
        let bounds = Bounds { file_bytes: 10, kept_files: 2 };
        let mut log = Rotating::open(dir.path(), "0.log", ("0.log.", ""), bounds).unwrap();
        for n in 0..5 {
            log.append(&format!("line {n}\n"), Timestamp::from_second(n).unwrap()).unwrap();
        }
        assert_eq!(
            names(dir.path()),
            ["0.log", "0.log.19700101-000003-000000", "0.log.19700101-000004-000000"]
        );
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("0.log"), "line 4\n");
        assert_eq!(read("0.log.19700101-000004-000000"), "line 3\n");
    }

    #[test]
    fn a_second_start_goes_on_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let open =
            || Rotating::open(dir.path(), "a_traffic.log", ("a_traffic_", ".log"), Bounds::USUAL).unwrap();
        open().append("one\n", Timestamp::UNIX_EPOCH).unwrap();
        open().append("two\n", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("a_traffic.log")).unwrap(), "one\ntwo\n");
    }
}
