//! Records of connections that anybody may have written: never a panic, and what is read can be declared.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_policy::flows::FlowFile;
use parapet_policy::observed::{Format, read};

fuzz_target!(|text: &str| {
    for format in [Format::Parapet, Format::Hubble, Format::Calico] {
        let observed = read(text.lines().map(str::to_owned), format);
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(observed.flows.len() + observed.unreadable.len() <= lines);
        let file = FlowFile { flows: observed.flows, ..FlowFile::default() };
        let again: FlowFile = serde_json::from_str(&serde_json::to_string(&file).unwrap()).unwrap();
        assert_eq!(again, file);
    }
});
