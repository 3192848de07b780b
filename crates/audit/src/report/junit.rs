//! JUnit's XML: a suite for each group of rules, a case for each rule and object.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::ordered;
use crate::audit::Audit;
use crate::finding::Finding;
use crate::rule::Group;

const GROUPS: [Group; 8] = [
    Group::Isolation,
    Group::Egress,
    Group::Receivers,
    Group::Secrets,
    Group::Elasticsearch,
    Group::Mesh,
    Group::Metrics,
    Group::Pods,
];

pub(super) fn write(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = Writer::new_with_indent(&mut *out, b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let (failures, skipped) = (audit.findings.len() - audit.suppressed(), audit.suppressed());
    let (tests, failures, skipped) =
        (audit.findings.len().to_string(), failures.to_string(), skipped.to_string());
    writer
        .create_element("testsuites")
        .with_attributes([
            ("name", "parapet audit"),
            ("tests", &*tests),
            ("failures", &*failures),
            ("skipped", &*skipped),
        ])
        .write_inner_content(|writer| {
            for group in GROUPS {
                let findings: Vec<&Finding> =
                    ordered(audit).into_iter().filter(|finding| finding.rule.group == group).collect();
                if !findings.is_empty() {
                    suite(writer, group, &findings)?;
                }
            }
            Ok(())
        })?;
    writeln!(out)
}

fn suite<W: Write>(writer: &mut Writer<W>, group: Group, findings: &[&Finding]) -> io::Result<()> {
    let skipped = findings.iter().filter(|finding| finding.suppressed.is_some()).count();
    let (tests, failures, skipped) =
        (findings.len().to_string(), (findings.len() - skipped).to_string(), skipped.to_string());
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", group.title()),
            ("tests", &*tests),
            ("failures", &*failures),
            ("skipped", &*skipped),
            ("errors", "0"),
            ("time", "0"),
        ])
        .write_inner_content(|writer| findings.iter().try_for_each(|finding| case(writer, finding)))?;
    Ok(())
}

fn case<W: Write>(writer: &mut Writer<W>, finding: &Finding) -> io::Result<()> {
    let name = text(&format!("{} {}{}", finding.rule.id, finding.object, finding.path));
    let message = text(&finding.message);
    writer
        .create_element("testcase")
        .with_attributes([
            ("name", &*name),
            ("classname", finding.rule.id),
            ("file", &*finding.place.file),
            ("time", "0"),
        ])
        .write_inner_content(|writer| {
            match &finding.suppressed {
                Some(suppression) => {
                    writer
                        .create_element("skipped")
                        .with_attribute(("message", &*text(&suppression.reason)))
                        .write_empty()?;
                }
                None => {
                    let body = format!(
                        "{}:{}\n{}\n{}\n{}",
                        finding.place.file,
                        finding.place.span,
                        finding.message,
                        finding.rule.why,
                        finding.rule.fix
                    );
                    writer
                        .create_element("failure")
                        .with_attributes([("message", &*message), ("type", finding.severity.name())])
                        .write_text_content(BytesText::new(&text(&body)))?;
                }
            }
            Ok(())
        })?;
    Ok(())
}

/// XML 1.0 has no control characters but tab, newline and carriage return.
fn text(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control() || matches!(character, '\t' | '\n' | '\r'))
        .collect()
}
