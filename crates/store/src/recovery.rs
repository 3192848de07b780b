//! Opening a data folder: what a crash left is put in order, and what was acknowledged becomes visible again.
//!
//! Order: lock → manifest (format version) → files that the manifest does not list removed → files that are missing or of
//! another length taken out and, where there is something, moved to quarantine → WAL replayed from the lowest floor, flushed
//! on the way within the same memory budget as in operation. Every step can be repeated: a crash in between leaves less to do.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_fs::{Fs, ensure_dir};
use parapet_signal::SourceId;
use parapet_wal::{Frame, Wal};
use serde::Serialize;

use crate::core::Core;
use crate::deliver::{DELIVERY_BYTES, Pending, apply};
use crate::error::StoreError;
use crate::lock::Lock;
use crate::manifest::{Change, Contents, Manifest};
use crate::memtable::HourRows;
use crate::metrics::Metrics;
use crate::payload;
use crate::schema;
use crate::state::{State, lowest};
use crate::store::Options;

/// What was found at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// Segments that the manifest lists.
    pub segments: u64,
    /// Files that a crash left and no transaction lists; removed.
    pub orphans_removed: u64,
    /// Segments whose file was missing or damaged, this time or before, and why.
    pub lost_segments: Vec<String>,
    /// Frames of the WAL that were replayed.
    pub frames: u64,
    /// Rows in them.
    pub rows: u64,
    /// Deliveries among them that had been kept before.
    pub repeats: u64,
    /// Bytes of an unfinished write at the WAL's end that were cut; nothing in them was acknowledged.
    pub torn_bytes: u64,
    /// Damaged WAL files.
    pub quarantined_wal_files: u64,
    /// Rows whose numbers were given but which are unreadable in the WAL.
    pub missing_rows: u64,
    /// Frames that were whole, but whose rows this version cannot read; moved to quarantine.
    pub unreadable_frames: u64,
}

/// A data folder, put in order.
pub(crate) struct Opened {
    pub(crate) core: Arc<Core>,
    pub(crate) wal: Wal<Pending>,
    pub(crate) lock: Lock,
    pub(crate) recovery: Recovery,
}

/// Opens a data folder.
pub(crate) fn open(
    options: Options,
    metrics: Metrics,
    wal_metrics: parapet_wal::Metrics,
) -> Result<Opened, StoreError> {
    let (fs, dir) = (Arc::clone(&options.fs), options.dir.clone());
    ensure_dir(&*fs, &dir).map_err(StoreError::io("create folder", &dir))?;
    let lock = Lock::take(&*fs, &dir)?;
    let manifest = Manifest::open(&*fs, &dir)?;
    let mut contents = manifest.contents()?;
    let mut recovery = Recovery {
        lost_segments: contents.lost.iter().map(|(id, reason)| format!("{id}: {reason}")).collect(),
        ..Recovery::default()
    };
    recovery.orphans_removed = remove_orphans(&*fs, &dir, &contents)?;
    take_out_lost(&*fs, &dir, &manifest, &mut contents, &mut recovery, &metrics)?;
    recovery.segments = contents.segments.len() as u64;

    let floors = contents.floors;
    let core = Arc::new(Core::new(options, manifest, State::new(contents), metrics));
    let wal_options = wal_options(&core, wal_metrics);
    let applying = Arc::clone(&core);
    let (wal, mut replay) = Wal::open(
        fs,
        &dir.join("wal"),
        wal_options,
        lowest(floors),
        Box::new(move |durable| apply(&applying, durable)),
    )?;
    if replay.report().next_seq < lowest(floors) {
        return Err(StoreError::damaged(&dir.join("wal"), "the log is older than the manifest"));
    }
    for frame in replay.by_ref() {
        replay_frame(&core, &wal, frame?, floors, &mut recovery)?;
    }
    let report = replay.report();
    recovery.frames = report.frames;
    recovery.rows = report.rows;
    recovery.torn_bytes = report.torn_bytes;
    recovery.quarantined_wal_files = report.quarantined_files;
    recovery.missing_rows = report.missing_rows;
    core.state().advance(report.next_seq.saturating_sub(1));
    Ok(Opened { core, wal, lock, recovery })
}

fn wal_options(core: &Core, metrics: parapet_wal::Metrics) -> parapet_wal::Options {
    let defaults = parapet_wal::Options::default();
    // Rows that do not compress at all, and their numbers and offsets.
    let max_payload_bytes = DELIVERY_BYTES + (DELIVERY_BYTES / 2);
    // The smallest budget is two files, and a file must hold the largest frame; a small budget means small files.
    let file_bytes = defaults.file_bytes.min(core.config.wal_bytes / 4).next_multiple_of(8);
    parapet_wal::Options {
        budget_bytes: core.config.wal_bytes,
        file_bytes,
        max_payload_bytes: max_payload_bytes
            .min(usize::try_from(file_bytes).unwrap_or(usize::MAX) - (64 << 10)),
        queue_bytes: max_payload_bytes.max(defaults.queue_bytes),
        min_free_bytes: core.config.disk_reserve_bytes / 2,
        quarantine: Some(core.dir.join("quarantine")),
        metrics,
        ..defaults
    }
}

/// Makes the rows of one frame visible, as [`apply`] did before the restart.
fn replay_frame(
    core: &Core,
    wal: &Wal<Pending>,
    frame: Frame,
    floors: [u64; 4],
    recovery: &mut Recovery,
) -> Result<(), StoreError> {
    let seqs = frame.seqs();
    let now = core.now();
    // Also frames of tables that have them in segments: sources count over all tables, up to the lowest floor.
    let admitted = frame
        .source
        .is_none_or(|(id, position)| core.state().sources.admit(SourceId(id), position, seqs.last, now));
    recovery.repeats += u64::from(!admitted);
    let signal = schema::signal(frame.table);
    if admitted && signal.is_none_or(|signal| seqs.last >= floors[schema::index(signal)]) {
        let decoded = signal.ok_or_else(|| format!("table {} is unknown", frame.table)).and_then(|signal| {
            let rows = payload::decode(signal, &frame.payload).map_err(|error| error.to_string())?;
            if rows.num_rows() != frame.rows as usize {
                return Err(format!("{} rows instead of {}", rows.num_rows(), frame.rows));
            }
            Ok((signal, HourRows::split(rows).map_err(|error| error.to_string())?))
        });
        match decoded {
            Ok((signal, rows)) => {
                core.state().insert(signal, rows, seqs.first, now);
                core.visible[schema::index(signal)].send_replace(seqs.last);
            }
            Err(reason) => {
                quarantine_frame(core, &frame, &reason)?;
                recovery.unreadable_frames += 1;
            }
        }
    }
    core.state().advance(seqs.last);
    let full = |bytes: u64| core.state().memory_bytes() as u64 >= bytes;
    if let Some(signal) = signal
        && full(core.config.memory_bytes / 2)
    {
        // The table that grows; the others are flushed when they do.
        core.flush(signal)?;
        wal.release(lowest(core.state().floors()))?;
    }
    Ok(())
}

fn quarantine_frame(core: &Core, frame: &Frame, reason: &str) -> Result<(), StoreError> {
    let folder = core.dir.join("quarantine");
    ensure_dir(&*core.fs, &folder).map_err(StoreError::io("create folder", &folder))?;
    let path = folder.join(format!("frame-{}-table-{}.payload", frame.first_seq, frame.table));
    tracing::error!(path = %path.display(), reason, rows = frame.rows, "rows of the log are unreadable");
    parapet_fs::replace(&*core.fs, &path, &frame.payload).map_err(StoreError::io("write", &path))
}

/// Removes segment files that no transaction lists, and unfinished ones.
fn remove_orphans(fs: &dyn Fs, dir: &Path, contents: &Contents) -> Result<u64, StoreError> {
    let listed: HashSet<&Path> = contents
        .segments
        .iter()
        .map(|segment| segment.path.as_path())
        .chain(contents.deltas.iter().map(|delta| delta.path.as_path()))
        .collect();
    let mut removed = 0;
    for path in segment_files(fs, dir)? {
        if !listed.contains(path.as_path()) {
            fs.remove_file(&path).map_err(StoreError::io("remove", &path))?;
            removed += 1;
            if let Some(folder) = path.parent() {
                // In use unless it was the last file, which is no failure.
                let _ = fs.remove_dir(folder);
            }
        }
    }
    Ok(removed)
}

/// All `*.seg` and `*.seg.tmp` below `t/<table>/<hour>` and `r/<rollup>/<day>`. Never follows anything deeper.
pub(crate) fn segment_files(fs: &dyn Fs, dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut folders = vec![dir.join("t"), dir.join("r")];
    for _ in 0..2 {
        let mut deeper = Vec::new();
        for folder in folders {
            deeper
                .extend(entries(fs, &folder)?.into_iter().filter(|e| e.is_dir).map(|e| folder.join(e.name)));
        }
        folders = deeper;
    }
    let mut files = Vec::new();
    for folder in folders {
        let ours = |name: &str| name.ends_with(".seg") || name.ends_with(".seg.tmp");
        let entries = entries(fs, &folder)?.into_iter().filter(|entry| !entry.is_dir && ours(&entry.name));
        files.extend(entries.map(|entry| folder.join(entry.name)));
    }
    Ok(files)
}

fn entries(fs: &dyn Fs, folder: &Path) -> Result<Vec<parapet_fs::Entry>, StoreError> {
    match fs.metadata(folder).map_err(StoreError::io("look at", folder))? {
        Some(entry) if entry.is_dir => fs.list(folder).map_err(StoreError::io("list", folder)),
        _ => Ok(Vec::new()),
    }
}

/// Takes segments out of the manifest whose file is not the one that was written, so that the others can be served.
fn take_out_lost(
    fs: &dyn Fs,
    dir: &Path,
    manifest: &Manifest,
    contents: &mut Contents,
    recovery: &mut Recovery,
    metrics: &Metrics,
) -> Result<(), StoreError> {
    let mut change = Change::default();
    for segment in &contents.segments {
        let found = fs.metadata(&segment.path).map_err(StoreError::io("look at", &segment.path))?;
        let reason = match found {
            None => "the file is missing".to_owned(),
            Some(entry) if entry.len != segment.bytes => {
                format!("the file has {} bytes instead of {}", entry.len, segment.bytes)
            }
            Some(_) => continue,
        };
        tracing::error!(path = %segment.path.display(), reason, rows = segment.rows, "segment lost");
        metrics.lost_segment();
        recovery.lost_segments.push(format!("{}: {reason}", segment.id));
        change.lost.push((segment.clone(), reason));
    }
    if change.lost.is_empty() {
        return Ok(());
    }
    let quarantine = dir.join("quarantine");
    ensure_dir(fs, &quarantine).map_err(StoreError::io("create folder", &quarantine))?;
    // Files first: once the manifest no longer lists one where it was, it would be an orphan.
    for (segment, _) in &change.lost {
        if fs.metadata(&segment.path).map_err(StoreError::io("look at", &segment.path))?.is_some() {
            let to = quarantine.join(format!("{}-{}.seg", segment.signal.name(), segment.id));
            fs.rename(&segment.path, &to).map_err(StoreError::io("move to quarantine", &segment.path))?;
        }
    }
    fs.sync_dir(&quarantine).map_err(StoreError::io("sync folder", &quarantine))?;
    manifest.commit(&change)?;
    contents.segments.retain(|segment| change.lost.iter().all(|(lost, _)| lost.id != segment.id));
    Ok(())
}

/// Whether a folder holds rows: without a manifest, all of them would be orphans.
pub(crate) fn has_data(fs: &dyn Fs, dir: &Path) -> Result<bool, StoreError> {
    Ok(!segment_files(fs, dir)?.is_empty() || !entries(fs, &dir.join("wal"))?.is_empty())
}
