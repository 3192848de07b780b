//! The address space cut at every boundary that a policy mentions: addresses in one atom can't be told apart.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Serialize, Serializer};

/// An address as a sortable number: IPv4 before IPv6, which never mix.
type Point = (bool, u128);

/// Addresses `first` to `last`, both included, of one IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    /// The lowest.
    pub first: IpAddr,
    /// The highest.
    pub last: IpAddr,
}

/// `a.b.c.d-e.f.g.h`.
impl std::fmt::Display for AddressRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for AddressRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl AddressRange {
    /// Every IPv4 address.
    pub const ALL_V4: Self =
        Self { first: IpAddr::V4(Ipv4Addr::UNSPECIFIED), last: IpAddr::V4(Ipv4Addr::BROADCAST) };

    /// Whether `address` lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        (point(self.first)..=point(self.last)).contains(&point(address))
    }

    /// True for IPv6.
    pub fn is_v6(&self) -> bool {
        self.first.is_ipv6()
    }

    /// True if `next` starts right after this range ends.
    pub fn touches(&self, next: &Self) -> bool {
        let ((family, last), (next_family, first)) = (point(self.last), point(next.first));
        family == next_family && last.checked_add(1) == Some(first)
    }
}

/// Atoms of the address space, sorted, IPv4 first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Atoms {
    starts: Vec<Point>,
}

impl Atoms {
    /// Cut at the edges of every one of `nets`.
    pub(crate) fn new(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let mut starts = BTreeSet::from([(false, 0), (true, 0)]);
        for net in nets {
            starts.extend(edges(net));
        }
        Self { starts: starts.into_iter().collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// True if cutting at `net` would change nothing.
    pub(crate) fn knows(&self, net: IpNet) -> bool {
        edges(net).all(|edge| self.starts.binary_search(&edge).is_ok())
    }

    pub(crate) fn of(&self, address: IpAddr) -> usize {
        self.starts.partition_point(|start| *start <= point(address)) - 1
    }

    /// The atoms inside `net`, whose edges must be known.
    pub(crate) fn inside(&self, net: IpNet) -> std::ops::Range<usize> {
        self.of(net.network())..self.of(net.broadcast()) + 1
    }

    pub(crate) fn range(&self, atom: usize) -> AddressRange {
        let (v6, first) = self.starts[atom];
        let last = match self.starts.get(atom + 1) {
            Some((next_v6, next)) if *next_v6 == v6 => next - 1,
            _ if v6 => u128::MAX,
            _ => u128::from(u32::MAX),
        };
        AddressRange { first: address((v6, first)), last: address((v6, last)) }
    }
}

fn edges(net: IpNet) -> impl Iterator<Item = Point> {
    let (v6, last) = point(net.broadcast());
    let top = if v6 { u128::MAX } else { u128::from(u32::MAX) };
    std::iter::once(point(net.network())).chain((last < top).then(|| (v6, last + 1)))
}

fn point(address: IpAddr) -> Point {
    match address {
        IpAddr::V4(address) => (false, u128::from(u32::from(address))),
        IpAddr::V6(address) => (true, u128::from(address)),
    }
}

fn address((v6, number): Point) -> IpAddr {
    if v6 {
        IpAddr::V6(Ipv6Addr::from(number))
    } else {
        IpAddr::V4(Ipv4Addr::from(u32::try_from(number).expect("IPv4 points stay below 2^32")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_and_ipv6_never_cover_each_other() {
        let atoms = Atoms::new(["0.0.0.0/0", "10.0.0.0/8", "::/0"].map(|net| net.parse().unwrap()));
        let ranges: Vec<String> = (0..atoms.len()).map(|atom| atoms.range(atom).to_string()).collect();
        assert_eq!(
            ranges,
            [
                "0.0.0.0-9.255.255.255",
                "10.0.0.0-10.255.255.255",
                "11.0.0.0-255.255.255.255",
                "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            ]
        );
        assert_eq!(atoms.inside("0.0.0.0/0".parse().unwrap()), 0..3);
        assert_eq!(atoms.inside("::/0".parse().unwrap()), 3..4);
    }
}
