//! The plugins that are part of the gateway's binary: revision zero of each. The one place that knows them by name.

/// Components built by `build.rs`.
pub fn bundled() -> &'static [&'static [u8]] {
    &[include_bytes!(env!("BUNDLED_REDIS_COMPONENT"))]
}

/// What the hosts of the services are below, where a client uses Azure's own names and finds them here.
pub fn suffixes() -> &'static [&'static str] {
    &["redis.cache.windows.net"]
}
