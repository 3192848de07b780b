//! A block of addresses as flows write it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A block of addresses; a single address is a block of one. Host bits are refused: they are a typing error more often
/// than not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr(pub IpNet);

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let net: IpNet = match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => {
                text.parse().map_err(|_| format!("{text:?} is no block of addresses such as 10.0.0.0/8"))?
            }
        };
        if net.trunc() != net {
            return Err(format!("{net} has bits behind its prefix; did you mean {}?", net.trunc()));
        }
        Ok(Self(net))
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.0.to_string()
    }
}
