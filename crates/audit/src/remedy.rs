//! What people have to decide where manifests don't, with a sample of what comes of it.

use serde::Serialize;

use crate::rule::Rule;

/// How a rule's findings are put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Remedy {
    /// By a patch, where the input decides it.
    Patch,
    /// By people: what they decide, and a sample of it.
    Sample(&'static Decision),
    /// By people: what they decide; nothing of it can be written down in advance.
    Hand(&'static Decision),
}

/// What is to be decided.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The question.
    pub decide: &'static str,
    /// What an answer looks like, as YAML or as a command.
    pub sample: &'static str,
}

impl Remedy {
    /// `patch`, `sample` or `by hand`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Sample(_) => "sample",
            Self::Hand(_) => "by hand",
        }
    }

    /// What is to be decided, if it is.
    pub fn decision(self) -> Option<&'static Decision> {
        match self {
            Self::Patch => None,
            Self::Sample(decision) | Self::Hand(decision) => Some(decision),
        }
    }
}

impl Rule {
    /// How its findings are put right.
    pub fn remedy(&self) -> Remedy {
        match DECISIONS.iter().find(|(id, _)| *id == self.id) {
            None => Remedy::Patch,
            Some((_, decision)) if decision.sample.is_empty() => Remedy::Hand(decision),
            Some((_, decision)) => Remedy::Sample(decision),
        }
    }
}

const fn sample(decide: &'static str, sample: &'static str) -> Decision {
    Decision { decide, sample }
}

const fn by_hand(decide: &'static str) -> Decision {
    Decision { decide, sample: "" }
}

/// The rules whose remedy no manifest tells.
const DECISIONS: &[(&str, Decision)] = &[
    (
        "OBS-NP-05",
        sample(
            "Which pods the policy was written for: their template's labels.",
            "spec:\n  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: <the pods' own label>\n",
        ),
    ),
    (
        "OBS-NP-06",
        sample(
            "Whether whom the rule names will come, under which labels; if nobody will, delete the rule.",
            "from:\n  - namespaceSelector:\n      matchLabels:\n        kubernetes.io/metadata.name: <their namespace>\n    podSelector:\n      matchLabels:\n        app: <their label>\n",
        ),
    ),
    (
        "OBS-NP-12",
        sample(
            "The namespace of the stack. Volumes and Services' names don't move with it.",
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: observability\n  labels:\n    pod-security.kubernetes.io/enforce: baseline\n",
        ),
    ),
    ("OBS-NP-20", sample("Which network plugin the cluster runs.", "parapet audit deploy/ --cni calico\n")),
    ("OBS-NP-23", by_hand("What the text should say: without a policy that selects a pod it is open.")),
    (
        "OBS-EG-10",
        by_hand(
            "Whether the pipeline comes back. If not, delete the policy; until then it isolates whoever gets these labels.",
        ),
    ),
    (
        "OBS-RX-09",
        sample(
            "A port of its own for the metrics, in the collector's configuration and in the rule for scraping.",
            "service:\n  telemetry:\n    metrics:\n      address: ${env:POD_IP}:8888\n",
        ),
    ),
    (
        "OBS-SEC-03",
        sample(
            "Whether the program reads the password from a file, and under which variable.",
            "env:\n  - name: ELASTICSEARCH_PASSWORD_FILE\n    value: /run/secrets/elasticsearch/password\nvolumeMounts:\n  - name: elasticsearch\n    mountPath: /run/secrets/elasticsearch\n    readOnly: true\n",
        ),
    ),
    (
        "OBS-SEC-04",
        sample(
            "What keeps the secret instead of the repository. What was there is known: make it anew.",
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n  name: kibana-credentials\nspec:\n  secretStoreRef:\n    kind: ClusterSecretStore\n    name: vault\n  dataFrom:\n    - extract:\n        key: observability/kibana\n",
        ),
    ),
    (
        "OBS-SEC-05",
        sample(
            "What manages the stack's secrets: a store, and what brings them from there.",
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n  name: kibana-credentials\nspec:\n  refreshInterval: 1h\n  secretStoreRef:\n    kind: ClusterSecretStore\n    name: vault\n  dataFrom:\n    - extract:\n        key: observability/kibana\n",
        ),
    ),
    (
        "OBS-SEC-06",
        sample(
            "Which Secrets the subject needs, or that it may read all of them (--secret-reader Kind:namespace/name). List and watch can't be narrowed by name.",
            "rules:\n  - apiGroups: [\"\"]\n    resources: [secrets]\n    resourceNames: [kibana-credentials]\n    verbs: [get]\n",
        ),
    ),
    (
        "OBS-SEC-10",
        sample(
            "Who issues the certificate. It has to be for the Service's name.",
            "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata:\n  name: kibana\nspec:\n  secretName: kibana-tls\n  dnsNames: [kibana.observability.svc]\n  issuerRef:\n    kind: ClusterIssuer\n    name: <the issuer>\n",
        ),
    ),
    (
        "OBS-SEC-12",
        sample(
            "Where the key is kept: with a KMS it isn't on the control plane's disks.",
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      - kms:\n          apiVersion: v2\n          name: <the provider>\n          endpoint: unix:///var/run/kms.sock\n      - identity: {}\n",
        ),
    ),
    (
        "OBS-SEC-13",
        sample(
            "Who issues a key for each component. What was shown or shared is known: take it out of use everywhere.",
            "openssl rand -hex 32\n",
        ),
    ),
    (
        "OBS-ES-08",
        sample(
            "What the client may do in Elasticsearch: a user, or better an API key, with a role for that.",
            "elasticsearch.username: kibana_system\n",
        ),
    ),
    (
        "OBS-ES-09",
        sample(
            "Where Kibana's keys are kept. One that has been written down protects nothing any more.",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: kibana-keys\nstringData:\n  xpack.encryptedSavedObjects.encryptionKey: <openssl rand -hex 32>\n",
        ),
    ),
    (
        "OBS-MESH-10",
        sample(
            "When the operator may be restarted.",
            "kubectl -n elastic-system rollout restart statefulset/elastic-operator\n",
        ),
    ),
    (
        "OBS-MET-04",
        sample(
            "Which of the two moves, and with it whoever connects to it.",
            "args:\n  - --secure-listen-address=0.0.0.0:8443\nports:\n  - name: https\n    containerPort: 8443\n",
        ),
    ),
    ("OBS-MET-18", sample("Whether usage data may leave the cluster.", "disable-telemetry: true\n")),
    (
        "OBS-HOST-01",
        sample(
            "Which group may read the nodes' logs: it is the nodes' image that says so.",
            "securityContext:\n  runAsUser: 10001\n  runAsNonRoot: true\n  supplementalGroups: [<group of /var/log/pods>]\n",
        ),
    ),
    (
        "OBS-HOST-02",
        sample(
            "Which logs the agent reads.",
            "volumes:\n  - name: pods\n    hostPath:\n      path: /var/log/pods\n      type: Directory\n",
        ),
    ),
    (
        "OBS-RBAC-01",
        sample(
            "What the component asks the API server for; enrichment reads, and reads only this.",
            "rules:\n  - apiGroups: [\"\"]\n    resources: [pods, namespaces, nodes]\n    verbs: [get, list, watch]\n  - apiGroups: [apps]\n    resources: [replicasets]\n    verbs: [get, list, watch]\n",
        ),
    ),
    (
        "OBS-IMG-01",
        sample(
            "Which release was tested; its digest is what `crane digest` or the registry says.",
            "image: otel/opentelemetry-collector:0.130.0@sha256:<digest>\n",
        ),
    ),
    (
        "OBS-IMG-02",
        sample(
            "Where the image is mirrored; `--registry` trusts a place.",
            "image: registry.example.com/mirror/<name>:<release>\n",
        ),
    ),
    (
        "OBS-FIPS-04",
        by_hand(
            "Whether the image's part needs validated cryptography: accept it in writing, with an annotation, or replace it.",
        ),
    ),
    ("OBS-CA-06", by_hand("Whether the proxy may read the telemetry. If so, say so in an annotation.")),
    (
        "OBS-EXP-02",
        sample(
            "Who may administer it from outside, or which paths are needed at all.",
            "metadata:\n  annotations:\n    nginx.ingress.kubernetes.io/auth-url: https://login.example.com/oauth2/auth\n",
        ),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decision_is_of_a_rule_and_is_a_sentence() {
        for (id, decision) in DECISIONS {
            assert!(crate::rule(id).is_some(), "{id}");
            assert!(decision.decide.ends_with('.'), "{id}");
            assert!(decision.sample.is_empty() || decision.sample.ends_with('\n'), "{id}");
        }
    }
}
