//! Who may name what: a reference in a namespace's own resource reaches only what was set aside for that namespace.

use crate::{Location, SecretError, Tenants};

/// On whose behalf a secret is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The program's own configuration: every provider, every path.
    Own,
    /// A resource in this namespace, written by people who may not be trusted with others' secrets.
    Namespace(String),
}

impl Scope {
    /// Whether a provider with these rules for tenants may be asked for `location`.
    pub(crate) fn check(&self, location: &Location, tenants: Option<&Tenants>) -> Result<(), SecretError> {
        let Self::Namespace(namespace) = self else { return Ok(()) };
        let allowed = tenants.is_some_and(|tenants| {
            tenants.serves(namespace)
                && location
                    .path
                    .as_str()
                    .strip_prefix(&tenants.prefix(namespace))
                    .is_some_and(|rest| !rest.is_empty())
        });
        if allowed {
            Ok(())
        } else {
            Err(SecretError::NotAllowed { location: location.clone(), namespace: namespace.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(scope: &Scope, path: &str, tenants: Option<&str>) -> bool {
        let location =
            Location { provider: "p".parse().unwrap(), path: path.parse().unwrap(), version: None };
        let tenants = tenants.map(|yaml| serde_saphyr::from_str::<Tenants>(yaml).unwrap());
        scope.check(&location, tenants.as_ref()).is_ok()
    }

    #[test]
    fn a_namespace_reaches_its_own_paths_and_no_other() {
        let team = Scope::Namespace("team-a".to_owned());
        let some = Some("{namespaces: [team-a, team-b], pathPrefix: 'kv/tenants/{namespace}/'}");
        assert!(allowed(&team, "kv/tenants/team-a/db", some));
        for elsewhere in
            ["kv/tenants/team-b/db", "kv/tenants/team-a", "kv/tenants/team-ab/db", "kv/platform/db"]
        {
            assert!(!allowed(&team, elsewhere, some), "{elsewhere}");
        }
    }

    #[test]
    fn a_provider_serves_the_namespaces_that_it_names() {
        let other = Scope::Namespace("team-c".to_owned());
        assert!(!allowed(&other, "team-c/db", None));
        assert!(!allowed(&other, "team-c/db", Some("{namespaces: [team-a], pathPrefix: '{namespace}/'}")));
        assert!(allowed(&other, "team-c/db", Some("{namespaces: ['*'], pathPrefix: '{namespace}/'}")));
        // A name made to leave its prefix is no name of a namespace.
        let crafted = Scope::Namespace("team-a/x".to_owned());
        assert!(!allowed(&crafted, "team-a/x/db", Some("{namespaces: ['*'], pathPrefix: '{namespace}/'}")));
    }

    #[test]
    fn the_programs_own_configuration_reaches_everything() {
        assert!(allowed(&Scope::Own, "anything/at/all", None));
    }

    #[test]
    fn a_prefix_without_the_namespace_is_refused() {
        for prefix in ["kv/", "{namespace}", "kv/x{namespace}/", "/{namespace}/", ""] {
            let yaml = format!("{{namespaces: [a], pathPrefix: '{prefix}'}}");
            assert!(serde_saphyr::from_str::<Tenants>(&yaml).is_err(), "{prefix}");
        }
    }
}
