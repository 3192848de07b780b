//! Port sets against a plain table of every port: the algebra is exact, and its results are canonical.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_reach::{PortSet, Protocol};

/// Whether each port is in the set.
type Table = Vec<bool>;

fn table(set: &PortSet) -> Table {
    (1..=u16::MAX).map(|port| set.contains(Protocol::Udp, port)).collect()
}

fuzz_target!(|operations: Vec<(u8, u16, u16)>| {
    let mut set = PortSet::none();
    let mut expected: Table = vec![false; usize::from(u16::MAX)];
    for (operation, a, b) in operations.into_iter().take(16) {
        let (first, last) = (a.min(b).max(1), a.max(b).max(1));
        let range = PortSet::range(Protocol::Udp, first, last);
        let inside = |port: usize| (usize::from(first)..=usize::from(last)).contains(&(port + 1));
        set = match operation % 3 {
            0 => set.union(&range),
            1 => set.intersection(&range),
            _ => set.difference(&range),
        };
        for (port, entry) in expected.iter_mut().enumerate() {
            *entry = match operation % 3 {
                0 => *entry || inside(port),
                1 => *entry && inside(port),
                _ => *entry && !inside(port),
            };
        }
    }
    assert_eq!(table(&set), expected);
    let ranges = set.ranges(Protocol::Udp);
    assert!(ranges.windows(2).all(|pair| u32::from(pair[0].1) + 1 < u32::from(pair[1].0)));
});
