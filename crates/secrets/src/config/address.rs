//! Where a provider is.

use std::fmt;

use http::Uri;
use http::uri::Scheme;
use schemars::JsonSchema;
use serde::Deserialize;

/// `https://HOST:PORT` and nothing else: no other scheme, no user, no path.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq, Hash)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Host, in lower case, and port.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The address that `uri` leads to; `None` if it is not https.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let host = uri.host()?.to_ascii_lowercase();
        let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        (uri.scheme() == Some(&Scheme::HTTPS) && plain && !host.is_empty())
            .then(|| Self { host, port: uri.port_u16().unwrap_or(443) })
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // The text isn't repeated: somebody may have put a password into it.
        let refused = || "expected an address such as https://HOST:PORT".to_owned();
        let uri: Uri = text.parse().map_err(|_| refused())?;
        if uri.path() != "/" || uri.query().is_some() {
            return Err(refused());
        }
        Self::of(&uri).ok_or_else(refused)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_with_host_and_port() {
        let check = |text: &str, expect: Option<&str>| {
            let address = Address::try_from(text.to_owned()).ok().map(|address| address.authority());
            assert_eq!(address.as_deref(), expect, "{text}");
        };
        check("https://Vault.Example:8200", Some("vault.example:8200"));
        check("https://vault.example/", Some("vault.example:443"));
        check("https://[::1]:8200", Some("[::1]:8200"));
        for bad in
            ["http://v:8200", "v:8200", "https://a@v:8200", "https://v:8200/v1", "https://v:8200?x", ""]
        {
            check(bad, None);
        }
    }
}
