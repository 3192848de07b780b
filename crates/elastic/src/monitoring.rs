//! Beats beside Elasticsearch and Kibana, which send what these say of themselves to another cluster: their configuration.
//!
//! Where they run is [`crate::pod::Sidecars`].

mod beat;
mod filebeat;
mod metricbeat;
mod output;

pub use beat::Beat;
pub use filebeat::filebeat;
pub(crate) use filebeat::logs_folder;
pub use metricbeat::{Source, metricbeat};
pub(crate) use metricbeat::{local_folder, local_volume};
pub use output::Output;

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application, names};

use crate::association::AssociationKind;
use crate::config::{Node, Yml};
use crate::{data, owned_meta};

/// The name of the Secret with the configuration of a Beat beside `owner`.
pub fn config_name<K: Application>(owner: &K, beat: Beat) -> String {
    names::monitoring_config(K::KIND, owner.object_name(), beat.name())
}

/// The Secret with the configuration of a Beat. `spelled`: the same in one or several ways, the first is ours; what `live` holds is
/// kept to the byte if it is one of them.
pub fn config_secret<K: Application>(
    owner: &K,
    beat: Beat,
    spelled: &[Yml],
    live: Option<&Secret>,
) -> Secret {
    let kept = live
        .and_then(|live| data::text(live, &beat.file()))
        .filter(|text| spelled.iter().any(|yml| yml.same_as(text)));
    let text = kept.unwrap_or_else(|| spelled.first().map(Yml::text).unwrap_or_default());
    data::secret(owned_meta(owner, config_name(owner, beat)), [(beat.file(), text)])
}

/// How references of `spec.monitoring` are called.
fn kind_of<K: Application>() -> AssociationKind {
    AssociationKind::monitoring(K::KIND)
        .expect("only Elasticsearch and Kibana have a specification of monitoring")
}

/// What every event gets besides: the machine, as far as a container knows it. Without settings of their own both are `null`, as
/// the reference writes them.
fn processors() -> Node {
    let one = |name: &str| Node::Object([(name.to_owned(), Node::Null)].into());
    Node::List(vec![one("add_cloud_metadata"), one("add_host_metadata")])
}
