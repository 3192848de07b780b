//! What a request asks for, in the API server's terms.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Method, header};

use super::{Template, VerbMapping};
use crate::{Inquiry, RefuseReason};

/// Values of one request that become a question each. Nobody lists more namespaces than this in one address by hand.
const VALUES_LIMIT: usize = 16;
/// RFC 1123's length of a name, which Kubernetes keeps to.
const NAME_LIMIT: usize = 253;
/// RFC 1123's length of a label.
const LABEL_LIMIT: usize = 63;

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) verb: Cow<'static, str>,
    pub(super) target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Path(String),
    Resource(Resource),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) namespace: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) resource: String,
    pub(super) subresource: String,
    pub(super) name: String,
}

impl Target {
    /// Resource and subresource as bodies of refusals name them; empty for paths.
    pub(super) fn names(&self) -> (&str, &str) {
        match self {
            Self::Path(_) => ("", ""),
            Self::Resource(resource) => (&resource.resource, &resource.subresource),
        }
    }
}

/// Where questions come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeSource {
    /// The path is the question.
    Path,
    /// A resource of the configuration is, whatever the path.
    Resource(Box<ResourceTemplates>),
}

/// The resource, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceTemplates {
    /// Namespace.
    pub namespace: Template,
    /// API group.
    pub group: Template,
    /// API version.
    pub version: Template,
    /// Resource, in the plural.
    pub resource: Template,
    /// Subresource.
    pub subresource: Template,
    /// Name of one object.
    pub name: Template,
    /// Where the values for the templates' places come from. None: nothing has places.
    pub rewrites: Option<Rewrites>,
}

/// Where values come from; all that are found must be allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrites {
    /// The parameter of the query.
    pub parameter: Option<String>,
    /// The header.
    pub header: Option<HeaderName>,
}

impl AttributeSource {
    /// All questions of a request, at least one, none twice. `form_bodies` says whether bodies may hold parameters that
    /// stay unseen here; `prefix` is put before paths.
    pub(super) fn of(
        &self,
        inquiry: &Inquiry<'_>,
        verbs: VerbMapping,
        form_bodies: bool,
        prefix: &str,
    ) -> Result<Vec<Attributes>, RefuseReason> {
        let verb = verbs.verb(inquiry.method);
        let templates = match self {
            Self::Path => {
                return Ok(vec![Attributes {
                    verb,
                    target: Target::Path(format!("{prefix}{}", &**inquiry.path)),
                }]);
            }
            Self::Resource(templates) => templates,
        };
        let Some(rewrites) = &templates.rewrites else {
            return Ok(vec![Attributes { verb, target: Target::Resource(templates.with("")) }]);
        };
        if rewrites.parameter.is_some() && !form_bodies && has_form_body(inquiry.method, inquiry.headers) {
            return Err(RefuseReason::FormBody);
        }
        let values = rewrites.values(inquiry)?;
        let about = |value: &&str| Target::Resource(templates.with(value));
        Ok(values.iter().map(|value| Attributes { verb: verb.clone(), target: about(value) }).collect())
    }
}

impl ResourceTemplates {
    fn with(&self, value: &str) -> Resource {
        Resource {
            namespace: self.namespace.with(value),
            group: self.group.with(value),
            version: self.version.with(value),
            resource: self.resource.with(value),
            subresource: self.subresource.with(value),
            name: self.name.with(value),
        }
    }
}

impl Rewrites {
    fn values<'a>(&'a self, inquiry: &Inquiry<'a>) -> Result<Vec<&'a str>, RefuseReason> {
        let mut values = Vec::new();
        if let Some(parameter) = &self.parameter {
            // Another reader may take it for the same parameter.
            if inquiry.query.has_lookalike(parameter) {
                return Err(RefuseReason::ParameterInvalid);
            }
            values.extend(inquiry.query.values(parameter));
        }
        if let Some(name) = &self.header {
            for value in inquiry.headers.get_all(name) {
                values.push(value.to_str().map_err(|_| RefuseReason::ParameterInvalid)?);
            }
        }
        if values.is_empty() {
            return Err(RefuseReason::ParameterMissing);
        }
        if values.len() > VALUES_LIMIT || !values.iter().all(|value| is_name(value)) {
            return Err(RefuseReason::ParameterInvalid);
        }
        let mut seen = std::collections::HashSet::new();
        values.retain(|value| seen.insert(*value));
        Ok(values)
    }
}

/// A DNS subdomain of RFC 1123, as names and namespaces are.
fn is_name(value: &str) -> bool {
    let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        label.len() <= LABEL_LIMIT
            && bytes.first().copied().is_some_and(is_edge)
            && bytes.last().copied().is_some_and(is_edge)
            && bytes.iter().all(|&byte| is_edge(byte) || byte == b'-')
    };
    value.len() <= NAME_LIMIT && value.split('.').all(is_label)
}

/// Whether a body may hold parameters that upstreams merge with the query's.
fn has_form_body(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !has_body(headers) {
        return false;
    }
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        // What isn't text isn't known not to be a form.
        let Ok(value) = value.to_str() else { return true };
        let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind == "application/x-www-form-urlencoded" || kind.starts_with("multipart/")
    })
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;
    use crate::{CanonicalPath, CanonicalQuery, PathRules, Peer};

    fn resource(rewrites: Option<Rewrites>) -> AttributeSource {
        let text = |text| Template::parse(text).unwrap();
        let namespace = if rewrites.is_some() { "{{ .Value }}" } else { "fixed" };
        AttributeSource::Resource(Box::new(ResourceTemplates {
            namespace: text(namespace),
            resource: text("namespaces"),
            subresource: text("metrics"),
            rewrites,
            ..ResourceTemplates::default()
        }))
    }

    fn rewrites(parameter: Option<&str>, header: Option<&'static str>) -> Option<Rewrites> {
        let header = header.map(HeaderName::from_static);
        Some(Rewrites { parameter: parameter.map(str::to_owned), header })
    }

    /// The namespaces that are asked about; a path for a path.
    fn asked(
        source: &AttributeSource,
        method: Method,
        target: &str,
        lines: &[(&'static str, &'static str)],
    ) -> Result<Vec<String>, RefuseReason> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let path = CanonicalPath::parse(path, PathRules::Strict).unwrap();
        let query = CanonicalQuery::parse(query).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let peer = Peer { address: None, certificates: Arc::default() };
        let inquiry = Inquiry { method: &method, path: &path, query: &query, headers: &headers, peer: &peer };
        let found = source.of(&inquiry, VerbMapping::Krp, false, "")?;
        Ok(found
            .into_iter()
            .map(|attributes| match attributes.target {
                Target::Path(path) => path,
                Target::Resource(resource) => resource.namespace,
            })
            .collect())
    }

    /// The reference's nine combinations.
    #[test]
    fn questions() {
        let get =
            |source: &AttributeSource, target: &str, lines: &[_]| asked(source, Method::GET, target, lines);
        let by_query = resource(rewrites(Some("namespace"), None));
        let by_header = resource(rewrites(None, Some("x-namespace")));
        let by_both = resource(rewrites(Some("namespace"), Some("x-namespace")));
        let line = |value| ("x-namespace", value);
        let names = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        let missing = Err(RefuseReason::ParameterMissing);

        assert_eq!(get(&AttributeSource::Path, "/metrics?namespace=a", &[]), names(&["/metrics"]));
        assert_eq!(get(&resource(None), "/metrics?namespace=a", &[]), names(&["fixed"]));
        assert_eq!(get(&by_query, "/metrics?namespace=a", &[]), names(&["a"]));
        assert_eq!(get(&by_query, "/metrics?namespace=a&namespace=b", &[]), names(&["a", "b"]));
        assert_eq!(get(&by_query, "/metrics", &[line("a")]), missing);
        assert_eq!(get(&by_header, "/metrics", &[line("a")]), names(&["a"]));
        assert_eq!(get(&by_header, "/metrics", &[line("a"), line("b")]), names(&["a", "b"]));
        assert_eq!(get(&by_header, "/metrics?namespace=a", &[]), missing);
        assert_eq!(get(&by_both, "/metrics?namespace=a", &[line("b")]), names(&["a", "b"]));
        assert_eq!(get(&by_both, "/metrics?namespace=a", &[line("a")]), names(&["a"]));
        assert_eq!(get(&by_both, "/metrics", &[]), missing);
    }

    #[test]
    fn values_are_names_and_few() {
        let by_both = resource(rewrites(Some("namespace"), Some("x-namespace")));
        let invalid = Err(RefuseReason::ParameterInvalid);
        for value in ["", "*", "a/b", "..", "a..b", "A", "a_b", "-a", "a-", "%C3%A9", "a,b", &"a".repeat(64)]
        {
            let target = format!("/metrics?namespace={value}");
            assert_eq!(asked(&by_both, Method::GET, &target, &[]), invalid, "{value}");
        }
        let many = |count: usize| {
            let parameters: Vec<_> = (0..count).map(|n| format!("namespace=n{n}")).collect();
            asked(&by_both, Method::GET, &format!("/metrics?{}", parameters.join("&")), &[])
        };
        assert_eq!(many(16).unwrap().len(), 16);
        assert_eq!(many(17), invalid);
        assert_eq!(asked(&by_both, Method::GET, "/metrics", &[("x-namespace", "a,b")]), invalid);
        for lookalike in ["Namespace", "namespace[]"] {
            let target = format!("/metrics?namespace=a&{lookalike}=b");
            if CanonicalQuery::parse(target.split_once('?').map(|(_, query)| query)).is_ok() {
                assert_eq!(asked(&by_both, Method::GET, &target, &[]), invalid, "{lookalike}");
            }
        }
    }

    #[test]
    fn form_bodies_hide_parameters() {
        let by_query = resource(rewrites(Some("namespace"), None));
        let by_header = resource(rewrites(None, Some("x-namespace")));
        for kind in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; charset=utf-8",
            "multipart/form-data; boundary=x",
        ] {
            let lines = [("content-type", kind), ("content-length", "5")];
            let asked = |method| asked(&by_query, method, "/metrics?namespace=a", &lines);
            assert_eq!(asked(Method::POST), Err(RefuseReason::FormBody), "{kind}");
            assert_eq!(asked(Method::GET), Err(RefuseReason::FormBody), "{kind}");
        }
        let form = ("content-type", "application/x-www-form-urlencoded");
        assert!(asked(&by_query, Method::GET, "/metrics?namespace=a", &[form]).is_ok());
        assert!(asked(&by_header, Method::POST, "/metrics", &[form, ("x-namespace", "a")]).is_ok());
        let json = ("content-type", "application/json");
        assert!(asked(&by_query, Method::POST, "/metrics?namespace=a", &[json]).is_ok());
    }
}
