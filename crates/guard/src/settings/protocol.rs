//! HTTP/2's bounds, and the headers that tell the upstream who is calling.

use http::{HeaderName, HeaderValue};

use super::SettingsError;

/// RFC 9113's bounds of a frame.
const FRAME_SIZES: std::ops::RangeInclusive<u32> = 16_384..=16_777_215;
/// Streams of one connection; more would let one caller hold what all share.
const STREAMS_LIMIT: u32 = 10_000;

/// HTTP/2 towards callers. None of it: HTTP/1.1 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Settings {
    /// Streams that one connection may have open.
    pub max_concurrent_streams: u32,
    /// Bytes of a frame, and of a stream's window.
    pub max_size: u32,
}

impl Http2Settings {
    pub(super) fn new(max_concurrent_streams: u32, max_size: u32) -> Result<Self, SettingsError> {
        if !(1..=STREAMS_LIMIT).contains(&max_concurrent_streams) {
            let message = format!("expected 1 to {STREAMS_LIMIT}, got {max_concurrent_streams}");
            return Err(SettingsError::flag("http2-max-concurrent-streams", message));
        }
        if !FRAME_SIZES.contains(&max_size) {
            let (least, most) = (FRAME_SIZES.start(), FRAME_SIZES.end());
            let message = format!("expected {least} to {most}, the bounds of a frame, got {max_size}");
            return Err(SettingsError::flag("http2-max-size", message));
        }
        Ok(Self { max_concurrent_streams, max_size })
    }
}

/// The headers that tell the upstream who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaderNames {
    /// Of the user's name.
    pub user: HeaderName,
    /// Of the groups.
    pub groups: HeaderName,
    /// Between groups.
    pub separator: String,
}

impl IdentityHeaderNames {
    pub(super) fn new(user: &str, groups: &str, separator: &str) -> Result<Self, SettingsError> {
        let name = |flag, text: &str| {
            let name: HeaderName = text
                .parse()
                .map_err(|_| SettingsError::flag(flag, format!("{text:?} is not the name of a header")))?;
            match RESERVED.contains(&name.as_str()) {
                true => {
                    Err(SettingsError::flag(flag, format!("{text:?} means something else to every upstream")))
                }
                false => Ok(name),
            }
        };
        let headers = Self {
            user: name("auth-header-user-field-name", user)?,
            groups: name("auth-header-groups-field-name", groups)?,
            separator: separator.to_owned(),
        };
        if headers.user == headers.groups {
            let message = "the user and the groups need a header each".to_owned();
            return Err(SettingsError::flag("auth-header-groups-field-name", message));
        }
        if separator.is_empty() || HeaderValue::from_str(separator).is_err() {
            let message = format!("expected characters that a header may hold, got {separator:?}");
            return Err(SettingsError::flag("auth-header-groups-field-separator", message));
        }
        Ok(headers)
    }
}

/// Headers that say how the request is framed or where it goes.
const RESERVED: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "content-type",
    "cookie",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_http2() {
        assert!(Http2Settings::new(100, 262_144).is_ok());
        for (streams, size) in [(0, 262_144), (10_001, 262_144), (100, 16_383), (100, 16_777_216)] {
            assert!(Http2Settings::new(streams, size).is_err(), "{streams} {size}");
        }
    }

    #[test]
    fn identity_headers() {
        let error = |user, groups, separator| {
            IdentityHeaderNames::new(user, groups, separator).unwrap_err().to_string()
        };
        assert!(IdentityHeaderNames::new("x-remote-user", "x-remote-groups", "|").is_ok());
        assert!(error("x remote", "g", "|").starts_with("--auth-header-user-field-name:"));
        assert!(error("u", "Content-Length", "|").starts_with("--auth-header-groups-field-name:"));
        assert!(error("X-Same", "x-same", "|").starts_with("--auth-header-groups-field-name:"));
        assert!(error("u", "g", "").starts_with("--auth-header-groups-field-separator:"));
        assert!(error("u", "g", "\n").starts_with("--auth-header-groups-field-separator:"));
    }
}
