//! What is wrong with a chain, or will be, and what to do about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::{CertificateError, Error as TlsError};
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Serialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::read::public_key_of;
use super::{CertificateFacts, Found};
use crate::validity::unix_time;
use crate::{Bundle, provider};

/// What kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// Its time is over within what was asked.
    ExpiresSoon,
    /// Two thirds of its life are over.
    RenewalDue,
    /// It outlives who signed it.
    OutlivesIssuer,
    /// Who signed it has expired.
    IssuerExpired,
    /// Who signed it is neither in the chain nor trusted.
    IssuerMissing,
    /// The trusted bundle has an authority of the issuer's name with another key.
    IssuerReplaced,
    /// It is not signed by whom it says.
    BadSignature,
    /// The order is not leaf first, each followed by who signed it.
    WrongOrder,
    /// It has nothing to do with the rest of the chain.
    Unrelated,
    /// It is there twice.
    Duplicate,
    /// The private key belongs to another certificate.
    KeyMismatch,
    /// The key is too short.
    WeakKey,
    /// It is signed with a broken hash.
    WeakSignature,
    /// It is not good for the name that was asked for.
    WrongName,
    /// It has no subject alternative names.
    NoNames,
    /// It may not be used by servers.
    NotForServers,
    /// An authority's certificate stands where a leaf belongs.
    AuthorityAsLeaf,
    /// A certificate that may not sign is in the place of one that did.
    NotAnAuthority,
    /// Clients refuse it for another reason.
    Refused,
    /// The root is sent along, which clients don't need.
    RootSent,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Some will fail, or all will soon.
    Warning,
    /// It fails.
    Error,
}

/// Something to know about a chain.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// Which certificate, counted from 0.
    pub certificate: Option<usize>,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// What is asked of a chain.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The time.
    pub now: Timestamp,
    /// Whether it still holds this much later.
    pub within: SignedDuration,
    /// Whether clients that trust these accept it.
    pub trust: Option<&'a Bundle>,
    /// Whether it is good for this name.
    pub name: Option<ServerName<'static>>,
}

/// Everything that is wrong with the certificates, worst first. Certificates that are all authorities' are a bundle: each
/// is judged by itself.
///
/// # Errors
/// A certificate cannot be read: its position, and why.
pub fn judge(found: &Found, question: &Question<'_>) -> Result<Vec<Finding>, (usize, crate::PkiError)> {
    let facts = found.facts()?;
    let mut judge = Judge { found, facts: &facts, question, findings: Vec::new() };
    for position in 0..facts.len() {
        judge.times(position);
        judge.strength(position);
        judge.twice(position);
    }
    let bundle = facts.iter().all(|facts| facts.authority);
    if !bundle {
        judge.leaf();
        judge.order();
        judge.trust();
    }
    judge.keys();
    let mut findings = judge.findings;
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.certificate));
    // The same may be found in two ways; the worse one is said.
    let mut said = BTreeSet::new();
    findings.retain(|finding| said.insert((finding.code, finding.certificate)));
    Ok(findings)
}

struct Judge<'a> {
    found: &'a Found,
    facts: &'a [CertificateFacts],
    question: &'a Question<'a>,
    findings: Vec<Finding>,
}

impl Judge<'_> {
    fn say(
        &mut self,
        code: Code,
        severity: Severity,
        certificate: impl Into<Option<usize>>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let (message, advice) = (message.into(), advice.into());
        self.findings.push(Finding { code, severity, certificate: certificate.into(), message, advice });
    }

    fn times(&mut self, position: usize) {
        let CertificateFacts { not_before, not_after, renew_at, authority, self_signed, .. } =
            self.facts[position].clone();
        let Question { now, within, .. } = *self.question;
        let renewer = match (authority, self_signed) {
            (true, true) => {
                "rotate the authority: make the new one known before it signs, then replace what the old one signed"
            }
            (true, false) => "have the intermediate authority issued anew, and what it signed after it",
            _ => "have it issued anew; if something renews it by itself, find out why that did not happen",
        };
        if now > not_after {
            let ago = rounded(now.duration_since(not_after));
            let message = format!("expired {ago} ago, at {not_after}");
            let advice =
                format!("{renewer}; if it should still be valid, this machine's clock ({now}) is wrong");
            self.say(Code::Expired, Severity::Error, position, message, advice);
        } else if now < not_before {
            let ahead = rounded(not_before.duration_since(now));
            let message = format!("not valid for another {ahead}, until {not_before}");
            let advice = format!(
                "compare clocks: it is {now} here; either this machine's clock is behind, or that of whoever issued it is ahead"
            );
            self.say(Code::NotYetValid, Severity::Error, position, message, advice);
        } else if now + within > not_after {
            let left = rounded(not_after.duration_since(now));
            let message = format!("expires in {left}, at {not_after}");
            self.say(Code::ExpiresSoon, Severity::Error, position, message, renewer);
        } else if now >= renew_at {
            let left = rounded(not_after.duration_since(now));
            let message = format!("two thirds of its life are over; it ends in {left}, at {not_after}");
            self.say(Code::RenewalDue, Severity::Note, position, message, renewer);
        }
    }

    fn strength(&mut self, position: usize) {
        let CertificateFacts { key, signature, self_signed, .. } = &self.facts[position];
        let bits = key.strip_prefix("RSA ").and_then(|bits| bits.parse::<usize>().ok());
        let (weak, broken) = (bits.is_some_and(|bits| bits < 2048), is_broken(signature) && !self_signed);
        let (key, signature) = (key.clone(), signature.clone());
        if weak {
            let advice = "make a new key: ECDSA P-256, or RSA with 2048 bits at least";
            self.say(Code::WeakKey, Severity::Error, position, format!("its key is {key}"), advice);
        }
        if broken {
            let advice = "have it issued anew with SHA-256; TLS libraries refuse this signature";
            let message = format!("it is signed with {signature}");
            self.say(Code::WeakSignature, Severity::Error, position, message, advice);
        }
    }

    fn twice(&mut self, position: usize) {
        let first = self.facts.iter().position(|facts| facts.sha256 == self.facts[position].sha256);
        if let Some(first) = first.filter(|first| *first < position) {
            let message = format!("the same as certificate {}", first + 1);
            self.say(Code::Duplicate, Severity::Note, position, message, "remove one of the two");
        }
    }

    fn leaf(&mut self) {
        let Some(leaf) = self.facts.first().cloned() else { return };
        if leaf.authority {
            let message = "the first certificate is an authority's, but others are not";
            let advice = "put the certificate of the server or client first, then who signed it";
            self.say(Code::AuthorityAsLeaf, Severity::Error, 0, message, advice);
            return;
        }
        let usages = &leaf.extended_key_usage;
        let for_servers = usages.is_empty() || usages.iter().any(|usage| usage == "server" || usage == "any");
        if !for_servers && self.question.name.is_some() {
            let message = format!("it may be used for: {}; not by a server", usages.join(", "));
            let advice = "have it issued with the extended key usage serverAuth";
            self.say(Code::NotForServers, Severity::Error, 0, message, advice);
        }
        if leaf.names.is_empty() && (usages.is_empty() || for_servers) {
            let message = "it has no subject alternative names; the common name counts for nothing";
            let advice = "have it issued with the DNS names and addresses that clients use";
            self.say(Code::NoNames, Severity::Warning, 0, message, advice);
        }
    }

    /// Each is followed by who signed it.
    fn order(&mut self) {
        let last = self.facts.len().saturating_sub(1);
        for position in 0..self.facts.len() {
            if self.facts[position].self_signed {
                if position > 0 && position == last {
                    let message = "the root is sent along; clients have it, or trust nothing that it signed";
                    self.say(Code::RootSent, Severity::Note, position, message, "leave it out");
                }
                continue;
            }
            match self.signer_of(position) {
                Some(signer) if signer == position + 1 => self.link(position, signer),
                Some(signer) => {
                    let message = format!(
                        "who signed it comes as certificate {}, not right after it as {}",
                        signer + 1,
                        position + 2
                    );
                    let advice = "put the leaf first, then each certificate's signer right after it; some clients look no further";
                    self.say(Code::WrongOrder, Severity::Warning, position, message, advice);
                    self.link(position, signer);
                }
                None if self.has_others_after(position) && !self.facts[0].authority => {
                    let issuer = self.facts[position].issuer.clone();
                    let message = format!("its issuer, {issuer}, is not among the certificates after it");
                    let advice =
                        "add the issuer's certificate after it, and remove what does not belong to the chain";
                    self.say(Code::IssuerMissing, Severity::Warning, position, message, advice);
                }
                None => {}
            }
        }
        for position in 1..self.facts.len() {
            let signed =
                (0..self.facts.len()).any(|other| other != position && self.named_by(other, position));
            if !signed {
                let message = "it signed none of the others";
                let advice = "remove it, or add what is missing between";
                self.say(Code::Unrelated, Severity::Warning, position, message, advice);
            }
        }
    }

    fn has_others_after(&self, position: usize) -> bool {
        let own = &self.facts[position].sha256;
        self.facts[position + 1..].iter().any(|facts| facts.sha256 != *own)
    }

    fn named_by(&self, position: usize, signer: usize) -> bool {
        is_signer(&self.facts[position], &self.facts[signer])
    }

    /// The next one that fits, or the first before it.
    fn signer_of(&self, position: usize) -> Option<usize> {
        let after = position + 1..self.facts.len();
        after.chain(0..position).find(|signer| self.named_by(position, *signer))
    }

    fn link(&mut self, position: usize, signer: usize) {
        let (signed, by) = (self.facts[position].clone(), self.facts[signer].clone());
        if !by.authority {
            let message = format!("it signed certificate {}, but is no authority's", position + 1);
            let advice = "clients refuse what it signed; use a certificate with basicConstraints CA:TRUE";
            self.say(Code::NotAnAuthority, Severity::Error, signer, message, advice);
        }
        if !signature_fits(&self.found.certificates[position], &self.found.certificates[signer]) {
            let message = format!("its signature does not verify with the key of certificate {}", signer + 1);
            let advice =
                "one of the two is from before a rotation; take both from the same place at the same time";
            self.say(Code::BadSignature, Severity::Error, position, message, advice);
        }
        if signed.not_after > by.not_after {
            let message = format!(
                "it ends at {}, after certificate {} which signed it, {}",
                signed.not_after,
                signer + 1,
                by.not_after
            );
            let advice = "it will fail when its issuer ends, not when it ends itself; watch the issuer's end";
            self.say(Code::OutlivesIssuer, Severity::Warning, position, message, advice);
        }
    }

    /// The trusted authority at the end of the chain: its time, which some clients look at and others don't.
    fn anchor(&mut self, trust: &Bundle) {
        let top = self.top();
        let signed = self.facts[top].clone();
        let trusted = trust.certificates().iter().filter_map(|der| CertificateFacts::of(der).ok());
        let Some(anchor) =
            trusted.filter(|anchor| is_signer(&signed, anchor)).max_by_key(|facts| facts.not_after)
        else {
            return;
        };
        let CertificateFacts { subject, not_after, .. } = anchor;
        let Question { now, within, .. } = *self.question;
        if now + within > not_after {
            let verb = if now > not_after { "expired" } else { "expires" };
            let message = format!("the trusted authority that signed it, {subject}, {verb} at {not_after}");
            let advice = "rotate the authority, give clients the new bundle, and have the certificate issued by the new one";
            self.say(Code::IssuerExpired, Severity::Error, top, message, advice);
        } else if signed.not_after > not_after && !signed.self_signed {
            let message = format!(
                "it ends at {}, after the trusted authority that signed it, {subject}, {not_after}",
                signed.not_after
            );
            let advice = "it will fail when its issuer ends, not when it ends itself; watch the issuer's end";
            self.say(Code::OutlivesIssuer, Severity::Warning, top, message, advice);
        }
    }

    /// The end of the chain as far as it holds together.
    fn top(&self) -> usize {
        let mut top = 0;
        while !self.facts[top].self_signed {
            match self.signer_of(top) {
                Some(signer) if signer > top => top = signer,
                _ => break,
            }
        }
        top
    }

    fn trust(&mut self) {
        let Some(trust) = self.question.trust else { return };
        if self.facts.is_empty() {
            return;
        }
        self.anchor(trust);
        let Some((leaf, intermediates)) = self.found.certificates.split_first() else { return };
        let Ok(roots) = trust.roots() else { return };
        let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()
        else {
            return;
        };
        let name = self.question.name.clone().or_else(|| own_name(&self.facts[0]));
        let Some(name) = name else { return };
        let verified =
            verifier.verify_server_cert(leaf, intermediates, &name, &[], unix_time(self.question.now));
        match verified {
            Ok(_) => {}
            Err(TlsError::InvalidCertificate(error)) => self.refused(&error, &name),
            Err(error) => {
                let advice = "this is how clients will put it, too";
                self.say(Code::Refused, Severity::Error, 0, error.to_string(), advice);
            }
        }
    }

    fn refused(&mut self, error: &CertificateError, name: &ServerName<'_>) {
        let said = |code| self.findings.iter().any(|finding| finding.code == code);
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } if said(Code::Expired) => {}
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
                if said(Code::NotYetValid) => {}
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. }
                if said(Code::NotForServers) => {}
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                let names = self.facts[0].names.join(", ");
                let message = format!("it is good for {names}; not for {}", name.to_str());
                let advice = "connect by one of its names, or have it issued with this one too";
                self.say(Code::WrongName, Severity::Error, 0, message, advice);
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                let message = "an authority that signed it has expired, according to the trusted bundle";
                let advice =
                    "give clients the bundle with the new authority; have the certificate issued by that one";
                self.say(Code::IssuerExpired, Severity::Error, 0, message, advice);
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => self.unknown_issuer(),
            other => {
                let advice = "this is how clients will put it, too";
                self.say(Code::Refused, Severity::Error, 0, format!("clients refuse it: {other:?}"), advice);
            }
        }
    }

    fn unknown_issuer(&mut self) {
        let top = self.top();
        let issuer = self.facts[top].issuer.clone();
        let trusted = self.question.trust.map(Bundle::certificates).unwrap_or_default();
        let trusted: Vec<CertificateFacts> =
            trusted.iter().filter_map(|der| CertificateFacts::of(der).ok()).collect();
        if trusted.iter().any(|facts| facts.subject == issuer) {
            let message =
                format!("the trusted bundle has {issuer}, but with another key than the one that signed it");
            let advice = "the authority was replaced: give clients the bundle with both, or have the certificate issued anew by the trusted one";
            self.say(Code::IssuerReplaced, Severity::Error, top, message, advice);
        } else {
            let names: Vec<&str> = trusted.iter().map(|facts| facts.subject.as_str()).collect();
            let message = format!(
                "its issuer, {issuer}, is not sent along and not trusted; trusted: {}",
                names.join("; ")
            );
            let advice = "if the issuer is an intermediate authority, append its certificate to the server's; otherwise it is the wrong bundle";
            self.say(Code::IssuerMissing, Severity::Error, top, message, advice);
        }
    }

    fn keys(&mut self) {
        let Some(leaf) = self.found.certificates.first() else { return };
        if self.found.keys.is_empty() {
            return;
        }
        let fits = |certificate| public_key_of(certificate).is_some_and(|key| self.found.keys.contains(&key));
        if fits(leaf) {
            return;
        }
        let other = self.found.certificates.iter().position(fits);
        let (message, advice) = match other {
            Some(other) => (
                format!("the private key belongs to certificate {}", other + 1),
                "put that certificate first",
            ),
            None => (
                "the private key belongs to none of the certificates".to_owned(),
                "take certificate and key from the same place at the same time; one of them is from before a renewal",
            ),
        };
        self.say(Code::KeyMismatch, Severity::Error, 0, message, advice);
    }
}

/// Whether `by` has the name, and the key if it is named, that `signed` says signed it.
fn is_signer(signed: &CertificateFacts, by: &CertificateFacts) -> bool {
    let key = match (&signed.authority_key_id, &by.subject_key_id) {
        (Some(wanted), Some(key)) => wanted == key,
        _ => true,
    };
    signed.issuer == by.subject && key
}

/// Some name of the certificate's own, to verify everything but the name.
fn own_name(facts: &CertificateFacts) -> Option<ServerName<'static>> {
    facts.names.iter().find_map(|name| {
        let name = name.strip_prefix("DNS:").or_else(|| name.strip_prefix("IP:"))?;
        ServerName::try_from(name.replacen("*.", "any.", 1)).ok()
    })
}

fn signature_fits(signed: &CertificateDer<'_>, by: &CertificateDer<'_>) -> bool {
    let (Ok((_, signed)), Ok((_, by))) = (X509Certificate::from_der(signed), X509Certificate::from_der(by))
    else {
        return false;
    };
    match signed.verify_signature(Some(by.public_key())) {
        Ok(()) => true,
        Err(x509_parser::error::X509Error::SignatureUnsupportedAlgorithm) => true,
        Err(_) => false,
    }
}

fn is_broken(signature: &str) -> bool {
    let signature = signature.to_ascii_lowercase();
    ["md5", "sha1", "md2"].iter().any(|hash| signature.contains(hash))
}

/// In the largest unit that makes sense.
fn rounded(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        172_800.. => (seconds / 86_400, "days"),
        7_200.. => (seconds / 3_600, "hours"),
        120.. => (seconds / 60, "minutes"),
        _ => (seconds, "seconds"),
    };
    format!("{count} {unit}")
}
