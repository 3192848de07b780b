//! The configuration file: kube-rbac-proxy's grammar, read strictly. What the reference drops in silence or trips over
//! later is an error here, with its place.

use std::path::Path;

use ::http::HeaderName;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::SettingsError;
use super::places::Place;
use crate::authz::{
    AttributeSource, ResourceTemplates, Rewrites, StaticRule, StaticRules, StaticTarget, Template,
};

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// What is asked about a request.
    pub attributes: AttributeSource,
    /// What is allowed without asking.
    pub rules: StaticRules,
}

impl Default for Authorization {
    fn default() -> Self {
        Self { attributes: AttributeSource::Path, rules: StaticRules::default() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    authorization: Spanned<Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Section {
    resource_attributes: Option<Spanned<Resource>>,
    rewrites: Option<Spanned<RewritesSection>>,
    #[serde(default, rename = "static")]
    rules: Vec<Spanned<Rule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[derive(Default)]
struct Resource {
    namespace: Option<Spanned<String>>,
    api_group: Option<Spanned<String>>,
    api_version: Option<Spanned<String>>,
    resource: Option<Spanned<String>>,
    subresource: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RewritesSection {
    by_query_parameter: Option<Named>,
    by_http_header: Option<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    user: User,
    #[serde(default)]
    verb: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    api_group: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    resource_request: bool,
    #[serde(default)]
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct User {
    name: String,
    groups: Vec<String>,
}

/// Reads `text`; errors name `path`, the line and the key.
pub fn parse_authorization(text: &str, path: &Path) -> Result<Authorization, SettingsError> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| SettingsError::Key {
        place: Place::new(path, error.location(), key_of(text)),
        message: error.without_snippet().to_string(),
    })?;
    let reader = Reader { path };
    let Section { resource_attributes, rewrites, rules } = file.authorization.value;
    let rules = rules.into_iter().enumerate().map(|(n, rule)| reader.rule(n, rule));
    Ok(Authorization {
        attributes: reader.attributes(resource_attributes, rewrites)?,
        rules: StaticRules(rules.collect::<Result<_, _>>()?),
    })
}

struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn wrong<T>(&self, at: &Spanned<T>, key: &str, message: impl Into<String>) -> SettingsError {
        let place = Place::new(self.path, Some(at.referenced), format!("authorization.{key}"));
        SettingsError::Key { place, message: message.into() }
    }

    fn attributes(
        &self,
        resource: Option<Spanned<Resource>>,
        rewrites: Option<Spanned<RewritesSection>>,
    ) -> Result<AttributeSource, SettingsError> {
        let Some(resource) = resource else {
            return match rewrites {
                None => Ok(AttributeSource::Path),
                Some(rewrites) => Err(self.wrong(
                    &rewrites,
                    "rewrites",
                    "has no effect without resourceAttributes; add them, or take this out",
                )),
            };
        };
        let rewrites = rewrites.map(|rewrites| self.rewrites(rewrites)).transpose()?;
        let mut places = false;
        let mut template = |name: &str, text: &Option<Spanned<String>>| {
            let Some(text) = text else { return Ok(Template::default()) };
            let key = format!("resourceAttributes.{name}");
            let template =
                Template::parse(&text.value).map_err(|error| self.wrong(text, &key, error.to_string()))?;
            if template.has_places() && rewrites.is_none() {
                return Err(self.wrong(text, &key, "{{ .Value }} stands for nothing without rewrites"));
            }
            places |= template.has_places();
            Ok(template)
        };
        let Resource { namespace, api_group, api_version, resource: plural, subresource, name } =
            &resource.value;
        let templates = ResourceTemplates {
            namespace: template("namespace", namespace)?,
            group: template("apiGroup", api_group)?,
            version: template("apiVersion", api_version)?,
            resource: template("resource", plural)?,
            subresource: template("subresource", subresource)?,
            name: template("name", name)?,
            rewrites,
        };
        if templates.rewrites.is_some() && !places {
            let message = "none has {{ .Value }}, so what rewrites find would change nothing";
            return Err(self.wrong(&resource, "resourceAttributes", message));
        }
        if templates == ResourceTemplates::default() {
            let message = "is empty, which would ask about no resource at all";
            return Err(self.wrong(&resource, "resourceAttributes", message));
        }
        Ok(AttributeSource::Resource(Box::new(templates)))
    }

    fn rewrites(&self, rewrites: Spanned<RewritesSection>) -> Result<Rewrites, SettingsError> {
        let RewritesSection { by_query_parameter, by_http_header } = &rewrites.value;
        let parameter = by_query_parameter.as_ref().map(|Named { name }| match name.value.as_str() {
            "" => Err(self.wrong(name, "rewrites.byQueryParameter.name", "is empty")),
            text => Ok(text.to_owned()),
        });
        let header = by_http_header.as_ref().map(|Named { name }| {
            let key = "rewrites.byHttpHeader.name";
            name.value
                .parse::<HeaderName>()
                .map_err(|_| self.wrong(name, key, format!("{:?} is not the name of a header", name.value)))
        });
        let found = Rewrites { parameter: parameter.transpose()?, header: header.transpose()? };
        if found == Rewrites::default() {
            let message =
                "names neither byQueryParameter nor byHttpHeader, so every request would be refused";
            return Err(self.wrong(&rewrites, "rewrites", message));
        }
        Ok(found)
    }

    fn rule(&self, n: usize, rule: Spanned<Rule>) -> Result<StaticRule, SettingsError> {
        let wrong = |message: &str| Err(self.wrong(&rule, &format!("static[{n}]"), message));
        let Rule { user, verb, namespace, api_group, resource, subresource, name, resource_request, path } =
            &rule.value;
        let about_a_resource =
            [namespace, api_group, resource, subresource, name].iter().any(|field| !field.is_empty());
        let target = match (path.is_empty(), resource_request) {
            (true, true) => StaticTarget::Resource {
                namespace: namespace.clone(),
                group: api_group.clone(),
                resource: resource.clone(),
                subresource: subresource.clone(),
                name: name.clone(),
            },
            (false, false) if about_a_resource => {
                return wrong(
                    "is about a path, which has no namespace, apiGroup, resource, subresource or name",
                );
            }
            (false, false) => StaticTarget::Path(path.clone()),
            (true, false) => return wrong("resourceRequest must be true if path is empty"),
            (false, true) => return wrong("resourceRequest must be false if there is a path"),
        };
        if user.groups.iter().any(String::is_empty) {
            return wrong("user.groups has an empty name");
        }
        Ok(StaticRule { user: user.name.clone(), groups: user.groups.clone(), verb: verb.clone(), target })
    }
}

/// The key at which parsing fails, if it gets that far.
fn key_of(text: &str) -> String {
    let mut key = None;
    // Its own result says less than the first pass's error does; only the path is wanted.
    let _ = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize::<_, File>(deserializer).map(drop).map_err(|error| {
            key = Some(error.path().to_string());
            error.into_inner()
        })
    });
    key.filter(|path| path != ".").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Authorization, String> {
        parse_authorization(text, Path::new("config.yaml")).map_err(|error| error.to_string())
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).unwrap_err(), expected, "{text}");
    }

    #[test]
    fn the_references_example() {
        let parsed = parse(
            "authorization:
  rewrites:
    byQueryParameter:
      name: namespace
  resourceAttributes:
    apiVersion: v1
    resource: namespaces
    subresource: metrics
    namespace: \"{{ .Value }}\"
  static:
    - user:
        name: system:serviceaccount:default:default
        groups: [dev]
      resourceRequest: true
      resource: namespaces
      subresource: metrics
      namespace: default
      verb: get
    - path: /metrics
      verb: get
",
        )
        .unwrap();
        let AttributeSource::Resource(templates) = parsed.attributes else { panic!("a resource") };
        assert_eq!(templates.namespace.with("x"), "x");
        assert_eq!(templates.version.with("x"), "v1");
        assert_eq!(templates.rewrites.unwrap().parameter.as_deref(), Some("namespace"));
        let [resource, path] = &parsed.rules.0[..] else { panic!("two rules") };
        assert_eq!(resource.groups, ["dev"]);
        assert_eq!(path.target, StaticTarget::Path("/metrics".to_owned()));
        assert_eq!(parse("authorization: {}"), Ok(Authorization::default()));
    }

    #[test]
    fn errors_name_file_line_and_key() {
        check(
            "authorization:\n  resourceAttributes:\n    namespace: \"{{ .Name }}\"\n  rewrites: {byQueryParameter: {name: a}}\n",
            "config.yaml:3:16: authorization.resourceAttributes.namespace: \"{{ .Name }}\" is not understood: only {{ .Value }} stands for something",
        );
        check(
            "authorization:\n  rewrites: {byQueryParameter: {name: a}}\n",
            "config.yaml:2:13: authorization.rewrites: has no effect without resourceAttributes; add them, or take this out",
        );
        check(
            "authorization:\n  static:\n  - path: /a\n  - resource: pods\n",
            "config.yaml:4:5: authorization.static[1]: resourceRequest must be true if path is empty",
        );
        check(
            "authorization:\n  static:\n  - {path: /a, resourceRequest: true}\n",
            "config.yaml:3:5: authorization.static[0]: resourceRequest must be false if there is a path",
        );
        check(
            "authorization:\n  static:\n  - {path: /a, namespace: b}\n",
            "config.yaml:3:5: authorization.static[0]: is about a path, which has no namespace, apiGroup, resource, subresource or name",
        );
        check(
            "authorization:\n  resourceAttributes: {namespace: \"{{ .Value }}\"}\n",
            "config.yaml:2:35: authorization.resourceAttributes.namespace: {{ .Value }} stands for nothing without rewrites",
        );
        check(
            "authorization:\n  resourceAttributes: {namespace: a}\n  rewrites: {byQueryParameter: {name: a}}\n",
            "config.yaml:2:23: authorization.resourceAttributes: none has {{ .Value }}, so what rewrites find would change nothing",
        );
        check(
            "authorization:\n  resourceAttributes: {namespace: \"{{ .Value }}\"}\n  rewrites: {}\n",
            "config.yaml:3:13: authorization.rewrites: names neither byQueryParameter nor byHttpHeader, so every request would be refused",
        );
        check(
            "authorization:\n  resourceAttributes: {namespace: \"{{ .Value }}\"}\n  rewrites: {byHttpHeader: {name: 'a b'}}\n",
            "config.yaml:3:35: authorization.rewrites.byHttpHeader.name: \"a b\" is not the name of a header",
        );
        check(
            "authorization:\n  resourceAttributes: {}\n",
            "config.yaml:2:23: authorization.resourceAttributes: is empty, which would ask about no resource at all",
        );
    }

    #[test]
    fn typos_and_wrong_types_are_errors() {
        for (text, place) in [
            ("authorisation: {}\n", "config.yaml:1:1"),
            ("authorization:\n  statics: []\n", "config.yaml:2:3"),
            ("authorization:\n  static:\n  - user: {nme: a}\n", "config.yaml:3:12"),
            ("authorization:\n  static:\n  - {path: [a]}\n", "config.yaml:3:12"),
            ("authorization: {}\nauthorization: {}\n", "config.yaml:2:1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(place), "{text}: {error}");
        }
        for text in ["", "{}", "[]", "authorization: 1", "a: b: c", "\t"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
