//! `parapet audit`: what is open, weak or broken in the manifests of an observability stack, and how to put it right.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use parapet_audit::report::{self, Format, Style};
use parapet_audit::{Audit, Baseline, Options, Severity, SuppressionEntry};
use parapet_manifest::{Document, Limits};

use crate::exit::{Failure, OrExit as _, Reason};
use crate::manifests::ManifestArguments;
use crate::yaml;

/// What `--help` says at its end.
pub(crate) const EXAMPLES: &str = "\
Examples:
  parapet audit deploy/ -R                                  read a folder and those in it
  helm template chart/ | parapet audit -                    what a chart really makes
  parapet audit --context prod                              what a cluster has
  kubectl parapet audit -n logging                          one namespace of the current context's cluster
  parapet audit deploy/ -o sarif --output audit.sarif       for code scanning
  parapet audit deploy/ --write-baseline known.json         remember what is known
  parapet audit deploy/ --baseline known.json               only what is new
  parapet audit deploy/ --fix fixes.patch                   then: patch -p1 < fixes.patch
  parapet audit --explain OBS-RX-13                         what a rule means

To live with a finding: annotate the object, audit.parapet.dev/ignore.<RULE>: \"<reason>; until=YYYY-MM-DD\",
or name it in a file given with --suppressions.

Exit codes: 0 nothing at or above --fail-on; 1 findings; 2 the command line or the input can't be used.";

#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    #[command(flatten)]
    manifests: ManifestArguments,

    /// Print what a rule means
    #[arg(long, value_name = "ID", value_parser = rule_id, help_heading = "Rules")]
    explain: Option<String>,
    /// Print all rules
    #[arg(long, help_heading = "Rules")]
    list_rules: bool,

    /// The report's form
    #[arg(short = 'o', long, value_enum, default_value = "text", help_heading = "Report")]
    format: ReportFormat,
    /// Where the report goes, instead of standard output
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    output: Option<PathBuf>,
    /// The mildest severity that fails the run
    #[arg(long, value_name = "SEVERITY", default_value = "high", help_heading = "Report")]
    fail_on: Severity,
    /// Exit with 0 whatever is found
    #[arg(long, help_heading = "Report")]
    exit_zero: bool,
    /// Only these rules; repeatable
    #[arg(long, value_name = "ID", value_parser = rule_id, help_heading = "Report")]
    rule: Vec<String>,
    /// Only findings of objects in these namespaces; comma-separated. Everything is read all the same: who reaches them counts
    #[arg(short, long, value_name = "NAMESPACE", value_delimiter = ',', help_heading = "Report")]
    namespace: Vec<String>,
    /// Findings of every namespace, and of objects without one: the default
    #[arg(short = 'A', long, conflicts_with = "namespace", help_heading = "Report")]
    all_namespaces: bool,
    /// Write all patches as one unified diff to FILE, - for standard output
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    fix: Option<PathBuf>,
    /// With --fix: also patches that let through what is declared and cut today; no others let anything through
    #[arg(long, requires = "fix", help_heading = "Report")]
    repair: bool,

    /// Findings to live with: a YAML file of `suppressions`, each with rule, reason, and kind, namespace, name, path, until
    #[arg(long, value_name = "FILE", help_heading = "Suppression")]
    suppressions: Option<PathBuf>,
    /// Leave out what this baseline knows
    #[arg(long, value_name = "FILE", help_heading = "Suppression")]
    baseline: Option<PathBuf>,
    /// Write a baseline of everything found now
    #[arg(long, value_name = "FILE", help_heading = "Suppression")]
    write_baseline: Option<PathBuf>,

    /// Of a live cluster also read Secrets of type kubernetes.io/tls, private keys included, for OBS-SEC-10 and OBS-SEC-13
    ///
    /// It takes the verb list on Secrets, which is to read all of them: grant it for this and take it away again. Nothing of
    /// what is read is written anywhere.
    #[arg(long, help_heading = "What is meant")]
    read_secrets: bool,
    /// Look at every workload, not only at the observability stack's
    #[arg(long, help_heading = "What is meant")]
    all_workloads: bool,
    /// The network plugin, such as calico or cilium
    #[arg(long, value_name = "NAME", help_heading = "What is meant")]
    cni: Option<String>,
    /// Addresses of pods, Services or nodes, which blocks should leave to selectors; repeatable
    #[arg(long, value_name = "CIDR", help_heading = "What is meant")]
    cluster_network: Vec<ipnet::IpNet>,
    /// An address of the API server; repeatable
    #[arg(long, value_name = "ADDRESS", help_heading = "What is meant")]
    api_server: Vec<IpAddr>,
    /// The namespaces' label whose value names the tenant
    #[arg(long, value_name = "LABEL", help_heading = "What is meant")]
    tenant_label: Option<String>,
    /// A registry, or the beginning of an image's name, that is trusted; repeatable
    #[arg(long, value_name = "PREFIX", help_heading = "What is meant")]
    registry: Vec<String>,
    /// A subject that may read Secrets, as Kind:namespace/name; repeatable
    #[arg(long, value_name = "SUBJECT", help_heading = "What is meant")]
    secret_reader: Vec<String>,
    /// Collectors must be FIPS builds
    #[arg(long, help_heading = "What is meant")]
    fips: bool,
    /// The cluster has no bound service account tokens (third-party-jwt)
    #[arg(long, help_heading = "What is meant")]
    first_party_tokens: bool,
    /// Kubernetes' version, for the Pod Security Standards: 1.N
    #[arg(long, value_name = "VERSION", value_parser = minor, help_heading = "What is meant")]
    kubernetes_version: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReportFormat {
    /// For people
    Text,
    /// Everything, with a versioned schema
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// For CI servers
    Junit,
    /// GitHub's workflow commands
    Github,
    /// GitLab's code quality
    Gitlab,
    /// For step summaries and merge requests
    Markdown,
    /// One page that needs nothing else
    Html,
}

impl From<ReportFormat> for Format {
    fn from(format: ReportFormat) -> Self {
        match format {
            ReportFormat::Text => Self::Text,
            ReportFormat::Json => Self::Json,
            ReportFormat::Sarif => Self::Sarif,
            ReportFormat::Junit => Self::Junit,
            ReportFormat::Github => Self::Github,
            ReportFormat::Gitlab => Self::Gitlab,
            ReportFormat::Markdown => Self::Markdown,
            ReportFormat::Html => Self::Html,
        }
    }
}

/// A file of suppressions.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppressions {
    suppressions: Vec<SuppressionEntry>,
}

/// An audit with what it is of.
struct Audited {
    audit: Audit,
    documents: Vec<Document>,
    known: Known,
}

/// Which findings don't count.
#[derive(Default)]
struct Known {
    /// The only rules that count; all if empty.
    rules: Vec<String>,
    /// The only namespaces whose objects count; all if empty.
    namespaces: Vec<String>,
    suppressions: Option<(PathBuf, Vec<SuppressionEntry>)>,
    baseline: Option<Baseline>,
}

impl Known {
    /// Marks or takes out the findings; returns what is to be said of suppressions.
    fn settle(&self, audit: &mut Audit, today: jiff::civil::Date) -> Vec<String> {
        let findings = &mut audit.findings;
        if !self.rules.is_empty() {
            findings.retain(|finding| self.rules.iter().any(|id| id == finding.rule.id));
        }
        if !self.namespaces.is_empty() {
            let is_asked_for = |namespace: &str| self.namespaces.iter().any(|asked| asked == namespace);
            findings.retain(|finding| finding.object.namespace.as_deref().is_some_and(is_asked_for));
        }
        let mut notes = Vec::new();
        if let Some((path, entries)) = &self.suppressions {
            let more = parapet_audit::by_entries(findings, entries, today);
            notes.extend(more.into_iter().map(|note| format!("{}: {note}", path.display())));
        }
        if let Some(baseline) = &self.baseline {
            baseline.apply(findings);
        }
        notes
    }
}

fn rule_id(text: &str) -> Result<String, String> {
    let known = parapet_audit::rule(text).is_some();
    if known { Ok(text.to_owned()) } else { Err("there is no such rule; --list-rules prints all".to_owned()) }
}

fn minor(text: &str) -> Result<u32, String> {
    let minor = text.trim_start_matches('v').strip_prefix("1.").and_then(|minor| minor.parse().ok());
    minor.ok_or_else(|| "not a version such as 1.34".to_owned())
}

impl AuditArguments {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut stdout = io::stdout().lock();
        if let Some(rule) = self.explain.as_deref().and_then(parapet_audit::rule) {
            writeln!(
                stdout,
                "{} ({}, {})\n{}\n\nWhy: {}\n\nFix: {}",
                rule.id,
                rule.severity,
                rule.group.title(),
                rule.title,
                rule.why,
                rule.fix
            )
            .or_exit(Reason::Usage)?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.list_rules {
            for rule in parapet_audit::rules() {
                writeln!(stdout, "{:<12} {:<8} {}", rule.id, rule.severity.name(), rule.title)
                    .or_exit(Reason::Usage)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let Audited { audit, documents, known } = self.audit()?;
        if let Some(path) = &self.write_baseline {
            write_file(path, Baseline::of(&audit.findings).to_json().as_bytes()).or_exit(Reason::Usage)?;
        }
        if let Some(path) = &self.fix {
            self.write_fix(&audit, &documents, &known, path, &mut stdout).or_exit(Reason::Usage)?;
        }
        let patch_on_stdout = self.fix.as_ref().is_some_and(|path| path.as_os_str() == "-");
        match &self.output {
            Some(path) => {
                let mut file = Vec::new();
                write_report(self.format, &audit, style(false), &mut file).or_exit(Reason::Usage)?;
                write_file(path, &file).or_exit(Reason::Usage)?;
            }
            None if patch_on_stdout => {}
            None => {
                let color =
                    stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
                write_report(self.format, &audit, style(color), &mut stdout).or_exit(Reason::Usage)?;
            }
        }
        let fails = audit.count_from(self.fail_on) > 0 && !self.exit_zero;
        Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn audit(&self) -> Result<Audited, Failure> {
        let mut manifests = self.manifests.clone();
        manifests.cluster.certificates = self.read_secrets;
        let loaded = manifests.load()?;
        let options = self.options();
        let mut audit = parapet_audit::audit(&loaded.documents, loaded.problems, &options);
        let mut stderr = io::stderr().lock();
        for problem in &audit.problems {
            writeln!(stderr, "{problem}").or_exit(Reason::Usage)?;
        }
        if audit.objects == 0 {
            return Err(Failure::new(
                Reason::Usage,
                anyhow!("no Kubernetes object was found; -R reads the folders' folders too"),
            ));
        }
        let known = self.known()?;
        for note in known.settle(&mut audit, options.today) {
            writeln!(stderr, "{note}").or_exit(Reason::Usage)?;
        }
        Ok(Audited { audit, documents: loaded.documents, known })
    }

    /// What is not asked for, or known and lived with.
    fn known(&self) -> Result<Known, Failure> {
        let mut known =
            Known { rules: self.rule.clone(), namespaces: self.namespace.clone(), ..Known::default() };
        if let Some(path) = &self.suppressions {
            let file: Suppressions = yaml::read(path, "file of suppressions").or_exit(Reason::Usage)?;
            known.suppressions = Some((path.clone(), file.suppressions));
        }
        if let Some(path) = &self.baseline {
            let text = fs::read_to_string(path)
                .with_context(|| format!("can't read the baseline {}", path.display()));
            let baseline = Baseline::from_json(&text.or_exit(Reason::Usage)?)
                .with_context(|| path.display().to_string())
                .or_exit(Reason::Usage)?;
            known.baseline = Some(baseline);
        }
        Ok(known)
    }

    /// Patches in rounds: those for one place are made anew after the other.
    fn write_fix(
        &self,
        audit: &Audit,
        documents: &[Document],
        known: &Known,
        path: &std::path::Path,
        stdout: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let options = self.options();
        let again = |files: &BTreeMap<Arc<str>, Vec<u8>>| {
            let unchanged = documents.iter().filter(|document| !files.contains_key(&document.file));
            let mut all: Vec<Document> = unchanged.cloned().collect();
            for (file, bytes) in files {
                all.extend(parapet_manifest::load_text(file, bytes, &Limits::default()).documents);
            }
            let mut audit = parapet_audit::audit(&all, Vec::new(), &options);
            known.settle(&mut audit, options.today);
            audit
        };
        let fix = parapet_audit::fix(audit, &|file| fs::read(file), &again, self.repair)
            .context("can't read a manifest again")?;
        if path.as_os_str() == "-" {
            stdout.write_all(fix.diff.as_bytes())?;
        } else {
            write_file(path, fix.diff.as_bytes())?;
        }
        let mut stderr = io::stderr().lock();
        writeln!(stderr, "{} patches are in the diff; {} could not be made", fix.applied, fix.skipped)?;
        Ok(())
    }

    fn options(&self) -> Options {
        Options {
            namespace: self.manifests.default_namespace.clone(),
            every_workload: self.all_workloads,
            fips: self.fips,
            tenant_label: self.tenant_label.clone(),
            cni: self.cni.clone(),
            cluster_networks: self.cluster_network.clone(),
            api_server: self.api_server.clone(),
            registries: self.registry.clone(),
            secret_readers: self.secret_reader.clone(),
            third_party_tokens: !self.first_party_tokens,
            kubernetes_minor: self.kubernetes_version,
            today: jiff::Zoned::now().date(),
        }
    }
}

/// Code scanning takes patches as well; they need the files.
fn write_report(
    format: ReportFormat,
    audit: &Audit,
    style: Style<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ReportFormat::Sarif => report::write_sarif(audit, style, &|file| fs::read(file), out),
        other => report::write(other.into(), audit, style, out),
    }
}

fn style(color: bool) -> Style<'static> {
    Style { version: env!("CARGO_PKG_VERSION"), color }
}

fn write_file(path: &std::path::Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))
}
