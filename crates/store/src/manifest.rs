//! The commit point: one redb file whose transactions decide what exists.
//!
//! ```text
//! meta.redb
//!   meta      name -> u64              format_version
//!   floors    table -> seq             every row of the table below it is in a segment (or was dropped)
//!   segments  ulid -> JSON             the visible segments
//!   lost      ulid -> JSON             segments whose file was missing or damaged, and why
//!   deltas    ulid -> JSON             the files of the traffic rollup
//!   ledger    hour -> seq              rows of that hour up to it are in the deltas
//!   sources   id -> position, seen     highest position kept per source, over all frames below the lowest floor
//! ```
//! Every publication is one [`Change`], committed whole or not at all. What a directory holds says nothing (D-3).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parapet_fs::{Fs, OpenMode, RedbFile};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::error::StoreError;
use crate::recovery::has_data;
use crate::rollup::Delta;
use crate::schema;
use crate::segment::{self, Segment};
use crate::time::{Day, Hour};

/// The layout of the whole data folder. Raise it with any change that an older program would misread.
pub(crate) const FORMAT_VERSION: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const FLOORS: TableDefinition<'_, u16, u64> = TableDefinition::new("floors");
const SEGMENTS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("segments");
const LOST: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("lost");
const DELTAS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("deltas");
const LEDGER: TableDefinition<'_, i64, u64> = TableDefinition::new("ledger");
const SOURCES: TableDefinition<'_, u64, (u64, i64)> = TableDefinition::new("sources");

/// The manifest's name in the data folder.
const FILE: &str = "meta.redb";

/// What one transaction changes.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) add: Vec<Segment>,
    pub(crate) remove: Vec<Ulid>,
    /// Segments that are taken out because of their file, and why.
    pub(crate) lost: Vec<(Segment, String)>,
    pub(crate) add_deltas: Vec<Delta>,
    pub(crate) remove_deltas: Vec<Ulid>,
    pub(crate) consumed: Vec<(Hour, u64)>,
    pub(crate) forget_hours: Vec<Hour>,
    pub(crate) floors: Option<[u64; 4]>,
    pub(crate) sources: Vec<SourceRow>,
    pub(crate) forget_sources: Vec<u64>,
}

/// What is known of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceRow {
    pub(crate) id: u64,
    pub(crate) position: u64,
    /// When it was last heard of, microseconds.
    pub(crate) seen: i64,
}

/// All that the manifest says.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) segments: Vec<Segment>,
    pub(crate) lost: Vec<(Ulid, String)>,
    pub(crate) deltas: Vec<Delta>,
    pub(crate) ledger: BTreeMap<Hour, u64>,
    pub(crate) floors: [u64; 4],
    pub(crate) sources: Vec<SourceRow>,
}

/// The manifest, open.
#[derive(Debug)]
pub(crate) struct Manifest {
    db: Database,
    dir: PathBuf,
}

impl Manifest {
    /// Opens the manifest of a data folder, or makes one. Refuses a newer format before anything is changed.
    pub(crate) fn open(fs: &dyn Fs, dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        if fs.metadata(&path).map_err(StoreError::io("look at", &path))?.is_none() {
            if has_data(fs, dir)? {
                return Err(StoreError::damaged(&path, "it is missing, but the folder holds data"));
            }
            create(fs, dir, &path)?;
        }
        Self::open_existing(fs, dir)
    }

    /// Opens the manifest of a data folder that has one.
    pub(crate) fn open_existing(fs: &dyn Fs, dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let db = database(fs, &path, OpenMode::ReadWrite)?;
        let manifest = Self { db, dir: dir.to_owned() };
        let found = manifest.format_version()?;
        if found > FORMAT_VERSION {
            return Err(StoreError::NewerFormat { dir: dir.to_owned(), found, supported: FORMAT_VERSION });
        }
        Ok(manifest)
    }

    /// Commits a change. Durable when this returns; after an error it is unknown whether it is.
    pub(crate) fn commit(&self, change: &Change) -> Result<(), StoreError> {
        let transaction = self.db.begin_write().map_err(StoreError::manifest)?;
        {
            let mut segments = transaction.open_table(SEGMENTS).map_err(StoreError::manifest)?;
            for id in change.remove.iter().chain(change.lost.iter().map(|(segment, _)| &segment.id)) {
                segments.remove(id.0).map_err(StoreError::manifest)?;
            }
            for segment in &change.add {
                segments
                    .insert(segment.id.0, SegmentRow::bytes(segment).as_slice())
                    .map_err(StoreError::manifest)?;
            }
            let mut lost = transaction.open_table(LOST).map_err(StoreError::manifest)?;
            for (segment, reason) in &change.lost {
                let row = LostRow { segment: SegmentRow::of(segment), reason: reason.clone() };
                lost.insert(segment.id.0, json(&row).as_slice()).map_err(StoreError::manifest)?;
            }
            let mut deltas = transaction.open_table(DELTAS).map_err(StoreError::manifest)?;
            for id in &change.remove_deltas {
                deltas.remove(id.0).map_err(StoreError::manifest)?;
            }
            for delta in &change.add_deltas {
                deltas
                    .insert(delta.id.0, json(&DeltaRow::of(delta)).as_slice())
                    .map_err(StoreError::manifest)?;
            }
            let mut ledger = transaction.open_table(LEDGER).map_err(StoreError::manifest)?;
            for (hour, seq) in &change.consumed {
                ledger.insert(hour.0, seq).map_err(StoreError::manifest)?;
            }
            for hour in &change.forget_hours {
                ledger.remove(hour.0).map_err(StoreError::manifest)?;
            }
            let mut floors = transaction.open_table(FLOORS).map_err(StoreError::manifest)?;
            for (table, floor) in (0u16..).zip(change.floors.iter().flatten()) {
                floors.insert(table, floor).map_err(StoreError::manifest)?;
            }
            let mut sources = transaction.open_table(SOURCES).map_err(StoreError::manifest)?;
            for source in &change.sources {
                sources.insert(source.id, (source.position, source.seen)).map_err(StoreError::manifest)?;
            }
            for id in &change.forget_sources {
                sources.remove(id).map_err(StoreError::manifest)?;
            }
        }
        transaction.commit().map_err(StoreError::manifest)
    }

    /// Reads everything.
    pub(crate) fn contents(&self) -> Result<Contents, StoreError> {
        let transaction = self.db.begin_read().map_err(StoreError::manifest)?;
        let mut contents = Contents { floors: [1; 4], ..Contents::default() };
        let table = transaction.open_table(SEGMENTS).map_err(StoreError::manifest)?;
        for entry in table.iter().map_err(StoreError::manifest)? {
            let (id, row) = entry.map_err(StoreError::manifest)?;
            contents.segments.push(parse::<SegmentRow>(row.value())?.segment(&self.dir, Ulid(id.value()))?);
        }
        let table = transaction.open_table(LOST).map_err(StoreError::manifest)?;
        for entry in table.iter().map_err(StoreError::manifest)? {
            let (id, row) = entry.map_err(StoreError::manifest)?;
            contents.lost.push((Ulid(id.value()), parse::<LostRow>(row.value())?.reason));
        }
        let table = transaction.open_table(DELTAS).map_err(StoreError::manifest)?;
        for entry in table.iter().map_err(StoreError::manifest)? {
            let (id, row) = entry.map_err(StoreError::manifest)?;
            contents.deltas.push(parse::<DeltaRow>(row.value())?.delta(&self.dir, Ulid(id.value())));
        }
        let table = transaction.open_table(LEDGER).map_err(StoreError::manifest)?;
        for entry in table.iter().map_err(StoreError::manifest)? {
            let (hour, seq) = entry.map_err(StoreError::manifest)?;
            contents.ledger.insert(Hour(hour.value()), seq.value());
        }
        let table = transaction.open_table(FLOORS).map_err(StoreError::manifest)?;
        for entry in table.iter().map_err(StoreError::manifest)? {
            let (table, floor) = entry.map_err(StoreError::manifest)?;
            let slot = contents.floors.get_mut(usize::from(table.value()));
            *slot.ok_or_else(|| StoreError::ManifestEntry(format!("floor of table {}", table.value())))? =
                floor.value();
        }
        let table = transaction.open_table(SOURCES).map_err(StoreError::manifest)?;
        for entry in table.iter().map_err(StoreError::manifest)? {
            let (id, row) = entry.map_err(StoreError::manifest)?;
            let (position, seen) = row.value();
            contents.sources.push(SourceRow { id: id.value(), position, seen });
        }
        Ok(contents)
    }

    fn format_version(&self) -> Result<u64, StoreError> {
        let transaction = self.db.begin_read().map_err(StoreError::manifest)?;
        let meta = transaction.open_table(META).map_err(StoreError::manifest)?;
        let version = meta.get("format_version").map_err(StoreError::manifest)?;
        version
            .map(|version| version.value())
            .ok_or_else(|| StoreError::ManifestEntry("format_version is missing".to_owned()))
    }
}

/// Makes a manifest under another name and renames it, so that a half-made one is never found.
fn create(fs: &dyn Fs, dir: &Path, path: &Path) -> Result<(), StoreError> {
    let temporary = dir.join("meta.redb.tmp");
    if fs.metadata(&temporary).map_err(StoreError::io("look at", &temporary))?.is_some() {
        fs.remove_file(&temporary).map_err(StoreError::io("remove", &temporary))?;
    }
    let db = database(fs, &temporary, OpenMode::CreateNew)?;
    let transaction = db.begin_write().map_err(StoreError::manifest)?;
    {
        let mut meta = transaction.open_table(META).map_err(StoreError::manifest)?;
        meta.insert("format_version", FORMAT_VERSION).map_err(StoreError::manifest)?;
        // All tables exist from the start, so that reading needs no case for their absence.
        transaction.open_table(FLOORS).map_err(StoreError::manifest)?;
        transaction.open_table(SEGMENTS).map_err(StoreError::manifest)?;
        transaction.open_table(LOST).map_err(StoreError::manifest)?;
        transaction.open_table(DELTAS).map_err(StoreError::manifest)?;
        transaction.open_table(LEDGER).map_err(StoreError::manifest)?;
        transaction.open_table(SOURCES).map_err(StoreError::manifest)?;
    }
    transaction.commit().map_err(StoreError::manifest)?;
    drop(db);
    fs.rename(&temporary, path).map_err(StoreError::io("rename to", path))?;
    fs.sync_dir(dir).map_err(StoreError::io("sync folder", dir))
}

fn database(fs: &dyn Fs, path: &Path, mode: OpenMode) -> Result<Database, StoreError> {
    let file = fs.open(path, mode).map_err(StoreError::io("open", path))?;
    Database::builder()
        // Rows of 20 000 segments are some 6 MB; redb's default cache is 1 GiB.
        .set_cache_size(8 << 20)
        .create_with_backend(RedbFile::new(file))
        .map_err(StoreError::manifest)
}

#[derive(Serialize, Deserialize)]
struct SegmentRow {
    table: u16,
    hour: Hour,
    bytes: u64,
    rows: u64,
    ts_min: i64,
    ts_max: i64,
    seq_lo: u64,
    seq_hi: u64,
    checksum: u64,
}

impl SegmentRow {
    fn of(segment: &Segment) -> Self {
        let Segment { id: _, path: _, signal, hour, bytes, rows, ts_min, ts_max, seq_lo, seq_hi, checksum } =
            segment;
        Self {
            table: schema::number(*signal),
            hour: *hour,
            bytes: *bytes,
            rows: *rows,
            ts_min: *ts_min,
            ts_max: *ts_max,
            seq_lo: *seq_lo,
            seq_hi: *seq_hi,
            checksum: *checksum,
        }
    }

    fn bytes(segment: &Segment) -> Vec<u8> {
        json(&Self::of(segment))
    }

    fn segment(self, dir: &Path, id: Ulid) -> Result<Segment, StoreError> {
        let Self { table, hour, bytes, rows, ts_min, ts_max, seq_lo, seq_hi, checksum } = self;
        let signal = schema::signal(table)
            .ok_or_else(|| StoreError::ManifestEntry(format!("segment of table {table}")))?;
        let path = segment::file(dir, signal, hour, id);
        Ok(Segment { id, path, signal, hour, bytes, rows, ts_min, ts_max, seq_lo, seq_hi, checksum })
    }
}

#[derive(Serialize, Deserialize)]
struct LostRow {
    #[serde(flatten)]
    segment: SegmentRow,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct DeltaRow {
    day: Day,
    bytes: u64,
    rows: u64,
}

impl DeltaRow {
    fn of(delta: &Delta) -> Self {
        Self { day: delta.day, bytes: delta.bytes, rows: delta.rows }
    }

    fn delta(self, dir: &Path, id: Ulid) -> Delta {
        Delta::new(dir, id, self.day, self.bytes, self.rows)
    }
}

fn json(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows are plain numbers and strings")
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::ManifestEntry(error.to_string()))
}
