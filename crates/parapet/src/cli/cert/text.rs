//! Reports for people. What stands in certificates was written by strangers: nothing of it reaches the terminal unescaped.

use std::fmt::Write as _;

use jiff::Timestamp;
use parapet_pki::inspect::{CertificateFacts, Finding, Severity};
use parapet_pki::rotation::{Phase, Rotation};

use super::Report;

/// Which command asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Show,
    Check,
    Explain,
}

/// One report.
pub(super) fn of(report: &Report, kind: Kind, now: Timestamp) -> String {
    let mut text = format!("{}\n", safe(&report.target));
    connection(&mut text, report);
    match kind {
        Kind::Show => report.certificates.iter().enumerate().for_each(|(n, facts)| show(&mut text, n, facts)),
        Kind::Check => {}
        Kind::Explain => explain(&mut text, report, now),
    }
    findings(&mut text, report, kind);
    text
}

fn connection(text: &mut String, report: &Report) {
    let Some(connection) = &report.connection else { return };
    let version = connection.version.as_deref().unwrap_or("unknown version");
    let suite = connection.cipher_suite.as_deref().unwrap_or("unknown cipher suite");
    let _ = writeln!(text, "  connection   {}, {version}, {suite}", connection.address);
    if connection.asks_for_certificate {
        let _ = writeln!(text, "               it asks for a client's certificate");
    }
    if let Some(ended) = &connection.ended {
        let _ = writeln!(text, "               after its certificate was seen: {}", safe(ended));
    }
}

fn show(text: &mut String, position: usize, facts: &CertificateFacts) {
    let _ = writeln!(text, "\n  certificate {}", position + 1);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name:<12} {}", safe(value));
    };
    line("subject", &facts.subject);
    line("issuer", if facts.self_signed { "itself" } else { &facts.issuer });
    line("names", &list(&facts.names));
    line("valid", &format!("{} to {}", facts.not_before, facts.not_after));
    line("key", &facts.key);
    line("signed", &facts.signature);
    line("authority", if facts.authority { "yes" } else { "no" });
    line("key may", &list(&facts.key_usage));
    line("used by", &list(&facts.extended_key_usage));
    line("serial", &facts.serial);
    line("key id", facts.subject_key_id.as_deref().unwrap_or("none"));
    line("issuer's key", facts.authority_key_id.as_deref().unwrap_or("none"));
    line("sha256", &facts.sha256);
}

fn explain(text: &mut String, report: &Report, now: Timestamp) {
    for (position, facts) in report.certificates.iter().enumerate() {
        let what = match (facts.authority, facts.self_signed) {
            (true, true) => "a root authority, which vouches for itself",
            (true, false) => "an authority that another one vouches for",
            (false, true) => "a certificate that nobody else vouches for",
            (false, false) => "a certificate to be shown by its owner",
        };
        let _ = writeln!(text, "\n  {}. {} is {what}.", position + 1, safe(&facts.subject));
        if !facts.names.is_empty() {
            let _ = writeln!(text, "     It is good for {}.", safe(&list(&facts.names)));
        }
        if !facts.self_signed {
            let signer =
                report.certificates.iter().position(|other| other.authority && other.subject == facts.issuer);
            let place = match signer {
                Some(signer) => format!("which is certificate {} here", signer + 1),
                None => "which clients must know themselves".to_owned(),
            };
            let _ = writeln!(text, "     It was signed by {}, {place}.", safe(&facts.issuer));
        }
        let _ = writeln!(text, "     It holds from {} to {}.", facts.not_before, facts.not_after);
        let _ = writeln!(text, "     {}", next(facts, now));
    }
    if let Some(rotation) = &report.rotation {
        let _ = writeln!(text, "\n  Rotation of the authority: {}", phase(rotation));
    }
    if !report.trust_checked {
        let _ = writeln!(
            text,
            "\n  Whether clients trust it was not asked; --ca FILE judges as those who trust that file."
        );
    }
}

/// What is replaced when.
fn next(facts: &CertificateFacts, now: Timestamp) -> String {
    let at = facts.renew_at;
    if now > facts.not_after {
        "Its time is over: nothing that it is in verifies.".to_owned()
    } else if facts.authority && now >= at {
        format!(
            "Were it Parapet's, its rotation would have begun at {at}: successor made known, leaves switched, this one drained and forgotten."
        )
    } else if facts.authority {
        format!("Were it Parapet's, its rotation would begin about {at}, two thirds through its life.")
    } else if now >= at {
        format!(
            "Were it Parapet's, it would have been replaced at {at}; connections that stand would have been kept."
        )
    } else {
        format!(
            "Were it Parapet's, it would be replaced about {at}, two thirds through its life, give or take a tenth."
        )
    }
}

fn phase(rotation: &Rotation) -> String {
    let since = rotation.since();
    let meaning = match rotation.phase() {
        Phase::Stable => "none is under way",
        Phase::Prepare => "ca.crt has the successor too; give it to clients elsewhere before it signs",
        Phase::Switch => "the successor signs; certificates of the old authority are being replaced",
        Phase::Drain => "waiting until nothing that the old authority signed is in use",
        Phase::Finish => "the old authority is being forgotten",
    };
    format!("{} since {since}: {meaning}.", rotation.phase().name())
}

fn findings(text: &mut String, report: &Report, kind: Kind) {
    let shown: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| kind != Kind::Show || finding.severity != Severity::Note)
        .collect();
    if shown.is_empty() {
        if kind != Kind::Show {
            let trust = if report.trust_checked { "" } else { " Trust was not judged: no --ca FILE." };
            let _ = writeln!(text, "\n  Nothing is wrong with it.{trust}");
        }
        return;
    }
    text.push('\n');
    for finding in shown {
        let severity = match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let place = match finding.certificate {
            Some(position) => format!("certificate {}: ", position + 1),
            None => String::new(),
        };
        let _ = writeln!(text, "  {severity:<8} {place}{}", safe(&finding.message));
        let _ = writeln!(text, "           → {}", safe(&finding.advice));
    }
}

fn list(texts: &[String]) -> String {
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

/// Without control characters, which a certificate may have anywhere.
fn safe(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, char| {
        if char.is_control() {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
        safe
    })
}
