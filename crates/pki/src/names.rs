//! The names a server is reached by.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::SanType;
use rustls_pki_types::ServerName;

use crate::PkiError;

/// DNS names and IP addresses of a server; always those of the loopback too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    dns: BTreeSet<String>,
    ips: BTreeSet<IpAddr>,
}

impl Names {
    /// The loopback's names and `extra` ones.
    pub fn new<'a>(extra: impl IntoIterator<Item = &'a str>) -> Result<Self, PkiError> {
        let mut names = Self { dns: BTreeSet::new(), ips: BTreeSet::new() };
        for name in ["localhost", "127.0.0.1", "::1"].into_iter().chain(extra) {
            match ServerName::try_from(name).map_err(|_| PkiError::Name(name.to_owned()))? {
                ServerName::IpAddress(ip) => names.ips.insert(ip.into()),
                _ => names.dns.insert(name.to_ascii_lowercase()),
            };
        }
        Ok(names)
    }

    pub(crate) fn to_sans(&self) -> Result<Vec<SanType>, PkiError> {
        let dns = self.dns.iter().map(|name| Ok(SanType::DnsName(name.as_str().try_into()?)));
        dns.chain(self.ips.iter().map(|ip| Ok(SanType::IpAddress(*ip)))).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ServerName<'static>> + '_ {
        let dns = self
            .dns
            .iter()
            .map(|name| ServerName::try_from(name.clone()).expect("names are checked when they are taken"));
        dns.chain(self.ips.iter().map(|ip| ServerName::IpAddress((*ip).into())))
    }
}
