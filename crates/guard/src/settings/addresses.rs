//! Where to listen, and what is guarded.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// A host and a port. An empty host means all addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an address, without brackets.
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected host:port or :port, got {text:?}");
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(address)) => address,
            Some(None) => return Err(expected()),
            None if host.contains(':') => return Err(expected()),
            None => host,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

/// What is guarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// A server by TCP.
    Tcp {
        /// Whether by TLS.
        tls: bool,
        /// Name or address, and port if it isn't the scheme's own.
        authority: Authority,
        /// Put before each request's path: empty, or begins with a slash and doesn't end in one.
        base: String,
    },
    /// A server by a Unix socket.
    Unix {
        /// The socket.
        path: PathBuf,
    },
}

impl UpstreamAddress {
    /// Whether nobody but this machine sees what is sent there.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Tcp { authority, .. } => {
                let host = authority.host().trim_matches(['[', ']']);
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
            }
        }
    }

    /// Whether it is spoken to by TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }
}

impl FromStr for UpstreamAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!("expected http://host:port, https://host:port or unix:///path/to/socket, got {text:?}")
        };
        if let Some(path) = text.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix { path }) } else { Err(expected()) };
        }
        if text.contains('#') {
            return Err(expected());
        }
        let parts = text.parse::<Uri>().map_err(|_| expected())?.into_parts();
        let tls = match parts.scheme {
            Some(scheme) if scheme == Scheme::HTTP => false,
            Some(scheme) if scheme == Scheme::HTTPS => true,
            _ => return Err(expected()),
        };
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(expected)?;
        if authority.as_str().contains('@') {
            return Err("a user or password in the address is not used; take it out".to_owned());
        }
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err("a query in the address is not used; take it out".to_owned());
        }
        let base = path.path().trim_end_matches('/').to_owned();
        Ok(Self::Tcp { tls, authority, base })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        let parse = |text: &str| text.parse::<ListenAddress>().map(|address| (address.host, address.port));
        assert_eq!(parse("0.0.0.0:8080"), Ok(("0.0.0.0".to_owned(), 8080)));
        assert_eq!(parse(":8443"), Ok((String::new(), 8443)));
        assert_eq!(parse("[::1]:0"), Ok(("::1".to_owned(), 0)));
        assert_eq!(parse("localhost:1"), Ok(("localhost".to_owned(), 1)));
        for text in ["", "8080", "host", "host:", "host:x", "::1:80", "[::1:80", "host:65536"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn upstreams() {
        let parse = |text: &str| text.parse::<UpstreamAddress>();
        let tcp = |tls, authority: &'static str, base: &str| UpstreamAddress::Tcp {
            tls,
            authority: Authority::from_static(authority),
            base: base.to_owned(),
        };
        assert_eq!(parse("http://127.0.0.1:8081/"), Ok(tcp(false, "127.0.0.1:8081", "")));
        assert_eq!(parse("https://app.ns.svc/base/"), Ok(tcp(true, "app.ns.svc", "/base")));
        assert_eq!(parse("unix:///run/app.sock"), Ok(UpstreamAddress::Unix { path: "/run/app.sock".into() }));
        for text in [
            "",
            "127.0.0.1:8081",
            "/x",
            "ftp://x",
            "http://",
            "unix://x",
            "http://a?b",
            "http://u:p@a",
            "http://a#b",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_only_this_machine_sees() {
        let local = |text: &str| text.parse::<UpstreamAddress>().unwrap().is_local();
        for text in
            ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1", "http://LOCALHOST", "unix:///x"]
        {
            assert!(local(text), "{text}");
        }
        for text in
            ["http://10.0.0.1", "https://app.ns.svc", "http://localhost.example.org", "http://0.0.0.0:1"]
        {
            assert!(!local(text), "{text}");
        }
    }
}
