//! Metrics endpoints, the proxies in front of them, and who scrapes them: OBS-MET-01 to 21.

pub(super) mod monitors;
mod operators;
mod proxies;
mod remedies;
pub(super) mod scrapes;
mod serving;

use crate::rule::Needs::{Manifests, Reach};
use crate::rule::Severity::{Critical, High, Info, Low, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use monitors::{
    ca_not_mounted, dangling, deprecated_token_file, no_role_for_metrics, token_in_clear, unreachable_target,
    unverifiable, unverified,
};
use operators::{durations, opted_out, telemetry};
use proxies::{
    bypass, conflicts, image, merged_names, no_review_role, open_metrics, unhardened, wrong_upstream,
};
use serving::{listens_in_clear, self_signed};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Metrics, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-MET-01",
        High,
        Reach,
        "A metrics endpoint answers anybody who reaches it",
        "Metrics name nodes, tenants, indices, versions and volumes. Without TLS and authorisation whoever reaches the port reads them, and can make the endpoint work.",
        "Switch on the component's secure mode, or bind it to 127.0.0.1 behind `parapet guard`, and admit only Prometheus.",
        open_metrics,
    ),
    rule(
        "OBS-MET-02",
        High,
        Manifests,
        "The endpoint behind a proxy can be reached around it",
        "The proxy authorises what comes through it. If what it guards listens on the pod's address, everybody goes straight there.",
        "Bind the endpoint to 127.0.0.1.",
        bypass,
    ),
    rule(
        "OBS-MET-03",
        High,
        Manifests,
        "The proxy forwards to a port where nothing listens",
        "Every scrape is authenticated, authorised, and then fails.",
        "Give the upstream the port that the metrics are served on.",
        wrong_upstream,
    ),
    rule(
        "OBS-MET-04",
        Medium,
        Manifests,
        "Two listeners of one pod claim one port",
        "All containers of a pod share its ports: the second to start fails to bind and restarts forever.",
        "Give one of them another port.",
        conflicts,
    ),
    rule(
        "OBS-MET-05",
        High,
        Manifests,
        "A scrape doesn't verify whom it talks to",
        "Prometheus sends its token to whatever answers. Any pod that takes over the address reads it and may use it for as long as it holds.",
        "Give the CA and the server's name, and verify.",
        unverified,
    ),
    rule(
        "OBS-MET-06",
        Critical,
        Manifests,
        "A token is sent over plain HTTP",
        "Everybody on the path reads it, and it is good for all that Prometheus may do.",
        "Use the scheme https.",
        token_in_clear,
    ),
    rule(
        "OBS-MET-07",
        Medium,
        Manifests,
        "A scrape verifies, but can't succeed",
        "The certificate isn't from a public CA, so that without the right CA and name every scrape fails, and somebody switches verification off.",
        "Set ca and serverName (`<service>.<namespace>.svc`).",
        unverifiable,
    ),
    rule(
        "OBS-MET-08",
        Medium,
        Manifests,
        "A CA file that isn't mounted into Prometheus",
        "The path exists only if the Secret is in spec.secrets of the Prometheus object, and in its namespace.",
        "Add the Secret to spec.secrets.",
        ca_not_mounted,
    ),
    rule(
        "OBS-MET-09",
        Low,
        Manifests,
        "bearerTokenFile is deprecated",
        "It reads any file of Prometheus' pod, so that whoever may write monitors can have any mounted secret sent to them; it is denied where arbitrary file access is.",
        "Use authorization.credentials.",
        deprecated_token_file,
    ),
    rule(
        "OBS-MET-10",
        High,
        Manifests,
        "The proxy may not ask who its callers are",
        "Without `create` on tokenreviews and subjectaccessreviews it can decide nothing and refuses every scrape.",
        "Bind a ClusterRole with both.",
        no_review_role,
    ),
    rule(
        "OBS-MET-11",
        High,
        Manifests,
        "Prometheus may not read the metrics behind the proxy",
        "The proxy asks whether Prometheus' account may `get` the path; no role says so, so every scrape is answered with 403.",
        "Bind a ClusterRole with `get` on the nonResourceURL /metrics.",
        no_role_for_metrics,
    ),
    rule(
        "OBS-MET-12",
        Medium,
        Manifests,
        "A monitor that leads nowhere",
        "It selects no Service or names a port that isn't there. Prometheus shows no error: the target just doesn't exist.",
        "Align the names of monitor, Service and pod.",
        dangling,
    ),
    rule(
        "OBS-MET-13",
        Medium,
        Manifests,
        "The proxy is less hardened than what it guards",
        "It is the container that strangers talk to.",
        "Complete its securityContext.",
        unhardened,
    ),
    rule(
        "OBS-MET-14",
        Medium,
        Manifests,
        "A proxy image that is no longer published or supported",
        "gcr.io/kubebuilder is retired: a new node can't pull the image. Old releases get no fixes.",
        "Use quay.io/brancz/kube-rbac-proxy, `parapet guard`, or the component's own secure mode.",
        image,
    ),
    rule(
        "OBS-MET-15",
        Medium,
        Manifests,
        "The operator serves metrics in the insecure way",
        "ECK before 2.14 has no secure mode of its own and needs a proxy; since then insecure metrics are an opt-out.",
        "Upgrade, and leave secure metrics on.",
        opted_out,
    ),
    rule(
        "OBS-MET-16",
        Medium,
        Manifests,
        "The proxy makes its own certificate at each start",
        "Nobody can verify a certificate that changes with every restart, so clients end up not verifying.",
        "Mount one: --tls-cert-file and --tls-private-key-file.",
        self_signed,
    ),
    rule(
        "OBS-MET-17",
        Low,
        Manifests,
        "The proxy is weakened by a flag",
        "An insecure listener, an exempted /metrics or an old TLS version undoes what the proxy is there for.",
        "Remove the flag.",
        listens_in_clear,
    ),
    rule(
        "OBS-MET-18",
        Info,
        Manifests,
        "The operator sends usage telemetry",
        "Data about the cluster leaves it unless `disable-telemetry` says otherwise.",
        "Set it as you wish.",
        telemetry,
    ),
    rule(
        "OBS-MET-19",
        Medium,
        Manifests,
        "A name is given twice in a pod's lists",
        "Patches that replace a list, or merge it by another key, leave two volumes, ports, variables or containers of one name: the pod is refused, or one of them is silently used.",
        "Merge them by name.",
        merged_names,
    ),
    rule(
        "OBS-MET-20",
        Medium,
        Reach,
        "A policy keeps Prometheus from a target",
        "The monitor is right and the target stays down: the connection is denied.",
        "Allow Prometheus the port on both sides.",
        unreachable_target,
    ),
    rule(
        "OBS-MET-21",
        Medium,
        Manifests,
        "A certificate is rotated constantly or never",
        "If it is renewed earlier than it is valid it is renewed all the time; with 0 it expires first.",
        "Renew at about a tenth of the validity.",
        durations,
    ),
];
