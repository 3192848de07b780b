//! Passwords: kept where they are, made where they are missing.

use k8s_openapi::api::core::v1::Secret;
use parapet_api::{ApmServer, Application as _, Elasticsearch, Kind, labels, names};

use crate::random::{PASSWORD_LENGTH, Random, alphanumeric};
use crate::{data, owned_meta, softly_owned_meta};

/// The user that people begin with.
pub const ELASTIC: &str = "elastic";
/// The operator's own.
pub const INTERNAL: &str = "elastic-internal";
/// A node's own, for the time when it stops.
pub const PRE_STOP: &str = "elastic-internal-pre-stop";
/// The readiness probe's, before 8.2.1.
pub const PROBE: &str = "elastic-internal-probe";
/// What collects the cluster's metrics.
pub const MONITORING: &str = "elastic-internal-monitoring";
/// What collects what is needed to help.
pub const DIAGNOSTICS: &str = "elastic-internal-diagnostics";

/// All users that only the operator and its pods know.
pub(super) const INTERNALS: [&str; 5] = [INTERNAL, PRE_STOP, PROBE, MONITORING, DIAGNOSTICS];

/// `<X>-es-elastic-user`, with a password of that length where there is none: applications read it, so it outlives what it belongs to until the operator cleans up.
pub fn elastic_user(es: &Elasticsearch, live: Option<&Secret>, length: usize, random: Random<'_>) -> Secret {
    let name = names::generated(Kind::Elasticsearch, es.object_name(), &["elastic-user"]);
    let mut metadata = softly_owned_meta(es, name);
    metadata.labels.get_or_insert_default().insert(labels::CREDENTIALS.to_owned(), "true".to_owned());
    data::secret(metadata, kept_or_made(&[ELASTIC], live, length, random))
}

/// `<X>-es-internal-users`, with passwords of that length where there are none.
pub fn internal_users(
    es: &Elasticsearch,
    live: Option<&Secret>,
    length: usize,
    random: Random<'_>,
) -> Secret {
    let name = names::generated(Kind::Elasticsearch, es.object_name(), &["internal-users"]);
    let mut metadata = owned_meta(es, name);
    metadata.labels.get_or_insert_default().insert(labels::CREDENTIALS.to_owned(), "true".to_owned());
    data::secret(metadata, kept_or_made(&INTERNALS, live, length, random))
}

/// `<A>-apm-token`, which agents show.
pub fn apm_token(apm: &ApmServer, live: Option<&Secret>, random: Random<'_>) -> Secret {
    let name = names::generated(Kind::ApmServer, apm.object_name(), &["token"]);
    let mut metadata = softly_owned_meta(apm, name);
    metadata.labels.get_or_insert_default().insert(labels::CREDENTIALS.to_owned(), "true".to_owned());
    data::secret(metadata, kept_or_made(&["secret-token"], live, PASSWORD_LENGTH, random))
}

/// The password of a user, from the Secret that holds it.
pub fn password_of(secret: &Secret, user: &str) -> Option<String> {
    data::filled(secret, user)
}

fn kept_or_made(
    keys: &[&str],
    live: Option<&Secret>,
    length: usize,
    random: Random<'_>,
) -> Vec<(String, String)> {
    keys.iter()
        .map(|key| {
            let kept = live.and_then(|secret| data::filled(secret, key));
            ((*key).to_owned(), kept.unwrap_or_else(|| alphanumeric(length, random)))
        })
        .collect()
}
