//! A certificate, and what must be known of it to decide whether it can stay.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::{DistinguishedName, DnType, DnValue};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::asn1_rs::{Any, FromDer as _, Tag, Utf8String};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_X509_COMMON_NAME, OID_X509_COUNTRY_NAME, OID_X509_LOCALITY_NAME, OID_X509_ORGANIZATION_NAME,
    OID_X509_ORGANIZATIONAL_UNIT, OID_X509_STATE_OR_PROVINCE_NAME,
};

use super::{AlternativeName, Subject};
use crate::bundle::{certificates, pem_of};
use crate::{PkiError, Validity};

/// A certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    facts: Facts,
}

#[derive(Clone, PartialEq, Eq)]
struct Facts {
    subject: Option<Subject>,
    raw_subject: Vec<u8>,
    raw_issuer: Vec<u8>,
    names: Option<Vec<AlternativeName>>,
    validity: Validity,
    authority_key_id: Option<Vec<u8>>,
    subject_key_id: Option<Vec<u8>>,
    public_key: Vec<u8>,
    is_authority: bool,
}

impl Certificate {
    /// The first certificate in PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, PkiError> {
        Self::all_from_pem(pem)?.into_iter().next().ok_or(PkiError::Pem { what: "certificate" })
    }

    /// All certificates in PEM text, in their order; at least one.
    pub fn all_from_pem(pem: &str) -> Result<Vec<Self>, PkiError> {
        certificates(pem.as_bytes())?.into_iter().map(Self::from_der).collect()
    }

    pub(super) fn from_der(der: CertificateDer<'static>) -> Result<Self, PkiError> {
        let parsed = parse(&der)?;
        let facts = Facts {
            subject: subject_of(&parsed),
            raw_subject: parsed.subject().as_raw().to_vec(),
            raw_issuer: parsed.issuer().as_raw().to_vec(),
            names: names_of(&parsed),
            validity: Validity::of(&parsed)?,
            authority_key_id: parsed.iter_extensions().find_map(|extension| {
                match extension.parsed_extension() {
                    ParsedExtension::AuthorityKeyIdentifier(id) => {
                        id.key_identifier.as_ref().map(|id| id.0.to_vec())
                    }
                    _ => None,
                }
            }),
            subject_key_id: parsed.iter_extensions().find_map(|extension| {
                match extension.parsed_extension() {
                    ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                    _ => None,
                }
            }),
            public_key: parsed.public_key().raw.to_vec(),
            is_authority: parsed.is_ca(),
        };
        Ok(Self { der, facts })
    }

    /// As PEM.
    pub fn pem(&self) -> String {
        pem_of("CERTIFICATE", &self.der)
    }

    /// As DER.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Its subject; `None` if it has other parts than an organisational unit and a common name.
    pub fn subject(&self) -> Option<&Subject> {
        self.facts.subject.as_ref()
    }

    /// Its alternative names in order, none if there is no such extension; `None` if one is of another kind.
    pub fn names(&self) -> Option<&[AlternativeName]> {
        self.facts.names.as_deref()
    }

    /// When it holds.
    pub fn validity(&self) -> Validity {
        self.facts.validity
    }

    /// Whether it may sign others.
    pub fn is_authority(&self) -> bool {
        self.facts.is_authority
    }

    /// The identifier of its own key, if it says so.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.facts.subject_key_id.as_deref()
    }

    /// The identifier of its signer's key, if it says so.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.facts.authority_key_id.as_deref()
    }

    /// Its public key, as in the certificate (SubjectPublicKeyInfo).
    pub fn public_key(&self) -> &[u8] {
        &self.facts.public_key
    }

    pub(super) fn raw_subject(&self) -> &[u8] {
        &self.facts.raw_subject
    }

    /// Whether `authority` signed it: the names match and the signature verifies.
    pub fn is_signed_by(&self, authority: &Self) -> bool {
        if self.facts.raw_issuer != authority.facts.raw_subject {
            return false;
        }
        let (Ok(own), Ok(theirs)) = (parse(&self.der), parse(&authority.der)) else { return false };
        own.verify_signature(Some(theirs.public_key())).is_ok()
    }

    /// Whether every client finds from it to `authority`: signed by it, and with the same key identifier, or both without.
    /// Java's path builder drops an authority whose identifier differs, though the signature verifies.
    pub fn leads_to(&self, authority: &Self) -> bool {
        self.authority_key_id() == authority.subject_key_id() && self.is_signed_by(authority)
    }

    /// SHA-256, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.der).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Its subject with the same types of strings, to write it again.
    pub(super) fn distinguished_name(&self) -> Result<DistinguishedName, PkiError> {
        let parsed = parse(&self.der)?;
        let mut name = DistinguishedName::new();
        for attribute in parsed.subject().iter_attributes() {
            let oid = attribute.attr_type();
            let kind = if *oid == OID_X509_COMMON_NAME {
                DnType::CommonName
            } else if *oid == OID_X509_ORGANIZATIONAL_UNIT {
                DnType::OrganizationalUnitName
            } else if *oid == OID_X509_ORGANIZATION_NAME {
                DnType::OrganizationName
            } else if *oid == OID_X509_COUNTRY_NAME {
                DnType::CountryName
            } else if *oid == OID_X509_LOCALITY_NAME {
                DnType::LocalityName
            } else if *oid == OID_X509_STATE_OR_PROVINCE_NAME {
                DnType::StateOrProvinceName
            } else {
                return Err(unwritable());
            };
            let text = attribute.as_str().map_err(|_| unwritable())?;
            let value = match attribute.attr_value().tag() {
                Tag::PrintableString => DnValue::PrintableString(text.try_into().map_err(|_| unwritable())?),
                Tag::Utf8String => DnValue::Utf8String(text.to_owned()),
                _ => return Err(unwritable()),
            };
            name.push(kind, value);
        }
        Ok(name)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.facts.subject)
            .field("names", &self.facts.names)
            .field("validity", &self.facts.validity)
            .finish_non_exhaustive()
    }
}

fn unwritable() -> PkiError {
    PkiError::Certificate("its subject can't be written again".to_owned())
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    let (rest, parsed) =
        X509Certificate::from_der(der).map_err(|error| PkiError::Certificate(error.to_string()))?;
    if rest.is_empty() { Ok(parsed) } else { Err(PkiError::Certificate("bytes after its end".to_owned())) }
}

fn subject_of(parsed: &X509Certificate<'_>) -> Option<Subject> {
    let (mut unit, mut common_name) = (None, None);
    for attribute in parsed.subject().iter_attributes() {
        let value = attribute.as_str().ok()?.to_owned();
        let slot = if *attribute.attr_type() == OID_X509_COMMON_NAME {
            &mut common_name
        } else if *attribute.attr_type() == OID_X509_ORGANIZATIONAL_UNIT {
            &mut unit
        } else {
            return None;
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    Some(Subject { organizational_unit: unit, common_name: common_name? })
}

fn names_of(parsed: &X509Certificate<'_>) -> Option<Vec<AlternativeName>> {
    let extension = parsed.subject_alternative_name().ok()?;
    let names = extension.iter().flat_map(|extension| &extension.value.general_names);
    names.map(name_of).collect()
}

fn name_of(name: &GeneralName<'_>) -> Option<AlternativeName> {
    match name {
        GeneralName::DNSName(name) => Some(AlternativeName::Dns((*name).to_owned())),
        GeneralName::IPAddress(bytes) => address_of(bytes).map(AlternativeName::Ip),
        GeneralName::OtherName(oid, value) => {
            // The value is what stands behind the type: [0] EXPLICIT and a string.
            let (_, tagged) = Any::from_der(value).ok()?;
            let (_, text) = Utf8String::from_der(tagged.data).ok()?;
            Some(AlternativeName::Other { oid: oid.iter()?.collect(), value: text.string() })
        }
        _ => None,
    }
}

fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into())
}
