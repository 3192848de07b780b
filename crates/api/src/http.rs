//! How an application's HTTP endpoint is shown: its Service and its TLS.

use k8s_openapi::api::core::v1::ServiceSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TemplateMeta;

/// `spec.http`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpConfig {
    /// The Service that clients use.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub service: ServiceTemplate,
    /// Certificates, or none.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub tls: HttpTls,
}

impl HttpConfig {
    /// The one switch that decides about TLS everywhere: on, unless the self-signed certificate is disabled and no other is named.
    pub fn tls_enabled(&self) -> bool {
        let disabled = self.tls.self_signed_certificate.as_ref().is_some_and(|own| own.disabled);
        !disabled || self.tls.certificate.secret_name.as_ref().is_some_and(|name| !name.is_empty())
    }

    /// `https` or `http`: the scheme of URLs, and the name of ports.
    pub fn scheme(&self) -> &'static str {
        if self.tls_enabled() { "https" } else { "http" }
    }
}

/// A Service as its user wants it; what is absent is filled in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceTemplate {
    /// Labels and annotations.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub metadata: TemplateMeta,
    /// As in a core/v1 Service.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    #[schemars(schema_with = "crate::schema::of_kubernetes::<ServiceSpec>")]
    pub spec: ServiceSpec,
}

/// `spec.http.tls`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpTls {
    /// The certificate that the operator makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_signed_certificate: Option<SelfSignedCertificate>,
    /// One's own certificate or authority.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub certificate: SecretRef,
    /// Whether clients must show a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientAuthentication>,
}

/// `spec.http.tls.client`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientAuthentication {
    /// Clients without a certificate are turned away.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub authentication: bool,
}

/// A Secret in the same namespace, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// `spec.http.tls.selfSignedCertificate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelfSignedCertificate {
    /// Names and addresses besides those of the Services.
    #[serde(
        default,
        rename = "subjectAltNames",
        deserialize_with = "crate::lenient::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub subject_alternative_names: Vec<SubjectAlternativeName>,
    /// No TLS, unless a certificate is named.
    #[serde(default, deserialize_with = "crate::lenient::or_default")]
    pub disabled: bool,
}

/// One name or address of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectAlternativeName {
    /// A DNS name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
    /// An IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}
