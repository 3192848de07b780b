//! What a program needs to run: its loader and the shared libraries that it and they name, found where this machine has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use object::read::ReadCache;
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Endianness, elf};

/// What a program runs on, by the name that images have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    /// What this program itself was built for.
    pub(super) fn of_this_machine() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::Amd64),
            "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }

    /// As Rust's targets and Debian's folders have it.
    pub(super) fn of_rust(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    fn of_machine(machine: u16) -> Option<Self> {
        match machine {
            elf::EM_X86_64 => Some(Self::Amd64),
            elf::EM_AARCH64 => Some(Self::Arm64),
            _ => None,
        }
    }

    /// Where loaders look without being told, Debian's folders before those of others.
    fn folders(self) -> [PathBuf; 6] {
        let multiarch = format!("{}-linux-gnu", self.of_rust());
        ["lib", "usr/lib"]
            .map(|folder| Path::new("/").join(folder).join(&multiarch))
            .into_iter()
            .chain(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from))
            .collect::<Vec<_>>()
            .try_into()
            .expect("two and four are six")
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// A program with what it needs.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) architecture: Architecture,
    /// The loader and every library, where the loader looks for them; empty for a static program.
    pub(super) libraries: BTreeSet<PathBuf>,
}

impl Program {
    /// Reads it, and what it names, and what that names.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let program = Named::read(path)?;
        let Some(architecture) = Architecture::of_machine(program.machine) else {
            bail!("{} is neither for amd64 nor for arm64", path.display());
        };
        let mut libraries: BTreeSet<PathBuf> = program.loader.clone().into_iter().collect();
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut wanted = program.needed;
        while let Some(name) = wanted.pop() {
            // Libraries name the loader too.
            let is_loader = program.loader.as_ref().is_some_and(|loader| loader.ends_with(&name));
            if is_loader || found.contains_key(&name) {
                continue;
            }
            let Some((path, library)) = find(&name, architecture, program.machine) else {
                bail!(
                    "{} needs {name}, which is nowhere on this machine; --static needs none",
                    path.display()
                );
            };
            libraries.insert(path.clone());
            found.insert(name, path);
            wanted.extend(library.needed);
        }
        Ok(Self { architecture, libraries })
    }
}

fn find(name: &str, architecture: Architecture, machine: u16) -> Option<(PathBuf, Named)> {
    architecture.folders().into_iter().find_map(|folder| {
        let path = folder.join(name);
        let library = Named::read(&path).ok().filter(|library| library.machine == machine)?;
        Some((path, library))
    })
}

/// What one file names.
struct Named {
    machine: u16,
    loader: Option<PathBuf>,
    needed: Vec<String>,
}

impl Named {
    fn read(path: &Path) -> Result<Self> {
        let what = || format!("{} is no program for Linux", path.display());
        let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
        let data = ReadCache::new(file);
        let file = ElfFile64::<Endianness, _>::parse(&data).with_context(what)?;
        let (endian, header) = (file.endian(), file.elf_header());
        let mut loader = None;
        for segment in file.elf_program_headers() {
            if let Some(path) = segment.interpreter(endian, &data).with_context(what)? {
                loader = Some(text(path)?.into());
            }
        }
        let dynamic = file.elf_dynamic_table().with_context(what)?;
        let mut needed = Vec::new();
        for entry in dynamic.iter().filter(|entry| entry.tag == elf::DT_NEEDED) {
            needed.push(text(dynamic.string(entry).with_context(what)?)?);
        }
        Ok(Self { machine: header.e_machine(endian), loader, needed })
    }
}

fn text(bytes: &[u8]) -> Result<String> {
    Ok(str::from_utf8(bytes).context("a library's name is no text")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_read_with_what_it_needs() {
        let own = std::env::current_exe().unwrap();
        let program = Program::read(&own).unwrap();
        assert_eq!(Some(program.architecture), Architecture::of_this_machine());
        for library in &program.libraries {
            assert!(library.is_absolute() && library.exists(), "{}", library.display());
        }
        if cfg!(target_env = "gnu") {
            let names: Vec<_> =
                program.libraries.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            assert!(names.contains(&"libc.so.6"), "{names:?}");
            assert!(names.iter().any(|name| name.starts_with("ld-linux")), "{names:?}");
        }
    }

    #[test]
    fn what_is_no_program_is_named() {
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let error = format!("{:#}", Program::read(&text).unwrap_err());
        assert!(error.contains("Cargo.toml is no program for Linux"), "{error}");
    }
}
