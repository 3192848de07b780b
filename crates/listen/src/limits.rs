//! What one listener lets strangers make it hold, and for how long.

use std::time::Duration;

/// Bounds of one listener. The defaults suit a console and OTLP senders on a machine or in a cluster.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once; further ones are closed at once and counted. A connection costs some 30 KiB idle.
    pub max_connections: usize,
    /// From the TCP connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the end of the handshake to the end of the first request's headers; on HTTP/1.1 also between requests.
    pub header_timeout: Duration,
    /// An HTTP/2 connection without a request for so long is closed; senders of OTLP speak at least once a minute.
    pub idle_timeout: Duration,
    /// HTTP/2 streams that one connection may have open.
    pub max_streams: u32,
    /// Bytes of all headers of one request.
    pub max_header_bytes: u32,
    /// Bytes of a body that its service left unread which are still taken, so that the sender gets to see the answer.
    pub unread_bytes: u64,
    /// Time that they may take to arrive.
    pub unread_time: Duration,
    /// From the request to shut down to the closing of what is still open.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(300),
            max_streams: 100,            // what RFC 9113 recommends as the least
            max_header_bytes: 32 * 1024, // twice what browsers send at most
            unread_bytes: 64 * 1024, // the window that HTTP/2 gives a stream: sent before any answer can be seen
            unread_time: Duration::from_secs(1),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
