//! The OpenTelemetry SDK of one component: traces, metrics and logs over OTLP/gRPC with TLS and a bearer token.
//!
//! The SDK keeps little and drops what the endpoint does not take in time; it says nothing about it, and neither do we.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::logs::LoggerProvider as _;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::logs::{BatchLogProcessor, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use opentelemetry_sdk::{Resource, logs, trace};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, ClientTlsConfig};

use crate::DemoError;
use crate::cri::{NAMESPACE, Pod};

/// Spans and logs show up about as fast as the lines of log files.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// Short enough to see a curve within a minute.
const METRIC_INTERVAL: Duration = Duration::from_secs(10);
/// Bounds how long a shutdown waits for an endpoint that does not answer.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where OTLP goes.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) metadata: MetadataMap,
    pub(crate) tls: ClientTlsConfig,
}

impl Endpoint {
    pub(crate) fn new(url: &str, token: &str, ca_pem: &str) -> Result<Self, DemoError> {
        if !url.starts_with("https://") {
            return Err(DemoError::ClearText { endpoint: url.to_owned() });
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| DemoError::Token)?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer)]);
        Ok(Self {
            url: url.to_owned(),
            metadata: MetadataMap::from_headers(headers),
            tls: ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem)),
        })
    }

    fn of<B: WithExportConfig + WithTonicConfig>(&self, exporter: B) -> B {
        exporter
            .with_endpoint(&self.url)
            .with_timeout(EXPORT_TIMEOUT)
            .with_metadata(self.metadata.clone())
            .with_tls_config(self.tls.clone())
    }
}

/// One component's SDK.
#[derive(Debug)]
pub(crate) struct Otel {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    logs: SdkLoggerProvider,
    pub(crate) tracer: SdkTracer,
    pub(crate) meter: Meter,
    pub(crate) logger: SdkLogger,
    pub(crate) request_duration: Histogram<f64>,
    propagator: TraceContextPropagator,
}

impl Otel {
    /// Connects when there is something to send. Must be called on a tokio runtime.
    pub(crate) fn new(endpoint: &Endpoint, service: &'static str, pod: &Pod) -> Result<Self, DemoError> {
        let resource = resource(service, pod);
        let spans = BatchSpanProcessor::builder(endpoint.of(SpanExporter::builder().with_tonic()).build()?)
            .with_batch_config(
                trace::BatchConfigBuilder::default().with_scheduled_delay(BATCH_DELAY).build(),
            );
        let traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_span_processor(spans.build())
            .build();
        let reader = PeriodicReader::builder(endpoint.of(MetricExporter::builder().with_tonic()).build()?)
            .with_interval(METRIC_INTERVAL);
        let metrics =
            SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(reader.build()).build();
        let records = BatchLogProcessor::builder(endpoint.of(LogExporter::builder().with_tonic()).build()?)
            .with_batch_config(logs::BatchConfigBuilder::default().with_scheduled_delay(BATCH_DELAY).build());
        let logs =
            SdkLoggerProvider::builder().with_resource(resource).with_log_processor(records.build()).build();
        let meter = metrics.meter("demo");
        Ok(Self {
            tracer: traces.tracer("demo"),
            logger: logs.logger("demo"),
            request_duration: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description("Duration of HTTP server requests")
                .build(),
            meter,
            traces,
            metrics,
            logs,
            propagator: TraceContextPropagator::new(),
        })
    }

    /// Writes `traceparent` into the headers of a request.
    pub(crate) fn inject(&self, context: &Context, headers: &mut HeaderMap) {
        self.propagator.inject_context(context, &mut Headers(headers));
    }

    /// Reads the caller's `traceparent`.
    pub(crate) fn extract(&self, headers: &HeaderMap) -> Context {
        self.propagator.extract_with_context(&Context::new(), &ReadHeaders(headers))
    }

    /// Sends what is held and stops the SDK's threads. Blocks: a few seconds if the endpoint does not answer.
    pub(crate) fn shutdown(&self) {
        // An endpoint that is gone by now is none of the demo's business.
        let _ = self.traces.shutdown_with_timeout(EXPORT_TIMEOUT);
        let _ = self.logs.shutdown_with_timeout(EXPORT_TIMEOUT);
        let _ = self.metrics.shutdown();
    }
}

fn resource(service: &'static str, pod: &Pod) -> Resource {
    Resource::builder_empty()
        .with_service_name(service)
        .with_attributes([
            KeyValue::new("service.namespace", NAMESPACE),
            KeyValue::new("service.instance.id", pod.uid),
            KeyValue::new("k8s.namespace.name", NAMESPACE),
            KeyValue::new("k8s.pod.name", pod.name),
            KeyValue::new("k8s.pod.uid", pod.uid),
            KeyValue::new("k8s.container.name", pod.container),
            KeyValue::new("parapet.demo", true),
        ])
        .build()
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

struct ReadHeaders<'a>(&'a HeaderMap);

impl Extractor for ReadHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
