//! The names under which loggers write a level, a trace and a span.

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A level; the lower the number, the better known is the name.
    Level(u8),
    TraceId,
    SpanId,
    /// Both ids, as a W3C `traceparent` header.
    TraceParent,
}

impl Key {
    /// Names of OpenTelemetry, ECS, logfmt, Serilog, and of what loggers of common languages write by default.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "severity_text" => Self::Level(0),
            "severity" => Self::Level(1),
            "level" => Self::Level(2),
            "lvl" => Self::Level(3),
            "log.level" => Self::Level(4),
            "levelname" | "loglevel" | "Level" | "LogLevel" | "@l" => Self::Level(5),
            "trace_id" | "traceId" | "traceID" | "trace.id" | "TraceId" | "@tr" => Self::TraceId,
            "span_id" | "spanId" | "spanID" | "span.id" | "SpanId" | "@sp" => Self::SpanId,
            "traceparent" => Self::TraceParent,
            _ => return None,
        })
    }
}
