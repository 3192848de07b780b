//! The client of the API server: its calls are counted, none is repeated, and none is slowed down by itself.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tower::{Layer, Service};

/// The API server can't be reached as configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig can't be used.
    #[error("can't use the kubeconfig {path}")]
    Kubeconfig {
        /// Where it is.
        path: String,
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// Not in a pod.
    #[error("not in a pod with a service account; outside of one, --kubeconfig is needed")]
    NotInCluster(#[source] kube::config::InClusterError),
    /// The client can't be made of it.
    #[error("can't set up the client of the API server")]
    Client(#[source] kube::Error),
}

/// Calls of the API server, as they are counted.
#[derive(Clone, Debug, Default)]
pub struct ApiMetrics {
    requests: Family<RequestLabels, Counter>,
    calls: Family<CallLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    code: String,
    host: Arc<str>,
    method: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    verb: &'static str,
    resource: String,
}

impl ApiMetrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register(
            "rest_client_requests",
            "Requests to the API server, by status code, method and host",
            new.requests.clone(),
        );
        registry.register(
            "parapet_operator_api_calls",
            "Calls of the API server, by verb and kind",
            new.calls.clone(),
        );
        new
    }

    /// How many calls of that verb there were, for all kinds.
    pub fn calls(&self, verb: &'static str, resource: &str) -> u64 {
        self.calls.get_or_create(&CallLabels { verb, resource: resource.to_owned() }).get()
    }
}

/// The client by a kubeconfig, or as a pod is told.
pub async fn connect(kubeconfig: Option<&Path>, metrics: ApiMetrics) -> Result<Client, ConnectError> {
    let configuration = match kubeconfig {
        Some(path) => {
            let unusable = |source| ConnectError::Kubeconfig { path: path.display().to_string(), source };
            let file = Kubeconfig::read_from(path).map_err(unusable)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(unusable)?
        }
        None => Config::incluster().map_err(ConnectError::NotInCluster)?,
    };
    counted(configuration, metrics).map_err(ConnectError::Client)
}

/// The configuration of a context as `kubectl` finds it: in the file given, else where `KUBECONFIG` says, else in the home
/// folder; within a pod that has no such file, as the pod is told.
pub async fn of_context(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let unusable = |source| ConnectError::Kubeconfig {
        path: kubeconfig.map_or_else(|| "of this user".to_owned(), |path| path.display().to_string()),
        source,
    };
    if let Some(path) = kubeconfig {
        let file = Kubeconfig::read_from(path).map_err(unusable)?;
        return Config::from_custom_kubeconfig(file, &options).await.map_err(unusable);
    }
    match Config::from_kubeconfig(&options).await {
        Ok(configuration) => Ok(configuration),
        Err(error) if context.is_none() => Config::incluster().map_err(|_| unusable(error)),
        Err(error) => Err(unusable(error)),
    }
}

/// The client of that configuration, its calls counted.
pub fn counted(mut configuration: Config, metrics: ApiMetrics) -> Result<Client, kube::Error> {
    // Every call has a deadline, and the queue repeats: with its own retries the client would hold a worker for minutes.
    configuration.default_retry = false;
    let host = configuration.cluster_url.authority().map_or("", |authority| authority.as_str()).into();
    Ok(ClientBuilder::try_from(configuration)?.with_layer(&Counting { metrics, host }).build())
}

struct Counting {
    metrics: ApiMetrics,
    host: Arc<str>,
}

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;
    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.metrics.clone(), host: Arc::clone(&self.host) }
    }
}

struct Counted<S> {
    inner: S,
    metrics: ApiMetrics,
    host: Arc<str>,
}

type Answer<B, E> = Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Answer<B, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let labels = call_of(request.method(), request.uri());
        self.metrics.calls.get_or_create(&labels).inc();
        let (requests, host) = (self.metrics.requests.clone(), Arc::clone(&self.host));
        let method = request.method().to_string();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let code = match &answer {
                Ok(response) => response.status().as_str().to_owned(),
                Err(_) => "<error>".to_owned(),
            };
            requests.get_or_create(&RequestLabels { code, host, method }).inc();
            answer
        })
    }
}

/// Verb and kind of a call, from where it goes: `/api/v1/namespaces/NS/KIND/NAME/SUB` or `/apis/GROUP/VERSION/…`.
fn call_of(method: &Method, uri: &http::Uri) -> CallLabels {
    let mut parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let prefix = if parts.first() == Some(&"api") { 2 } else { 3 };
    parts.drain(..prefix.min(parts.len()));
    if parts.len() > 2 && parts[0] == "namespaces" {
        parts.drain(..2);
    }
    let (resource, named) = (parts.first().copied().unwrap_or("other"), parts.len() > 1);
    let watches = uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("watch=")));
    let verb = match *method {
        Method::GET if watches => "watch",
        Method::GET if named => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    };
    CallLabels { verb, resource: resource.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verb_and_kind_of_a_call() {
        let check = |method: Method, uri: &str, verb: &str, resource: &str| {
            let labels = call_of(&method, &uri.parse().unwrap());
            assert_eq!((labels.verb, labels.resource.as_str()), (verb, resource), "{method} {uri}");
        };
        check(Method::GET, "/api/v1/pods?watch=true&labelSelector=a", "watch", "pods");
        check(Method::GET, "/api/v1/pods?limit=500", "list", "pods");
        check(Method::GET, "/api/v1/namespaces/ns/secrets/x", "get", "secrets");
        check(Method::POST, "/apis/apps/v1/namespaces/ns/statefulsets", "create", "statefulsets");
        check(Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/ns/leases/x", "update", "leases");
        check(
            Method::PATCH,
            "/apis/kibana.k8s.elastic.co/v1/namespaces/ns/kibanas/k/status",
            "patch",
            "kibanas",
        );
        check(Method::DELETE, "/api/v1/namespaces/ns/pods/p", "delete", "pods");
        check(Method::GET, "/api/v1/namespaces", "list", "namespaces");
        check(Method::GET, "/api/v1/namespaces/ns", "get", "namespaces");
    }
}
