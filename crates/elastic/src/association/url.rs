//! Where a target is.

use k8s_openapi::api::core::v1::Service;

/// Why a Service gives no URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It has no port that says which protocol it speaks.
    #[error("the Service {name} has no port named https or http")]
    NoPort {
        /// Which.
        name: String,
    },
}

/// `<scheme>://<Service>.<namespace>.svc:<port>`: scheme and port are those of the port named `https`, or `http` if there
/// is none.
pub fn service_url(service: &Service, namespace: &str) -> Result<String, UrlError> {
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    ["https", "http"]
        .into_iter()
        .find_map(|scheme| {
            let port = ports.iter().find(|port| port.name.as_deref() == Some(scheme))?;
            Some(format!("{scheme}://{name}.{namespace}.svc:{}", port.port))
        })
        .ok_or_else(|| UrlError::NoPort { name: name.to_owned() })
}
