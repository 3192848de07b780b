//! Which paths exist, which are open, and what is asked about the others.

use super::arguments::{ForbiddenBody, GuardArguments, Wildcard};
use super::{Authorization, SettingsError};
use crate::authz::{AttributeSource, GateRules, GlobStyle, PathGlobs};
use crate::{CanonicalPath, PathRules};

pub(super) fn gate(
    arguments: &GuardArguments,
    authorization: Authorization,
    warnings: &mut Vec<String>,
) -> Result<GateRules, SettingsError> {
    let krp = arguments.krp_compat;
    let style = |segments| match arguments.path_wildcard {
        Wildcard::Below => GlobStyle::Below,
        Wildcard::Segment if krp => GlobStyle::Krp,
        Wildcard::Segment => segments,
    };
    let allow = globs("allow-paths", &arguments.allow_paths, style(GlobStyle::Segments))?;
    let ignore = globs("ignore-paths", &arguments.ignore_paths, style(GlobStyle::LastSegment))?;
    if !allow.is_empty() && !ignore.is_empty() {
        let message = "can't be used together with --allow-paths: all that isn't allowed is closed to all";
        return Err(SettingsError::flag("ignore-paths", message));
    }
    let path_prefix = path_prefix(&arguments.path_prefix, &authorization)?;
    if allow.is_empty() && path_prefix.is_empty() && authorization.attributes == AttributeSource::Path {
        // Kubernetes' own system:discovery.
        let message = "every service account may get /api, /apis, /healthz, /livez, /readyz, /openapi and /version by a \
            default role of Kubernetes: if the upstream serves anything there, name its paths by --allow-paths, or give all \
            of them a --path-prefix";
        warnings.push(message.to_owned());
    }
    Ok(GateRules {
        allow: (!allow.is_empty()).then_some(allow),
        ignore,
        attributes: authorization.attributes,
        rules: authorization.rules,
        verbs: arguments.verb_mapping,
        krp,
        path_prefix,
        brief: arguments.forbidden_body == ForbiddenBody::Brief,
    })
}

/// A path without a slash at its end, where the path is what is asked about.
fn path_prefix(given: &str, authorization: &Authorization) -> Result<String, SettingsError> {
    let refused = |message: String| Err(SettingsError::flag("path-prefix", message));
    if given.is_empty() {
        return Ok(String::new());
    }
    if authorization.attributes != AttributeSource::Path {
        return refused("means nothing beside the resourceAttributes of --config-file".to_owned());
    }
    match CanonicalPath::parse(given, PathRules::Strict) {
        Ok(path) if path.is_plain() && !path.ends_with('/') => Ok(given.to_owned()),
        _ => refused(format!("expected a path such as /guarded/my-app, got {given:?}")),
    }
}

pub(super) fn upgrades(paths: Vec<String>) -> Result<Vec<String>, SettingsError> {
    let paths: Vec<String> = paths.into_iter().filter(|path| !path.is_empty()).collect();
    globs("upgrade-paths", &paths, GlobStyle::Below)?;
    Ok(paths)
}

fn globs(flag: &'static str, patterns: &[String], style: GlobStyle) -> Result<PathGlobs, SettingsError> {
    let given = patterns.iter().map(|pattern| pattern.trim()).filter(|pattern| !pattern.is_empty());
    PathGlobs::parse(given, style).map_err(|error| SettingsError::flag(flag, error.to_string()))
}
