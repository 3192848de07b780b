//! What stands in a configuration instead of a secret.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// `secretRef: {…}`: where a setting takes a secret, this is all that it takes. There is no way to write the value itself.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSource {
    /// Where the value is.
    pub secret_ref: SecretRef,
}

/// Where a value is: one key of one secret of one provider.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Name of a provider in `secrets.providers`.
    pub provider: ProviderName,
    /// The secret: a folder below the provider's root, `NAMESPACE/NAME`, or mount and path in Vault.
    pub path: SecretPath,
    /// The key in the secret; for files, the file's name.
    pub key: SecretKey,
    /// A version that stays, for providers that keep versions (Vault's KV version 2). Default: the newest.
    #[serde(default)]
    pub version: Option<u64>,
}

impl SecretRef {
    /// The secret that the key is in.
    pub fn location(&self) -> Location {
        Location { provider: self.provider.clone(), path: self.path.clone(), version: self.version }
    }
}

/// A secret with all its keys: what is fetched at once, and changes at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Name of its provider.
    pub provider: ProviderName,
    /// Where the provider has it.
    pub path: SecretPath,
    /// The one version that is meant.
    pub version: Option<u64>,
}

/// `provider:path`, and `@version` if one is meant.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.path)?;
        match self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

/// A text that is checked when it is made.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[serde(try_from = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::try_from(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text! {
    /// Name of a provider: 1 to 63 lower-case letters, digits and `-`.
    ProviderName, check_name
}
checked_text! {
    /// A relative path of at most 512 bytes: segments of letters, digits and `._@+:=~-`, none of which starts with `..`
    /// or is a single dot. It can go into a URL and below a folder as it is.
    SecretPath, check_path
}
checked_text! {
    /// A key in a secret: 1 to 253 visible ASCII characters and spaces, no `/`, no leading dot or space.
    SecretKey, check_key
}

impl SecretPath {
    /// Its parts between the slashes.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

fn check_name(text: &str) -> Result<(), String> {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&text.len()) && text.bytes().all(fine) {
        Ok(())
    } else {
        Err(format!("expected 1 to 63 lower-case letters, digits and hyphens, got {text:?}"))
    }
}

fn check_path(text: &str) -> Result<(), String> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+:=~-".contains(&byte);
    let segment =
        |part: &str| !part.is_empty() && part != "." && !part.starts_with("..") && part.bytes().all(fine);
    if text.len() <= 512 && text.split('/').all(segment) {
        Ok(())
    } else {
        Err(format!("expected a relative path such as team/app, without empty or dotted parts, got {text:?}"))
    }
}

fn check_key(text: &str) -> Result<(), String> {
    let fine = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'/';
    if (1..=253).contains(&text.len()) && !text.starts_with(['.', ' ']) && text.bytes().all(fine) {
        Ok(())
    } else {
        Err(format!("expected the name of a key such as tls.crt, got {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for good in ["a", "team/app", "kv/a.b_c-d", "v1.2/x@y"] {
            assert!(good.parse::<SecretPath>().is_ok(), "{good}");
        }
        let long = "a".repeat(513);
        for bad in
            ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/..data", "a%2e", "a?b", "a#b", "a b", "é", &long]
        {
            assert!(bad.parse::<SecretPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_names_and_not_paths() {
        for good in ["tls.crt", "password", "API key"] {
            assert!(good.parse::<SecretKey>().is_ok(), "{good}");
        }
        for bad in ["", ".hidden", "..", "a/b", "a\nb", " a"] {
            assert!(bad.parse::<SecretKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn there_is_no_key_for_a_value() {
        let error = serde_saphyr::from_str::<SecretSource>("value: hunter2\n").unwrap_err().to_string();
        assert!(error.contains("secretRef"), "{error}");
        let error = serde_saphyr::from_str::<SecretSource>(
            "secretRef: {provider: files, path: a, key: b, value: c}\n",
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("value") && error.contains("version"), "{error}");
    }

    #[test]
    fn one_secret_has_one_location() {
        let of = |text| serde_saphyr::from_str::<SecretRef>(text).unwrap().location();
        let certificate = of("{provider: files, path: web/tls, key: tls.crt}");
        assert_eq!(certificate, of("{provider: files, path: web/tls, key: tls.key}"));
        assert_eq!(certificate.to_string(), "files:web/tls");
        assert_eq!(of("{provider: v, path: kv/a, key: b, version: 3}").to_string(), "v:kv/a@3");
    }
}
