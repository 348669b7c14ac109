//! How much of the server one client can take.

use std::time::Duration;

/// Bounds of a connection and of each request. The defaults are the gateway's; tests take shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body. ARM's own limit.
    pub body_bytes: usize,
    /// For a body to arrive, once its head has.
    pub body_arrival: Duration,
    /// Bytes of a request's line and headers. Azure takes less; tokens with many groups are the longest headers.
    pub head_bytes: u32,
    /// Headers of a request. Browsers and SDKs send 20.
    pub headers: usize,
    /// For a connection's first request to arrive, handshake included; and for each further head of HTTP/1.1, so that it
    /// is also how long an idle connection is kept.
    pub head_arrival: Duration,
    /// For an answer. The longest that is worked on by design holds a poll for 20 s.
    pub answer: Duration,
    /// Requests at a time on one connection of HTTP/2. What browsers expect at least (RFC 9113, 6.5.2).
    pub streams: u32,
    /// Silence after which a peer of HTTP/2 is asked whether it is still there.
    pub ping_after: Duration,
    /// For the answer to that.
    pub ping_answer: Duration,
    /// How long a refused client is listened to after its answer: one that is still sending would lose it to a reset.
    pub linger: Duration,
    /// For requests under way once the server is told to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 4 << 20,
            body_arrival: Duration::from_secs(60),
            head_bytes: 64 << 10,
            headers: 100,
            head_arrival: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            streams: 100,
            ping_after: Duration::from_secs(20),
            ping_answer: Duration::from_secs(20),
            linger: Duration::from_secs(2),
            grace: Duration::from_secs(10),
        }
    }
}
