//! OTLP messages to batches and back.
