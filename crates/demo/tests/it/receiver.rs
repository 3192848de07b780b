//! An OTLP/gRPC endpoint with TLS that keeps all it gets and asks for a token.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity as TlsIdentity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::identity::Identity;

pub(crate) const TOKEN: &str = "ppt_demo_secret";

#[derive(Clone, Default)]
pub(crate) struct Received(Arc<Mutex<All>>);

/// Each with the name of the service that sent it.
#[derive(Default)]
pub(crate) struct All {
    pub(crate) spans: Vec<(String, Span)>,
    pub(crate) logs: Vec<(String, LogRecord)>,
    pub(crate) metrics: Vec<(String, String)>,
    pub(crate) unlabelled: Vec<String>,
}

impl Received {
    pub(crate) fn take(&self) -> All {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        let expected = format!("Bearer {TOKEN}");
        let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if given == Some(expected.as_str()) {
            Ok(request.into_inner())
        } else {
            Err(Status::unauthenticated("token"))
        }
    }

    /// Its service's name; notes a resource that is not labelled as demo.
    fn service(&self, resource: Option<Resource>) -> String {
        let attributes = resource.unwrap().attributes;
        let value = |key: &str| {
            attributes.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone()?.value)
        };
        let Some(Value::StringValue(name)) = value("service.name") else { panic!("{attributes:?}") };
        let namespace = Some(Value::StringValue("demo".to_owned()));
        if value("parapet.demo") != Some(Value::BoolValue(true)) || value("k8s.namespace.name") != namespace {
            self.0.lock().unwrap().unlabelled.push(name.clone());
        }
        name
    }
}

pub(crate) async fn start(identity: &Identity) -> (SocketAddr, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Received::default();
    let tls = ServerTlsConfig::new().identity(TlsIdentity::from_pem(&identity.leaf_pem, &identity.leaf_pem));
    let server = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(TraceServiceServer::new(received.clone()))
        .add_service(LogsServiceServer::new(received.clone()))
        .add_service(MetricsServiceServer::new(received.clone()))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(async move { server.await.unwrap() });
    (address, received)
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for group in self.admit(request)?.resource_spans {
            let service = self.service(group.resource);
            let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().spans.extend(spans.map(|span| (service.clone(), span)));
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Received {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        for group in self.admit(request)?.resource_logs {
            let service = self.service(group.resource);
            let logs = group.scope_logs.into_iter().flat_map(|scope| scope.log_records);
            self.0.lock().unwrap().logs.extend(logs.map(|log| (service.clone(), log)));
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Received {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        for group in self.admit(request)?.resource_metrics {
            let service = self.service(group.resource);
            let metrics = group.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
            self.0.lock().unwrap().metrics.extend(metrics.map(|metric| (service.clone(), metric.name)));
        }
        Ok(Response::new(Default::default()))
    }
}
