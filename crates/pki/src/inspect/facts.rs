//! What a certificate says of itself.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use super::read::at;
use crate::validity::{renew_at, seed_of};
use crate::{PkiError, Validity};

/// What stands in a certificate. Texts are as they were written, by whoever wrote them: escape them before they reach a
/// terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// Distinguished name of whom it belongs to.
    pub subject: String,
    /// Distinguished name of who signed it.
    pub issuer: String,
    /// Whether these are the same, and so are the keys.
    pub self_signed: bool,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// First second.
    pub not_before: Timestamp,
    /// Last second.
    pub not_after: Timestamp,
    /// When Parapet would replace it, were it its own.
    pub renew_at: Timestamp,
    /// Names it is good for: `DNS:`, `IP:`, `URI:` and others.
    pub names: Vec<String>,
    /// The kind of its key.
    pub key: String,
    /// How it is signed.
    pub signature: String,
    /// Whether it may sign others.
    pub authority: bool,
    /// What its key may do.
    pub key_usage: Vec<String>,
    /// What it may be used for.
    pub extended_key_usage: Vec<String>,
    /// Identifier of its key, hexadecimal.
    pub subject_key_id: Option<String>,
    /// Identifier of the signing key, hexadecimal.
    pub authority_key_id: Option<String>,
    /// SHA-256 of the whole, hexadecimal.
    pub sha256: String,
}

impl CertificateFacts {
    /// Reads a certificate; bytes after its end are an error.
    pub fn of(der: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|error| PkiError::Certificate(error.to_string()))?;
        if !rest.is_empty() {
            return Err(PkiError::Certificate("bytes after its end".to_owned()));
        }
        let validity = parsed.validity();
        let (not_before, not_after) =
            (at(validity.not_before.timestamp())?, at(validity.not_after.timestamp())?);
        let identifiers = Identifiers::of(&parsed);
        let same_name = parsed.subject().as_raw() == parsed.issuer().as_raw();
        let same_key = match (&identifiers.subject, &identifiers.authority) {
            (Some(subject), Some(authority)) => subject == authority,
            _ => true,
        };
        Ok(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            self_signed: same_name && same_key,
            serial: hex(parsed.raw_serial()),
            not_before,
            not_after,
            renew_at: renew_at(Validity { not_before, not_after }, seed_of(parsed.raw_serial())),
            names: names(&parsed),
            key: key(&parsed),
            signature: signature(&parsed),
            authority: parsed.is_ca(),
            key_usage: key_usage(&parsed),
            extended_key_usage: extended_key_usage(&parsed),
            subject_key_id: identifiers.subject,
            authority_key_id: identifiers.authority,
            sha256: hex(&Sha256::digest(der)),
        })
    }

    /// When it holds.
    pub fn validity(&self) -> Validity {
        Validity { not_before: self.not_before, not_after: self.not_after }
    }
}

#[derive(Default)]
struct Identifiers {
    subject: Option<String>,
    authority: Option<String>,
}

impl Identifiers {
    fn of(parsed: &X509Certificate<'_>) -> Self {
        let mut found = Self::default();
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => found.subject = Some(hex(id.0)),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    found.authority = id.key_identifier.as_ref().map(|id| hex(id.0));
                }
                _ => {}
            }
        }
        found
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = parsed.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => format!("DNS:{name}"),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => format!("IP:{}", Ipv4Addr::from(v4)),
            (_, Ok(v6)) => format!("IP:{}", Ipv6Addr::from(v6)),
            _ => format!("IP:(malformed {})", hex(bytes)),
        },
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::RFC822Name(name) => format!("email:{name}"),
        GeneralName::DirectoryName(name) => format!("directory:{name}"),
        // [0] EXPLICIT of a string in the short form, which is what there is in practice.
        GeneralName::OtherName(oid, value) => match value.get(4..).map(std::str::from_utf8) {
            Some(Ok(text)) => format!("other:{oid}={text}"),
            _ => format!("other:{oid}=(binary)"),
        },
        _ => "(another kind)".to_owned(),
    };
    names.value.general_names.iter().map(name).collect()
}

fn key(parsed: &X509Certificate<'_>) -> String {
    let key = parsed.public_key();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => match point.key_size() {
            // The point's coordinates, which for P-521 fill 528 bits.
            256 => "ECDSA P-256".to_owned(),
            384 => "ECDSA P-384".to_owned(),
            521 | 528 => "ECDSA P-521".to_owned(),
            bits => format!("ECDSA {bits}"),
        },
        _ if key.algorithm.algorithm == oid_registry::OID_SIG_ED25519 => "Ed25519".to_owned(),
        _ => oid(&key.algorithm.algorithm),
    }
}

fn signature(parsed: &X509Certificate<'_>) -> String {
    oid(&parsed.signature_algorithm.algorithm)
}

/// The usual short name of an identifier, or its numbers.
fn oid(oid: &oid_registry::Oid<'_>) -> String {
    let known = oid_registry::OidRegistry::default().with_all_crypto();
    known.get(oid).map_or_else(|| oid.to_id_string(), |entry| entry.sn().to_owned())
}

fn key_usage(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(usage)) = parsed.key_usage() else { return Vec::new() };
    let usage = usage.value;
    let all = [
        ("digital signature", usage.digital_signature()),
        ("key encipherment", usage.key_encipherment()),
        ("key agreement", usage.key_agreement()),
        ("sign certificates", usage.key_cert_sign()),
        ("sign revocation lists", usage.crl_sign()),
    ];
    all.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned()).collect()
}

fn extended_key_usage(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(usage)) = parsed.extended_key_usage() else { return Vec::new() };
    let usage = usage.value;
    let all = [
        ("any", usage.any),
        ("server", usage.server_auth),
        ("client", usage.client_auth),
        ("code signing", usage.code_signing),
        ("email", usage.email_protection),
        ("time stamping", usage.time_stamping),
        ("OCSP signing", usage.ocsp_signing),
    ];
    let known = all.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned());
    known.chain(usage.other.iter().map(|oid| oid.to_id_string())).collect()
}
