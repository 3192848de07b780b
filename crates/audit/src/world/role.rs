//! What a workload is for, told by its kind, its images, its labels.

/// A part of an observability stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    Elasticsearch,
    Kibana,
    Apm,
    Logstash,
    Filebeat,
    Prometheus,
    Alertmanager,
    /// A collector on every node.
    CollectorAgent,
    /// A collector that others send to.
    CollectorGateway,
    /// A collector that adds metadata and sends on.
    Metadata,
    TargetAllocator,
    Operator,
    Grafana,
    NodeExporter,
    KubeStateMetrics,
    /// Operational Insights' API between gateway and Elasticsearch.
    ApiBuilder,
    Memcached,
}

impl Role {
    /// Reads node's files or its state.
    pub(crate) fn is_node_agent(self) -> bool {
        matches!(self, Self::CollectorAgent | Self::Filebeat | Self::NodeExporter)
    }

    /// A collector of any place in the pipeline.
    pub(crate) fn is_collector(self) -> bool {
        matches!(self, Self::CollectorAgent | Self::CollectorGateway | Self::Metadata)
    }

    /// Has a screen or an API for people.
    pub(crate) fn is_interface(self) -> bool {
        matches!(
            self,
            Self::Elasticsearch | Self::Kibana | Self::Prometheus | Self::Alertmanager | Self::Grafana
        )
    }

    /// Asks the API server of its own accord.
    pub(crate) fn calls_api(self) -> bool {
        matches!(
            self,
            Self::Prometheus
                | Self::Operator
                | Self::KubeStateMetrics
                | Self::TargetAllocator
                | Self::Metadata
        )
    }

    /// The ports that it listens on if nothing says otherwise.
    pub(crate) fn ports(self) -> &'static [u16] {
        match self {
            Self::Elasticsearch => &[9200, 9300],
            Self::Kibana => &[5601],
            Self::Apm => &[8200],
            Self::Logstash => &[5044],
            Self::Prometheus => &[9090],
            Self::Alertmanager => &[9093],
            Self::Grafana => &[3000],
            Self::NodeExporter => &[9100],
            Self::KubeStateMetrics => &[8080],
            Self::ApiBuilder => &[8443],
            Self::Memcached => &[11211],
            Self::TargetAllocator => &[8080],
            Self::CollectorGateway => &[4317, 4318],
            Self::CollectorAgent | Self::Metadata | Self::Filebeat | Self::Operator => &[],
        }
    }
}

/// The role of a workload of `kind` with the main containers' `images` and a text of its names and labels.
pub(crate) fn detect(kind: &str, images: &[&str], names: &str) -> Option<Role> {
    let by_kind = match kind {
        "Elasticsearch" => Some(Role::Elasticsearch),
        "Kibana" => Some(Role::Kibana),
        "ApmServer" => Some(Role::Apm),
        "Logstash" => Some(Role::Logstash),
        "Beat" => Some(Role::Filebeat),
        "Prometheus" | "PrometheusAgent" => Some(Role::Prometheus),
        "Alertmanager" => Some(Role::Alertmanager),
        _ => None,
    };
    by_kind
        .or_else(|| images.iter().find_map(|image| by_image(kind, image, names)))
        .or_else(|| (kind == "OpenTelemetryCollector").then(|| collector(kind, names)))
}

fn by_image(kind: &str, image: &str, names: &str) -> Option<Role> {
    let path = image.split('@').next().unwrap_or(image);
    let name = path.rsplit('/').next().unwrap_or(path).split(':').next().unwrap_or(path);
    Some(match name {
        "elasticsearch" | "opensearch" => Role::Elasticsearch,
        "kibana" | "opensearch-dashboards" => Role::Kibana,
        "apm-server" => Role::Apm,
        "logstash" | "logstash-oss" => Role::Logstash,
        "filebeat" | "fluent-bit" | "fluentd" | "promtail" => Role::Filebeat,
        "prometheus" => Role::Prometheus,
        "alertmanager" => Role::Alertmanager,
        "target-allocator" => Role::TargetAllocator,
        "eck-operator" | "prometheus-operator" | "opentelemetry-operator" => Role::Operator,
        "grafana" => Role::Grafana,
        "node-exporter" => Role::NodeExporter,
        "kube-state-metrics" => Role::KubeStateMetrics,
        "memcached" => Role::Memcached,
        _ if name.contains("apibuilder4elastic") => Role::ApiBuilder,
        _ if name.contains("otel-collector") || name.contains("opentelemetry-collector") => {
            collector(kind, names)
        }
        _ => return None,
    })
}

fn collector(kind: &str, names: &str) -> Role {
    if kind == "DaemonSet" {
        Role::CollectorAgent
    } else if names.contains("target-allocator") || names.contains("targetallocator") {
        Role::TargetAllocator
    } else if names.contains("metadata") || kind == "StatefulSet" {
        Role::Metadata
    } else {
        Role::CollectorGateway
    }
}
