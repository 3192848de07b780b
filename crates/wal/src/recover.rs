//! What a folder holds after a crash, and putting it in order.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parapet_fs::{Fs, OpenMode};

use crate::files::{Active, Files, Sealed, parse_name};
use crate::format::{BadHeader, HEADER_LEN, Header, encode_end};
use crate::replay::{Frames, Part, Report};
use crate::scan::{Scan, Scanned, scan};
use crate::source::Window;
use crate::{Options, WalError};

/// Reads a log's folder through and changes nothing. `floor` as for [`crate::Wal::open`]; the report counts all frames
/// that it would replay.
pub fn inspect(fs: &dyn Fs, dir: &Path, floor: u64) -> Result<Report, WalError> {
    let survey = survey(fs, dir, floor)?;
    let Judged { mut report, parts, .. } = judge(&survey, floor);
    let mut frames = Frames::new(parts, floor);
    while let Some(frame) = frames.next(fs)? {
        report.count(&frame);
    }
    Ok(report)
}

/// A log put in order: nothing in it is torn, and what it gets goes to a new file.
pub(crate) struct Recovered {
    pub(crate) files: Files,
    /// `None` when there was no space for one.
    pub(crate) active: Option<Active>,
    pub(crate) frames: Frames,
    pub(crate) report: Report,
}

pub(crate) fn recover(
    fs: &Arc<dyn Fs>,
    dir: &Path,
    options: &Options,
    floor: u64,
) -> Result<Recovered, WalError> {
    parapet_fs::ensure_dir(&**fs, dir).map_err(WalError::io("create", dir))?;
    // Names that a killed process left may not be durable yet, and what is done next relies on them.
    fs.sync_dir(dir).map_err(WalError::io("sync", dir))?;
    let survey = survey(&**fs, dir, floor)?;
    let judged = judge(&survey, floor);
    let next_seq = judged.report.next_seq;
    let mut files =
        Files::new(Arc::clone(fs), dir, options, judged.sealed, survey.spares.clone(), survey.next_no);

    if let Some(tail) = judged.tail {
        tail.settle(&**fs).map_err(WalError::io("end", tail.path))?;
    }
    files.release(floor)?;
    let active = match files.create(next_seq) {
        Ok(active) => Some(active),
        Err(error) if error.is_disk_full() || error.is_retryable() => {
            tracing::warn!(%error, "no space for a new log file, appends are refused");
            None
        }
        Err(error) => return Err(error),
    };
    for path in judged.unreadable {
        files.quarantine(path)?;
    }
    if active.is_some() {
        // Not before the new file exists: theirs may be the only headers that tell the next row's number.
        files.set_aside(&judged.empty)?;
    }
    let metrics = &options.metrics;
    metrics.torn_bytes.inc_by(judged.report.torn_bytes);
    metrics.missing_rows.inc_by(judged.report.missing_rows);
    metrics.quarantined_files.inc_by(judged.report.quarantined_files);
    Ok(Recovered { files, active, frames: Frames::new(judged.parts, floor), report: judged.report })
}

/// What is in the folder.
struct Survey {
    /// In order of their numbers.
    files: Vec<Surveyed>,
    spares: Vec<PathBuf>,
    /// A number that no file has.
    next_no: u64,
}

struct Surveyed {
    path: PathBuf,
    bytes: u64,
    content: Content,
}

enum Content {
    /// Only rows below the floor; not looked at.
    Below {
        first_seq: u64,
        next_seq: u64,
    },
    Scanned(Scan),
    Unreadable,
}

impl Surveyed {
    fn base_seq(&self) -> Option<u64> {
        match &self.content {
            Content::Below { first_seq, .. } => Some(*first_seq),
            Content::Scanned(scan) => Some(scan.header.base_seq),
            Content::Unreadable => None,
        }
    }
}

fn survey(fs: &dyn Fs, dir: &Path, floor: u64) -> Result<Survey, WalError> {
    let (mut logs, mut spares, mut next_no) = (Vec::new(), Vec::new(), 1);
    for entry in fs.list(dir).map_err(WalError::io("list", dir))? {
        let Some((file_no, is_spare)) = parse_name(&entry.name).filter(|_| !entry.is_dir) else { continue };
        next_no = next_no.max(file_no.saturating_add(1));
        let path = dir.join(&entry.name);
        if is_spare {
            spares.push(path);
        } else {
            logs.push((file_no, entry.len, path));
        }
    }
    logs.sort();
    let headers = logs.iter().map(|(.., path)| header(fs, path)).collect::<Result<Vec<_>, _>>()?;
    let mut files = Vec::with_capacity(logs.len());
    for (index, (file_no, bytes, path)) in logs.into_iter().enumerate() {
        let follows = headers.get(index + 1).copied().flatten().map(|next| next.base_seq);
        let content = match (headers[index], follows) {
            (Some(own), Some(next_seq)) if next_seq <= floor => {
                Content::Below { first_seq: own.base_seq, next_seq }
            }
            _ => content(fs, &path, file_no).map_err(WalError::io("read", &path))?,
        };
        files.push(Surveyed { path, bytes, content });
    }
    Ok(Survey { files, spares, next_no })
}

/// The header of a file; `None` when it is unreadable.
fn header(fs: &dyn Fs, path: &Path) -> Result<Option<Header>, WalError> {
    let read = || {
        let mut bytes = vec![0; HEADER_LEN as usize];
        let read = fs.open(path, OpenMode::Read)?.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    };
    match Header::decode(&read().map_err(WalError::io("read", path))?) {
        Ok(header) => Ok(Some(header)),
        Err(BadHeader::Unreadable) => Ok(None),
        Err(BadHeader::Newer(version)) => Err(WalError::NewerFormat { path: path.to_owned(), version }),
    }
}

fn content(fs: &dyn Fs, path: &Path, file_no: u64) -> io::Result<Content> {
    let mut window = Window::new(fs.open(path, OpenMode::Read)?)?;
    Ok(match scan(&mut window, Some(file_no))? {
        Scanned::File(scan) => Content::Scanned(scan),
        Scanned::Newer | Scanned::Nothing => Content::Unreadable,
    })
}

/// What is to be done about each file.
struct Judged<'a> {
    sealed: VecDeque<Sealed>,
    tail: Option<Tail<'a>>,
    empty: Vec<&'a Path>,
    unreadable: Vec<&'a Path>,
    parts: VecDeque<Part>,
    report: Report,
}

/// The end of the last file with frames.
struct Tail<'a> {
    path: &'a Path,
    salt: u64,
    next_seq: u64,
    /// Where the last group of rows starts.
    group: u64,
    /// Where the end frame goes.
    end: u64,
}

impl Tail<'_> {
    /// Writes the last group again, then an end frame over what follows it. The group may have been read from memory only:
    /// after a sync that failed, the kernel holds such bytes for clean, and no sync would ever write them.
    fn settle(&self, fs: &dyn Fs) -> io::Result<()> {
        let file = fs.open(self.path, OpenMode::ReadWrite)?;
        let len = (self.end - self.group).min(file.len()?.saturating_sub(self.group));
        let mut group = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?];
        file.read_exact_at(&mut group, self.group)?;
        file.write_all_at(&group, self.group)?;
        // The end frame is a group too (L-3).
        file.sync_data()?;
        file.write_all_at(&encode_end(self.salt, self.next_seq), self.end)?;
        file.sync_data()
    }
}

fn judge(survey: &Survey, floor: u64) -> Judged<'_> {
    let has_frames = |file: &Surveyed| matches!(&file.content, Content::Scanned(scan) if scan.has_frames());
    let last = survey.files.iter().rposition(has_frames);
    let mut judged = Judged {
        sealed: VecDeque::new(),
        tail: None,
        empty: Vec::new(),
        unreadable: Vec::new(),
        parts: VecDeque::new(),
        report: Report { files: survey.files.len() as u64, ..Report::default() },
    };
    // The number that the next row at or above the floor should have.
    let mut expected = floor.max(1);
    let mut next_seq = expected;
    for (index, file) in survey.files.iter().enumerate() {
        let sealed = |first_seq, next_seq, damaged| Sealed {
            path: file.path.clone(),
            bytes: file.bytes,
            first_seq,
            next_seq,
            damaged,
        };
        let scan = match &file.content {
            Content::Below { first_seq, next_seq: next } => {
                judged.sealed.push_back(sealed(*first_seq, *next, false));
                continue;
            }
            Content::Unreadable => {
                judged.report.quarantined_files += 1;
                judged.unreadable.push(&file.path);
                continue;
            }
            Content::Scanned(scan) => scan,
        };
        next_seq = next_seq.max(scan.next_seq);
        if !scan.has_frames() {
            if survey.files[index + 1..].iter().any(|later| later.base_seq() > Some(scan.header.base_seq)) {
                // It had frames.
                judged.report.quarantined_files += 1;
                judged.unreadable.push(&file.path);
            } else {
                judged.empty.push(&file.path);
            }
            continue;
        }
        let is_last = Some(index) == last;
        let mut runs = scan.runs.clone();
        let mut damaged = scan.damaged();
        if is_last {
            judged.report.torn_bytes += scan.torn_bytes();
            judged.tail = Some(Tail {
                path: &file.path,
                salt: scan.header.salt,
                next_seq: scan.next_seq,
                group: scan.last_group,
                end: scan.end,
            });
        } else if !scan.ended {
            // Later files have frames, so these were synced (L-4).
            damaged = true;
            runs.extend(&scan.loose);
        }
        let end = runs.last().map_or(scan.next_seq, |run| run.next_seq).max(scan.next_seq);
        next_seq = next_seq.max(end);
        judged.report.quarantined_files += u64::from(damaged);
        judged.sealed.push_back(sealed(scan.header.base_seq, end, damaged));
        runs.retain(|run| run.next_seq > expected);
        for run in &runs {
            judged.report.missing_rows += run.first_seq.saturating_sub(expected);
            expected = run.next_seq;
        }
        if !runs.is_empty() {
            judged.parts.push_back(Part { path: file.path.clone(), salt: scan.header.salt, runs });
        }
    }
    judged.report.missing_rows += next_seq.saturating_sub(expected);
    judged.report.next_seq = next_seq;
    judged
}
