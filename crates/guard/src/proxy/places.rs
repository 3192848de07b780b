//! How many connections there are, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::Turned;

/// Places for connections.
#[derive(Debug, Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
    most: usize,
    most_per_address: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One place, until dropped.
#[derive(Debug)]
pub(super) struct Taking {
    places: Places,
    address: IpAddr,
}

impl Places {
    pub(super) fn new(most: usize, most_per_address: usize) -> Self {
        Self { taken: Arc::default(), most, most_per_address }
    }

    pub(super) fn take(&self, address: IpAddr) -> Result<Taking, Turned> {
        let address = bucket(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            return Err(Turned::Full);
        }
        let here = taken.by_address.entry(address).or_default();
        if *here >= self.most_per_address {
            return Err(Turned::AddressFull);
        }
        *here += 1;
        taken.all += 1;
        Ok(Taking { places: self.clone(), address })
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// Whoever has one IPv6 address has the /64 around it.
fn bucket(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_in_all_and_by_address() {
        let places = Places::new(3, 2);
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().unwrap());
        let first = places.take(one).unwrap();
        let _second = places.take(one).unwrap();
        assert_eq!(places.take(one).unwrap_err(), Turned::AddressFull);
        let _third = places.take(two).unwrap();
        assert_eq!(places.take(two).unwrap_err(), Turned::Full);
        drop(first);
        let _again = places.take(one).unwrap();
    }

    #[test]
    fn one_ipv6_network_is_one_address() {
        let places = Places::new(9, 1);
        let _first = places.take("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(places.take("2001:db8::2".parse().unwrap()).unwrap_err(), Turned::AddressFull);
        let _other = places.take("2001:db8:0:1::2".parse().unwrap()).unwrap();
    }
}
