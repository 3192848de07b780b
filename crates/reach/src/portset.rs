//! Sets of destination ports per protocol, in the one canonical form that two equal sets share.

use std::fmt;

use serde::{Serialize, Serializer};

/// The protocols that policies can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All three, as reports order them.
    pub const ALL: [Self; 3] = [Self::Sctp, Self::Tcp, Self::Udp];

    /// `TCP`, `UDP` or `SCTP`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }

    /// Of its exact name, as Kubernetes writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    fn index(self) -> usize {
        match self {
            Self::Sctp => 0,
            Self::Tcp => 1,
            Self::Udp => 2,
        }
    }
}

/// Ranges of one protocol: sorted, disjoint, and never adjacent.
type Ranges = Vec<(u16, u16)>;

/// Port 0 can't be addressed.
const WHOLE: (u16, u16) = (1, u16::MAX);

/// A set of (protocol, port). Canonical: equal sets compare equal.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSet {
    ranges: [Ranges; 3],
}

impl PortSet {
    /// No port at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every port of every protocol.
    pub fn all() -> Self {
        Self { ranges: std::array::from_fn(|_| vec![WHOLE]) }
    }

    /// One port.
    pub fn one(protocol: Protocol, port: u16) -> Self {
        Self::range(protocol, port, port)
    }

    /// The ports `first` to `last`, both included; none if `first` is above `last`.
    pub fn range(protocol: Protocol, first: u16, last: u16) -> Self {
        let mut set = Self::none();
        if first <= last {
            set.ranges[protocol.index()].push((first, last));
        }
        set
    }

    /// True without a port.
    pub fn is_empty(&self) -> bool {
        self.ranges.iter().all(Vec::is_empty)
    }

    /// True with every port of every protocol.
    pub fn is_all(&self) -> bool {
        self.ranges
            .iter()
            .all(|ranges| matches!(ranges.as_slice(), [(first, last)] if *first <= 1 && *last == u16::MAX))
    }

    /// Whether it holds this port.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        let ranges = &self.ranges[protocol.index()];
        let after = ranges.partition_point(|&(first, _)| first <= port);
        after > 0 && ranges[after - 1].1 >= port
    }

    /// The ranges of one protocol, sorted.
    pub fn ranges(&self, protocol: Protocol) -> &[(u16, u16)] {
        &self.ranges[protocol.index()]
    }

    /// Every range with its protocol, in the order of reports.
    pub fn iter(&self) -> impl Iterator<Item = (Protocol, u16, u16)> {
        Protocol::ALL.into_iter().flat_map(|protocol| {
            self.ranges(protocol).iter().map(move |&(first, last)| (protocol, first, last))
        })
    }

    /// How many (protocol, port) there are.
    pub fn count(&self) -> u32 {
        self.iter().map(|(_, first, last)| u32::from(last - first) + 1).sum()
    }

    /// In either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, unite)
    }

    /// In both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(other, intersect)
    }

    /// In this one alone.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(other, subtract)
    }

    /// True if every port of this one is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).is_empty()
    }

    fn combine(&self, other: &Self, with: impl Fn(&[(u16, u16)], &[(u16, u16)]) -> Ranges) -> Self {
        Self { ranges: std::array::from_fn(|index| with(&self.ranges[index], &other.ranges[index])) }
    }
}

/// `All Connections`, `No Connections`, or groups such as `TCP 80,443-445,UDP 53`.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("All Connections");
        }
        if self.is_empty() {
            return f.write_str("No Connections");
        }
        let mut previous = None;
        for (protocol, first, last) in self.iter() {
            if previous != Some(protocol) {
                write!(f, "{}{} ", if previous.is_some() { "," } else { "" }, protocol.name())?;
            } else {
                f.write_str(",")?;
            }
            previous = Some(protocol);
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PortSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn unite(a: &[(u16, u16)], b: &[(u16, u16)]) -> Ranges {
    let mut all: Ranges = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    let mut united: Ranges = Vec::with_capacity(all.len());
    for (first, last) in all {
        match united.last_mut() {
            Some(previous) if u32::from(first) <= u32::from(previous.1) + 1 => {
                previous.1 = previous.1.max(last);
            }
            _ => united.push((first, last)),
        }
    }
    united
}

fn intersect(a: &[(u16, u16)], b: &[(u16, u16)]) -> Ranges {
    let (mut left, mut right) = (0, 0);
    let mut both = Vec::new();
    while let (Some(&(a_first, a_last)), Some(&(b_first, b_last))) = (a.get(left), b.get(right)) {
        let (first, last) = (a_first.max(b_first), a_last.min(b_last));
        if first <= last {
            both.push((first, last));
        }
        if a_last < b_last {
            left += 1;
        } else {
            right += 1;
        }
    }
    both
}

fn subtract(a: &[(u16, u16)], b: &[(u16, u16)]) -> Ranges {
    let mut rest = Vec::new();
    for &(first, last) in a {
        let mut next = u32::from(first);
        for &(cut_first, cut_last) in b {
            if cut_last < first || cut_first > last {
                continue;
            }
            if u32::from(cut_first) > next {
                rest.push((next as u16, cut_first - 1));
            }
            next = next.max(u32::from(cut_last) + 1);
        }
        if next <= u32::from(last) {
            rest.push((next as u16, last));
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_written_as_other_tools_write_them() {
        let set = PortSet::range(Protocol::Sctp, 1, 65535)
            .union(&PortSet::one(Protocol::Tcp, 80))
            .union(&PortSet::range(Protocol::Tcp, 443, 445));
        assert_eq!(set.to_string(), "SCTP 1-65535,TCP 80,443-445");
        assert_eq!(PortSet::all().to_string(), "All Connections");
        assert_eq!(PortSet::none().to_string(), "No Connections");
    }

    #[test]
    fn unions_are_normalised() {
        let tcp = |first, last| PortSet::range(Protocol::Tcp, first, last);
        assert_eq!(tcp(80, 80).union(&tcp(80, 90)).union(&tcp(85, 100)), tcp(80, 100));
        assert_eq!(tcp(1, 10).union(&tcp(11, 20)), tcp(1, 20));
        assert_eq!(tcp(1, 100).difference(&tcp(10, 20)), tcp(1, 9).union(&tcp(21, 100)));
        let everything = Protocol::ALL
            .into_iter()
            .fold(PortSet::none(), |set, protocol| set.union(&PortSet::range(protocol, 1, 65535)));
        assert!(everything.is_all() && everything == PortSet::all());
    }
}
