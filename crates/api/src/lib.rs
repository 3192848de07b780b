//! The Elastic kinds as users write them: types, names, versions, defaults, validation, and the schemas made of them.
//! It doesn't know a client, nor what becomes of an object.

pub mod annotations;
mod apm_server;
mod crds;
mod duration;
mod elasticsearch;
mod http;
mod kibana;
pub mod labels;
mod lenient;
mod meta;
pub mod names;
mod quantity;
mod reference;
mod role;
mod schema;
pub mod settings;
mod status;
pub mod validate;
mod version;
pub mod volumes;

pub use apm_server::{ApmServer, ApmServerSpec, ApmServerStatus};
pub use crds::{crd, crds};
pub use duration::{DurationError, GoDuration};
pub use elasticsearch::{
    Auth, ChangeBudget, Elasticsearch, ElasticsearchSpec, ElasticsearchStatus, NodeSet,
    PodDisruptionBudgetTemplate, RemoteCluster, RemoteClusterApiKey, RemoteClusterServer, SecretName,
    SelfSignedTransportCertificates, TransportConfig, TransportTls, TrustedAuthorities, UpdateStrategy,
    VolumeClaimDeletePolicy, ZoneAwareness,
};
pub use http::{
    ClientAuthentication, HttpConfig, HttpTls, SecretRef, SelfSignedCertificate, ServiceTemplate,
    SubjectAlternativeName,
};
pub use kibana::{Kibana, KibanaSpec, KibanaStatus};
pub use meta::{Application, Kind, Resources, TemplateMeta};
pub use quantity::{Amount, QuantityError, same_quantity};
pub use reference::{
    ElasticsearchSelector, LocalSelector, Monitoring, MonitoringTarget, ObjectSelector, SecretSource,
    SecretSourceEntry,
};
pub use role::{Role, Roles};
pub use status::{
    AssociationState, Condition, ConditionState, ConditionType, Downscale, DownscaledNode, Health,
    InProgress, NewNode, Phase, Upgrade, UpgradedNode, Upscale,
};
pub use validate::{FieldError, Warning};
pub use version::{StackVersion, VersionError};
