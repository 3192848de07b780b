//! Log records, after the OpenTelemetry logs data model.

use crate::{Attributes, SpanId, TraceId, UnixNanos, Value};

/// OTel severity number, 0 (unspecified) to 24 (FATAL4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeverityNumber(u8);

impl SeverityNumber {
    /// Not given.
    pub const UNSPECIFIED: Self = Self(0);
    /// TRACE.
    pub const TRACE: Self = Self(1);
    /// DEBUG.
    pub const DEBUG: Self = Self(5);
    /// INFO.
    pub const INFO: Self = Self(9);
    /// WARN.
    pub const WARN: Self = Self(13);
    /// ERROR.
    pub const ERROR: Self = Self(17);
    /// FATAL.
    pub const FATAL: Self = Self(21);

    /// Numbers outside 0–24 become [`SeverityNumber::UNSPECIFIED`].
    pub fn from_number(number: i32) -> Self {
        u8::try_from(number).ok().filter(|n| *n <= 24).map_or(Self::UNSPECIFIED, Self)
    }

    /// From a level's usual name in any case (`warn`, `WARNING`, `err`, …); `None` if it is no level known.
    pub fn from_name(name: &str) -> Option<Self> {
        const NAMES: [(&str, SeverityNumber); 16] = [
            ("trace", SeverityNumber::TRACE),
            ("debug", SeverityNumber::DEBUG),
            ("info", SeverityNumber::INFO),
            ("information", SeverityNumber::INFO),
            ("notice", SeverityNumber(10)),
            ("warn", SeverityNumber::WARN),
            ("warning", SeverityNumber::WARN),
            ("error", SeverityNumber::ERROR),
            ("err", SeverityNumber::ERROR),
            ("severe", SeverityNumber::ERROR),
            ("crit", SeverityNumber(18)),
            ("critical", SeverityNumber(18)),
            ("alert", SeverityNumber(19)),
            ("fatal", SeverityNumber::FATAL),
            ("panic", SeverityNumber::FATAL),
            ("emerg", SeverityNumber::FATAL),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| *number)
    }

    /// The number, 0–24.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The short name OTel gives the range, empty if unspecified.
    pub fn name(self) -> &'static str {
        match self.0 {
            1..=4 => "TRACE",
            5..=8 => "DEBUG",
            9..=12 => "INFO",
            13..=16 => "WARN",
            17..=20 => "ERROR",
            21..=24 => "FATAL",
            _ => "",
        }
    }
}

/// One log record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogRecord {
    /// When it happened; the receiver puts `observed_time` here if the sender gave none.
    pub time: UnixNanos,
    /// When the collector saw it.
    pub observed_time: UnixNanos,
    /// Severity as a number.
    pub severity_number: SeverityNumber,
    /// Severity as the source wrote it; may be empty.
    pub severity_text: String,
    /// The line, or a structured body.
    pub body: Value,
    /// Name of the event, for records that are OTel events; may be empty.
    pub event_name: String,
    /// Attributes of this record (`log.iostream`, `log.file.path`, …).
    pub attributes: Attributes,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// The span it belongs to.
    pub span_id: Option<SpanId>,
}
