//! Whom a certificate is for, and by which names.

use std::net::IpAddr;

use rcgen::{DistinguishedName, DnType, OtherNameValue, SanType};

use crate::PkiError;

/// The subject: an organisational unit, then a common name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// OU.
    pub organizational_unit: Option<String>,
    /// CN.
    pub common_name: String,
}

impl Subject {
    pub(super) fn to_distinguished_name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        if let Some(unit) = &self.organizational_unit {
            name.push(DnType::OrganizationalUnitName, unit.as_str());
        }
        name.push(DnType::CommonName, self.common_name.as_str());
        name
    }
}

/// One entry of the alternative names, whose order is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlternativeName {
    /// A host name; `*.` may lead.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// An otherName whose value is a UTF-8 string (RFC 5280 §4.2.1.6).
    Other {
        /// Its type.
        oid: Vec<u64>,
        /// Its value.
        value: String,
    },
}

impl AlternativeName {
    pub(super) fn to_san(&self) -> Result<SanType, PkiError> {
        Ok(match self {
            Self::Dns(name) => {
                SanType::DnsName(name.as_str().try_into().map_err(|_| PkiError::Name(name.clone()))?)
            }
            Self::Ip(address) => SanType::IpAddress(*address),
            Self::Other { oid, value } => {
                SanType::OtherName((oid.clone(), OtherNameValue::Utf8String(value.clone())))
            }
        })
    }
}
