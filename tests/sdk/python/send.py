"""Sends logs, traces and metrics with the OpenTelemetry SDK, as an instrumented program would.

Usage: send.py grpc|http

Where to, which CA and which token come from the SDK's own environment variables (OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME): the block that `parapet up` prints.
"""

import sys

from opentelemetry import metrics, trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

if sys.argv[1:] == ["grpc"]:
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
elif sys.argv[1:] == ["http"]:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
else:
    sys.exit(__doc__)

tracers = TracerProvider()
tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
loggers = LoggerProvider()
loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
meters = MeterProvider(metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())])

tracer = tracers.get_tracer("sdk-test", "1.2.3")
logger = loggers.get_logger("sdk-test", "1.2.3")
meter = meters.get_meter("sdk-test", "1.2.3")

with tracer.start_as_current_span(
    "checkout", kind=SpanKind.SERVER, attributes={"http.request.method": "POST", "cart.items": 3}
):
    with tracer.start_as_current_span("charge card", kind=SpanKind.CLIENT) as charge:
        charge.record_exception(ValueError("card expired"))
        charge.set_status(Status(StatusCode.ERROR, "card expired"))
        logger.emit(
            body="payment refused: card expired",
            severity_number=SeverityNumber.ERROR,
            severity_text="ERROR",
            attributes={"payment.attempt": 2, "payment.card": "….4242", "payment.retry": True},
        )

meter.create_counter("shop.orders", unit="{order}", description="Orders placed").add(3, {"region": "north"})
meter.create_up_down_counter("shop.carts").add(-2)
meter.create_histogram("shop.checkout.duration", unit="s").record(0.25)
meter.create_observable_gauge("shop.stock", callbacks=[lambda _: [Observation(17, {"shelf": "a"})]])

for provider in (tracers, loggers, meters):
    if provider.force_flush() is False:
        sys.exit("the exporter could not send everything")
    provider.shutdown()
