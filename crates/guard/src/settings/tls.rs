//! Go's names of TLS versions and cipher suites.

use parapet_pki::MinVersion;
use rustls::CipherSuite;

use super::SettingsError;

/// Suites of TLS 1.3: always spoken, as Go does, which lets nobody choose among them.
const TLS13: [CipherSuite; 3] = [
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// The oldest version, and whether a still older one was asked for.
pub(super) fn min_version(name: &str) -> Result<(MinVersion, bool), SettingsError> {
    match name {
        "VersionTLS10" | "VersionTLS11" => Ok((MinVersion::Tls12, true)),
        "VersionTLS12" => Ok((MinVersion::Tls12, false)),
        "VersionTLS13" => Ok((MinVersion::Tls13, false)),
        other => Err(SettingsError::flag(
            "tls-min-version",
            format!("expected VersionTLS12 or VersionTLS13, got {other:?}"),
        )),
    }
}

/// The suites; none for all that there are.
pub(super) fn cipher_suites(names: &[String]) -> Result<Vec<CipherSuite>, SettingsError> {
    let mut suites =
        names.iter().map(|name| cipher_suite(name.trim())).collect::<Result<Vec<_>, SettingsError>>()?;
    if !suites.is_empty() {
        suites.extend(TLS13.into_iter().filter(|suite| !suites.contains(suite)).collect::<Vec<_>>());
    }
    Ok(suites)
}

fn cipher_suite(name: &str) -> Result<CipherSuite, SettingsError> {
    let suite = match name {
        "TLS_AES_128_GCM_SHA256" => CipherSuite::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_256_GCM_SHA384" => CipherSuite::TLS13_AES_256_GCM_SHA384,
        "TLS_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        // Go has two names for each.
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        other => {
            let weak =
                other.contains("_CBC_") || other.contains("_RC4_") || other.starts_with("TLS_RSA_WITH_");
            let why = if weak { "is too weak to be spoken; take it out" } else { "is not a cipher suite" };
            return Err(SettingsError::flag("tls-cipher-suites", format!("{other:?} {why}")));
        }
    };
    Ok(suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(min_version("VersionTLS10").unwrap(), (MinVersion::Tls12, true));
        assert_eq!(min_version("VersionTLS13").unwrap(), (MinVersion::Tls13, false));
        assert!(min_version("TLS1.2").is_err());
    }

    #[test]
    fn suites() {
        let of = |names: &[&str]| {
            cipher_suites(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        assert_eq!(of(&[]), Ok(Vec::new()));
        let some = of(&["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_AES_128_GCM_SHA256"]).unwrap();
        assert_eq!(some.len(), 4, "the one of TLS 1.2 and all three of 1.3");
        assert_eq!(
            of(&["TLS_RSA_WITH_AES_128_CBC_SHA"]).unwrap_err(),
            "--tls-cipher-suites: \"TLS_RSA_WITH_AES_128_CBC_SHA\" is too weak to be spoken; take it out"
        );
        assert_eq!(of(&["nonsense"]).unwrap_err(), "--tls-cipher-suites: \"nonsense\" is not a cipher suite");
    }
}
