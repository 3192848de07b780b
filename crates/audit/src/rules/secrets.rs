//! Credentials: OBS-SEC-01 to 13.

mod certificates;
mod material;
mod published;
mod references;
mod shapes;

pub(super) use certificates::last_day;
use certificates::unusable_certificate;
use material::default_password;
use published::sample_material;
use references::{at_rest, dangling, environment, no_manager, overshared, readers, stored};
use shapes::{clear_text, material as credential_material, verification_off};

use crate::rule::Needs::{Manifests, Option as Opt};
use crate::rule::Severity::{Critical, High, Low, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Secrets, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-SEC-01",
        Critical,
        Manifests,
        "A credential in clear text in a variable",
        "Whoever may read pods, the manifest's repository or a crash dump has it, and it can't be rotated without a deployment.",
        "Take it from a Secret, as a file where the program can read one.",
        clear_text,
    ),
    rule(
        "OBS-SEC-02",
        Critical,
        Manifests,
        "Credential material in a manifest",
        "A private key, a token or a password in a URL or an argument is readable for everybody who sees the object, and for every process on the node.",
        "Move it to a Secret, and rotate it: it is known.",
        credential_material,
    ),
    rule(
        "OBS-SEC-03",
        Low,
        Manifests,
        "A secret is passed as an environment variable",
        "Variables are visible in /proc, in crash reports and to every child process.",
        "Mount the Secret as a file, or use the program's keystore.",
        environment,
    ),
    rule(
        "OBS-SEC-04",
        Medium,
        Manifests,
        "A Secret's content is in a manifest",
        "base64 is not encryption: whoever reads the repository has it.",
        "Use an external store, or sealed secrets.",
        stored,
    ),
    rule(
        "OBS-SEC-05",
        Medium,
        Manifests,
        "Nothing manages the namespace's secrets",
        "Plain Secrets are rotated by hand, that is, never.",
        "Use External Secrets, the Secrets Store CSI driver, sealed secrets or Vault.",
        no_manager,
    ),
    rule(
        "OBS-SEC-06",
        High,
        Opt,
        "Somebody may read the stack's secrets",
        "Reading Secrets, and listing them is reading them, gives every password and private key of the stack.",
        "Name the Secrets in resourceNames, or take the right away; `--secret-reader` allows a subject.",
        readers,
    ),
    rule(
        "OBS-SEC-07",
        High,
        Manifests,
        "A default password, or one password for several accounts",
        "Defaults are tried first. One password for all means that the weakest component gives away the rest.",
        "Generate one per account, and rotate.",
        default_password,
    ),
    rule(
        "OBS-SEC-08",
        Medium,
        Manifests,
        "A Secret is mounted for more than who needs it",
        "Files that everybody in the container may read, or volumes that no container mounts, are credentials waiting for a break-in.",
        "Mount it where it is used, with defaultMode 0400.",
        overshared,
    ),
    rule(
        "OBS-SEC-09",
        High,
        Manifests,
        "A reference to a Secret or ConfigMap that isn't there",
        "The pod waits forever in ContainerCreating.",
        "Create it, or correct the name.",
        dangling,
    ),
    rule(
        "OBS-SEC-10",
        Medium,
        Manifests,
        "A TLS Secret that can't work",
        "Without tls.crt and tls.key as PEM, with the key of another certificate, for another name than the Service's, or after its end, no server starts with it or no client trusts it.",
        "Issue it anew.",
        unusable_certificate,
    ),
    rule(
        "OBS-SEC-11",
        Medium,
        Manifests,
        "A command switches the verification of certificates off",
        "It talks, with its credentials, to whatever answers.",
        "Give it the CA.",
        verification_off,
    ),
    rule(
        "OBS-SEC-12",
        Low,
        Manifests,
        "Secrets aren't encrypted at rest",
        "Whoever reads etcd's disk or a backup of it has them all.",
        "Configure an EncryptionConfiguration with a key provider first.",
        at_rest,
    ),
    rule(
        "OBS-SEC-13",
        High,
        Manifests,
        "A published or shared key",
        "Keys from documentation are everybody's; a key that several components share is lost with the first of them.",
        "Issue one per component, and rotate.",
        sample_material,
    ),
];
