//! A container's log file with anything in it: never a panic, and never more records than lines.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use parapet_collect::container::{Options, decode};
use parapet_signal::UnixNanos;

fuzz_target!(|file: &[u8]| {
    let path = Path::new("/var/log/pods/shop_web-0_4f0c2a52/web/0.log");
    let batch = decode(path, file, &Options::default(), UnixNanos::default());
    assert!(batch.len() <= file.split(|byte| *byte == b'\n').count());
});
