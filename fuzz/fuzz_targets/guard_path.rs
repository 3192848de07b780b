//! A path of anybody's: never a panic; what is accepted has one spelling, and no reading of it climbs or has empty segments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_guard::{CanonicalPath, PathRules};

fuzz_target!(|wire: &str| {
    if let Ok(path) = CanonicalPath::parse(wire, PathRules::Strict) {
        assert_eq!(path.wire(), wire);
        assert!(climbs_nowhere(&path));
        // One spelling: whoever decodes it another time gets the same.
        assert!(!path.contains(['%', '\\', '?', '#']));
        assert!(!path.chars().any(char::is_control));
        // What is strictly right is right leniently, and means the same.
        let lenient = CanonicalPath::parse(wire, PathRules::Lenient).expect("a strict path is a lenient one");
        assert_eq!(&*lenient, &*path);
    }
    if let Ok(path) = CanonicalPath::parse(wire, PathRules::Lenient) {
        assert_eq!(path.wire(), wire);
        assert!(climbs_nowhere(&path));
        assert!(climbs_nowhere(&path.replace('\\', "/")));
    }
});

fn climbs_nowhere(path: &str) -> bool {
    let segments: Vec<&str> = path.strip_prefix('/').expect("a path is absolute").split('/').collect();
    segments.iter().enumerate().all(|(index, segment)| {
        let name = segment.split(';').next().unwrap_or_default();
        name != "." && name != ".." && (!name.is_empty() || (segment.is_empty() && index + 1 == segments.len()))
    })
}
