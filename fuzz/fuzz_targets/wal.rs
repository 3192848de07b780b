//! A file of the write-ahead log with anything in it: never a panic, never more than the bytes hold, and each frame as it stands.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_wal::read_frames;

fuzz_target!(|file: &[u8]| {
    let contents = read_frames(file);
    let payloads: usize = contents.frames.iter().map(|frame| frame.payload.len()).sum();
    assert!(payloads <= file.len());
    assert!(contents.torn_bytes <= file.len() as u64);
});
