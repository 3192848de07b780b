//! What a token's claims must be, and whom they name.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::authn::{identity, jwt};
use crate::{AuthnMethod, Identity, RefuseReason};

/// How far the issuer's clock may be ahead of ours.
const AHEAD_SECONDS: i64 = 60;
/// Groups of a token; more than any directory puts into one.
const GROUPS_LIMIT: usize = 2_000;

/// What the claims must be.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRules {
    /// `iss`, to the byte.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
    /// The claim that names the user.
    pub username: String,
    /// Put before the user's name.
    pub username_prefix: String,
    /// The claim that lists the groups.
    pub groups: String,
    /// Put before each group's name.
    pub groups_prefix: String,
    /// Whether names that begin with `system:`, prefix included, are believed.
    pub system_names: bool,
}

/// Whom the claims of a token with a good signature name.
pub fn identity_of_claims(
    claims: &Map<String, Value>,
    rules: &ClaimRules,
    now: Timestamp,
) -> Result<Identity, RefuseReason> {
    if text(claims.get("iss")) != Some(&rules.issuer) {
        return Err(RefuseReason::BadCredentials);
    }
    if !is_for(claims.get("aud"), &rules.audience) {
        return Err(RefuseReason::Audience);
    }
    let expires = time(claims, "exp")?.ok_or(RefuseReason::BadCredentials)?;
    if now >= expires {
        return Err(RefuseReason::Expired);
    }
    let begins = time(claims, "nbf")?;
    if begins.is_some_and(|begins| now.as_second() < begins.as_second().saturating_sub(AHEAD_SECONDS)) {
        return Err(RefuseReason::Expired);
    }
    let user = text(claims.get(&rules.username)).filter(|user| !user.is_empty());
    let user = user.ok_or(RefuseReason::BadCredentials)?;
    // An address that the issuer has not verified may be anybody's. A claim of another type is no `true`.
    if rules.username == "email"
        && claims.get("email_verified").is_some_and(|claim| claim != &Value::Bool(true))
    {
        return Err(RefuseReason::BadCredentials);
    }
    let identity = Identity {
        user: format!("{}{user}", rules.username_prefix),
        uid: String::new(),
        groups: groups(claims.get(&rules.groups), &rules.groups_prefix)?,
        extra: BTreeMap::new(),
        method: AuthnMethod::Oidc,
        expires: Some(expires),
    };
    if !rules.system_names && identity::is_reserved(&identity) {
        return Err(RefuseReason::BadCredentials);
    }
    identity::complete(identity)
}

fn text(claim: Option<&Value>) -> Option<&String> {
    match claim {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A time that is there but isn't a number is a fault, not an absence (CVE-2026-25537).
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, RefuseReason> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(seconds)) => jwt::timestamp(seconds).map(Some).ok_or(RefuseReason::BadCredentials),
        Some(_) => Err(RefuseReason::BadCredentials),
    }
}

fn is_for(claim: Option<&Value>, audience: &str) -> bool {
    match claim {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    }
}

fn groups(claim: Option<&Value>, prefix: &str) -> Result<Vec<String>, RefuseReason> {
    let prefixed = |group: &str| format!("{prefix}{group}");
    match claim {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![prefixed(one)]),
        Some(Value::Array(many)) if many.len() <= GROUPS_LIMIT => many
            .iter()
            .map(|group| group.as_str().map(prefixed).ok_or(RefuseReason::BadCredentials))
            .collect(),
        Some(_) => Err(RefuseReason::BadCredentials),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> ClaimRules {
        ClaimRules {
            issuer: "https://issuer.example".to_owned(),
            audience: "gate".to_owned(),
            username: "email".to_owned(),
            username_prefix: "oidc:".to_owned(),
            groups: "groups".to_owned(),
            groups_prefix: "oidc:".to_owned(),
            system_names: false,
        }
    }

    /// Good claims with `change` laid over them; null takes a claim away.
    fn check(change: Value) -> Result<(String, Vec<String>), RefuseReason> {
        check_by(&rules(), change)
    }

    fn check_by(rules: &ClaimRules, change: Value) -> Result<(String, Vec<String>), RefuseReason> {
        let mut claims = json!({
            "iss": "https://issuer.example", "aud": "gate", "exp": 2_000, "nbf": 900, "email": "a@example.org",
            "groups": ["dev"],
        });
        let claims = claims.as_object_mut().unwrap();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.remove(name)),
                value => drop(claims.insert(name.clone(), value.clone())),
            }
        }
        let now = Timestamp::from_second(1_000).unwrap();
        identity_of_claims(claims, rules, now).map(|identity| (identity.user, identity.groups))
    }

    #[test]
    fn good_claims_name_a_user() {
        let groups = vec!["oidc:dev".to_owned(), "system:authenticated".to_owned()];
        assert_eq!(check(json!({})), Ok(("oidc:a@example.org".to_owned(), groups)));
        assert!(check(json!({"email_verified": true})).is_ok());
        assert!(check(json!({"aud": ["other", "gate"]})).is_ok());
        assert!(check(json!({"groups": "one"})).is_ok());
        assert!(check(json!({"groups": null, "nbf": null})).is_ok());
        assert!(check(json!({"exp": 1_000.5, "nbf": 1_060})).is_err(), "ends at 1000");
        assert!(check(json!({"exp": 1_001.5, "nbf": 1_060})).is_ok());
    }

    #[test]
    fn bad_claims_name_nobody() {
        use RefuseReason::{Audience, BadCredentials, Expired};
        for (change, reason) in [
            (json!({"iss": "https://issuer.example/"}), BadCredentials),
            (json!({"iss": ["https://issuer.example"]}), BadCredentials),
            (json!({"iss": null}), BadCredentials),
            (json!({"aud": "other"}), Audience),
            (json!({"aud": null}), Audience),
            (json!({"aud": []}), Audience),
            (json!({"aud": {"gate": true}}), Audience),
            (json!({"exp": 1_000}), Expired),
            (json!({"exp": null}), BadCredentials),
            (json!({"exp": "2000"}), BadCredentials),
            (json!({"exp": 1e300}), BadCredentials),
            (json!({"nbf": 1_061}), Expired),
            (json!({"nbf": "900"}), BadCredentials),
            (json!({"email": null}), BadCredentials),
            (json!({"email": ""}), BadCredentials),
            (json!({"email": 5}), BadCredentials),
            (json!({"email": "a\r\nX-Remote-Groups: admin"}), BadCredentials),
            (json!({"email_verified": false}), BadCredentials),
            (json!({"email_verified": "true"}), BadCredentials),
            (json!({"groups": [1]}), BadCredentials),
            (json!({"groups": {"a": 1}}), BadCredentials),
        ] {
            assert_eq!(check(change.clone()), Err(reason), "{change}");
        }
    }

    #[test]
    fn names_of_kubernetes_itself_are_believed_only_if_asked_for() {
        let bare = ClaimRules { username_prefix: String::new(), groups_prefix: String::new(), ..rules() };
        assert!(check_by(&bare, json!({"groups": ["system:masters"]})).is_err());
        assert!(check_by(&bare, json!({"email": "system:admin"})).is_err());
        let believing = ClaimRules { system_names: true, ..bare };
        assert!(check_by(&believing, json!({"groups": ["system:masters"]})).is_ok());
        assert!(check(json!({"groups": ["system:masters"]})).is_ok(), "a prefix makes another name of it");
    }
}
