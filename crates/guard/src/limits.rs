//! The bounds of one listener. Beyond each is a clear refusal and a counter.

use std::time::Duration;

/// What one listener bears.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, handshakes included. More are closed at once.
    pub connections: usize,
    /// Connections at once from one address. More are closed at once.
    pub connections_per_address: usize,
    /// Handshakes at once: each costs a signature. More wait in the kernel's queue.
    pub handshakes: usize,
    /// For the handshake as a whole.
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its head; on a new connection, from its beginning.
    pub header_timeout: Duration,
    /// Without any request.
    pub idle_timeout: Duration,
    /// Without a byte of a body that is being read, or without room for one that is being written: over HTTP/1 the
    /// connection ends, over HTTP/2 the stream whose reader gives no room.
    pub stall_timeout: Duration,
    /// After this long, give or take a tenth, a connection is asked to end, so that certificates and trust don't outlive
    /// their replacement.
    pub connection_age: Duration,
    /// For requests in flight on a connection that was asked to end. The rest is cut: a stream whose reader gives no room
    /// could live forever.
    pub linger: Duration,
    /// Bytes of one head. hyper wants at least 8 KiB.
    pub header_bytes: u32,
    /// Header lines of one head.
    pub headers: usize,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// HTTP/2 streams at once, on each connection.
    pub streams: u32,
    /// Bytes of one HTTP/2 frame, and of one stream's upload window.
    pub frame_bytes: u32,
    /// For [`Policy::requests`](crate::Policy::requests), which holds for all listeners of an engine together.
    pub requests: usize,
    /// Between the end of readiness and the end of accepting, so that load balancers look elsewhere first.
    pub drain_delay: Duration,
    /// For requests in flight, once nothing is accepted any more.
    pub drain_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // At ~30 KB each: 500 MB of the most patient attacker.
            connections: 16_384,
            // Scrapers and ingresses share addresses; a single attacker still can't take everything.
            connections_per_address: 4096,
            handshakes: 256,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            // Go's HTTP/2 server and the reference.
            idle_timeout: Duration::from_secs(90),
            stall_timeout: Duration::from_secs(60),
            connection_age: Duration::from_secs(3600),
            linger: Duration::from_secs(300),
            header_bytes: 64 * 1024,
            // hyper's own.
            headers: 100,
            http2: true,
            // The reference's --http2-max-concurrent-streams and --http2-max-size.
            streams: 100,
            frame_bytes: 262_144,
            requests: 8192,
            drain_delay: Duration::ZERO,
            // A pod's default terminationGracePeriodSeconds is 30.
            drain_deadline: Duration::from_secs(25),
        }
    }
}
