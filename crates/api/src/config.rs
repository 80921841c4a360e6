//! What an operator can set about the API. The binary's configuration embeds it.

use domain::rules::Cidr;
use serde::{Deserialize, Serialize};

/// Limits and deadlines of the API. Every one has a sane default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Most bytes of a request body.
    pub body_bytes_max: usize,
    /// Longest wait for a whole body, in milliseconds.
    pub body_timeout_ms: u64,
    /// Longest time in which a client takes nothing of its answer, in milliseconds; then its connection ends.
    pub write_timeout_ms: u64,
    /// Longest wait for a handler's answer, in milliseconds. Streams only have to begin within it.
    pub request_timeout_ms: u64,
    /// Longest wait for the head of a request, in milliseconds; also how long an idle connection stays.
    pub header_timeout_ms: u64,
    /// Most connections at once; one more is refused.
    pub connections_max: usize,
    /// Most connections at once from one address (IPv6: one /64 network).
    pub connections_per_address_max: usize,
    /// Most requests being answered at once; one more is refused before any work.
    pub requests_max: usize,
    /// Most requests of one organisation being answered at once.
    pub requests_per_organization_max: usize,
    /// How late the program may run what is due, for a second, before it turns requests away, in milliseconds; 0:
    /// however late.
    pub lag_max_ms: u64,
    /// Most event streams of one organisation at once.
    pub event_streams_max: usize,
    /// Longest wait for requests under way at shutdown, in milliseconds.
    pub shutdown_timeout_ms: u64,
    /// Time between keep-alive comments of an event stream, in milliseconds.
    pub keep_alive_ms: u64,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    #[schema(value_type = Vec<String>)]
    pub trusted_proxies: Vec<Cidr>,
    /// How much a client may ask in a time. Set apart from the others, as `rate_limit`.
    #[serde(skip)]
    #[schema(ignore)]
    pub rate_limit: RateLimitConfig,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            body_timeout_ms: 10_000,
            write_timeout_ms: 30_000,
            request_timeout_ms: 30_000,
            header_timeout_ms: 10_000,
            connections_max: 1024,
            connections_per_address_max: 256,
            requests_max: 512,
            requests_per_organization_max: 256,
            lag_max_ms: 500,
            event_streams_max: 32,
            shutdown_timeout_ms: 10_000,
            keep_alive_ms: 15_000,
            trusted_proxies: Vec::new(),
            rate_limit: RateLimitConfig::default(),
        }
    }
}

/// How much a client may ask in a time. `0` turns one window off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitConfig {
    /// Off, nothing is counted: neither requests nor failed credentials.
    pub enabled: bool,
    /// Requests in a minute, for each key and each organisation.
    pub minute: u32,
    /// Requests in an hour.
    pub hour: u32,
    /// Requests in a day (UTC).
    pub day: u32,
    /// Refused credentials in a minute from one address, before it is told to wait.
    pub authentication_failures_per_minute: u32,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            minute: 60,
            hour: 1000,
            day: 10_000,
            authentication_failures_per_minute: 30,
        }
    }
}
