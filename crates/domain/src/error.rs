//! What can go wrong in a use case. Causes, not statuses.

use contract::{FieldFault, LaterFailure, MemberRole, ProviderKind, Reason, Timestamp};
use serde_json::{Map, Value};

use crate::billing::Unpaid;

/// Any cause, for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What can go wrong in a use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing of that name, or somebody else's. `field` is the JSON pointer when the id came in a body.
    #[error("{resource} not found")]
    NotFound {
        /// `agent`, `call`, `voice`, …
        resource: &'static str,
        /// As the client wrote it.
        id: String,
        /// RFC 6901, when the id came in the body.
        field: Option<&'static str>,
    },
    /// Fields that break rules the schema can't state.
    #[error("input breaks {} rule(s)", .0.len())]
    Invalid(Vec<FieldFault>),
    /// A business rule other than of fields. `reason` belongs to `validation_error`.
    #[error("{message}")]
    Rule {
        /// Which rule.
        reason: Reason,
        /// For people.
        message: String,
        /// The ids and values it is about.
        details: Map<String, Value>,
    },
    /// Who asks is known and may do much, but not this.
    #[error("the role {} is needed", .required.name())]
    Role {
        /// The least role that may.
        required: MemberRole,
    },
    /// As many calls as the organisation may hold at once.
    #[error("{limit} calls at once is the limit")]
    ConcurrentCalls {
        /// The limit.
        limit: u32,
    },
    /// The organisation's standing or its credits don't cover it.
    #[error(transparent)]
    PaymentRequired(Unpaid),
    /// An outside provider failed.
    #[error(transparent)]
    Provider(Box<ProviderFailure>),
    /// A bug or a broken dependency. `doing` is for the log, never the client.
    #[error("{doing}")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: BoxError,
    },
}

impl Error {
    /// Nothing of that id in the path.
    pub fn not_found(resource: &'static str, id: impl ToString) -> Self {
        Self::NotFound {
            resource,
            id: id.to_string(),
            field: None,
        }
    }

    /// Nothing of that id, given in the body at `field`.
    pub fn not_found_in(resource: &'static str, id: impl ToString, field: &'static str) -> Self {
        Self::NotFound {
            resource,
            id: id.to_string(),
            field: Some(field),
        }
    }

    /// A broken business rule.
    pub fn rule<const N: usize>(reason: Reason, message: impl Into<String>, details: [(&str, Value); N]) -> Self {
        let details = details
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Self::Rule {
            reason,
            message: message.into(),
            details,
        }
    }

    /// Others changed the same thing at every attempt.
    pub(crate) fn contended(doing: &'static str) -> Self {
        Self::internal(doing, "it was changed by others at every attempt")
    }

    /// Something of ours broke while `doing`.
    pub fn internal(doing: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Internal {
            doing,
            source: source.into(),
        }
    }
}

impl From<Unpaid> for Error {
    fn from(unpaid: Unpaid) -> Self {
        Self::PaymentRequired(unpaid)
    }
}

impl From<ProviderFailure> for Error {
    fn from(failure: ProviderFailure) -> Self {
        Self::Provider(Box::new(failure))
    }
}

/// An error with all its causes, outermost first, for a log or an operator. Some libraries say their cause and give it
/// too; it is told once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

/// How a provider failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderFault {
    /// No connection.
    Unreachable,
    /// It did not answer in time.
    Timeout,
    /// It refused.
    Rejected,
    /// It wants us to slow down.
    RateLimited,
    /// It answered what can't be read.
    BadResponse,
    /// It did not take our credentials.
    Credentials,
}

impl ProviderFault {
    /// Its reason in the catalogue.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Unreachable => Reason::ProviderUnreachable,
            Self::Timeout => Reason::ProviderTimeout,
            Self::Rejected => Reason::ProviderRejected,
            Self::RateLimited => Reason::ProviderRateLimited,
            Self::BadResponse => Reason::ProviderBadResponse,
            Self::Credentials => Reason::ProviderCredentials,
        }
    }
}

/// An outside provider failed. `source` is for the log, never the client.
#[derive(Debug, thiserror::Error)]
#[error("{provider} failed to {operation}: {fault:?}")]
pub struct ProviderFailure {
    /// Whose: the configured name, e.g. `openai`, or the trunk's provider, `sip`.
    pub provider: String,
    /// What kind of service.
    pub kind: ProviderKind,
    /// What was asked of it, `snake_case`: `place_call`, `transcribe`, `reply`, `speak`, `embed`.
    pub operation: &'static str,
    /// How it failed.
    pub fault: ProviderFault,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The provider's own status, e.g. an HTTP or SIP status.
    pub status: Option<u16>,
    /// The provider's own code.
    pub code: Option<String>,
    /// The provider's own id of the request, for its support.
    pub request_id: Option<String>,
    /// What it was about: `trunk_id`, and `call_id`, where the record of the failure lies.
    pub about: Vec<(&'static str, String)>,
    /// Seconds to wait, where the provider said.
    pub retry_after_seconds: Option<u64>,
    /// The whole cause.
    #[source]
    pub source: Option<BoxError>,
}

impl ProviderFailure {
    /// A failure without further facts.
    pub fn new(provider: impl Into<String>, kind: ProviderKind, operation: &'static str, fault: ProviderFault) -> Self {
        Self {
            provider: provider.into(),
            kind,
            operation,
            fault,
            retryable: matches!(
                fault,
                ProviderFault::Unreachable | ProviderFault::Timeout | ProviderFault::RateLimited
            ),
            status: None,
            code: None,
            request_id: None,
            about: Vec::new(),
            retry_after_seconds: None,
            source: None,
        }
    }

    /// Adds the provider's status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Names something that it was about.
    #[must_use]
    pub fn about(mut self, name: &'static str, id: impl ToString) -> Self {
        self.about.push((name, id.to_string()));
        self
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// For people; names the provider and nothing secret.
    pub fn message(&self) -> String {
        let what = match self.fault {
            ProviderFault::Unreachable => "can't be reached",
            ProviderFault::Timeout => "did not answer in time",
            ProviderFault::Rejected => "refused the request",
            ProviderFault::RateLimited => "asked us to slow down",
            ProviderFault::BadResponse => "answered something that can't be read",
            ProviderFault::Credentials => "did not accept our credentials",
        };
        format!("The provider {} {what}.", self.provider)
    }

    /// What `details` holds besides the reason (the table in the error contract).
    pub fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        details.insert("provider".to_owned(), self.provider.clone().into());
        details.insert("kind".to_owned(), serde_json::to_value(self.kind).unwrap_or_default());
        details.insert("operation".to_owned(), self.operation.into());
        details.insert("retryable".to_owned(), self.retryable.into());
        for (name, id) in &self.about {
            details.insert((*name).to_owned(), id.clone().into());
        }
        if let Some(status) = self.status {
            details.insert("provider_status".to_owned(), status.into());
        }
        if let Some(code) = &self.code {
            details.insert("provider_code".to_owned(), code.clone().into());
        }
        if let Some(id) = &self.request_id {
            details.insert("provider_request_id".to_owned(), id.clone().into());
        }
        details
    }

    /// As it stands in a call's `context.last_error`.
    pub fn later(&self, at: Timestamp) -> LaterFailure {
        LaterFailure::new(self.fault.reason(), self.message(), self.details(), at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("error returned from database: {0}")]
    struct SaysItsCause(#[source] Said);

    #[derive(Debug, thiserror::Error)]
    #[error("database \"x\" does not exist")]
    struct Said;

    #[test]
    fn a_cause_that_was_said_already_is_told_once() {
        let error = Error::internal("connect to the database", SaysItsCause(Said));
        assert_eq!(
            chain(&error),
            "connect to the database: error returned from database: database \"x\" does not exist"
        );
    }
}
