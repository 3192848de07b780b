//! The names: as seen, as synced, and the changes between, in order.
//!
//! Nodes have numbers. `seen` and `synced` each map (directory, name) to a node, and a change is a list of names set or
//! removed together, so that a rename survives whole or not at all. What no name in `synced` reaches from the root is gone
//! after a power loss, synced bytes or not.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use rand::Rng;
use rand::rngs::SmallRng;

use super::disk::FileNode;
use crate::{Entry, OpenMode};

type DirId = u64;
const ROOT: DirId = 0;

/// A path taken apart; absolute and relative ones start at the same root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name(Vec<String>);

impl Name {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => {
                    parts.push(part.to_str().ok_or(io::ErrorKind::InvalidInput)?.to_owned());
                }
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
            }
        }
        Ok(Self(parts))
    }

    /// Directory and last part; the root has none.
    fn split(&self) -> io::Result<(&[String], &String)> {
        self.0.split_last().map(|(last, dir)| (dir, last)).ok_or_else(|| io::ErrorKind::IsADirectory.into())
    }
}

#[derive(Clone, Debug)]
enum Node {
    File(Arc<FileNode>),
    Dir(DirId),
}

type Names = HashMap<DirId, BTreeMap<String, Node>>;

/// Names set (`Some`) and removed (`None`) together.
type Change = Vec<(DirId, String, Option<Node>)>;

#[derive(Debug)]
pub(super) struct Tree {
    seen: Names,
    synced: Names,
    since: Vec<Change>,
    next_dir: DirId,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Names::from([(ROOT, BTreeMap::new())]);
        Self { seen: root.clone(), synced: root, since: Vec::new(), next_dir: ROOT + 1 }
    }
}

impl Tree {
    pub(super) fn exists(&self, name: &Name) -> io::Result<bool> {
        Ok(self.find(name)?.is_some())
    }

    pub(super) fn metadata(&self, name: &Name) -> io::Result<Option<Entry>> {
        let last = name.0.last().cloned().unwrap_or_default();
        Ok(self.find(name)?.map(|node| describe(last, &node)))
    }

    pub(super) fn list(&self, name: &Name) -> io::Result<Vec<Entry>> {
        let dir = self.dir(&name.0)?;
        Ok(self.seen[&dir].iter().map(|(name, node)| describe(name.clone(), node)).collect())
    }

    pub(super) fn open(&mut self, name: &Name, mode: OpenMode) -> io::Result<Arc<FileNode>> {
        match (self.find(name)?, mode) {
            (Some(_), OpenMode::CreateNew) => Err(io::ErrorKind::AlreadyExists.into()),
            (Some(Node::File(file)), _) => Ok(file),
            (Some(Node::Dir(_)), _) => Err(io::ErrorKind::IsADirectory.into()),
            (None, OpenMode::Read | OpenMode::ReadWrite) => Err(io::ErrorKind::NotFound.into()),
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                let (dir, last) = name.split()?;
                let dir = self.dir(dir)?;
                let file = Arc::new(FileNode::default());
                self.change(vec![(dir, last.clone(), Some(Node::File(Arc::clone(&file))))]);
                Ok(file)
            }
        }
    }

    pub(super) fn create_dir_all(&mut self, name: &Name) -> io::Result<()> {
        let mut at = ROOT;
        for (depth, part) in name.0.iter().enumerate() {
            at = match self.seen[&at].get(part) {
                Some(Node::Dir(dir)) => *dir,
                Some(Node::File(_)) if depth + 1 == name.0.len() => {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    let dir = self.next_dir;
                    self.next_dir += 1;
                    self.seen.insert(dir, BTreeMap::new());
                    self.synced.insert(dir, BTreeMap::new());
                    self.change(vec![(at, part.clone(), Some(Node::Dir(dir)))]);
                    dir
                }
            };
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Name, to: &Name) -> io::Result<()> {
        let (from_dir, from_last) = from.split()?;
        let (to_dir, to_last) = to.split()?;
        let (from_dir, to_dir) = (self.dir(from_dir)?, self.dir(to_dir)?);
        let node = self.seen[&from_dir].get(from_last).cloned().ok_or(io::ErrorKind::NotFound)?;
        if from == to {
            return Ok(());
        }
        match (&node, self.seen[&to_dir].get(to_last)) {
            (Node::Dir(_), _) if to.0.starts_with(&from.0) => return Err(io::ErrorKind::InvalidInput.into()),
            (Node::Dir(_), Some(Node::File(_))) => return Err(io::ErrorKind::NotADirectory.into()),
            (Node::Dir(_), Some(Node::Dir(there))) if !self.seen[there].is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            (Node::File(_), Some(Node::Dir(there))) => {
                let above = from.0.starts_with(&to.0) && !self.seen[there].is_empty();
                return Err(if above {
                    io::ErrorKind::DirectoryNotEmpty
                } else {
                    io::ErrorKind::IsADirectory
                }
                .into());
            }
            _ => {}
        }
        self.change(vec![(from_dir, from_last.clone(), None), (to_dir, to_last.clone(), Some(node))]);
        Ok(())
    }

    /// Removes a file, or an empty directory.
    pub(super) fn remove(&mut self, name: &Name, is_dir: bool) -> io::Result<()> {
        let (dir, last) = name.split()?;
        let dir = self.dir(dir)?;
        match (self.seen[&dir].get(last).ok_or(io::ErrorKind::NotFound)?, is_dir) {
            (Node::File(_), true) => return Err(io::ErrorKind::NotADirectory.into()),
            (Node::Dir(_), false) => return Err(io::ErrorKind::IsADirectory.into()),
            (Node::Dir(there), true) if !self.seen[there].is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        self.change(vec![(dir, last.clone(), None)]);
        Ok(())
    }

    /// Makes the changes of this directory durable, and those that happened before in directories they share.
    pub(super) fn sync_dir(&mut self, name: &Name) -> io::Result<()> {
        let mut dirs = vec![self.dir(&name.0)?];
        let mut synced = Vec::new();
        for index in (0..self.since.len()).rev() {
            if self.since[index].iter().any(|(dir, ..)| dirs.contains(dir)) {
                let change = self.since.remove(index);
                dirs.extend(change.iter().map(|(dir, ..)| *dir));
                synced.push(change);
            }
        }
        synced.into_iter().rev().for_each(|change| apply(&change, &mut self.synced));
        Ok(())
    }

    /// Bytes in files that have a name.
    pub(super) fn bytes(&self) -> u64 {
        self.seen.values().flat_map(BTreeMap::values).map(|node| describe(String::new(), node).len).sum()
    }

    pub(super) fn after_power_loss(&self, rng: &mut SmallRng) -> Self {
        let mut found = self.synced.clone();
        for change in &self.since {
            if rng.random() {
                apply(change, &mut found);
            }
        }
        let mut copies = HashMap::new();
        let found = copy(&found, &mut |file| {
            let found = copies.entry(Arc::as_ptr(file)).or_insert_with(|| file.after_power_loss(rng));
            Arc::clone(found)
        });
        Self { seen: found.clone(), synced: found, since: Vec::new(), next_dir: self.next_dir }
    }

    pub(super) fn after_kill(&self) -> Self {
        let mut copies = HashMap::new();
        let mut of = |file: &Arc<FileNode>| {
            Arc::clone(copies.entry(Arc::as_ptr(file)).or_insert_with(|| file.after_kill()))
        };
        let since = self.since.iter().map(|change| {
            change
                .iter()
                .map(|(dir, name, node)| (*dir, name.clone(), node.as_ref().map(|node| node.map(&mut of))))
                .collect()
        });
        let since = since.collect();
        Self {
            seen: copy(&self.seen, &mut of),
            synced: copy(&self.synced, &mut of),
            since,
            next_dir: self.next_dir,
        }
    }

    fn change(&mut self, change: Change) {
        apply(&change, &mut self.seen);
        self.since.push(change);
    }

    /// The node at a path; `None` when only its last part is missing or a directory on the way is.
    fn find(&self, name: &Name) -> io::Result<Option<Node>> {
        let mut node = Node::Dir(ROOT);
        for part in &name.0 {
            let Node::Dir(dir) = node else { return Err(io::ErrorKind::NotADirectory.into()) };
            match self.seen[&dir].get(part) {
                Some(found) => node = found.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    fn dir(&self, parts: &[String]) -> io::Result<DirId> {
        match self.find(&Name(parts.to_vec()))? {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Node {
    fn map(&self, of: &mut impl FnMut(&Arc<FileNode>) -> Arc<FileNode>) -> Self {
        match self {
            Self::File(file) => Self::File(of(file)),
            Self::Dir(dir) => Self::Dir(*dir),
        }
    }
}

fn apply(change: &Change, to: &mut Names) {
    for (dir, name, node) in change {
        let names = to.entry(*dir).or_default();
        match node {
            Some(node) => names.insert(name.clone(), node.clone()),
            None => names.remove(name),
        };
    }
}

/// In a fixed order, so that a seed always decides the same.
fn copy(names: &Names, of: &mut impl FnMut(&Arc<FileNode>) -> Arc<FileNode>) -> Names {
    let ordered: BTreeMap<_, _> = names.iter().collect();
    let copied = ordered
        .into_iter()
        .map(|(dir, names)| (*dir, names.iter().map(|(name, node)| (name.clone(), node.map(of))).collect()));
    copied.collect()
}

fn describe(name: String, node: &Node) -> Entry {
    match node {
        Node::File(file) => Entry { name, len: file.len(), is_dir: false },
        Node::Dir(_) => Entry { name, len: 0, is_dir: true },
    }
}
