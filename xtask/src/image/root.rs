//! The image's files, in two layers: what changes rarely, and the program.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tar::{Builder, EntryType, Header};

use super::elf::{Architecture, Program};
use super::{FOLDER, Role, USER};

/// Where Linux distributions keep the authorities they trust, Debian's first; in the image it is always the first.
const AUTHORITIES: &[&str] = &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];
/// Names by /etc/hosts, which the kubelet writes, before DNS.
const NAME_SERVICES: &str = "hosts: files dns\n";

/// Everything that is in the image.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) architecture: Architecture,
    /// The loader and the libraries.
    pub(super) libraries: Vec<PathBuf>,
    /// What every version of the program has, and the program.
    pub(super) layers: [Layer; 2],
}

impl Root {
    /// What this program needs for its role.
    pub(super) fn of(binary: &Path, role: Role) -> Result<Self> {
        let program = Program::read(binary)?;
        let mut base = Layer::default();
        for library in &program.libraries {
            base.add(library, Entry::file(library, 0o755));
        }
        let authorities = AUTHORITIES.iter().map(Path::new).find(|path| path.exists());
        let authorities = authorities.context("this machine trusts nobody: install ca-certificates")?;
        base.add(AUTHORITIES[0], Entry::file(authorities, 0o644));
        base.add("etc/nsswitch.conf", Entry::text(NAME_SERVICES));
        base.add("etc/passwd", Entry::text(format!("nonroot:x:{USER}:{USER}:nobody:/:/nowhere\n")));
        base.add("etc/group", Entry::text(format!("nonroot:x:{USER}:\n")));
        // Volumes are mounted there; without one it can't be written to, as everything else.
        base.add("tmp", Entry::Folder { mode: 0o1777 });

        let mut own = Layer::default();
        own.add(format!("{FOLDER}/parapet"), Entry::file(binary, 0o755));
        for link in role.links() {
            own.add(format!("{FOLDER}/{link}"), Entry::Link { to: "parapet".into() });
        }
        let libraries = program.libraries.into_iter().collect();
        Ok(Self { architecture: program.architecture, libraries, layers: [base, own] })
    }
}

/// Files by their path, without a leading slash.
#[derive(Debug, Default)]
pub(super) struct Layer(BTreeMap<PathBuf, Entry>);

#[derive(Debug)]
enum Entry {
    Folder { mode: u32 },
    File { from: PathBuf, mode: u32 },
    Text(String),
    Link { to: PathBuf },
}

impl Entry {
    fn file(from: &Path, mode: u32) -> Self {
        Self::File { from: from.to_owned(), mode }
    }

    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

impl Layer {
    fn add(&mut self, path: impl AsRef<Path>, entry: Entry) {
        let path = path.as_ref();
        let path = path.strip_prefix("/").unwrap_or(path);
        for folder in path.ancestors().skip(1).filter(|folder| *folder != Path::new("")) {
            self.0.entry(folder.to_owned()).or_insert(Entry::Folder { mode: 0o755 });
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// Writes it as a tar archive: sorted, of root, without times.
    pub(super) fn write(&self, to: impl Write) -> Result<()> {
        let mut archive = Builder::new(to);
        for (path, entry) in &self.0 {
            let what = || format!("failed to write {} into the image", path.display());
            match entry {
                Entry::Folder { mode } => {
                    let mut header = header(EntryType::Directory, *mode, 0);
                    archive.append_data(&mut header, path, std::io::empty()).with_context(what)?;
                }
                Entry::File { from, mode } => {
                    let file = std::fs::File::open(from).with_context(what)?;
                    let size = file.metadata().with_context(what)?.len();
                    let mut header = header(EntryType::Regular, *mode, size);
                    archive.append_data(&mut header, path, file).with_context(what)?;
                }
                Entry::Text(text) => {
                    let mut header = header(EntryType::Regular, 0o644, text.len() as u64);
                    archive.append_data(&mut header, path, text.as_bytes()).with_context(what)?;
                }
                Entry::Link { to } => {
                    let mut header = header(EntryType::Symlink, 0o777, 0);
                    archive.append_link(&mut header, path, to).with_context(what)?;
                }
            }
        }
        archive.into_inner().and_then(|mut to| to.flush()).context("failed to end a layer")
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
