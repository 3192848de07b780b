// Sends logs, traces and metrics with @opentelemetry/sdk-node, as an instrumented program would.
//
// Where to, by which protocol, which CA and which token come from the SDK's own environment variables
// (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_HEADERS,
// OTEL_SERVICE_NAME): the block that `parapet up` prints.

import { logs, metrics, SeverityNumber, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";

const sdk = new NodeSDK({ instrumentations: [] });
sdk.start();

const tracer = trace.getTracer("sdk-test", "1.2.3");
const logger = logs.getLogger("sdk-test", "1.2.3");
const meter = metrics.getMeter("sdk-test", "1.2.3");

meter.createCounter("shop.orders", { unit: "{order}", description: "Orders placed" }).add(3, { region: "north" });
meter.createUpDownCounter("shop.carts").add(-2);
meter.createHistogram("shop.checkout.duration", { unit: "s" }).record(0.25);
meter.createObservableGauge("shop.stock").addCallback((result) => result.observe(17, { shelf: "a" }));

const attributes = { "http.request.method": "POST", "cart.items": 3 };
tracer.startActiveSpan("checkout", { kind: SpanKind.SERVER, attributes }, (checkout) => {
  tracer.startActiveSpan("charge card", { kind: SpanKind.CLIENT }, (charge) => {
    charge.recordException(new Error("card expired"));
    charge.setStatus({ code: SpanStatusCode.ERROR, message: "card expired" });
    logger.emit({
      body: "payment refused: card expired",
      severityNumber: SeverityNumber.ERROR,
      severityText: "ERROR",
      attributes: { "payment.attempt": 2, "payment.card": "….4242", "payment.retry": true },
    });
    charge.end();
  });
  checkout.end();
});

// Sends what is waiting.
await sdk.shutdown();
