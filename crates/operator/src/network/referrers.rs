//! Whom applications connect to, as far as their resources say.
//!
//! What a resource asks for and what its pods are connected to aren't the same: a reference that was changed a moment ago, one by a
//! Secret, or one in a resource that can't be read any more. The annotation in which a reference's result is written down has the
//! URL that the pods were given, so both count.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana, Kind, Monitoring, ObjectSelector};
use parapet_elastic::association::Conf;

use super::peers::Pods;
use crate::{ApplicationKey, ObjectKey};

/// What the annotations begin with that say where a reference leads to.
const ASSOCIATION: &str = "association.k8s.elastic.co/";

/// An application that connects to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    pub(super) pods: Pods,
    /// Whose HTTP port it uses.
    pub(super) http: BTreeSet<ApplicationKey>,
    /// Which clusters it uses as remote ones.
    pub(super) clusters: BTreeSet<ApplicationKey>,
    /// Whether its specification could be read.
    pub(super) is_read: bool,
}

impl Referrer {
    /// An Elasticsearch, if it connects to others.
    pub fn elasticsearch(es: &Elasticsearch) -> Option<Self> {
        let own = es.object_namespace();
        let remote = es.spec.remote_clusters.iter().flatten().map(|remote| &remote.elasticsearch_ref);
        let named = |namespace: Option<&str>, name| named(Kind::Elasticsearch, namespace, name, own);
        let clusters = remote.filter_map(|to| named(to.namespace.as_deref(), to.name.as_deref())).collect();
        Self::of(es, monitored(es.spec.monitoring.as_ref(), own).collect(), clusters)
    }

    /// A Kibana, if it connects to others.
    pub fn kibana(kibana: &Kibana) -> Option<Self> {
        let own = kibana.object_namespace();
        let target = selected(Kind::Elasticsearch, &kibana.spec.elasticsearch_ref.target, own);
        let http = target.into_iter().chain(monitored(kibana.spec.monitoring.as_ref(), own));
        Self::of(kibana, http.collect(), BTreeSet::new())
    }

    /// An APM Server, if it connects to others.
    pub fn apm_server(apm: &ApmServer) -> Option<Self> {
        let own = apm.object_namespace();
        let elasticsearch = selected(Kind::Elasticsearch, &apm.spec.elasticsearch_ref.target, own);
        let http = elasticsearch.into_iter().chain(selected(Kind::Kibana, &apm.spec.kibana_ref, own));
        Self::of(apm, http.collect(), BTreeSet::new())
    }

    /// One that can't be read. Its pods run on as they are: what its annotations say holds, and who let them in lets them in.
    pub fn unread(kind: Kind, metadata: &ObjectMeta) -> Self {
        let object = ObjectKey::of(metadata);
        Self {
            http: connected(metadata, &object.namespace).collect(),
            clusters: BTreeSet::new(),
            pods: Pods::of(kind, &object),
            is_read: false,
        }
    }

    fn of<K: Application>(
        application: &K,
        mut http: BTreeSet<ApplicationKey>,
        clusters: BTreeSet<ApplicationKey>,
    ) -> Option<Self> {
        http.extend(connected(application.meta(), application.object_namespace()));
        let has_any = !http.is_empty() || !clusters.is_empty();
        has_any.then(|| {
            let pods = Pods::of(K::KIND, &ObjectKey::of(application.meta()));
            Self { pods, http, clusters, is_read: true }
        })
    }

    fn targets(self) -> BTreeSet<ApplicationKey> {
        let Self { mut http, clusters, .. } = self;
        http.extend(clusters);
        http
    }
}

/// The clusters that a cluster names: their policies let its pods in.
pub fn targets_of_elasticsearch(es: &Elasticsearch) -> BTreeSet<ApplicationKey> {
    Referrer::elasticsearch(es).map(Referrer::targets).unwrap_or_default()
}

/// The clusters that a Kibana names.
pub fn targets_of_kibana(kibana: &Kibana) -> BTreeSet<ApplicationKey> {
    Referrer::kibana(kibana).map(Referrer::targets).unwrap_or_default()
}

/// The applications that an APM Server names.
pub fn targets_of_apm_server(apm: &ApmServer) -> BTreeSet<ApplicationKey> {
    Referrer::apm_server(apm).map(Referrer::targets).unwrap_or_default()
}

/// Those to whom sidecars send metrics and logs.
fn monitored<'a>(
    monitoring: Option<&'a Monitoring>,
    own: &'a str,
) -> impl Iterator<Item = ApplicationKey> + 'a {
    let all = monitoring.into_iter().flat_map(|all| [&all.metrics, &all.logs]);
    let sent = all.flat_map(|sent| &sent.elasticsearch_refs);
    sent.filter_map(move |to| selected(Kind::Elasticsearch, to, own))
}

fn selected(kind: Kind, to: &ObjectSelector, own: &str) -> Option<ApplicationKey> {
    named(kind, to.namespace.as_deref(), to.name.as_deref(), own)
}

fn named(kind: Kind, namespace: Option<&str>, name: Option<&str>, own: &str) -> Option<ApplicationKey> {
    let namespace = namespace.filter(|text| !text.is_empty()).unwrap_or(own);
    name.filter(|text| !text.is_empty()).map(|name| ApplicationKey::new(kind, namespace, name))
}

/// Those whose URLs its pods were given.
fn connected<'a>(metadata: &'a ObjectMeta, own: &'a str) -> impl Iterator<Item = ApplicationKey> + 'a {
    let all = metadata.annotations.iter().flatten();
    let written = all.filter(|(name, _)| name.starts_with(ASSOCIATION));
    written.filter_map(move |(_, text)| at(&Conf::from_annotation(text)?.url, own))
}

/// Whose Service a URL leads to, by its name: `<name>-es-http.<namespace>.svc`, with or without the cluster's domain.
fn at(url: &str, own: &str) -> Option<ApplicationKey> {
    const SERVICES: [(&str, Kind); 4] = [
        ("-es-http", Kind::Elasticsearch),
        ("-es-internal-http", Kind::Elasticsearch),
        ("-kb-http", Kind::Kibana),
        ("-apm-http", Kind::ApmServer),
    ];
    let url: http::Uri = url.parse().ok()?;
    let mut labels = url.host()?.split('.');
    let service = labels.next()?;
    let (name, kind) =
        SERVICES.into_iter().find_map(|(end, kind)| Some((service.strip_suffix(end)?, kind)))?;
    named(kind, labels.next(), Some(name), own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_to_applications_by_the_names_of_their_services() {
        let es = |namespace: &str, name: &str| ApplicationKey::new(Kind::Elasticsearch, namespace, name);
        for (url, expected) in [
            ("https://x-es-http.data.svc:9200", Some(es("data", "x"))),
            ("http://x-es-http.data.svc.cluster.local:9200/", Some(es("data", "x"))),
            ("https://x-es-http:9200", Some(es("own", "x"))),
            ("https://a-b-es-internal-http.data:9200", Some(es("data", "a-b"))),
            ("https://k-kb-http.web.svc:5601/base", Some(ApplicationKey::new(Kind::Kibana, "web", "k"))),
            ("https://a-apm-http.web.svc:8200", Some(ApplicationKey::new(Kind::ApmServer, "web", "a"))),
            ("https://-es-http.data.svc:9200", None),
            ("https://logs.example.org:9243", None),
            ("no URL", None),
        ] {
            assert_eq!(at(url, "own"), expected, "{url}");
        }
    }
}
