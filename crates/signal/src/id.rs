//! Trace and span ids, as W3C Trace Context writes them.

use std::fmt;
use std::str::FromStr;

/// Why a text or byte string is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Not the right number of bytes or hex digits.
    #[error("expected {expected} bytes, got {actual}")]
    Length {
        /// Bytes an id of this type has.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// A character that is no hex digit.
    #[error("not hexadecimal")]
    NotHex,
    /// All zeros, which W3C Trace Context and OTLP define as invalid.
    #[error("all zeros")]
    AllZeros,
}

macro_rules! id {
    ($name:ident, $len:literal, $what:literal) => {
        #[doc = $what]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Checks length and that not all bytes are zero.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidId> {
                let id: [u8; $len] = bytes
                    .try_into()
                    .map_err(|_| InvalidId::Length { expected: $len, actual: bytes.len() })?;
                if id == [0; $len] { Err(InvalidId::AllZeros) } else { Ok(Self(id)) }
            }

            /// The raw bytes, most significant first.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Lower-case hexadecimal.
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let mut id = [0; $len];
                if text.len() != 2 * $len {
                    return Err(InvalidId::Length { expected: $len, actual: text.len() / 2 });
                }
                hex::decode_to_slice(text, &mut id).map_err(|_| InvalidId::NotHex)?;
                Self::from_bytes(&id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.to_hex())
            }
        }
    };
}

id!(TraceId, 16, "A trace's id: 16 bytes, not all zero.");
id!(SpanId, 8, "A span's id: 8 bytes, not all zero.");

impl TraceId {
    /// The trace and parent span ids of a W3C `traceparent` header (`00-<trace>-<span>-<flags>`).
    pub fn from_traceparent(header: &str) -> Option<(TraceId, SpanId)> {
        let mut parts = header.trim().split('-');
        let version = parts.next()?;
        if version.len() != 2 || version == "ff" {
            return None;
        }
        let trace = parts.next()?.parse().ok()?;
        let span = parts.next()?.parse().ok()?;
        parts.next()?;
        Some((trace, span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_the_standard_calls_invalid() {
        assert_eq!("00".repeat(16).parse::<TraceId>(), Err(InvalidId::AllZeros));
        assert_eq!("zz".repeat(8).parse::<SpanId>(), Err(InvalidId::NotHex));
        assert_eq!("ab".parse::<SpanId>(), Err(InvalidId::Length { expected: 8, actual: 1 }));
    }

    #[test]
    fn traceparent_gives_trace_and_parent() {
        let (trace, span) =
            TraceId::from_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(trace.to_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.to_hex(), "00f067aa0ba902b7");
        for bad in [
            "",
            "00",
            "00-xyz-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(TraceId::from_traceparent(bad).is_none(), "{bad}");
        }
    }
}
