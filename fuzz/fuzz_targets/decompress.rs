//! A compressed body of anybody's: never a panic, never more than the limit.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use parapet_collect::otlp::{Encoding, decompress};

const LIMIT: usize = 1 << 20;

fuzz_target!(|input: (bool, &[u8])| {
    let (gzip, body) = input;
    let encoding = if gzip { Encoding::Gzip } else { Encoding::Zstd };
    if let Ok(body) = decompress(Bytes::copy_from_slice(body), encoding, LIMIT, |_| Ok(())) {
        assert!(body.len() <= LIMIT);
    }
});
