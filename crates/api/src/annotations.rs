//! Annotations on custom resources: what users steer the operator with, and what the operator remembers there.
//! Their keys and values are the reference's public interface.

/// `"false"`: the operator leaves the object alone.
pub const MANAGED: &str = "eck.k8s.elastic.co/managed";
/// The older name of the same: `"true"`.
pub const PAUSE: &str = "common.k8s.elastic.co/pause";
/// `"true"`: certificates, users and Services are kept up, nothing is scaled or restarted.
pub const PAUSE_ORCHESTRATION: &str = "eck.k8s.elastic.co/pause-orchestration";
/// Rules of a rolling upgrade that are not asked: a comma list of their names, or `*`.
pub const DISABLE_UPGRADE_PREDICATES: &str = "eck.k8s.elastic.co/disable-upgrade-predicates";
/// Labels of nodes that their pods get as annotations: a comma list.
pub const DOWNWARD_NODE_LABELS: &str = "eck.k8s.elastic.co/downward-node-labels";
/// Pods that are held before Elasticsearch starts: a comma list.
pub const SUSPEND: &str = "eck.k8s.elastic.co/suspend";
/// Another value restarts all nodes, one after the other.
pub const RESTART_TRIGGER: &str = "eck.k8s.elastic.co/restart-trigger";
/// How long a restarted node's shards wait for it: a duration of Elasticsearch.
pub const RESTART_ALLOCATION_DELAY: &str = "eck.k8s.elastic.co/restart-allocation-delay";
/// `"true"`: an older version than before is not refused.
pub const DISABLE_DOWNGRADE_VALIDATION: &str = "eck.k8s.elastic.co/disable-downgrade-validation";
/// How long one call to this cluster may take: a [`crate::GoDuration`].
pub const CLIENT_TIMEOUT: &str = "eck.k8s.elastic.co/es-client-timeout";
/// How often this cluster's health is asked for: a [`crate::GoDuration`].
pub const OBSERVER_INTERVAL: &str = "eck.k8s.elastic.co/es-observer-interval";
/// Secure settings by file settings instead of the keystore, since Elasticsearch 9.5.
pub const FILE_BASED_SECURE_SETTINGS: &str = "eck.k8s.elastic.co/file-based-secure-settings";
/// Annotations of the object that generated objects get too: a comma list, or `*`.
pub const PROPAGATE_ANNOTATIONS: &str = "eck.k8s.alpha.elastic.co/propagate-annotations";
/// Labels of the object that generated objects get too: a comma list, or `*`.
pub const PROPAGATE_LABELS: &str = "eck.k8s.alpha.elastic.co/propagate-labels";
/// `enterprise`: the object means to use what only an enterprise licence gives.
pub const LICENSE: &str = "eck.k8s.elastic.co/license";
/// How autoscaling was once configured; refused.
pub const AUTOSCALING: &str = "elasticsearch.alpha.elastic.co/autoscaling-spec";
/// What `kubectl apply` was given last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Written when a cluster has formed: its UUID. Never again are initial masters set then.
pub const CLUSTER_UUID: &str = "elasticsearch.k8s.elastic.co/cluster-uuid";
/// Written until a cluster has formed: the pods that elect the first master, a comma list without spaces.
pub const INITIAL_MASTER_NODES: &str = "elasticsearch.k8s.elastic.co/initial-master-nodes";
/// What was found out about a cluster once: JSON.
pub const ORCHESTRATION_HINTS: &str = "eck.k8s.elastic.co/orchestration-hints";
/// The remote clusters that the operator set: a comma list.
pub const MANAGED_REMOTE_CLUSTERS: &str = "elasticsearch.k8s.elastic.co/managed-remote-clusters";
/// Before the name of a StatefulSet: its JSON, while it is made anew for larger volumes.
pub const RECREATE_PREFIX: &str = "elasticsearch.k8s.elastic.co/recreate-";
/// How a referrer reaches its Elasticsearch: JSON.
pub const ELASTICSEARCH_CONF: &str = "association.k8s.elastic.co/es-conf";
/// Before a hash of a reference of `spec.monitoring`: how the Beats reach that Elasticsearch, JSON.
pub const MONITORING_CONF_PREFIX: &str = "association.k8s.elastic.co/es-conf-";
/// How a referrer reaches its Kibana: JSON.
pub const KIBANA_CONF: &str = "association.k8s.elastic.co/kb-conf";
/// How a Kibana reaches its Enterprise Search: JSON.
pub const ENTERPRISE_SEARCH_CONF: &str = "association.k8s.elastic.co/ent-conf";
/// How a Kibana reaches its package registry: JSON.
pub const PACKAGE_REGISTRY_CONF: &str = "association.k8s.elastic.co/epr-conf";
/// Set while a cluster asks its clients for certificates.
pub const CLIENT_AUTHENTICATION_REQUIRED: &str = "eck.k8s.elastic.co/client-authentication-required";

/// On pods: makes the kubelet look at mounted Secrets at once; RFC 3339.
pub const UPDATE_TIMESTAMP: &str = "update.k8s.elastic.co/timestamp";
/// On Elasticsearch pod templates: a hash of their configuration.
pub const ELASTICSEARCH_CONFIG_HASH: &str = "elasticsearch.k8s.elastic.co/config-hash";
/// On Elasticsearch pod templates: a hash of the configuration of the Beats beside it.
pub const ELASTICSEARCH_MONITORING_HASH: &str = "elasticsearch.k8s.elastic.co/monitoring-config-hash";
/// On Kibana pod templates: a hash of the configuration of the Beats beside it.
pub const KIBANA_MONITORING_HASH: &str = "kibana.k8s.elastic.co/monitoring-config-hash";
/// On Kibana pod templates: a hash of their configuration.
pub const KIBANA_CONFIG_HASH: &str = "kibana.k8s.elastic.co/config-hash";
/// On APM Server pod templates: a hash of their configuration.
pub const APM_CONFIG_HASH: &str = "apm.k8s.elastic.co/config-hash";
/// On Elasticsearch pod templates: a hash of what a policy mounts; always there.
pub const CONFIG_MOUNTS_HASH: &str = "policy.k8s.elastic.co/elasticsearch-config-mounts-hash";
/// On the file realm's Secret: a hash of a policy's roles; always there.
pub const ROLES_HASH: &str = "policy.k8s.elastic.co/elasticsearch-roles-hash";
/// On the file settings' Secret: a hash of its settings; the Secret is written again only if it changes.
pub const SETTINGS_HASH: &str = "policy.k8s.elastic.co/settings-hash";
/// On pods: which module of Beats reads their logs.
pub const LOGS_MODULE: &str = "co.elastic.logs/module";
/// On Elasticsearch pods whose transport certificates the user makes.
pub const TRANSPORT_CERTIFICATES_DISABLED: &str =
    "elasticsearch.k8s.elastic.co/self-signed-transport-cert-disabled";
