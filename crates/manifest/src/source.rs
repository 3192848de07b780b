//! Where documents come from, and how much is taken.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::position::Span;
use crate::problem::{Problem, Severity};

/// A place that documents are read from.
#[derive(Clone, Debug)]
pub enum Source {
    /// One file.
    File(PathBuf),
    /// The `.yaml`, `.yml` and `.json` files of a folder, by name; of its folders too if `recursive`.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Whether its folders are read too.
        recursive: bool,
    },
    /// Standard input, named `-`.
    Stdin,
}

impl Source {
    /// What a command line's `-f` means: `-` is standard input, a folder is its files.
    pub fn from_argument(path: &Path, recursive: bool) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdin
        } else if path.is_dir() {
            Self::Folder { path: path.to_path_buf(), recursive }
        } else {
            Self::File(path.to_path_buf())
        }
    }
}

/// How much is read before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one file. etcd takes objects of 1.5 MiB; 64 MiB hold a dump of some ten thousand of them.
    pub file_bytes: u64,
    /// Files of one folder.
    pub files: usize,
    /// Documents of one file.
    pub documents: usize,
    /// Nodes of one document, aliases expanded: the largest published CRDs have about 30,000.
    pub nodes: usize,
    /// Mappings and lists inside of each other: the largest published CRDs have about 40.
    pub depth: usize,
    /// Folders inside of each other.
    pub folder_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            files: 100_000,
            documents: 100_000,
            nodes: 4_000_000,
            depth: 128,
            folder_depth: 32,
        }
    }
}

/// A file's bytes with the name that it goes by in messages.
pub(crate) struct Text {
    pub file: Arc<str>,
    pub bytes: Vec<u8>,
}

/// Reads `source`; each file is handed to `take` and dropped after.
pub(crate) fn read(
    source: &Source,
    limits: &Limits,
    stdin: &mut dyn Read,
    problems: &mut Vec<Problem>,
    take: &mut dyn FnMut(Text, &mut Vec<Problem>),
) {
    match source {
        Source::Stdin => read_from("-".into(), stdin, limits, problems, take),
        Source::File(path) => read_file(path, limits, problems, take),
        Source::Folder { path, recursive } => {
            let mut files = Vec::new();
            let depth = if *recursive { limits.folder_depth } else { 1 };
            list(path, depth, limits, &mut files, problems);
            if files.is_empty() {
                let hint = if *recursive { "" } else { "; -R reads its folders too" };
                problems.push(Problem::new(
                    &name(path),
                    Span::START,
                    Severity::Warning,
                    format!("no .yaml, .yml or .json file in this folder{hint}"),
                ));
            }
            for file in files {
                read_file(&file, limits, problems, take);
            }
        }
    }
}

fn list(path: &Path, depth: usize, limits: &Limits, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let mut entries: Vec<_> = match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(Result::ok).collect(),
        Err(error) => return problems.push(unreadable(path, &error)),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    if entries.iter().any(|entry| entry.file_name() == "Chart.yaml") {
        let message = "this is a Helm chart, not manifests: read the output of `helm template` instead";
        return problems.push(Problem::new(&name(path), Span::START, Severity::Error, message));
    }
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() {
            match depth.checked_sub(1) {
                Some(0) => {}
                Some(depth) => list(&path, depth, limits, files, problems),
                None => {}
            }
        } else if is_manifest(&path) {
            if files.len() == limits.files {
                let message =
                    format!("more than {} files: this one and those after it are not read", limits.files);
                return problems.push(Problem::new(&name(&path), Span::START, Severity::Error, message));
            }
            files.push(path);
        }
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn read_file(
    path: &Path,
    limits: &Limits,
    problems: &mut Vec<Problem>,
    take: &mut dyn FnMut(Text, &mut Vec<Problem>),
) {
    match fs::File::open(path) {
        Ok(mut file) => read_from(name(path), &mut file, limits, problems, take),
        Err(error) => problems.push(unreadable(path, &error)),
    }
}

fn read_from(
    file: Arc<str>,
    from: &mut dyn Read,
    limits: &Limits,
    problems: &mut Vec<Problem>,
    take: &mut dyn FnMut(Text, &mut Vec<Problem>),
) {
    let mut bytes = Vec::new();
    match from.take(limits.file_bytes + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > limits.file_bytes => {
            let message =
                format!("larger than {} MiB: not read; cut it into several files", limits.file_bytes >> 20);
            problems.push(Problem::new(&file, Span::START, Severity::Error, message));
        }
        Ok(_) => take(Text { file, bytes }, problems),
        Err(error) => problems.push(unreadable(Path::new(&*file), &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(&name(path), Span::START, Severity::Error, format!("can't be read: {error}"))
}

fn name(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}
