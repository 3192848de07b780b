//! The one token of a request: in `Authorization`, or in the subprotocols of a WebSocket handshake as browsers send it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};

use crate::Consumed;

/// The longest token: several times a service account's, and a header that size passes no usual proxy anyway.
pub(crate) const TOKEN_LIMIT: usize = 16 << 10;
/// Begins the subprotocol that carries a token, as Kubernetes' own API accepts it.
const SUBPROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// What a request has by way of tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bearer<'a> {
    /// None, or credentials of another kind.
    None,
    /// More than one place that could hold one: which of them counts, the next reader may see differently.
    Ambiguous,
    /// Something that can't be a token.
    Malformed,
    /// One.
    Token { token: Cow<'a, str>, consumed: Consumed },
}

/// Looks in all places.
pub(crate) fn find(headers: &HeaderMap) -> Bearer<'_> {
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Bearer::Ambiguous;
    }
    let subprotocol = if is_websocket(headers) { in_subprotocols(headers) } else { Bearer::None };
    match (authorization.map(in_authorization), subprotocol) {
        (None, subprotocol) => subprotocol,
        (Some(bearer), Bearer::None) => bearer,
        (Some(_), _) => Bearer::Ambiguous,
    }
}

fn in_authorization(value: &HeaderValue) -> Bearer<'_> {
    let value = value.as_bytes().trim_ascii();
    let (scheme, rest) =
        value.split_at(value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return if value.is_ascii() { Bearer::None } else { Bearer::Malformed };
    }
    match std::str::from_utf8(rest.trim_ascii_start()) {
        Ok("") => Bearer::None,
        Ok(token) if is_token(token) => {
            Bearer::Token { token: Cow::Borrowed(token), consumed: Consumed::Bearer }
        }
        _ => Bearer::Malformed,
    }
}

fn in_subprotocols(headers: &HeaderMap) -> Bearer<'_> {
    let mut found = None;
    let mut others = 0;
    for value in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        let Ok(value) = value.to_str() else { return Bearer::Malformed };
        for protocol in value.split(',').map(str::trim).filter(|protocol| !protocol.is_empty()) {
            match protocol.strip_prefix(SUBPROTOCOL) {
                Some(_) if found.is_some() => return Bearer::Ambiguous,
                Some(encoded) => found = Some((protocol, encoded)),
                None => others += 1,
            }
        }
    }
    let Some((protocol, encoded)) = found else { return Bearer::None };
    // The server must have one left to choose.
    if others == 0 || encoded.len() > TOKEN_LIMIT {
        return Bearer::Malformed;
    }
    match URL_SAFE_NO_PAD.decode(encoded).map(String::from_utf8) {
        Ok(Ok(token)) if is_token(&token) => Bearer::Token {
            token: Cow::Owned(token),
            consumed: Consumed::WebSocketProtocol(protocol.to_owned()),
        },
        _ => Bearer::Malformed,
    }
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let has = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    has(header::CONNECTION, "upgrade") && has(header::UPGRADE, "websocket")
}

/// Visible ASCII without what separates lists and parameters: more than RFC 6750 allows, since static tokens of an API
/// server may be anything, and nothing that two readers could divide differently.
fn is_token(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= TOKEN_LIMIT
        // Each byte whatever came before: so the compiler looks at many at once.
        && token.bytes().fold(true, |good, byte| {
            good & (byte.is_ascii_graphic() & (byte != b',') & (byte != b';') & (byte != b'"') & (byte != b'\\'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[(&'static str, &str)], expected: &Bearer<'_>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(find(&headers), *expected);
    }

    fn token(token: &str) -> Bearer<'_> {
        Bearer::Token { token: token.into(), consumed: Consumed::Bearer }
    }

    #[test]
    fn authorization() {
        check(&[], &Bearer::None);
        check(&[("authorization", "Bearer abc.def-_~+/=")], &token("abc.def-_~+/="));
        check(&[("authorization", "  bEaReR   abc  ")], &token("abc"));
        check(&[("authorization", "Bearer")], &Bearer::None);
        check(&[("authorization", "Basic dXNlcjpwYXNz")], &Bearer::None);
        check(&[("authorization", "Bearer a b")], &Bearer::Malformed);
        check(&[("authorization", "Bearer a,Bearer b")], &Bearer::Malformed);
        check(&[("authorization", "Bearer a,b")], &Bearer::Malformed);
        check(&[("authorization", &format!("Bearer {}", "x".repeat(TOKEN_LIMIT + 1)))], &Bearer::Malformed);
        check(
            &[("authorization", &format!("Bearer {}", "x".repeat(TOKEN_LIMIT)))],
            &token(&"x".repeat(TOKEN_LIMIT)),
        );
    }

    #[test]
    fn two_authorizations_are_ambiguous_even_if_equal() {
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer a")], &Bearer::Ambiguous);
        check(&[("authorization", "Basic a"), ("authorization", "Bearer b")], &Bearer::Ambiguous);
    }

    #[test]
    fn subprotocols_of_a_websocket() {
        let upgrade = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
        let with = |protocols: &'static str| [upgrade[0], upgrade[1], ("sec-websocket-protocol", protocols)];
        let protocol = "base64url.bearer.authorization.k8s.io.YWJj";
        let expected =
            Bearer::Token { token: "abc".into(), consumed: Consumed::WebSocketProtocol(protocol.to_owned()) };
        check(&with("base64url.bearer.authorization.k8s.io.YWJj, v4.channel.k8s.io"), &expected);
        check(&with("chat,base64url.bearer.authorization.k8s.io.YWJj"), &expected);
        check(&with("base64url.bearer.authorization.k8s.io.YWJj"), &Bearer::Malformed);
        check(&with("chat, base64url.bearer.authorization.k8s.io.!!"), &Bearer::Malformed);
        check(&with("chat, base64url.bearer.authorization.k8s.io.YWIKYw"), &Bearer::Malformed);
        check(
            &with(
                "chat, base64url.bearer.authorization.k8s.io.YWJj, base64url.bearer.authorization.k8s.io.YWJj",
            ),
            &Bearer::Ambiguous,
        );
        check(&with("chat"), &Bearer::None);
        check(
            &[("sec-websocket-protocol", "chat, base64url.bearer.authorization.k8s.io.YWJj")],
            &Bearer::None,
        );
        let [a, b, c] = with("chat, base64url.bearer.authorization.k8s.io.YWJj");
        check(&[a, b, c, ("authorization", "Bearer abc")], &Bearer::Ambiguous);
    }
}
