//! Every key, once: the file, the environment (`METRICS_PORT` for `metrics-port`), the flags, `--help` and the reference
//! are all made of this table.

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the file, and after `--`.
    pub name: &'static str,
    /// What a value looks like.
    pub value: &'static str,
    /// What holds without it, as it would be written.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Whether it changes anything here. What doesn't is accepted, so that files made for the reference load.
    pub effect: Effect,
}

/// Whether a key changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Full,
    /// It doesn't, and nobody misses anything: why.
    Needless(&'static str),
    /// It doesn't, and whoever sets it should know: why. A warning, unless the value is the default.
    Missing(&'static str),
}

impl Key {
    /// The name of its variable in the environment.
    pub fn variable(&self) -> String {
        self.name.replace('-', "_").to_ascii_uppercase()
    }
}

const fn key(name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Key {
    Key { name, value, default, help, effect: Effect::Full }
}

const fn no_effect(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
    effect: Effect,
) -> Key {
    Key { name, value, default, help, effect }
}

/// All keys, in the order of their names.
pub const KEYS: &[Key] = &[
    no_effect(
        "auto-port-forward",
        "BOOL",
        "false",
        "Reach pods by port-forwarding, for development",
        Effect::Missing("the operator reaches pods by the network only"),
    ),
    key("ca-cert-rotate-before", "DURATION", "24h", "How long before its end an authority is renewed"),
    key("ca-cert-validity", "DURATION", "8760h", "How long a new authority is valid"),
    key(
        "ca-dir",
        "PATH",
        "",
        "Folder with ca.crt and ca.key, or tls.crt and tls.key: one authority for everything",
    ),
    key(
        "cache-startup-timeout",
        "DURATION",
        "0s",
        "How long the first listing may take; 0: as long as it takes",
    ),
    key("cert-rotate-before", "DURATION", "24h", "How long before its end a certificate is renewed"),
    key("cert-validity", "DURATION", "8760h", "How long a new certificate is valid"),
    key(
        "certificate-key-type",
        "KIND",
        "ecdsa",
        "Of the keys of new authorities: ecdsa (P-256) or rsa (2048 bits)",
    ),
    key("container-registry", "HOST", "docker.elastic.co", "Where images come from"),
    key("container-repository", "PATH", "", "Path in the registry, in place of each image's own"),
    key("container-suffix", "TEXT", "", "What image names end with; not together with ubi-only"),
    no_effect(
        "debug-http-listen",
        "ADDRESS",
        "localhost:6060",
        "Where the reference serves Go's profiles",
        Effect::Missing("there are no such profiles here"),
    ),
    key("disable-config-watch", "BOOL", "false", "Don't restart when the configuration file changes"),
    no_effect(
        "disable-telemetry",
        "BOOL",
        "false",
        "Don't add usage data to Kibana",
        Effect::Needless("no usage data is sent"),
    ),
    key("distribution-channel", "TEXT", "", "How the operator was installed; free text in the logs"),
    key("elasticsearch-client-timeout", "DURATION", "180s", "How long a call of Elasticsearch may take"),
    key(
        "elasticsearch-dialling",
        "WHICH",
        "pods",
        "By which names the operator calls Elasticsearch: pods, each by its own, or service, by NAME-es-http",
    ),
    key(
        "elasticsearch-observation-interval",
        "DURATION",
        "10s",
        "How often each cluster's health is asked for; 0: only while something changes",
    ),
    key(
        "enable-leader-election",
        "BOOL",
        "true",
        "Take a lease, so that only one of several operators works",
    ),
    no_effect(
        "enable-tracing",
        "BOOL",
        "false",
        "Send traces of the operator to APM",
        Effect::Missing("the operator sends no traces"),
    ),
    key("enable-webhook", "BOOL", "false", "Serve the validating webhook"),
    key("enforce-rbac-on-refs", "BOOL", "false", "References need the right to get their target"),
    key("exposed-node-labels", "REGEX,…", "", "Labels of nodes that pods may ask for"),
    key(
        "ip-family",
        "FAMILY",
        "",
        "IPv4 or IPv6, for Services and addresses; empty: what the pod network has",
    ),
    no_effect(
        "kube-client-qps",
        "NUMBER",
        "0",
        "Calls of the API server per second; 0: any number",
        Effect::Missing("calls are not throttled here; the API server's own fairness does it"),
    ),
    key("kube-client-timeout", "DURATION", "60s", "How long a call of the API server may take"),
    key("log-verbosity", "NUMBER", "0", "-2 errors, -1 warnings, 0 normal, 1 or more: debugging"),
    key("manage-webhook-certs", "BOOL", "true", "Make and renew the webhook's certificate"),
    key("max-concurrent-reconciles", "NUMBER", "3", "Passes at the same time, for each kind"),
    key(
        "mesh-checks",
        "BOOL",
        "true",
        "Look whether a service mesh fits applications; namespaces and Istio's objects are read for it",
    ),
    key(
        "mesh-namespace",
        "NAME",
        "istio-system",
        "Where the mesh itself is installed; mesh-checks reads there",
    ),
    key(
        "metrics-cert-dir",
        "PATH",
        "",
        "Folder with tls.crt and tls.key for metrics-secure; empty: self-signed",
    ),
    key("metrics-host", "HOST", "0.0.0.0", "Where metrics are served"),
    key("metrics-port", "PORT", "0", "Where metrics are served; 0: nowhere"),
    key("metrics-secure", "BOOL", "false", "Serve metrics with TLS, to whom the API server lets"),
    key("namespace-selector", "SELECTOR", "", "Only in namespaces with these labels"),
    key("namespaces", "NAME,…", "", "Only in these namespaces; empty: in all"),
    key(
        "network-policies",
        "WHICH",
        "off",
        "Make NetworkPolicies: off, new (applications made from now on) or all",
    ),
    key(
        "operator-labels",
        "LABEL=VALUE,…",
        "control-plane=elastic-operator",
        "Of the operator's own pods, as NetworkPolicies and the mesh's checks find them",
    ),
    key("operator-namespace", "NAME", "", "Where the operator itself runs; required"),
    no_effect(
        "password-hash-cache-size",
        "NUMBER",
        "15",
        "How many password hashes the reference keeps in memory",
        Effect::Needless("hashes are taken from the Secret that has them"),
    ),
    key("password-length", "NUMBER", "24", "Length of generated passwords"),
    key(
        "probes-bind-address",
        "ADDRESS",
        ":8081",
        "Where /healthz and /readyz are served; 0 or empty: nowhere",
    ),
    no_effect(
        "restrict-watched-resources",
        "BOOL",
        "false",
        "Keep only the operator's own Secrets, Services and ConfigMaps in memory",
        Effect::Needless("it is always so"),
    ),
    key(
        "set-default-security-context",
        "WHEN",
        "auto-detect",
        "true, false, or auto-detect: not on OpenShift",
    ),
    no_effect(
        "telemetry-interval",
        "DURATION",
        "1h",
        "How often usage data is sent",
        Effect::Needless("no usage data is sent"),
    ),
    key("ubi-only", "BOOL", "false", "Only images of the Universal Base Image"),
    key("validate-storage-class", "BOOL", "true", "Look whether a volume's class lets it grow"),
    key(
        "webhook-cert-dir",
        "PATH",
        "/tmp/k8s-webhook-server/serving-certs",
        "Folder with the webhook's tls.crt and tls.key",
    ),
    key(
        "webhook-name",
        "NAME",
        "elastic-webhook.k8s.elastic.co",
        "Name of the ValidatingWebhookConfiguration",
    ),
    key("webhook-port", "PORT", "9443", "Where the webhook is served"),
    key("webhook-secret", "NAME", "", "Secret of the webhook's certificate, in operator-namespace"),
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sorted() {
        assert!(KEYS.is_sorted_by(|one, two| one.name < two.name));
    }
}
