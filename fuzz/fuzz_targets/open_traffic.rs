//! A line of a gateway's open-traffic event log with anything in it: never a panic, and what is kept is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_collect::opentraffic::{Options, decode};

fuzz_target!(|line: &[u8]| {
    if let Ok(event) = decode(line, &Options::default()) {
        assert!(serde_json::from_str::<serde_json::Value>(&event.event).is_ok());
    }
});
