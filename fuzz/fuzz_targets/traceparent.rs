//! A `traceparent` header of anybody's: never a panic, and what is accepted is written back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_signal::TraceId;

fuzz_target!(|header: &str| {
    if let Some((trace, span)) = TraceId::from_traceparent(header) {
        let again = format!("00-{trace}-{span}-01");
        assert_eq!(TraceId::from_traceparent(&again), Some((trace, span)));
    }
});
