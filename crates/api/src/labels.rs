//! Labels and annotations, as the reference writes and reads them: they are its public interface.

/// Which kind of application an object belongs to; the operator's watches select by it.
pub const TYPE: &str = "common.k8s.elastic.co/type";
/// A hash of what was last written, on StatefulSets, Deployments and PodDisruptionBudgets. The reference's own can't be
/// recomputed; it is kept on what isn't changed.
pub const TEMPLATE_HASH: &str = "common.k8s.elastic.co/template-hash";
/// On every object that the operator makes, APM Server's Deployment and claims excepted.
pub const WATCHED: &str = "eck.k8s.elastic.co/watched";
/// On Secrets with credentials.
pub const CREDENTIALS: &str = "eck.k8s.elastic.co/credentials";
/// On Secrets that outlive a deleted owner until the operator cleans up: its kind.
pub const OWNER_KIND: &str = "eck.k8s.elastic.co/owner-kind";
/// Its name.
pub const OWNER_NAME: &str = "eck.k8s.elastic.co/owner-name";
/// Its namespace.
pub const OWNER_NAMESPACE: &str = "eck.k8s.elastic.co/owner-namespace";
/// The Elasticsearch that an object belongs to.
pub const CLUSTER_NAME: &str = "elasticsearch.k8s.elastic.co/cluster-name";
/// Its namespace, where that can be another one.
pub const CLUSTER_NAMESPACE: &str = "elasticsearch.k8s.elastic.co/cluster-namespace";
/// The StatefulSet that an object belongs to.
pub const STATEFULSET_NAME: &str = "elasticsearch.k8s.elastic.co/statefulset-name";
/// On Elasticsearch pods: their version.
pub const ELASTICSEARCH_VERSION: &str = "elasticsearch.k8s.elastic.co/version";
/// On Elasticsearch pods: `https` or `http`.
pub const HTTP_SCHEME: &str = "elasticsearch.k8s.elastic.co/http-scheme";
/// The Kibana that an object belongs to.
pub const KIBANA_NAME: &str = "kibana.k8s.elastic.co/name";
/// On Kibana pods: their version.
pub const KIBANA_VERSION: &str = "kibana.k8s.elastic.co/version";
/// The APM Server that an object belongs to.
pub const APM_NAME: &str = "apm.k8s.elastic.co/name";
/// On APM Server pods: their version.
pub const APM_VERSION: &str = "apm.k8s.elastic.co/version";
/// Before a role, on Elasticsearch pods: `"true"` or `"false"`; see [`node_role`].
pub const NODE_ROLE_PREFIX: &str = "elasticsearch.k8s.elastic.co/node-";
/// What becomes of what a file settings' Secret set, once it is gone.
pub const ON_DELETE: &str = "asset.policy.k8s.elastic.co/on-delete";
/// The referrer that a user or a copied authority belongs to, if it is an Elasticsearch: name.
pub const ELASTICSEARCH_ASSOCIATION_NAME: &str = "esassociation.k8s.elastic.co/name";
/// … its namespace.
pub const ELASTICSEARCH_ASSOCIATION_NAMESPACE: &str = "esassociation.k8s.elastic.co/namespace";
/// … and what it refers to: `es-monitoring`.
pub const ELASTICSEARCH_ASSOCIATION_TYPE: &str = "esassociation.k8s.elastic.co/type";
/// The referrer that a user or a copied authority belongs to, if it is a Kibana: name.
pub const KIBANA_ASSOCIATION_NAME: &str = "kibanaassociation.k8s.elastic.co/name";
/// … its namespace.
pub const KIBANA_ASSOCIATION_NAMESPACE: &str = "kibanaassociation.k8s.elastic.co/namespace";
/// … and what it refers to: `elasticsearch`.
pub const KIBANA_ASSOCIATION_TYPE: &str = "kibanaassociation.k8s.elastic.co/type";
/// The referrer that a user or a copied authority belongs to, if it is an APM Server: name.
pub const APM_ASSOCIATION_NAME: &str = "apmassociation.k8s.elastic.co/name";
/// … its namespace.
pub const APM_ASSOCIATION_NAMESPACE: &str = "apmassociation.k8s.elastic.co/namespace";
/// … and what it refers to: `elasticsearch` or `kibana`.
pub const APM_ASSOCIATION_TYPE: &str = "apmassociation.k8s.elastic.co/type";
/// The namespace of the Kibana that an object belongs to, where that can be another one.
pub const KIBANA_NAMESPACE: &str = "kibana.k8s.elastic.co/namespace";
/// Values of [`TYPE`] on Secrets with one user for a file realm.
pub const TYPE_USER: &str = "user";
/// Values of [`TYPE`] on Secrets with one token of a service account.
pub const TYPE_SERVICE_ACCOUNT_TOKEN: &str = "service-account-token";

/// The label that says whether a pod's node has a role, such as `data_hot`.
pub fn node_role(role: &str) -> String {
    format!("{NODE_ROLE_PREFIX}{role}")
}
