//! Which files an input means.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use super::identity::FileId;

/// An absolute path with `*`, `?`, `[…]`, `{a,b}` (within one component) and `**` (any number of directories).
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    steps: Vec<Step>,
}

/// Why a text is no [`Pattern`].
#[derive(Debug, thiserror::Error)]
pub enum InvalidPattern {
    /// Relative to a directory that may be another one tomorrow.
    #[error("{0} is not an absolute path")]
    Relative(String),
    /// Has `..`, which a pattern cannot follow.
    #[error("{0} contains `..`")]
    Parent(String),
    /// A component is no glob.
    #[error("{pattern} is not a valid pattern")]
    Glob {
        /// The pattern.
        pattern: String,
        /// Why.
        source: globset::Error,
    },
}

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Match(GlobMatcher),
    AnyDepth,
}

/// Directories that `**` descends at most; links may form circles.
const MAX_DEPTH: usize = 16;

/// Directories listed for one pattern at most.
const MAX_DIRECTORIES: usize = 20_000;

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let path = Path::new(text);
        if !path.is_absolute() {
            return Err(InvalidPattern::Relative(text.to_owned()));
        }
        let mut steps = Vec::new();
        for component in path.components() {
            let name = match component {
                Component::Normal(name) => name.to_string_lossy().into_owned(),
                Component::ParentDir => return Err(InvalidPattern::Parent(text.to_owned())),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
            };
            if name == "**" {
                steps.push(Step::AnyDepth);
            } else if name.contains(['*', '?', '[', '{']) {
                let glob = GlobBuilder::new(&name).literal_separator(true).build();
                let glob =
                    glob.map_err(|source| InvalidPattern::Glob { pattern: text.to_owned(), source })?;
                steps.push(Step::Match(glob.compile_matcher()));
            } else {
                steps.push(Step::Name(name));
            }
        }
        Ok(Self { text: text.to_owned(), steps })
    }
}

impl Pattern {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The files it matches now, links followed. Directories that cannot be listed have no files; every directory
    /// looked into is added to `directories`.
    pub(super) fn expand(&self, siblings: bool, directories: &mut HashSet<PathBuf>) -> Vec<PathBuf> {
        let mut walk = Walk { siblings, directories, listed: 0, files: Vec::new() };
        walk.step(Path::new("/"), &self.steps, 0);
        walk.files
    }
}

struct Walk<'a> {
    siblings: bool,
    directories: &'a mut HashSet<PathBuf>,
    listed: usize,
    files: Vec<PathBuf>,
}

impl Walk<'_> {
    fn step(&mut self, dir: &Path, steps: &[Step], depth: usize) {
        let Some((step, rest)) = steps.split_first() else { return };
        match step {
            Step::Name(name) if !rest.is_empty() => self.step(&dir.join(name), rest, depth),
            Step::Name(name) => {
                let matches =
                    |file: &str| file == name || (self.siblings && is_rotated(file, |of| of == name));
                let found = list(dir, &mut self.listed, |file, is_dir| !is_dir && matches(file));
                self.directories.insert(dir.to_owned());
                self.files.extend(found);
            }
            Step::Match(glob) if !rest.is_empty() => {
                let found = list(dir, &mut self.listed, |name, is_dir| is_dir && glob.is_match(name));
                self.directories.insert(dir.to_owned());
                for dir in found {
                    self.step(&dir, rest, depth);
                }
            }
            Step::Match(glob) => {
                let matches = |file: &str| {
                    glob.is_match(file) || (self.siblings && is_rotated(file, |of| glob.is_match(of)))
                };
                let found = list(dir, &mut self.listed, |file, is_dir| !is_dir && matches(file));
                self.directories.insert(dir.to_owned());
                self.files.extend(found);
            }
            Step::AnyDepth => {
                self.step(dir, rest, depth);
                if depth < MAX_DEPTH {
                    for dir in list(dir, &mut self.listed, |_, is_dir| is_dir) {
                        self.step(&dir, steps, depth + 1);
                    }
                }
            }
        }
    }
}

fn list(dir: &Path, listed: &mut usize, keep: impl Fn(&str, bool) -> bool) -> Vec<PathBuf> {
    *listed += 1;
    if *listed > MAX_DIRECTORIES {
        return Vec::new();
    }
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let Ok(kind) = entry.file_type() else { return false };
            let is_dir = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
            entry.file_name().to_str().is_some_and(|name| keep(name, is_dir))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// `0.log.20260101-000000` is `0.log` rotated; `0.log.20260101-000000.gz` and `.tmp` are not for reading.
fn is_rotated(file: &str, matches: impl Fn(&str) -> bool) -> bool {
    let Some((name, suffix)) = file.rsplit_once('.') else { return false };
    suffix.starts_with(|c: char| c.is_ascii_digit())
        && suffix.chars().all(|c| c.is_ascii_digit() || c == '-')
        && matches(name)
}

/// What stands at a path, if it is a regular file.
pub(super) fn regular_file(path: &Path) -> Option<(FileId, std::fs::Metadata)> {
    let metadata = std::fs::metadata(path).ok()?;
    metadata.is_file().then(|| (FileId::of(&metadata), metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_and_their_rotated_siblings() {
        let root = tempfile::tempdir().unwrap();
        for file in [
            "a_b_c/app/0.log",
            "a_b_c/app/0.log.20260101-000000",
            "a_b_c/app/0.log.20260101-000001.gz",
            "a_b_c/app/0.log.tmp",
            "x/deep/er/one.log",
            "x/two.txt",
        ] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(root.path().join("x"), root.path().join("x/deep/circle")).unwrap();
        let check = |pattern: &str, siblings, expect: &[&str]| {
            let pattern: Pattern = format!("{}/{pattern}", root.path().display()).parse().unwrap();
            let mut found: Vec<_> = pattern.expand(siblings, &mut HashSet::new());
            found.retain(|path| !path.to_str().unwrap().contains("circle"));
            let expect: Vec<_> = expect.iter().map(|file| root.path().join(file)).collect();
            assert_eq!(found, expect, "{}", pattern.as_str());
        };
        check("*/*/*.log", false, &["a_b_c/app/0.log"]);
        check("*/*/*.log", true, &["a_b_c/app/0.log", "a_b_c/app/0.log.20260101-000000"]);
        check("a_b_c/app/0.log", true, &["a_b_c/app/0.log", "a_b_c/app/0.log.20260101-000000"]);
        check("x/**/*.{log,txt}", false, &["x/two.txt", "x/deep/er/one.log"]);
        check("nothing/*.log", false, &[]);
        check("x/tw?.txt", false, &["x/two.txt"]);
    }

    #[test]
    fn relative_and_broken_patterns_are_refused() {
        assert!(matches!("a/*.log".parse::<Pattern>(), Err(InvalidPattern::Relative(_))));
        assert!(matches!("/a/../b".parse::<Pattern>(), Err(InvalidPattern::Parent(_))));
        assert!(matches!("/a/[b".parse::<Pattern>(), Err(InvalidPattern::Glob { .. })));
    }
}
