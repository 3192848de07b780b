//! Which header names are removed, compared as the laxest upstream would read them.

use http::HeaderName;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
pub(super) const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Subprotocols with this prefix carry a bearer token (Kubernetes' WebSocket authenticator).
const CREDENTIAL_SUBPROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// Only for this hop (RFC 9110 §7.6.1 and what went before it).
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What some server in the wild takes for the caller's identity, address, method or path: Kubernetes' request header
/// authenticator, impersonation, oauth2-proxy, Envoy, Traefik, nginx, Apache, AWS, Google and Azure load balancers, IIS, CGI.
const BELIEVED: &[&str] = &[
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "proxy",
    "remote-addr",
    "remote-groups",
    "remote-user",
    "ssl-client-cert",
    "true-client-ip",
    "x-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-groups",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-rewrite-url",
    "x-user",
    "x-user-id",
    "x-username",
];

/// The same by prefix.
const BELIEVED_PREFIXES: &[&str] = &[
    "impersonate-",
    "ssl-client-",
    "x-amzn-oidc-",
    "x-auth-request-",
    "x-authenticated-",
    "x-client-cert-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-ms-client-principal",
    "x-remote-",
    "x-ssl-",
    "x-webauth-",
];

/// Relied on by somebody behind the gate: `Connection` may not take these away.
const END_TO_END: &[&str] = &[
    "accept",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "forwarded",
    "host",
    "if-match",
    "if-none-match",
    "origin",
    "range",
    "referer",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "set-cookie",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Frames or routes a message, so it means nothing good in a trailer (RFC 9110 §6.5.1).
const NOT_IN_TRAILERS: &[&str] = &[
    "authorization",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "host",
    "sec-websocket-protocol",
    "set-cookie",
    "trailer",
];

pub(super) fn is_removed(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str()) || is_identity(name)
}

/// True for every header that the gate alone may write.
fn is_identity(name: &HeaderName) -> bool {
    let plain = name.as_str();
    if plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        is_believed(plain)
    } else {
        is_believed(&folded(plain))
    }
}

/// True for what a trailer may not be named.
pub(crate) fn is_reserved_trailer(name: &HeaderName) -> bool {
    is_removed(name) || NOT_IN_TRAILERS.contains(&name.as_str())
}

/// True if `Connection` names something that isn't the connection's.
pub(super) fn is_end_to_end(token: &str) -> bool {
    END_TO_END.iter().any(|name| name.eq_ignore_ascii_case(token))
}

/// True for a WebSocket subprotocol that is a bearer token.
pub(crate) fn is_credential_subprotocol(protocol: &str) -> bool {
    protocol
        .get(..CREDENTIAL_SUBPROTOCOL.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(CREDENTIAL_SUBPROTOCOL))
}

/// What CGI, WSGI and PHP make of a name: everything but letters and digits is one separator.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' })
        .collect()
}

fn is_believed(name: &str) -> bool {
    BELIEVED.binary_search(&name).is_ok() || BELIEVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(BELIEVED.is_sorted());
    }

    #[test]
    fn identity_in_any_spelling() {
        for spoof in [
            "X-Remote-User",
            "x_remote_user",
            "X-Remote_User",
            "x.remote.user",
            "X-Remote-Extra-Scopes",
            "Impersonate-User",
            "impersonate_group",
            "X-Forwarded-Email",
            "X-Auth-Request-Groups",
            "X-HTTP-Method-Override",
            "Forwarded",
            "Proxy",
            "X_Original-URL",
        ] {
            assert!(is_removed(&name(spoof)), "{spoof}");
        }
        for innocent in [
            "accept",
            "user-agent",
            "x-request-id",
            "traceparent",
            "x-remoteness",
            "grpc-timeout",
            "x_custom",
        ] {
            assert!(!is_removed(&name(innocent)), "{innocent}");
        }
    }

    #[test]
    fn credentials_among_subprotocols() {
        assert!(is_credential_subprotocol("base64url.bearer.authorization.k8s.io.Zm9v"));
        assert!(!is_credential_subprotocol("graphql-ws"));
        assert!(!is_credential_subprotocol("é".repeat(30).as_str()));
    }
}
