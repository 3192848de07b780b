//! What the operator may do, by what is enabled: the least that its work needs.
//!
//! The chart's templates hold the same list; a test compares them for each profile.

use k8s_openapi::api::rbac::v1::PolicyRule;
use parapet_api::Kind;

use crate::mesh;
use crate::settings::{MetricsSecurity, NetworkPolicies, Settings};

/// What is enabled that needs rights of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enabled {
    /// The ValidatingWebhookConfiguration and the Secret that the operator keeps up.
    pub webhook: Option<(String, String)>,
    /// Metrics are shown to those whom the API server lets.
    pub secure_metrics: bool,
    /// References need the right to get their target.
    pub reference_checks: bool,
    /// Storage classes are asked whether volumes may grow.
    pub storage_classes: bool,
    /// Pods may see labels of their node.
    pub node_labels: bool,
    /// Namespaces are picked by their labels.
    pub namespace_selector: bool,
    /// NetworkPolicies are made.
    pub network_policies: bool,
    /// The service mesh is looked at.
    pub mesh_checks: bool,
}

impl From<&Settings> for Enabled {
    fn from(settings: &Settings) -> Self {
        let webhook = settings.webhook.as_ref().filter(|webhook| webhook.manage_certs);
        let secured = |security: &MetricsSecurity| matches!(security, MetricsSecurity::Guarded(_));
        Self {
            webhook: webhook.and_then(|webhook| Some((webhook.name.clone(), webhook.secret.clone()?))),
            secure_metrics: settings.metrics.as_ref().is_some_and(|metrics| secured(&metrics.security)),
            reference_checks: settings.enforce_rbac_on_refs,
            storage_classes: settings.validate_storage_class,
            node_labels: !settings.elastic.exposed_node_labels.is_empty(),
            namespace_selector: settings.namespace_selector.is_some(),
            network_policies: settings.network_policies != NetworkPolicies::Off,
            mesh_checks: settings.mesh_checks,
        }
    }
}

/// To read something for good, write it, and make it go away.
const EVERYTHING: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
/// To follow something.
const READ: &[&str] = &["get", "list", "watch"];
/// To look at something now and then.
const LIST: &[&str] = &["list"];
/// To look at one thing now and then.
const GET: &[&str] = &["get"];

/// Where applications are: in all namespaces, or in each that is looked after.
pub fn applications(enabled: &Enabled) -> Vec<PolicyRule> {
    let mut rules = vec![
        // Made only to try out whether the API server would take them.
        rule("", &["pods"], EVERYTHING),
        rule("", &["configmaps", "secrets", "services"], EVERYTHING),
        // Made by the StatefulSet controller.
        rule("", &["persistentvolumeclaims"], &["delete", "get", "list", "patch", "update", "watch"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
        rule("apps", &["deployments", "statefulsets"], EVERYTHING),
        rule("policy", &["poddisruptionbudgets"], EVERYTHING),
    ];
    // Annotations and status are written; the object itself is its user's.
    rules.extend(
        Kind::ALL
            .map(|kind| rule(kind.group(), &[kind.plural()], &["get", "list", "patch", "update", "watch"])),
    );
    // Where the API server asks for it, whoever makes an object that holds up its owner's deletion must have the former.
    rules.extend(Kind::ALL.map(|kind| {
        let (finalizers, status) =
            (format!("{}/finalizers", kind.plural()), format!("{}/status", kind.plural()));
        rule(kind.group(), &[&finalizers, &status], &["patch", "update"])
    }));
    if enabled.network_policies {
        rules.push(rule("networking.k8s.io", &["networkpolicies"], EVERYTHING));
    }
    rules
}

/// What has no namespace.
pub fn cluster(enabled: &Enabled) -> Vec<PolicyRule> {
    let mut rules = Vec::new();
    if enabled.storage_classes {
        rules.push(rule("storage.k8s.io", &["storageclasses"], READ));
    }
    if enabled.node_labels {
        rules.push(rule("", &["nodes"], READ));
    }
    if enabled.namespace_selector {
        rules.push(rule("", &["namespaces"], READ));
    } else if enabled.mesh_checks {
        rules.push(rule("", &["namespaces"], LIST));
    }
    if enabled.mesh_checks {
        rules.push(rule("networking.istio.io", &["destinationrules"], LIST));
        rules.push(rule("security.istio.io", &["peerauthentications"], LIST));
        // Which revisions its tags stand for; the names are as many as tags.
        rules.push(rule("admissionregistration.k8s.io", &["mutatingwebhookconfigurations"], LIST));
        // How the mesh is set up. A namespace that may not be there can't be given a Role.
        rules.push(named("", &["configmaps"], &[mesh::CONFIGURATION, mesh::INJECTOR], GET));
        rules.push(named("apps", &["daemonsets"], &[mesh::CNI], GET));
    }
    if let Some((configuration, _)) = &enabled.webhook {
        let resource = &["validatingwebhookconfigurations"];
        rules.push(named("admissionregistration.k8s.io", resource, &[configuration], &["get", "update"]));
    }
    if enabled.secure_metrics {
        rules.push(rule("authentication.k8s.io", &["tokenreviews"], &["create"]));
    }
    if enabled.secure_metrics || enabled.reference_checks {
        rules.push(rule("authorization.k8s.io", &["subjectaccessreviews"], &["create"]));
    }
    rules
}

/// In the operator's own namespace.
pub fn own(enabled: &Enabled) -> Vec<PolicyRule> {
    let mut rules = vec![
        // Names can't be told apart when something is made.
        rule("coordination.k8s.io", &["leases"], &["create"]),
        named("coordination.k8s.io", &["leases"], &["elastic-operator-leader"], &["get", "update"]),
        rule("", &["configmaps"], &["create"]),
        named("", &["configmaps"], &["elastic-licensing", "elastic-operator-uuid"], &["get", "update"]),
    ];
    if enabled.mesh_checks {
        // Whether its own pod is in the mesh.
        rules.push(rule("", &["pods"], LIST));
    }
    if let Some((_, secret)) = &enabled.webhook {
        rules.push(named("", &["secrets"], &[secret], &["get", "update"]));
    }
    rules
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

fn named(group: &str, resources: &[&str], names: &[&str], verbs: &[&str]) -> PolicyRule {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    PolicyRule { resource_names: Some(names), ..rule(group, resources, verbs) }
}
