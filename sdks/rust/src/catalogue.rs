//! Codes and reasons of the error contract.

// Written by `cargo xtask gen`. Changes belong into the generator, xtask/src/sdk.rs.

use std::fmt;

/// The code of an error, one for each status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The request could not be read, so nothing in it was looked at and nothing changed.
    BadRequest,
    /// The server does not know who asks: there were no credentials, or none that are valid.
    Unauthorized,
    /// The request was fine, but the organisation's standing or its credits do not cover this operation.
    PaymentRequired,
    /// The credentials are valid, and they do not allow this operation, or not from this address.
    Forbidden,
    /// The route, the resource, or an id inside the request does not exist, or belongs to somebody else; these are not told apart.
    NotFound,
    /// The request was read, and it breaks the schema or a business rule. Nothing changed.
    ValidationError,
    /// A limit on the number of requests, of calls at once, or of the server's own capacity was reached. The request had no effect.
    RateLimitExceeded,
    /// Something of ours broke. The request may or may not have had an effect.
    InternalError,
    /// An outside service that the request needs (a carrier, a language model, a speech service) failed.
    ProviderError,
    /// One that a newer server has, as it was written.
    Unknown(String),
}

impl Code {
    /// As it stands in an answer.
    pub fn name(&self) -> &str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::PaymentRequired => "payment_required",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::ValidationError => "validation_error",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::InternalError => "internal_error",
            Self::ProviderError => "provider_error",
            Self::Unknown(name) => name,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Code {
    /// The code of this name; [`Self::Unknown`] for one that this version of the library does not know.
    pub fn named(name: &str) -> Self {
        match name {
            "bad_request" => Self::BadRequest,
            "unauthorized" => Self::Unauthorized,
            "payment_required" => Self::PaymentRequired,
            "forbidden" => Self::Forbidden,
            "not_found" => Self::NotFound,
            "validation_error" => Self::ValidationError,
            "rate_limit_exceeded" => Self::RateLimitExceeded,
            "internal_error" => Self::InternalError,
            "provider_error" => Self::ProviderError,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// What exactly went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The body is not JSON that can be read: a syntax error, bytes that are not UTF-8, a number out of range, or nesting deeper than 32 levels.
    MalformedJson,
    /// The query string can't be decoded: a percent sign without two hexadecimal digits after it, or bytes that are not UTF-8.
    MalformedQuery,
    /// The head of the request can't be read: no `Host` or two of them, a header that breaks HTTP, a `Transfer-Encoding` other than `chunked`, chunks that are none, more than 100 headers, more than 64 KiB of them, an address that is too long, or an `X-Forwarded-For` of a trusted proxy in which a hop is no address.
    MalformedHeader,
    /// The body's type is not one that is read here: it is not JSON in UTF-8, or it is compressed.
    UnsupportedMediaType,
    /// The body is larger than this server reads. The default is 1 MiB; an operator may set `body_bytes_max`.
    BodyTooLarge,
    /// The body did not arrive in time, or the connection ended before it was whole.
    RequestTimeout,
    /// The request has no `Authorization` header.
    MissingCredentials,
    /// There is an `Authorization` header, but it does not hold one bearer token of the form that keys have here: another scheme, two tokens, or a key that was cut or changed in copying.
    MalformedCredentials,
    /// The key has the right form, and there is no such key on this server.
    InvalidApiKey,
    /// The key existed and was revoked.
    RevokedApiKey,
    /// The key existed, and its `expires_at` has passed.
    ExpiredApiKey,
    /// The bearer token is a JWT that is not valid here: its signature, issuer, audience or organisation is wrong, whoever it names is no member there, or this server accepts no tokens at all. It does not say which.
    InvalidToken,
    /// The bearer token is a JWT whose `exp` has passed.
    ExpiredToken,
    /// The organisation has neither a subscription nor a trial yet.
    TrialNotStarted,
    /// The organisation's trial is over.
    TrialExpired,
    /// The organisation's subscription ended or its payment failed.
    SubscriptionInactive,
    /// The organisation has fewer credits than the operation must reserve.
    InsufficientCredits,
    /// The key may only be used from certain addresses, and the request came from another one.
    IpNotAllowed,
    /// The web page that sent the request is not on the list of allowed origins.
    OriginNotAllowed,
    /// The API key is valid, but its scopes do not include what this operation needs. `write` includes `read`, and `admin` includes both; everything under `/api/v1` needs `admin`. What runs the platform (`/api/operator/v1`) needs `operator`, which is only given at the command line, and which no person's token has.
    InsufficientScope,
    /// The user is a member of the organisation, but not in a role that may do this. `owner` includes `admin`, `admin` includes `member`, and `member` includes `viewer`. Who is an owner only owners may say, so an API key gets this answer too when it tries.
    InsufficientRole,
    /// There is no route with this path.
    RouteNotFound,
    /// The path exists, and it does not know this method.
    MethodNotAllowed,
    /// There is nothing with this id: it never existed, it was deleted, or it belongs to another organisation.
    ResourceNotFound,
    /// One or more fields break the schema or a rule about fields. All faults are told at once.
    InvalidFields,
    /// The agent has no number to call from, or not the one that `from_number` names.
    NoOutboundNumber,
    /// The agent is a draft or could not be prepared, and only active agents place calls.
    AgentNotActive,
    /// The number is known on this server already, or another agent serves it in the direction asked for.
    NumberInUse,
    /// Numbers still live on the trunk, so it can't be deleted.
    TrunkInUse,
    /// The call names a SIP URI, and the trunk of the agent's number only takes phone numbers.
    SipUriNotAllowed,
    /// This server does not know the provider, or it can't do what was asked.
    UnsupportedProvider,
    /// The resource is in a state in which this can't be done, such as ending a call that is over or deleting one that is not.
    InvalidState,
    /// The `Idempotency-Key` was used within the last 24 hours for a request with another body.
    IdempotencyKeyReused,
    /// `If-Match` names a version of the resource that is no longer the present one: somebody changed it in between.
    StaleVersion,
    /// The member is the organisation's only owner, so they can't be removed or given a lower role: nobody could name an owner after that.
    LastOwner,
    /// The `Range` header was understood, and it lies wholly outside of the recording. HTTP's own status for this is 416; here it is 422 like every other value that can't be used.
    RangeNotSatisfiable,
    /// The API key or its organisation sent more requests than one of its windows allows. Windows are aligned to the clock: a minute begins at its full minute.
    Requests,
    /// The organisation holds as many calls at once as it may.
    ConcurrentCalls,
    /// Too many refused credentials came from this address within the minute. Tokens, and keys that worked before, still work from there; a key that the server has not seen working yet waits for the end of the minute, as looking up each of a flood would cost too much.
    AuthenticationAttempts,
    /// The server is stopping, falls behind with its work, or has no place for another connection or request, or none for this address or organisation. HTTP's own status for this is 503.
    Overload,
    /// A request with the same `Idempotency-Key` is still running.
    IdempotencyInProgress,
    /// Something on our side broke: a bug, a full disk, a database that is down.
    Internal,
    /// The server did not finish within its own deadline (30 s by default).
    Timeout,
    /// No connection to the provider could be made: its name does not resolve, or nothing answers there.
    ProviderUnreachable,
    /// The provider did not answer within the deadline: it is busy, or nobody is there, which over UDP looks the same.
    ProviderTimeout,
    /// The provider understood the request and refused it.
    ProviderRejected,
    /// The provider asks for fewer requests.
    ProviderRateLimited,
    /// The provider answered with something that can't be read.
    ProviderBadResponse,
    /// The provider did not accept the credentials that this server holds for it.
    ProviderCredentials,
    /// One that a newer server has, as it was written.
    Unknown(String),
}

impl Reason {
    /// As it stands in an answer.
    pub fn name(&self) -> &str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::MalformedQuery => "malformed_query",
            Self::MalformedHeader => "malformed_header",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::BodyTooLarge => "body_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::MissingCredentials => "missing_credentials",
            Self::MalformedCredentials => "malformed_credentials",
            Self::InvalidApiKey => "invalid_api_key",
            Self::RevokedApiKey => "revoked_api_key",
            Self::ExpiredApiKey => "expired_api_key",
            Self::InvalidToken => "invalid_token",
            Self::ExpiredToken => "expired_token",
            Self::TrialNotStarted => "trial_not_started",
            Self::TrialExpired => "trial_expired",
            Self::SubscriptionInactive => "subscription_inactive",
            Self::InsufficientCredits => "insufficient_credits",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientRole => "insufficient_role",
            Self::RouteNotFound => "route_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::ResourceNotFound => "resource_not_found",
            Self::InvalidFields => "invalid_fields",
            Self::NoOutboundNumber => "no_outbound_number",
            Self::AgentNotActive => "agent_not_active",
            Self::NumberInUse => "number_in_use",
            Self::TrunkInUse => "trunk_in_use",
            Self::SipUriNotAllowed => "sip_uri_not_allowed",
            Self::UnsupportedProvider => "unsupported_provider",
            Self::InvalidState => "invalid_state",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::StaleVersion => "stale_version",
            Self::LastOwner => "last_owner",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::Requests => "requests",
            Self::ConcurrentCalls => "concurrent_calls",
            Self::AuthenticationAttempts => "authentication_attempts",
            Self::Overload => "overload",
            Self::IdempotencyInProgress => "idempotency_in_progress",
            Self::Internal => "internal",
            Self::Timeout | Self::ProviderTimeout => "timeout",
            Self::ProviderUnreachable => "unreachable",
            Self::ProviderRejected => "rejected",
            Self::ProviderRateLimited => "rate_limited",
            Self::ProviderBadResponse => "bad_response",
            Self::ProviderCredentials => "provider_credentials",
            Self::Unknown(name) => name,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Reason {
    /// The reason of this name under this code, as one name may stand under two.
    pub fn named(code: &str, name: &str) -> Self {
        match (code, name) {
            ("bad_request", "malformed_json") => Self::MalformedJson,
            ("bad_request", "malformed_query") => Self::MalformedQuery,
            ("bad_request", "malformed_header") => Self::MalformedHeader,
            ("bad_request", "unsupported_media_type") => Self::UnsupportedMediaType,
            ("bad_request", "body_too_large") => Self::BodyTooLarge,
            ("bad_request", "request_timeout") => Self::RequestTimeout,
            ("unauthorized", "missing_credentials") => Self::MissingCredentials,
            ("unauthorized", "malformed_credentials") => Self::MalformedCredentials,
            ("unauthorized", "invalid_api_key") => Self::InvalidApiKey,
            ("unauthorized", "revoked_api_key") => Self::RevokedApiKey,
            ("unauthorized", "expired_api_key") => Self::ExpiredApiKey,
            ("unauthorized", "invalid_token") => Self::InvalidToken,
            ("unauthorized", "expired_token") => Self::ExpiredToken,
            ("payment_required", "trial_not_started") => Self::TrialNotStarted,
            ("payment_required", "trial_expired") => Self::TrialExpired,
            ("payment_required", "subscription_inactive") => Self::SubscriptionInactive,
            ("payment_required", "insufficient_credits") => Self::InsufficientCredits,
            ("forbidden", "ip_not_allowed") => Self::IpNotAllowed,
            ("forbidden", "origin_not_allowed") => Self::OriginNotAllowed,
            ("forbidden", "insufficient_scope") => Self::InsufficientScope,
            ("forbidden", "insufficient_role") => Self::InsufficientRole,
            ("not_found", "route_not_found") => Self::RouteNotFound,
            ("not_found", "method_not_allowed") => Self::MethodNotAllowed,
            ("not_found", "resource_not_found") => Self::ResourceNotFound,
            ("validation_error", "invalid_fields") => Self::InvalidFields,
            ("validation_error", "no_outbound_number") => Self::NoOutboundNumber,
            ("validation_error", "agent_not_active") => Self::AgentNotActive,
            ("validation_error", "number_in_use") => Self::NumberInUse,
            ("validation_error", "trunk_in_use") => Self::TrunkInUse,
            ("validation_error", "sip_uri_not_allowed") => Self::SipUriNotAllowed,
            ("validation_error", "unsupported_provider") => Self::UnsupportedProvider,
            ("validation_error", "invalid_state") => Self::InvalidState,
            ("validation_error", "idempotency_key_reused") => Self::IdempotencyKeyReused,
            ("validation_error", "stale_version") => Self::StaleVersion,
            ("validation_error", "last_owner") => Self::LastOwner,
            ("validation_error", "range_not_satisfiable") => Self::RangeNotSatisfiable,
            ("rate_limit_exceeded", "requests") => Self::Requests,
            ("rate_limit_exceeded", "concurrent_calls") => Self::ConcurrentCalls,
            ("rate_limit_exceeded", "authentication_attempts") => Self::AuthenticationAttempts,
            ("rate_limit_exceeded", "overload") => Self::Overload,
            ("rate_limit_exceeded", "idempotency_in_progress") => Self::IdempotencyInProgress,
            ("internal_error", "internal") => Self::Internal,
            ("internal_error", "timeout") => Self::Timeout,
            ("provider_error", "unreachable") => Self::ProviderUnreachable,
            ("provider_error", "timeout") => Self::ProviderTimeout,
            ("provider_error", "rejected") => Self::ProviderRejected,
            ("provider_error", "rate_limited") => Self::ProviderRateLimited,
            ("provider_error", "bad_response") => Self::ProviderBadResponse,
            ("provider_error", "provider_credentials") => Self::ProviderCredentials,
            (_, other) => Self::Unknown(other.to_owned()),
        }
    }
}
