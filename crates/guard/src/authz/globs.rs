//! Lists of paths with places for any segment.
//!
//! A path matches by whole segments: `*` is one segment, whatever is in it, and never part of one. `/api/v1/*` matches
//! `/api/v1/x` and `/api/v1/`, but neither `/api/v1` nor `/api/v1/a/b`; so it does in kube-rbac-proxy, and whatever
//! matches here matches there.

use std::fmt;

use super::path_match::PathMatch;

/// Patterns, any of which may match.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PathGlobs(Vec<Glob>);

/// What patterns may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobStyle {
    /// `*` in place of any segment.
    Segments,
    /// `*` in place of the last segment alone: for paths that nobody is asked about.
    LastSegment,
    /// `*` in place of the last segment and all that may follow it, as kube-rbac-proxy's `sig-auth-acceptance` branch
    /// reads it.
    Below,
    /// Everything that kube-rbac-proxy takes.
    Krp,
}

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// It can't match any path.
    #[error("{0:?} doesn't begin with a slash")]
    Relative(String),
    /// No path that is let through has an empty segment or dots.
    #[error("{0:?} has an empty or a dot segment, which no request can have")]
    NotCanonical(String),
    /// Something else than `*` or a `*` that is only part of a segment.
    #[error("{0:?} has a wildcard that is not a whole segment: use * between slashes, or --krp-compat")]
    Wildcard(String),
    /// A `*` before the end.
    #[error("{0:?} has a * before its last segment: list the paths, end in /*, or use --krp-compat")]
    Infix(String),
    /// The reference refuses it too.
    #[error("{0:?} is not a glob")]
    Syntax(String),
}

#[derive(Clone, PartialEq, Eq)]
enum Glob {
    Segments(Vec<Segment>),
    Krp { pattern: String, glob: PathMatch },
}

#[derive(Clone, PartialEq, Eq)]
enum Segment {
    Any,
    /// The last one: this segment and all that follow.
    Rest,
    One(String),
}

impl PathGlobs {
    /// Reads patterns.
    pub fn parse<'a>(
        patterns: impl IntoIterator<Item = &'a str>,
        style: GlobStyle,
    ) -> Result<Self, GlobError> {
        patterns.into_iter().map(|pattern| Glob::parse(pattern, style)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any matches all of `path`.
    pub fn matches(&self, path: &str) -> bool {
        self.0.iter().any(|glob| glob.matches(path))
    }
}

impl Glob {
    fn parse(pattern: &str, style: GlobStyle) -> Result<Self, GlobError> {
        if style == GlobStyle::Krp {
            let glob = PathMatch::parse(pattern).ok_or_else(|| GlobError::Syntax(pattern.to_owned()))?;
            return Ok(Self::Krp { pattern: pattern.to_owned(), glob });
        }
        let Some(rest) = pattern.strip_prefix('/') else {
            return Err(GlobError::Relative(pattern.to_owned()));
        };
        let count = rest.split('/').count();
        let segments = rest.split('/').enumerate().map(|(n, segment)| match segment {
            "*" if style != GlobStyle::Segments && n + 1 < count => Err(GlobError::Infix(pattern.to_owned())),
            "*" if style == GlobStyle::Below => Ok(Segment::Rest),
            "*" => Ok(Segment::Any),
            "." | ".." => Err(GlobError::NotCanonical(pattern.to_owned())),
            "" if n + 1 < count => Err(GlobError::NotCanonical(pattern.to_owned())),
            other if other.contains(['*', '?', '[', '\\']) => Err(GlobError::Wildcard(pattern.to_owned())),
            other => Ok(Segment::One(other.to_owned())),
        });
        segments.collect::<Result<_, _>>().map(Self::Segments)
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Krp { glob, .. } => glob.matches(path),
            Self::Segments(segments) => {
                let Some(rest) = path.strip_prefix('/') else { return false };
                let mut given = rest.split('/');
                for expected in segments {
                    match (expected, given.next()) {
                        (Segment::Rest, Some(_)) => return true,
                        (Segment::Any, Some(_)) => {}
                        (Segment::One(one), Some(segment)) if one == segment => {}
                        _ => return false,
                    }
                }
                given.next().is_none()
            }
        }
    }
}

impl fmt::Debug for PathGlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Krp { pattern, .. } => f.write_str(pattern),
            Self::Segments(segments) => segments.iter().try_for_each(|segment| match segment {
                Segment::Any | Segment::Rest => f.write_str("/*"),
                Segment::One(one) => write!(f, "/{one}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(pattern: &str, style: GlobStyle) -> Result<PathGlobs, GlobError> {
        PathGlobs::parse([pattern], style)
    }

    #[test]
    fn whole_segments() {
        for (pattern, path, expected) in [
            ("/metrics", "/metrics", true),
            ("/metrics", "/METRICS", false),
            ("/metrics", "/metrics/", false),
            ("/metrics", "/metrics/x", false),
            ("/metrics/", "/metrics", false),
            ("/api/v1/*", "/api/v1/x", true),
            ("/api/v1/*", "/api/v1/", true),
            ("/api/v1/*", "/api/v1", false),
            ("/api/v1/*", "/api/v12", false),
            ("/api/v1/*", "/api/v1/a/b", false),
            ("/*", "/", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("/api/v1/label/*/values", "/api/v1/label/job/values", true),
            ("/api/v1/label/*/values", "/api/v1/label/name", false),
        ] {
            let globs = one(pattern, GlobStyle::Segments).unwrap();
            assert_eq!(globs.matches(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn open_paths_have_no_wildcard_inside() {
        assert_eq!(one("/a/*/b", GlobStyle::LastSegment), Err(GlobError::Infix("/a/*/b".to_owned())));
        assert!(one("/a/*", GlobStyle::LastSegment).is_ok());
    }

    #[test]
    fn everything_below() {
        let globs = one("/api/v1/*", GlobStyle::Below).unwrap();
        for (path, expected) in
            [("/api/v1/", true), ("/api/v1/label/values", true), ("/api/v1", false), ("/api/v12", false)]
        {
            assert_eq!(globs.matches(path), expected, "{path}");
        }
        assert_eq!(one("/a/*/b", GlobStyle::Below), Err(GlobError::Infix("/a/*/b".to_owned())));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for pattern in ["/a*", "/a?", "/[ab]", "/**", "/a\\*"] {
            assert_eq!(one(pattern, GlobStyle::Segments), Err(GlobError::Wildcard(pattern.to_owned())));
        }
        assert_eq!(one("metrics", GlobStyle::Segments), Err(GlobError::Relative("metrics".to_owned())));
        assert_eq!(one("", GlobStyle::Segments), Err(GlobError::Relative(String::new())));
        for pattern in ["//a", "/a//b", "/a/../b", "/."] {
            assert_eq!(one(pattern, GlobStyle::Segments), Err(GlobError::NotCanonical(pattern.to_owned())));
        }
        assert_eq!(one("[]a]", GlobStyle::Krp), Err(GlobError::Syntax("[]a]".to_owned())));
    }

    proptest! {
        #[test]
        fn what_matches_strictly_matches_in_the_reference(
            pattern in "(/(a|b|\\*)){1,4}/?",
            path in "(/(a|b|ab)){1,4}/?",
        ) {
            let strict = one(&pattern, GlobStyle::Segments).unwrap().matches(&path);
            let reference = one(&pattern, GlobStyle::Krp).unwrap().matches(&path);
            prop_assert_eq!(strict, reference, "{} {}", pattern, path);
        }
    }
}
