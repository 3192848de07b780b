//! Keeps secrets out of what is stored: header values and query parameters whose names say that they are one.

use std::borrow::Cow;

/// What stands where a secret stood.
const MASK: &str = "***";

/// Parts of names, lower case and without `-`, `_` and `.`, that mean a secret.
const SECRET_NAMES: [&str; 13] = [
    "authorization",
    "cookie",
    "apikey",
    "keyid",
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "signature",
    "assertion",
    "sessionid",
    "xauth",
];

/// The header block (start line, then `name: value` lines) with secrets masked. A block that is a JSON object, as JMS
/// properties are, is masked member by member; one that only looks like one is masked whole.
pub(super) fn mask_headers(headers: &str) -> Cow<'_, str> {
    if headers.trim_start().starts_with('{') {
        return mask_json(headers);
    }
    let mut masked: Option<String> = None;
    let mut at = 0;
    let mut in_secret = false;
    for line in headers.split_inclusive('\n') {
        let replacement = replace_line(line, at == 0, &mut in_secret);
        match (&mut masked, replacement) {
            (Some(out), Some(replacement)) => out.push_str(&replacement),
            (Some(out), None) => out.push_str(line),
            (None, Some(replacement)) => masked = Some(format!("{}{replacement}", &headers[..at])),
            (None, None) => {}
        }
        at += line.len();
    }
    masked.map_or(Cow::Borrowed(headers), Cow::Owned)
}

/// The URI, or anything with one in it, with secret query parameters masked.
pub(super) fn mask_uri(uri: &str) -> Cow<'_, str> {
    let Some((path, query)) = uri.split_once('?') else { return Cow::Borrowed(uri) };
    if !query.split(['&', ';']).any(|pair| pair.split_once('=').is_some_and(|(name, _)| is_secret(name))) {
        return Cow::Borrowed(uri);
    }
    let mut out = format!("{path}?");
    for pair in query.split_inclusive(['&', ';']) {
        match pair.split_once('=') {
            Some((name, value)) if is_secret(name) => {
                out.push_str(name);
                out.push('=');
                out.push_str(MASK);
                // What ends the value stays: the next parameter, or the rest of a start line.
                let rest = value.find([' ', '&', ';', '#', '\r', '\n']).unwrap_or(value.len());
                out.push_str(&value[rest..]);
            }
            _ => out.push_str(pair),
        }
    }
    Cow::Owned(out)
}

fn replace_line(line: &str, is_start: bool, in_secret: &mut bool) -> Option<String> {
    if line.starts_with([' ', '\t']) && !is_start {
        // A folded line belongs to the header above it.
        return in_secret.then(String::new);
    }
    *in_secret = false;
    match line.split_once(':') {
        Some((name, _)) if is_secret(name) && !name.trim().contains(' ') => {
            *in_secret = true;
            let end = line.find(['\r', '\n']).unwrap_or(line.len());
            Some(format!("{name}: {MASK}{}", &line[end..]))
        }
        _ => match mask_uri(line) {
            Cow::Owned(masked) => Some(masked),
            Cow::Borrowed(_) => None,
        },
    }
}

fn mask_json(text: &str) -> Cow<'_, str> {
    fn mask(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, value) in members {
                    if is_secret(name) { *value = MASK.into() } else { mask(value) }
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(mask),
            _ => {}
        }
    }
    match serde_json::from_str(text) {
        Ok(mut value) => {
            mask(&mut value);
            Cow::Owned(value.to_string())
        }
        Err(_) => Cow::Borrowed(MASK),
    }
}

fn is_secret(name: &str) -> bool {
    // The longest of the names is short; what is far longer is no header name.
    const MAX_NAME_BYTES: usize = 128;
    let mut plain = [0; MAX_NAME_BYTES];
    let mut len = 0;
    for byte in name.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b'.' | b' ')) {
        if len == MAX_NAME_BYTES {
            return false;
        }
        plain[len] = byte.to_ascii_lowercase();
        len += 1;
    }
    SECRET_NAMES.iter().any(|secret| memchr::memmem::find(&plain[..len], secret.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_shape_and_lose_their_secrets() {
        let check = |headers: &str, expect: &str| assert_eq!(mask_headers(headers), expect);
        check(
            "GET /a?x=1&api_key=s3 HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer s1\r\nCookie: a=s2;\r\n b=s2\r\n\r\n",
            "GET /a?x=1&api_key=*** HTTP/1.1\r\nHost: gw\r\nAuthorization: ***\r\nCookie: ***\r\n\r\n",
        );
        check(
            "HTTP/1.1 200 OK\r\nset-cookie: s1\r\nServer: x\r\n",
            "HTTP/1.1 200 OK\r\nset-cookie: ***\r\nServer: x\r\n",
        );
        check(
            "X-API-Key:s1\nKeyId: s2\nProxy-Authorization: s3",
            "X-API-Key: ***\nKeyId: ***\nProxy-Authorization: ***",
        );
        check("GET / HTTP/1.1\r\nDate: now: then\r\n", "GET / HTTP/1.1\r\nDate: now: then\r\n");
        check(r#"{"orderId":"1","a":{"Password":"s1"}}"#, r#"{"a":{"Password":"***"},"orderId":"1"}"#);
        check("{ password: s1 }", "***");
        check("Authorization : s1\r\nA: b\r\n", "Authorization : ***\r\nA: b\r\n");
        check("", "");
    }

    #[test]
    fn query_parameters_that_are_secrets_are_masked() {
        let check = |uri: &str, expect: &str| assert_eq!(mask_uri(uri), expect);
        check("/a", "/a");
        check("/a?b=1", "/a?b=1");
        check("/a?access_token=s1&b=2", "/a?access_token=***&b=2");
        check("/a?b=2&client_secret=s1", "/a?b=2&client_secret=***");
        check("/a?b=2&sig=1#x", "/a?b=2&sig=1#x");
    }
}
