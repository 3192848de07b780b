use super::*;
use crate::container;

/// Reads the file at `path` to its end, as the engine does; bytes of the largest batch, and the number of records.
fn read_all(path: &Path, window: &mut Vec<u8>, batch_bytes: usize) -> (usize, usize) {
    let input = container::text_files(Vec::new(), container::Options::default());
    let decoder = (input.decoder)(path);
    let mut tail = Tail::open(path, 0, decoder, None, |_| None, UnixNanos::default()).unwrap();
    let (mut largest, mut records) = (0, 0);
    while tail.wants(Flush::Everything) {
        let ready = tail.next_batch(window, batch_bytes, UnixNanos::default(), Flush::Everything).unwrap();
        let Some(ready) = ready else { continue };
        let Batch::Logs(groups) = &ready.batch else { panic!() };
        let bodies = groups.iter().flat_map(|group| &group.records).map(|record| record.body.to_text().len());
        largest = largest.max(bodies.clone().sum());
        records += bodies.count();
        tail.acknowledge(ready.position, ready.skipping);
    }
    assert_eq!(tail.offset, tail.size);
    (largest, records)
}

#[test]
fn memory_does_not_grow_with_the_length_of_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.log");
    let bound = MAX_LINE_BYTES + 2 * CHUNK;
    for mebibytes in [2, 10, 100] {
        // A hole reads as zeros: a line like another, without writing it.
        let file = File::create(&path).unwrap();
        file.set_len(mebibytes << 20).unwrap();
        file.write_all_at(b"\nafter\n", mebibytes << 20).unwrap();
        let mut window = Vec::new();
        let (largest, records) = read_all(&path, &mut window, CHUNK);
        assert_eq!(records, 2);
        assert!(largest <= MAX_LINE_BYTES, "{largest} bytes of {mebibytes} MiB in one batch");
        assert!(window.capacity() <= 2 * bound, "{} bytes for {mebibytes} MiB", window.capacity());
    }
}
