//! What a referrer's annotation says.

use serde::{Deserialize, Serialize};

/// Where the target is and how one comes in, as JSON in the referrer's annotation. The order of the fields is that of the
/// reference, so that what it wrote isn't written anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Conf {
    /// The Secret with the credentials, in the referrer's namespace; `-` if there are none.
    pub auth_secret_name: String,
    /// Its key: `token` for a service account, else the user's name.
    pub auth_secret_key: String,
    /// Whether the credential is an API key; none of these kinds takes one.
    pub is_api_key: bool,
    /// Whether it is a service account's token.
    pub is_service_account: bool,
    /// Whether the target's authority is known.
    pub ca_cert_provided: bool,
    /// The Secret with that authority, in the referrer's namespace.
    pub ca_secret_name: String,
    /// `<scheme>://<Service>.<namespace>.svc:<port>`.
    pub url: String,
    /// The version that the target runs.
    pub version: String,
    /// Whether the target is managed by somebody else as a service.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub serverless: bool,
    /// A hash of further Secrets of the target.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub additional_secrets_hash: String,
    /// The Secret with the client's certificate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_cert_secret_name: String,
    /// The Elasticsearch of the target, as written by others.
    #[serde(rename = "transitiveESRef", skip_serializing_if = "Option::is_none")]
    pub transitive_es_ref: Option<serde_json::Value>,
}

impl Conf {
    /// What stands for the credentials of a target that needs none.
    pub const NO_AUTH: &str = "-";

    /// Reads an annotation; one that isn't such JSON counts as none.
    pub fn from_annotation(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|conf: &Self| !conf.url.is_empty())
    }

    /// As the annotation has it.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).expect("a struct of strings and flags is always serialisable")
    }

    /// Whether there are credentials.
    pub fn has_auth(&self) -> bool {
        !self.auth_secret_name.is_empty() && self.auth_secret_name != Self::NO_AUTH
    }
}
