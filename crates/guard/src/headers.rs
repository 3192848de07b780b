//! What of a request's headers reaches the upstream, and what is written for it.
//!
//! Order: hop-by-hop headers and those that `Connection` names, then identity, credentials and forwarding headers go;
//! what the gate has to say is written last, so nothing that the client sent can take it away.

mod identity;
mod names;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, SEC_WEBSOCKET_PROTOCOL, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

pub use identity::IdentityHeaders;
pub(crate) use names::{is_credential_subprotocol, is_reserved_trailer};

use crate::{Grant, Peer};

/// What is passed on besides the request itself.
#[derive(Debug, Clone, Default)]
pub struct HeaderRules {
    /// Which headers tell the upstream who is calling. None: no header does.
    pub identity: Option<IdentityHeaders>,
    /// Pass `Authorization` on. The upstream could use the token as the caller.
    pub pass_authorization: bool,
    /// Pass `Cookie` on, for upstreams with a login of their own.
    pub pass_cookies: bool,
    /// Whose `X-Forwarded-For` is believed and appended to; from others it begins anew.
    pub trusted_forwarders: Vec<IpNet>,
}

/// A fault in the headers themselves, found before anybody is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// `Connection` names a header that is not hop-by-hop and that somebody relies on.
    Nominated,
    /// Not a list of tokens.
    Connection,
    /// An expectation other than `100-continue`.
    Expectation,
}

/// Checks what can't be repaired by leaving it out.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), HeaderFault> {
    for value in headers.get_all(CONNECTION) {
        let value = value.to_str().map_err(|_| HeaderFault::Connection)?;
        if value.split(',').any(|token| names::is_end_to_end(token.trim())) {
            return Err(HeaderFault::Nominated);
        }
    }
    match headers.get(EXPECT) {
        Some(expect) if !expect.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(HeaderFault::Expectation)
        }
        _ => Ok(()),
    }
}

/// What is known of a request besides its headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop<'a> {
    /// The client's address as [`written`].
    pub(crate) address: Option<&'a HeaderValue>,
    /// The one host that `Host` and the target agree on.
    pub(crate) host: &'a HeaderValue,
    /// Whether the client came over TLS.
    pub(crate) secure: bool,
}

/// Removes everything that the upstream must not see or believe. [`check`] was passed before.
pub(crate) fn scrub(headers: &mut HeaderMap, rules: &HeaderRules, peer: &Peer) -> Option<HeaderValue> {
    let believed = peer.address.is_some_and(|address| {
        let ip = address.ip().to_canonical();
        rules.trusted_forwarders.iter().any(|net| net.contains(&ip))
    });
    let forwarded_for = believed.then(|| joined(headers, &names::X_FORWARDED_FOR)).flatten();
    let trailers = headers.get_all(TE).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|token| token.trim().eq_ignore_ascii_case("trailers")))
    });
    // Usually nothing is to be removed but a few: names are collected only if there are any.
    let mut gone: Vec<HeaderName> = headers.keys().filter(|name| names::is_removed(name)).cloned().collect();
    if let Some(identity) = &rules.identity {
        gone.extend(headers.keys().filter(|name| identity.claims(name)).cloned());
    }
    for value in headers.get_all(CONNECTION) {
        let tokens = value.to_str().unwrap_or_default().split(',');
        gone.extend(tokens.filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok()));
    }
    for name in gone {
        headers.remove(name);
    }
    if !rules.pass_authorization {
        headers.remove(AUTHORIZATION);
    }
    if !rules.pass_cookies {
        headers.remove(COOKIE);
    }
    scrub_subprotocols(headers);
    scrub_trailer_names(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    forwarded_for
}

/// Whether the caller's name can be told to the upstream without changing it. If not, the request must be refused.
pub(crate) fn can_tell(rules: &HeaderRules, grant: &Grant) -> bool {
    match (&rules.identity, &grant.identity) {
        (Some(_), Some(identity)) => identity::is_plain(&identity.user),
        _ => true,
    }
}

/// Writes what the gate knows; [`can_tell`] was true. Nothing is removed after this.
pub(crate) fn inject(
    headers: &mut HeaderMap,
    rules: &HeaderRules,
    hop: Hop<'_>,
    grant: &Grant,
    forwarded_for: Option<HeaderValue>,
) {
    if let Some(address) = hop.address {
        headers.insert(names::X_FORWARDED_FOR, forwarded(forwarded_for.as_ref(), address));
    }
    headers.insert(
        names::X_FORWARDED_PROTO,
        HeaderValue::from_static(if hop.secure { "https" } else { "http" }),
    );
    headers.insert(names::X_FORWARDED_HOST, hop.host.clone());
    if let (Some(names), Some(identity)) = (&rules.identity, &grant.identity) {
        names.write(headers, identity);
    }
}

/// Removes what only concerned the connection between the upstream and the gate.
pub(crate) fn scrub_response(headers: &mut HeaderMap) {
    let mut gone: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let tokens = value.to_str().unwrap_or_default().split(',');
        gone.extend(
            tokens
                .filter(|token| !names::is_end_to_end(token.trim()))
                .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok()),
        );
    }
    for name in gone {
        headers.remove(name);
    }
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE, TE, names::KEEP_ALIVE, names::PROXY_CONNECTION] {
        headers.remove(name);
    }
}

/// `Host` may not be empty, may not name a user, and is made of what names and addresses are made of.
pub(crate) fn is_host(host: &HeaderValue) -> bool {
    !host.is_empty()
        && host.as_bytes().iter().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'%')
        })
}

/// The header that stands alone or not at all.
pub(crate) fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(()) } else { Ok(first) }
}

fn scrub_subprotocols(headers: &mut HeaderMap) {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let kept: Vec<String> = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|protocol| !protocol.is_empty() && !is_credential_subprotocol(protocol))
        .map(str::to_owned)
        .collect();
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Ok(value) = HeaderValue::from_str(&kept.join(", "))
        && !kept.is_empty()
    {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
}

/// `Trailer` announces what the trailers will be; what they may not be isn't announced.
fn scrub_trailer_names(headers: &mut HeaderMap) {
    let Some(announced) = joined(headers, &TRAILER) else { return };
    headers.remove(TRAILER);
    let kept: Vec<&str> = announced
        .to_str()
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| !is_reserved_trailer(&name)))
        .collect();
    if let Ok(value) = HeaderValue::from_str(&kept.join(", "))
        && !kept.is_empty()
    {
        headers.insert(TRAILER, value);
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let mut joined = first.as_bytes().to_vec();
    for value in values {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(value.as_bytes());
    }
    HeaderValue::from_bytes(&joined).ok()
}

/// The peer's address as the upstream is told it. It is the same for all requests of a connection.
pub(crate) fn written(peer: &Peer) -> Option<HeaderValue> {
    let address = peer.address?.ip().to_canonical().to_string();
    Some(HeaderValue::try_from(address).expect("an address is a header's text"))
}

fn forwarded(before: Option<&HeaderValue>, address: &HeaderValue) -> HeaderValue {
    match before.and_then(|value| value.to_str().ok()) {
        Some(before) => {
            let text = [before.as_bytes(), b", ", address.as_bytes()].concat();
            HeaderValue::try_from(text).expect("an address, behind a header's text, is a header's text")
        }
        None => address.clone(),
    }
}

/// The length that a request without body may have in its headers.
pub(crate) fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// Whether the request has exactly one plain `Host`.
pub(crate) fn host_of(headers: &HeaderMap) -> Result<Option<&HeaderValue>, ()> {
    match only(headers, HOST)? {
        Some(host) if !is_host(host) => Err(()),
        host => Ok(host),
    }
}
