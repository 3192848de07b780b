//! What Vault's answers say. A server of another version may say more; what is needed must be there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{SecretBytes, SecretError, Snapshot, Version};

/// A version of a secret in KV 2, or the metadata of one that is gone.
pub(super) struct Kv2 {
    data: Option<Values>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

/// Keys and values of a secret.
type Values = BTreeMap<String, Text>;

/// A value as bytes: a string as it is, anything else as its JSON.
struct Text(SecretBytes);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Borrowed from the answer: no copy that isn't wiped.
        let raw: &RawValue = Deserialize::deserialize(deserializer)?;
        if raw.get().starts_with('"') {
            serde_json::from_str(raw.get()).map(Self).map_err(|_| serde::de::Error::custom("a bad string"))
        } else {
            Ok(Self(SecretBytes::from(raw.get().as_bytes().to_vec())))
        }
    }
}

fn bytes(values: Values) -> BTreeMap<String, SecretBytes> {
    values.into_iter().map(|(key, Text(value))| (key, value)).collect()
}

impl Kv2 {
    pub(super) fn parse(body: &[u8]) -> Result<Self, SecretError> {
        #[derive(Deserialize)]
        struct Outer<'a> {
            #[serde(borrow)]
            data: Inner<'a>,
        }
        #[derive(Deserialize)]
        struct Inner<'a> {
            #[serde(borrow)]
            data: Option<&'a RawValue>,
            metadata: Metadata,
        }
        let malformed = |_| SecretError::Malformed("the answer is no version of a kv2 secret");
        let Outer { data: Inner { data, metadata } } = serde_json::from_slice(body).map_err(malformed)?;
        let data = data.map(|data| serde_json::from_str(data.get())).transpose().map_err(malformed)?;
        Ok(Self { data, metadata })
    }

    /// What a version without data is.
    pub(super) fn why_gone(&self) -> SecretError {
        if self.metadata.destroyed {
            SecretError::Destroyed
        } else if self.metadata.deletion_time.is_empty() {
            SecretError::NotFound
        } else {
            SecretError::Deleted
        }
    }

    pub(super) fn snapshot(self) -> Result<Snapshot, SecretError> {
        let version = Version::new(self.metadata.version.to_string());
        match self.data {
            Some(data) => Snapshot::new(bytes(data), version),
            None => Err(self.why_gone()),
        }
    }
}

/// A secret of KV 1, or a credential with a lease.
pub(super) struct Leased {
    pub(super) lease_id: String,
    lease_duration: u64,
    pub(super) renewable: bool,
    pub(super) data: BTreeMap<String, SecretBytes>,
}

impl Leased {
    pub(super) fn parse(body: &[u8]) -> Result<Self, SecretError> {
        #[derive(Deserialize)]
        struct Whole {
            #[serde(default)]
            lease_id: String,
            #[serde(default)]
            lease_duration: u64,
            #[serde(default)]
            renewable: bool,
            data: Values,
        }
        let Whole { lease_id, lease_duration, renewable, data } =
            serde_json::from_slice(body).map_err(|_| SecretError::Malformed("the answer is no secret"))?;
        Ok(Self { lease_id, lease_duration, renewable, data: bytes(data) })
    }

    /// How long the lease is now; `None` if it has ended.
    pub(super) fn parse_renewal(body: &[u8]) -> Result<Option<Duration>, SecretError> {
        #[derive(Deserialize)]
        struct Renewal {
            lease_duration: u64,
        }
        serde_json::from_slice(body)
            .map(|Renewal { lease_duration }| seconds(lease_duration))
            .map_err(|_| SecretError::Malformed("the answer is no renewal"))
    }

    pub(super) fn lease(&self) -> Option<Duration> {
        seconds(self.lease_duration)
    }
}

/// A token, as logins and renewals give it.
pub(super) struct Login {
    pub(super) token: SecretBytes,
    /// `None` for a token that never ends.
    pub(super) lease: Option<Duration>,
    pub(super) renewable: bool,
}

impl Login {
    pub(super) fn parse(body: &[u8]) -> Result<Self, SecretError> {
        #[derive(Deserialize)]
        struct Outer {
            auth: Auth,
        }
        #[derive(Deserialize)]
        struct Auth {
            client_token: SecretBytes,
            #[serde(default)]
            lease_duration: u64,
            #[serde(default)]
            renewable: bool,
        }
        let Outer { auth: Auth { client_token, lease_duration, renewable } } =
            serde_json::from_slice(body)
                .map_err(|_| SecretError::Malformed("the answer to the login has no token"))?;
        if client_token.is_empty() {
            return Err(SecretError::Malformed("the answer to the login has no token"));
        }
        Ok(Self { token: client_token, lease: seconds(lease_duration), renewable })
    }

    /// What `lookup-self` says of a token that was given to us.
    pub(super) fn parse_lookup(token: SecretBytes, body: &[u8]) -> Result<Self, SecretError> {
        #[derive(Deserialize)]
        struct Outer {
            data: Looked,
        }
        #[derive(Deserialize)]
        struct Looked {
            ttl: u64,
            #[serde(default)]
            renewable: bool,
        }
        let Outer { data: Looked { ttl, renewable } } = serde_json::from_slice(body)
            .map_err(|_| SecretError::Malformed("the answer says nothing of the token"))?;
        Ok(Self { token, lease: seconds(ttl), renewable })
    }
}

/// The secret id in a wrapped response.
pub(super) fn parse_unwrapped(body: &[u8]) -> Result<SecretBytes, SecretError> {
    #[derive(Deserialize)]
    struct Outer {
        data: Unwrapped,
    }
    #[derive(Deserialize)]
    struct Unwrapped {
        secret_id: SecretBytes,
        #[serde(default, rename = "secret_id_ttl")]
        _ttl: IgnoredAny,
    }
    serde_json::from_slice(body)
        .map(|Outer { data }| data.secret_id)
        .map_err(|_| SecretError::Malformed("what was wrapped is no secret id"))
}

/// The file's text as a secret, without the line end after it.
pub(super) async fn read_secret_file(path: &std::path::Path) -> Result<SecretBytes, SecretError> {
    /// A token of a service account has a few kilobytes.
    const MOST: u64 = 64 << 10;
    use tokio::io::AsyncReadExt as _;
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|source| SecretError::Io { step: "open the file to log in with", source })?;
    let mut text = Zeroizing::new(Vec::with_capacity(8 << 10));
    file.take(MOST + 1)
        .read_to_end(&mut text)
        .await
        .map_err(|source| SecretError::Io { step: "read the file to log in with", source })?;
    let text = SecretBytes::from(text).trimmed();
    match text.expose_text() {
        _ if text.len() as u64 > MOST => Err(SecretError::Malformed("the file to log in with is too large")),
        None => Err(SecretError::Malformed("the file to log in with is no text")),
        Some("") => Err(SecretError::Malformed("the file to log in with is empty")),
        Some(_) => Ok(text),
    }
}

/// Zero stands for no end.
fn seconds(seconds: u64) -> Option<Duration> {
    /// Longer than any process runs; keeps what a server says within what a clock can hold.
    const FOREVER: u64 = 100 * 365 * 86_400;
    (seconds > 0).then(|| Duration::from_secs(seconds.min(FOREVER)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kv2(body: &str) -> Result<Vec<(String, String)>, SecretError> {
        let snapshot = Kv2::parse(body.as_bytes())?.snapshot()?;
        let text = |key: &str| snapshot.get(key).unwrap().expose_text().unwrap().to_owned();
        Ok(snapshot.keys().map(|key| (key.to_owned(), text(key))).collect())
    }

    #[test]
    fn strings_are_themselves_and_the_rest_is_its_json() {
        let body = r#"{"data":{"data":{"a":"x\"\u00e4","b":5432,"c":{"d":[true]},"e":null},"metadata":{"version":7}}}"#;
        let expected = [("a", "x\"ä"), ("b", "5432"), ("c", r#"{"d":[true]}"#), ("e", "null")];
        assert_eq!(kv2(body).unwrap(), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_gone_says_how() {
        let of = |metadata: &str| {
            let body = format!(r#"{{"data":{{"data":null,"metadata":{metadata}}}}}"#);
            kv2(&body).unwrap_err().to_string()
        };
        let deleted = r#"{"version":2,"deletion_time":"2026-11-21T09:00:00Z","destroyed":false}"#;
        assert_eq!(of(deleted), SecretError::Deleted.to_string());
        assert_eq!(
            of(r#"{"version":2,"deletion_time":"","destroyed":true}"#),
            SecretError::Destroyed.to_string()
        );
    }

    #[test]
    fn malformed_answers_are_refused_without_quoting_them() {
        for body in ["", "{}", "[]", r#"{"data":{"data":{"password":"hunter2"}}}"#, r#"{"data":"hunter2"}"#] {
            for error in [kv2(body).unwrap_err(), Login::parse(body.as_bytes()).map(drop).unwrap_err()] {
                assert!(matches!(error, SecretError::Malformed(_)));
                assert!(!format!("{error} {error:?}").contains("hunter2"));
            }
        }
        assert!(Login::parse(br#"{"auth":{"client_token":""}}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Kv2::parse(&body).and_then(Kv2::snapshot);
            let _ = Leased::parse(&body);
            let _ = Login::parse(&body);
        }

        #[test]
        fn any_values_are_read_back(
            values in prop::collection::btree_map("\\PC{0,12}", "\\PC{0,12}", 0..6), version in any::<u64>(),
        ) {
            let body = serde_json::json!({"data": {"data": values, "metadata": {"version": version}}}).to_string();
            let expected: Vec<(String, String)> = values.into_iter().collect();
            prop_assert_eq!(kv2(&body).unwrap(), expected);
        }

        #[test]
        fn no_lease_overflows_a_clock(duration in any::<u64>()) {
            let body = serde_json::json!({"lease_duration": duration, "data": {}}).to_string();
            if let Some(lease) = Leased::parse(body.as_bytes()).unwrap().lease() {
                prop_assert!(std::time::Instant::now().checked_add(lease).is_some());
            }
        }
    }
}
