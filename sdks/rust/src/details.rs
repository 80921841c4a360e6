//! Typed views of the facts in `error.details`. A fact that is missing, or of another type than today's, is `None`:
//! an error is no place to fail in.

use std::{fmt, time::Duration};

use contract::{ProviderKind, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{ApiError, Code};

macro_rules! field_reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal)+) => {
        /// Why a field was refused.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FieldReason {
            $($(#[$doc])* $variant,)+
            /// One that a newer server has, as it was written.
            Unknown(String),
        }

        impl FieldReason {
            /// As it stands in an answer.
            pub fn name(&self) -> &str {
                match self { $(Self::$variant => $name,)+ Self::Unknown(name) => name }
            }

            fn named(name: &str) -> Self {
                match name { $($name => Self::$variant,)+ other => Self::Unknown(other.to_owned()) }
            }

            #[cfg(test)]
            const KNOWN: &'static [&'static str] = &[$($name),+];
        }
    };
}

field_reasons! {
    /// It has to be there.
    Required "required"
    /// There is no such field.
    UnknownField "unknown_field"
    /// It is of another type.
    WrongType "wrong_type"
    /// Too little.
    TooShort "too_short"
    /// Too much.
    TooLong "too_long"
    /// Outside of its bounds.
    OutOfRange "out_of_range"
    /// It does not look as it has to.
    InvalidFormat "invalid_format"
    /// Not one of those allowed.
    NotAllowedValue "not_allowed_value"
    /// It does not go together with another field.
    ConflictsWith "conflicts_with"
    /// It is there twice.
    Duplicate "duplicate"
}

impl fmt::Display for FieldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One fault in one field of a request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FieldFault {
    /// Dotted path: `files[0].data`.
    pub field: String,
    /// RFC 6901 for a body, `?name` for a query.
    pub pointer: String,
    /// Why.
    pub reason: FieldReason,
    /// For people.
    pub message: String,
    /// Facts about the rule: `did_you_mean`, `allowed`, bounds.
    pub params: Map<String, Value>,
}

/// What a limit said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limited {
    /// Which limit.
    pub policy: Option<String>,
    /// How much it allows.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// Length of its window.
    pub window: Option<Duration>,
    /// When the window ends.
    pub reset_at: Option<Timestamp>,
    /// How long to wait.
    pub retry_after: Option<Duration>,
}

/// What stands between the organisation and a billable operation.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Payment {
    /// Where a person can mend it: a path of the web application.
    pub redirect_url: Option<String>,
    /// Credits there are.
    pub balance: Option<f64>,
    /// Credits it takes.
    pub required: Option<f64>,
}

/// What was not found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingResource {
    /// Its kind: `agent`.
    pub resource: Option<String>,
    /// The id that was asked for.
    pub id: Option<String>,
    /// The field of the body that the id stood in, if it did.
    pub field: Option<String>,
}

/// Which outside provider failed, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderFacts {
    /// Its configured name.
    pub provider: Option<String>,
    /// What kind of service.
    pub kind: Option<ProviderKind>,
    /// What was asked of it.
    pub operation: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: Option<bool>,
    /// The provider's own status.
    pub status: Option<u64>,
    /// The provider's own code.
    pub code: Option<String>,
    /// The provider's own id of the request.
    pub request_id: Option<String>,
    /// The call whose record tells more.
    pub call_id: Option<String>,
    /// The trunk of that call.
    pub trunk_id: Option<String>,
}

impl ApiError {
    /// One fact, as a type of the caller's choice.
    pub fn fact<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.details.get(name)?.clone()).ok()
    }

    /// The faults of `invalid_fields`, all of them; empty for other reasons.
    pub fn fields(&self) -> Vec<FieldFault> {
        let faults = self.details.get("fields").and_then(Value::as_array);
        faults.into_iter().flatten().filter_map(fault).collect()
    }

    /// What a `rate_limit_exceeded` says about its limit.
    pub fn limited(&self) -> Option<Limited> {
        (self.code == Code::RateLimitExceeded).then(|| Limited {
            policy: self.fact("policy"),
            limit: self.fact("limit"),
            remaining: self.fact("remaining"),
            window: self.fact("window_seconds").map(Duration::from_secs),
            reset_at: self.fact("reset_at"),
            retry_after: self.retry_after,
        })
    }

    /// What a `payment_required` asks for.
    pub fn payment(&self) -> Option<Payment> {
        (self.code == Code::PaymentRequired).then(|| Payment {
            redirect_url: self.fact("redirect_url"),
            balance: self.fact("balance"),
            required: self.fact("required"),
        })
    }

    /// What a `not_found` did not find.
    pub fn missing(&self) -> Option<MissingResource> {
        (self.code == Code::NotFound).then(|| MissingResource {
            resource: self.fact("resource"),
            id: self.fact("id"),
            field: self.fact("field"),
        })
    }

    /// Which provider a `provider_error` is about.
    pub fn provider(&self) -> Option<ProviderFacts> {
        (self.code == Code::ProviderError).then(|| ProviderFacts {
            provider: self.fact("provider"),
            kind: self.fact("kind"),
            operation: self.fact("operation"),
            retryable: self.fact("retryable"),
            status: self.fact("provider_status"),
            code: self.fact("provider_code"),
            request_id: self.fact("provider_request_id"),
            call_id: self.fact("call_id"),
            trunk_id: self.fact("trunk_id"),
        })
    }

    /// The scope that an API key lacks.
    pub fn required_scope(&self) -> Option<&str> {
        self.details.get("required_scope").and_then(Value::as_str)
    }

    /// The role that a user lacks.
    pub fn required_role(&self) -> Option<&str> {
        self.details.get("required_role").and_then(Value::as_str)
    }
}

fn fault(value: &Value) -> Option<FieldFault> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    Some(FieldFault {
        pointer: text("pointer")?,
        field: text("field").unwrap_or_default(),
        reason: FieldReason::named(value.get("reason")?.as_str()?),
        message: text("message").unwrap_or_default(),
        params: value
            .get("params")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_server_is_known_by_name() {
        for name in FieldReason::KNOWN {
            let read = serde_json::from_value::<contract::FieldReason>((*name).into());
            assert!(read.is_ok(), "{name} is none of the server's");
            assert_eq!(FieldReason::named(name).name(), *name);
        }
        // The server's own list, as its schema tells it.
        let schema = <contract::FieldReason as utoipa::PartialSchema>::schema();
        let schema = serde_json::to_value(schema).unwrap_or_default();
        let theirs: Vec<_> = schema["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(theirs, FieldReason::KNOWN);
    }
}
