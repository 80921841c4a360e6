//! Every code and reason a client can see, bound to its status and its page.
//!
//! A reason without a page does not compile. Pages, `errors.json` and the schemas come from here.

macro_rules! catalogue {
    ($($(#[$doc:meta])* $code:ident $name:literal $status:literal {
        $($reason:ident $reason_name:literal)+
    })+) => {
        /// The nine codes, one for each status.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $($(#[$doc])* $code),+ }

        /// What exactly went wrong. Belongs to one code, is never renamed, has a page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "the page of each reason is its documentation")]
        pub enum Reason { $($($reason),+),+ }

        impl Code {
            /// All codes, by rising status.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// As it stands in `error.code`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// The one HTTP status of this code.
            pub const fn status(self) -> u16 {
                match self { $(Self::$code => $status),+ }
            }

            /// The page at `/docs/errors/{code}`, Markdown.
            pub const fn page(self) -> &'static str {
                match self { $(Self::$code => include_str!(concat!("../errors/", $name, "/index.md"))),+ }
            }

            /// The reasons of this code, in the order of the catalogue.
            pub const fn reasons(self) -> &'static [Reason] {
                match self { $(Self::$code => &[$(Reason::$reason),+]),+ }
            }
        }

        impl Reason {
            /// All reasons, grouped by code.
            pub const ALL: &'static [Self] = &[$($(Self::$reason),+),+];

            /// As it stands in `error.details.reason`.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$reason => $reason_name),+),+ }
            }

            /// The code this reason belongs to.
            pub const fn code(self) -> Code {
                match self { $($(Self::$reason => Code::$code),+),+ }
            }

            /// The page at `/docs/errors/{code}/{reason}`, Markdown.
            pub const fn page(self) -> &'static str {
                match self {
                    $($(Self::$reason => include_str!(concat!("../errors/", $name, "/", $reason_name, ".md"))),+),+
                }
            }
        }
    };
}

catalogue! {
    /// The request can't be read.
    BadRequest "bad_request" 400 {
        MalformedJson "malformed_json"
        MalformedQuery "malformed_query"
        MalformedHeader "malformed_header"
        UnsupportedMediaType "unsupported_media_type"
        BodyTooLarge "body_too_large"
        RequestTimeout "request_timeout"
    }
    /// No credentials, or none that are valid.
    Unauthorized "unauthorized" 401 {
        MissingCredentials "missing_credentials"
        MalformedCredentials "malformed_credentials"
        InvalidApiKey "invalid_api_key"
        RevokedApiKey "revoked_api_key"
        ExpiredApiKey "expired_api_key"
        InvalidToken "invalid_token"
        ExpiredToken "expired_token"
    }
    /// The organisation's standing or credits do not allow it.
    PaymentRequired "payment_required" 402 {
        TrialNotStarted "trial_not_started"
        TrialExpired "trial_expired"
        SubscriptionInactive "subscription_inactive"
        InsufficientCredits "insufficient_credits"
    }
    /// Valid credentials that may not do this, or not from here.
    Forbidden "forbidden" 403 {
        IpNotAllowed "ip_not_allowed"
        OriginNotAllowed "origin_not_allowed"
        InsufficientScope "insufficient_scope"
        InsufficientRole "insufficient_role"
    }
    /// The route, the resource or an id doesn't exist, or belongs to someone else.
    NotFound "not_found" 404 {
        RouteNotFound "route_not_found"
        MethodNotAllowed "method_not_allowed"
        ResourceNotFound "resource_not_found"
    }
    /// It was read, and breaks the schema or a business rule.
    ValidationError "validation_error" 422 {
        InvalidFields "invalid_fields"
        NoOutboundNumber "no_outbound_number"
        AgentNotActive "agent_not_active"
        NumberInUse "number_in_use"
        TrunkInUse "trunk_in_use"
        SipUriNotAllowed "sip_uri_not_allowed"
        UnsupportedProvider "unsupported_provider"
        InvalidState "invalid_state"
        IdempotencyKeyReused "idempotency_key_reused"
        StaleVersion "stale_version"
        LastOwner "last_owner"
        RangeNotSatisfiable "range_not_satisfiable"
    }
    /// A rate, concurrency or overload limit.
    RateLimitExceeded "rate_limit_exceeded" 429 {
        Requests "requests"
        ConcurrentCalls "concurrent_calls"
        AuthenticationAttempts "authentication_attempts"
        Overload "overload"
        IdempotencyInProgress "idempotency_in_progress"
    }
    /// Our fault.
    InternalError "internal_error" 500 {
        Internal "internal"
        Timeout "timeout"
    }
    /// An outside provider failed.
    ProviderError "provider_error" 502 {
        ProviderUnreachable "unreachable"
        ProviderTimeout "timeout"
        ProviderRejected "rejected"
        ProviderRateLimited "rate_limited"
        ProviderBadResponse "bad_response"
        ProviderCredentials "provider_credentials"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_by_its_name() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).ok(), Some(code.name().into()));
        }
    }

    #[test]
    fn a_pair_of_code_and_reason_names_one_cause() {
        let mut pairs: Vec<_> = Reason::ALL
            .iter()
            .map(|reason| (reason.code(), reason.name()))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), Reason::ALL.len());
    }
}
