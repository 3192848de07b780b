//! The names that a certificate is good for.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::{OtherNameValue, SanType};
use rustls_pki_types::ServerName;

use crate::PkiError;

/// The longest SPIFFE id (SPIFFE ID specification §2.3); no other URI needs more.
const MAX_URI_BYTES: usize = 2048;
/// More than any Service, StatefulSet and alias list has; keeps a certificate within one handshake flight or two.
const MAX_NAMES: usize = 256;

/// DNS names, IP addresses, URIs and other names, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    dns: BTreeSet<String>,
    ips: BTreeSet<IpAddr>,
    uris: BTreeSet<String>,
    others: BTreeSet<(Vec<u64>, String)>,
}

impl Names {
    /// The loopback's names and `extra` ones, DNS names or IP addresses.
    pub fn new<'a>(extra: impl IntoIterator<Item = &'a str>) -> Result<Self, PkiError> {
        Self::only(["localhost", "127.0.0.1", "::1"].into_iter().chain(extra))
    }

    /// These DNS names (`*.` may lead one) or IP addresses, and no others.
    pub fn only<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, PkiError> {
        let mut taken = Self::default();
        for name in names {
            let concrete = name.strip_prefix("*.").unwrap_or(name);
            match ServerName::try_from(concrete).map_err(|_| PkiError::Name(name.to_owned()))? {
                ServerName::IpAddress(ip) if concrete == name => taken.ips.insert(ip.into()),
                ServerName::DnsName(_) => taken.dns.insert(name.to_ascii_lowercase()),
                _ => return Err(PkiError::Name(name.to_owned())),
            };
        }
        taken.bounded()
    }

    /// These, and a URI such as `spiffe://cluster.local/ns/a/sa/b`.
    pub fn with_uri(mut self, uri: &str) -> Result<Self, PkiError> {
        let usable = uri.len() <= MAX_URI_BYTES
            && uri.bytes().all(|byte| byte.is_ascii_graphic())
            && uri.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
        if !usable {
            return Err(PkiError::Name(uri.to_owned()));
        }
        self.uris.insert(uri.to_owned());
        self.bounded()
    }

    /// These, and an otherName of type `oid` whose value is a UTF-8 string (RFC 5280 §4.2.1.6).
    pub fn with_other_name(mut self, oid: &[u64], value: &str) -> Result<Self, PkiError> {
        // X.660: the first arc is 0, 1 or 2, and below 0 and 1 the second is less than 40.
        let usable = matches!(oid, [0 | 1, second, ..] if *second < 40) || matches!(oid, [2, _, ..]);
        if !usable || value.is_empty() {
            return Err(PkiError::Name(value.to_owned()));
        }
        self.others.insert((oid.to_owned(), value.to_owned()));
        self.bounded()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.dns.len() + self.ips.len() + self.uris.len() + self.others.len()
    }

    fn bounded(self) -> Result<Self, PkiError> {
        if self.len() > MAX_NAMES {
            Err(PkiError::TooMany { what: "names", limit: MAX_NAMES })
        } else {
            Ok(self)
        }
    }

    pub(crate) fn to_sans(&self) -> Result<Vec<SanType>, PkiError> {
        let dns = self.dns.iter().map(|name| Ok(SanType::DnsName(name.as_str().try_into()?)));
        let ips = self.ips.iter().map(|ip| Ok(SanType::IpAddress(*ip)));
        let uris = self.uris.iter().map(|uri| Ok(SanType::URI(uri.as_str().try_into()?)));
        let others = self.others.iter().map(|(oid, value)| {
            Ok(SanType::OtherName((oid.clone(), OtherNameValue::Utf8String(value.clone()))))
        });
        dns.chain(ips).chain(uris).chain(others).collect()
    }

    /// What a client may ask for; of a wildcard, one name that it covers.
    pub(crate) fn server_names(&self) -> impl Iterator<Item = ServerName<'static>> + '_ {
        let dns = self.dns.iter().map(|name| {
            let concrete = name.strip_prefix("*.").map(|rest| format!("any.{rest}"));
            ServerName::try_from(concrete.unwrap_or_else(|| name.clone()))
                .expect("names are checked when they are taken")
        });
        dns.chain(self.ips.iter().map(|ip| ServerName::IpAddress((*ip).into())))
    }
}
