//! The loop: find files, look at them, read, deliver, acknowledge.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use parapet_signal::{Delivery, DeliveryError, Receipt, SourceId};
use tokio::sync::oneshot;

use super::checkpoint::{self, Entry};
use super::identity::FileId;
use super::pattern::regular_file;
use super::tail::{Change, Flush, Ready, Tail};
use super::watch::Watch;
use super::{FilesError, Options, SourceStatus};

mod pause;
mod report;

use pause::Pause;

pub(super) struct Engine {
    options: Options,
    tails: HashMap<FileId, Tail>,
    /// Whose turn it is.
    turns: VecDeque<FileId>,
    /// Entries of the checkpoint whose files were not found (yet, or any more).
    known: HashMap<FileId, Entry>,
    watch: Watch,
    window: Vec<u8>,
    in_flight_bytes: usize,
    pause: Pause,
    next_scan: Instant,
    next_look: Instant,
    next_save: Instant,
    status: tokio::sync::watch::Sender<Vec<SourceStatus>>,
}

/// A delivery that ended.
struct Done {
    id: FileId,
    source: SourceId,
    position: u64,
    skipping: bool,
    bytes: usize,
    signal: parapet_signal::Signal,
    bad: Vec<(&'static str, u64)>,
    result: Result<Receipt, DeliveryError>,
}

type Deliveries = FuturesUnordered<BoxFuture<'static, Done>>;

/// The least time between two looks at all files, however many notifications come.
const LOOK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Entries of files that are gone are kept for a day: a volume may be mounted again.
const KEEP_GONE_SECONDS: i64 = 86_400;

/// Window kept between batches; more was needed by a long record only.
const KEEP_WINDOW: usize = 1 << 20;

impl Engine {
    pub(super) fn new(
        options: Options,
        status: tokio::sync::watch::Sender<Vec<SourceStatus>>,
    ) -> Result<Self, FilesError> {
        let entries = checkpoint::load(&*options.fs, &options.checkpoint)?;
        let now = Instant::now();
        Ok(Self {
            tails: HashMap::new(),
            turns: VecDeque::new(),
            known: entries.into_iter().map(|entry| (entry.id, entry)).collect(),
            watch: Watch::new(),
            window: Vec::new(),
            in_flight_bytes: 0,
            pause: Pause::default(),
            next_scan: now,
            next_look: now,
            next_save: now + options.tuning.save_interval,
            status,
            options,
        })
    }

    /// Runs until `stopped` resolves, then waits for what is under way and saves the offsets.
    pub(super) async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut deliveries = Deliveries::new();
        loop {
            let now = Instant::now();
            if now >= self.next_look {
                if now >= self.next_scan || self.watch.take_names_changed() {
                    self.scan();
                    self.next_scan = Instant::now() + self.options.tuning.scan_interval;
                }
                self.look();
                self.report();
                self.next_look = Instant::now() + self.options.tuning.poll_interval;
            }
            if now >= self.next_save {
                self.save();
            }
            let more = self.read(&mut deliveries);
            let wake_at = if more { Instant::now() } else { self.pause.end_before(self.next_look) };
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                Some(done) = deliveries.next(), if !deliveries.is_empty() => self.finish(done),
                () = self.watch.changed() => self.next_look = self.next_look.min(Instant::now() + LOOK_PAUSE),
                () = tokio::time::sleep_until(wake_at.into()) => {}
            }
        }
        while let Some(done) = deliveries.next().await {
            self.finish(done);
        }
        self.save();
    }

    /// Finds files by name; recognises those that were renamed, and those that are gone.
    fn scan(&mut self) {
        let mut directories = HashSet::new();
        let mut found: HashMap<FileId, (PathBuf, usize)> = HashMap::new();
        for (index, input) in self.options.inputs.iter().enumerate() {
            for pattern in &input.patterns {
                for path in pattern.expand(input.rotated_siblings, &mut directories) {
                    if let Some((id, _)) = regular_file(&path) {
                        found.entry(id).or_insert((path, index));
                    }
                }
            }
        }
        self.watch.follow(&directories);
        for tail in self.tails.values_mut() {
            match found.remove(&tail.id) {
                Some((path, _)) => (tail.path, tail.gone_since) = (path, None),
                None => drop(tail.gone_since.get_or_insert_with(Instant::now)),
            }
        }
        let mut fresh: Vec<_> = found.into_iter().collect();
        // Older files first, by name: rotated siblings carry their time.
        fresh.sort_by(|(_, a), (_, b)| a.cmp(b));
        for (id, (path, input)) in fresh {
            if self.tails.len() < self.options.tuning.max_files {
                self.adopt(id, &path, input);
            } else {
                self.count_error("too_many_files");
            }
        }
    }

    fn adopt(&mut self, id: FileId, path: &Path, input: usize) {
        let decoder = (self.options.inputs[input].decoder)(path);
        let known = self.known.get(&id).cloned();
        let high_water = |source| self.options.sink.high_water(source);
        match Tail::open(path, input, decoder, known, high_water, self.options.clock.now()) {
            // Whoever was renamed in between is found by the next scan.
            Ok(tail) if tail.id != id => {}
            Ok(mut tail) => {
                tracing::debug!(path = %path.display(), offset = tail.offset, "file found");
                if self.open_files() >= self.options.tuning.max_open {
                    tail.close();
                }
                self.known.remove(&id);
                self.turns.push_back(id);
                self.tails.insert(id, tail);
            }
            Err(error) => self.failed(path, &error),
        }
    }

    /// Looks at every file's size; ends those that are gone and read.
    fn look(&mut self) {
        let now = self.options.clock.now();
        let tuning = self.options.tuning;
        let mut ended = Vec::new();
        let mut failed = Vec::new();
        let mut restarted = 0;
        for tail in self.tails.values_mut() {
            match tail.look(now) {
                Ok(Change::Same) => tail.failing = false,
                Ok(Change::Restarted) => restarted += 1,
                // Found again under another name by the next scan, or gone; without a handle there is nothing to read.
                Ok(Change::Left) => drop(tail.gone_since.get_or_insert_with(Instant::now)),
                Err(error) => {
                    tail.failing = true;
                    failed.push((tail.path.clone(), error));
                }
            }
            let lingered = tail.gone_since.is_some_and(|since| since.elapsed() >= tuning.linger);
            let readable = tail.is_open() && !tail.failing;
            if lingered && !tail.in_flight && (!readable || !tail.wants(Flush::Everything)) {
                ended.push(tail.id);
            } else if tail.is_open()
                && tail.gone_since.is_none()
                && tail.offset >= tail.size
                && tail.active_at.elapsed() >= tuning.close_idle
            {
                tail.close();
            }
        }
        self.count_restarts(restarted);
        for (path, error) in failed {
            self.failed(&path, &error);
        }
        for id in ended {
            self.end(id);
        }
    }

    fn end(&mut self, id: FileId) {
        let Some(tail) = self.tails.remove(&id) else { return };
        self.turns.retain(|turn| *turn != id);
        self.forget_gauges(&tail);
        let lost = tail.size.saturating_sub(tail.offset);
        if lost > 0 {
            tracing::warn!(path = %tail.path.display(), bytes = lost, "file gone before it was read to its end");
            self.count_lost(&tail, lost);
        }
        tracing::debug!(path = %tail.path.display(), "file ended");
        // The volume may only have been unmounted, or the file moved to where nobody looks.
        if !tail.deleted {
            self.known.insert(id, self.entry(&tail));
        }
    }

    /// Starts deliveries while there is room. Whether another round finds more to read at once.
    fn read(&mut self, deliveries: &mut Deliveries) -> bool {
        let now = Instant::now();
        if self.pause.is_on(now) {
            return false;
        }
        let tuning = self.options.tuning;
        let mut more = false;
        for _ in 0..self.turns.len() {
            if self.in_flight_bytes >= tuning.in_flight_bytes {
                return false;
            }
            let Some(id) = self.turns.pop_front() else { break };
            self.turns.push_back(id);
            let Some(tail) = self.tails.get(&id) else { continue };
            let flush = match tail.gone_since {
                Some(since) if now.duration_since(since) >= tuning.linger => Flush::Everything,
                _ if now.duration_since(tail.active_at) >= tuning.flush_after => Flush::Joined,
                _ => Flush::No,
            };
            if !tail.wants(flush) || (!tail.is_open() && !self.make_room()) {
                continue;
            }
            if !self.persist(id) {
                return false;
            }
            match self.next_batch(id, flush) {
                Ok(Some(ready)) => self.deliver(id, ready, deliveries),
                Ok(None) => {}
                Err(error) => {
                    let path = self.tails.get_mut(&id).map(|tail| {
                        tail.failing = true;
                        tail.close();
                        tail.path.clone()
                    });
                    self.failed(&path.unwrap_or_default(), &error);
                    continue;
                }
            }
            more |= self.tails.get(&id).is_some_and(|tail| tail.wants(flush));
        }
        more
    }

    fn next_batch(&mut self, id: FileId, flush: Flush) -> std::io::Result<Option<Ready>> {
        let Some(tail) = self.tails.get_mut(&id) else { return Ok(None) };
        let batch_bytes = self.options.tuning.batch_bytes;
        let result = tail.next_batch(&mut self.window, batch_bytes, self.options.clock.now(), flush);
        if self.window.len() > KEEP_WINDOW {
            self.window.truncate(KEEP_WINDOW);
            self.window.shrink_to_fit();
        }
        result
    }

    fn deliver(&mut self, id: FileId, ready: Ready, deliveries: &mut Deliveries) {
        let Ready { batch, bad, source, position, bytes, skipping } = ready;
        let Some(tail) = self.tails.get_mut(&id) else { return };
        let (kind, signal) = (self.options.inputs[tail.input].kind, batch.signal());
        if batch.is_empty() {
            tail.acknowledge(position, skipping);
            self.count_read(kind, signal, bytes, &bad);
        } else {
            tail.in_flight = true;
            let bytes = bytes as usize;
            self.in_flight_bytes += bytes;
            let sink = self.options.sink.clone();
            deliveries.push(Box::pin(async move {
                let result = sink.deliver(Delivery { source: Some((source, position)), batch }).await;
                Done { id, source, position, skipping, bytes, signal, bad, result }
            }));
        }
    }

    fn finish(&mut self, done: Done) {
        let Done { id, source, position, skipping, bytes, signal, bad, result } = done;
        self.in_flight_bytes -= bytes;
        match &result {
            Ok(_) => self.pause.end(),
            Err(error) => {
                let delay = self.pause.begin(Instant::now(), error.retry_after());
                tracing::debug!(reason = error.reason(), ?delay, "not delivered, reading paused");
                self.count_refused_delivery(error);
            }
        }
        let Some(tail) = self.tails.get_mut(&id) else { return };
        tail.in_flight = false;
        let kind = self.options.inputs[tail.input].kind;
        if let Ok(receipt) = result {
            if tail.source == source {
                tail.acknowledge(position, skipping);
            }
            self.count_read(kind, signal, bytes as u64, &bad);
            self.count_receipt(kind, signal, &receipt);
        }
    }

    /// Makes sure that the checkpoint on disk knows the file's source and enough of its first bytes (F1).
    fn persist(&mut self, id: FileId) -> bool {
        // A fingerprint this long tells files apart; longer ones are saved with the offsets.
        const ENOUGH: u32 = 256;
        let Some(tail) = self.tails.get(&id) else { return false };
        let needed = tail.fingerprint.len.min(ENOUGH);
        tail.persisted.is_some_and(|len| len >= needed) || self.save()
    }

    fn save(&mut self) -> bool {
        let now = self.options.clock.now().micros() / 1_000_000;
        self.known.retain(|_, entry| now - entry.seen < KEEP_GONE_SECONDS);
        let followed: Vec<Entry> = self.tails.values().map(|tail| self.entry(tail)).collect();
        let entries = followed.iter().chain(self.known.values());
        self.next_save = Instant::now() + self.options.tuning.save_interval;
        match checkpoint::save(&*self.options.fs, &self.options.checkpoint, entries) {
            Ok(()) => {
                for tail in self.tails.values_mut() {
                    tail.persisted = Some(tail.fingerprint.len);
                }
                true
            }
            Err(error) => {
                tracing::warn!(path = %self.options.checkpoint.display(), %error, "checkpoint not saved");
                self.count_error("checkpoint");
                self.pause.begin(Instant::now(), std::time::Duration::from_secs(1));
                false
            }
        }
    }

    fn entry(&self, tail: &Tail) -> Entry {
        Entry {
            id: tail.id,
            fingerprint: tail.fingerprint,
            source: tail.source,
            offset: tail.offset,
            path: tail.path.to_string_lossy().into_owned(),
            seen: self.options.clock.now().micros() / 1_000_000,
        }
    }

    fn open_files(&self) -> usize {
        self.tails.values().filter(|tail| tail.is_open()).count()
    }

    /// Closes a handle that is at its end, if there are too many.
    fn make_room(&mut self) -> bool {
        if self.open_files() < self.options.tuning.max_open {
            return true;
        }
        let idle = |tail: &&mut Tail| {
            tail.is_open() && tail.gone_since.is_none() && !tail.in_flight && tail.offset >= tail.size
        };
        match self.tails.values_mut().filter(idle).min_by_key(|tail| tail.active_at) {
            Some(tail) => {
                tail.close();
                true
            }
            None => false,
        }
    }

    fn failed(&self, path: &Path, error: &std::io::Error) {
        tracing::debug!(path = %path.display(), %error, "file not read");
        self.count_error("io");
    }
}
