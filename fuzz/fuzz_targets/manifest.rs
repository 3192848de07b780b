//! A manifest with anything in it: never a panic, every place inside of the file, every object named.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_manifest::{Limits, load_text};

fuzz_target!(|file: &[u8]| {
    let limits = Limits { nodes: 100_000, ..Limits::default() };
    let loaded = load_text("m.yaml", file, &limits);
    // A carriage return alone ends a line, too, as YAML has it.
    let ends = |at: usize| file[at] == b'\n' || file[at] == b'\r' && file.get(at + 1) != Some(&b'\n');
    let lines = (0..file.len()).filter(|at| ends(*at)).count() + 1;
    for problem in &loaded.problems {
        assert!(problem.line >= 1 && problem.column >= 1 && problem.line as usize <= lines + 1);
    }
    for document in &loaded.documents {
        assert!(!document.kind.is_empty() && document.origin.line as usize <= lines);
        assert!(document.root.bytes.end as usize <= file.len());
    }
});
