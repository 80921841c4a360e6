//! A failed request as the code that found it tells it. `envelope` turns it into an answer.

use std::{borrow::Cow, sync::Arc};

use axum::response::{IntoResponse, Response};
use contract::{Code, FieldFault, MemberRole, Reason, challenge};
use domain::billing::{PaymentPages, Shortfall, Unpaid};
use hyper::{
    HeaderMap, StatusCode,
    header::{ALLOW, CONTENT_RANGE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Map, Value};

use crate::{ApiConfig, json::write, reply::HEADERS};

/// Field faults that one answer tells; a body made of nothing else must not be answered with megabytes.
const FAULTS_TOLD_MAX: usize = 100;

/// Seconds after which a busy or stopping server may be asked again.
const OVERLOAD_RETRY_SECONDS: u64 = 5;

type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a request failed: a reason of the catalogue, a sentence, facts, headers, and a cause for the log.
#[derive(Clone, Debug)]
pub struct Problem {
    reason: Reason,
    message: Cow<'static, str>,
    facts: Facts,
    /// Of fields; they stand among the details.
    faults: Vec<FieldFault>,
    headers: Vec<(HeaderName, HeaderValue)>,
    source: Option<Cause>,
    /// Whether the same request will always be refused so.
    is_for_good: bool,
}

/// Facts by name, in the order of their names. A refusal has a few, mostly with names that stand in the code, which a
/// map would copy.
#[derive(Clone, Debug, Default)]
struct Facts(Vec<(Cow<'static, str>, Value)>);

impl Facts {
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (name.into(), value)),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl From<Map<String, Value>> for Facts {
    fn from(facts: Map<String, Value>) -> Self {
        let facts = Self(facts.into_iter().map(|(name, value)| (name.into(), value)).collect());
        debug_assert!(
            facts.0.is_sorted_by_key(|(name, _)| name),
            "a map that keeps another order"
        );
        facts
    }
}

/// A cause that is only a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Sentence(String);

impl Problem {
    /// A failure of `reason`, told to people by `message`.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            message: message.into(),
            facts: Facts::default(),
            faults: Vec::new(),
            headers: Vec::new(),
            source: None,
            is_for_good: false,
        }
    }

    /// Adds a fact; whatever the message mentions belongs here too.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        debug_assert!(
            !matches!(name, "reason" | "fields"),
            "{name} is written beside the facts"
        );
        self.facts.set(name, value.into());
        self
    }

    /// Adds the cause, for the log and never for the client.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Says that nothing but another request can help: no later state of ours, no other time.
    #[must_use]
    pub(crate) fn for_good(self) -> Self {
        Self {
            is_for_good: true,
            ..self
        }
    }

    pub(crate) fn is_for_good(&self) -> bool {
        self.is_for_good
    }

    /// Adds a header of the answer, in place of one with this name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl ToString) -> Self {
        if let Ok(value) = HeaderValue::try_from(value.to_string()) {
            self.headers.retain(|(known, _)| *known != name);
            self.headers.push((name, value));
        }
        self
    }

    /// Our own fault. Clients learn nothing but that.
    pub fn internal(doing: impl Into<String>) -> Self {
        Self::new(Reason::Internal, "Something broke on our side.").because(Sentence(doing.into()))
    }

    /// Our own deadline passed.
    pub fn timeout(doing: impl Into<String>) -> Self {
        Self::new(Reason::Timeout, "The request took too long on our side.").because(Sentence(doing.into()))
    }

    /// Faults of fields, all of them at once.
    pub fn invalid(mut faults: Vec<FieldFault>) -> Self {
        let omitted = faults.len().saturating_sub(FAULTS_TOLD_MAX);
        faults.truncate(FAULTS_TOLD_MAX);
        let message = match faults.as_slice() {
            [fault] => format!("The field {} is not valid: {}", name_of(fault), fault.message),
            _ => [
                itoa::Buffer::new().format(faults.len() + omitted),
                " fields are not valid.",
            ]
            .concat(),
        };
        let problem = Self {
            faults,
            ..Self::new(Reason::InvalidFields, message)
        };
        if omitted == 0 {
            problem
        } else {
            problem.with("omitted", omitted)
        }
    }

    /// Too much at once, or the server is going down.
    pub fn overload(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::Overload, message)
            .with("policy", "overload")
            .with("retry_after", OVERLOAD_RETRY_SECONDS)
            .header(RETRY_AFTER, OVERLOAD_RETRY_SECONDS)
    }

    /// Every place of `policy` is taken.
    pub(crate) fn no_place(policy: &str, limit: usize, message: impl Into<Cow<'static, str>>) -> Self {
        Self::overload(message)
            .with("policy", policy)
            .with("limit", limit)
            .with("remaining", 0)
    }

    /// The limit that it comes from, if it comes from one.
    pub(crate) fn policy(&self) -> Option<&str> {
        let policy = self.facts.get("policy").and_then(Value::as_str);
        (self.reason.code() == Code::RateLimitExceeded).then(|| policy.unwrap_or_else(|| self.reason.name()))
    }

    /// No credentials, or none that are valid.
    pub fn unauthorized(reason: Reason) -> Self {
        let problem = Self::new(reason, unauthorized_message(reason));
        let challenge = challenge::challenge(reason).into_iter();
        challenge.fold(problem, |problem, challenge| {
            problem.header(WWW_AUTHENTICATE, challenge)
        })
    }

    /// Credentials of a kind that isn't known here, which in the challenge count as none.
    pub(crate) fn unauthorized_by_another_scheme() -> Self {
        let problem = Self::unauthorized(Reason::MalformedCredentials);
        problem.header(WWW_AUTHENTICATE, challenge::UNKNOWN)
    }

    /// Nothing of ours was wrong where a signature stands in place of credentials, so the challenge only names the realm.
    pub(crate) fn badly_signed(reason: Reason, message: &'static str) -> Self {
        Self::new(reason, message).header(WWW_AUTHENTICATE, challenge::UNKNOWN)
    }

    /// The organisation may not spend.
    fn unpaid(unpaid: &Unpaid) -> Self {
        Self {
            facts: unpaid.details().into(),
            ..Self::new(unpaid.reason(), unpaid.message())
        }
    }

    /// What an answer without a `Problem` means: from the router, the HTTP library or a layer of somebody else's.
    pub fn from_bare(status: StatusCode, headers: &HeaderMap, config: &ApiConfig, pages: &PaymentPages) -> Self {
        match status.as_u16() {
            401 => Self::unauthorized(Reason::MissingCredentials),
            402 => Self::unpaid(&Shortfall::SubscriptionInactive.on(pages)),
            403 => Self::new(Reason::InsufficientScope, "The credentials do not allow this."),
            404 => Self::new(Reason::RouteNotFound, "There is no such route."),
            405 => method_not_allowed(headers),
            406 | 415 => Self::new(Reason::UnsupportedMediaType, "The content type can't be read here.")
                .with("expected", "application/json"),
            408 => Self::new(Reason::RequestTimeout, "The request did not arrive in time."),
            413 => Self::new(Reason::BodyTooLarge, "The body is too large.").with("max_bytes", config.body_bytes_max),
            416 => range_not_satisfiable(headers),
            409 | 422 => Self::new(Reason::InvalidState, "The state of the resource does not allow this."),
            429 | 503 => Self::overload("The server is busy."),
            504 => Self::timeout("a layer answered 504"),
            400..=499 => Self::new(Reason::MalformedHeader, "The request can't be read."),
            bare => Self::internal(format!("a layer answered {bare} without a cause")),
        }
    }

    /// Its reason; the code follows from it.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The cause, for the log.
    pub(crate) fn source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }

    /// For people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Writes `error.details`: the reason first, then the facts, then the faults of fields.
    pub(crate) fn write_details(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"reason\":");
        write::quoted(out, self.reason.name());
        for (name, fact) in &self.facts.0 {
            write::name(out, name);
            write::value(out, fact);
        }
        if self.reason == Reason::InvalidFields {
            out.extend_from_slice(b",\"fields\":");
            write::faults(out, &self.faults);
        }
        out.push(b'}');
    }

    /// Headers that belong to the answer.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.reason.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The sentence for people; the one for programs is [`challenge::challenge`].
fn unauthorized_message(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingCredentials => "No credentials were given. Send the header `Authorization: Bearer cw_…`.",
        Reason::InvalidToken => "The token in the header `Authorization: Bearer …` is not valid here.",
        Reason::ExpiredToken => "The token in the header `Authorization: Bearer …` has expired.",
        Reason::InvalidApiKey => "There is no such API key as the one in the header `Authorization: Bearer cw_…`.",
        Reason::RevokedApiKey => "The API key in the header `Authorization: Bearer cw_…` was revoked.",
        Reason::ExpiredApiKey => "The API key in the header `Authorization: Bearer cw_…` has expired.",
        _ => "The Authorization header does not hold one bearer token of ours. Send `Authorization: Bearer cw_…`.",
    }
}

fn name_of(fault: &FieldFault) -> String {
    if fault.field.is_empty() {
        "(whole body)".to_owned()
    } else {
        fault.field.clone()
    }
}

fn method_not_allowed(headers: &HeaderMap) -> Problem {
    let allowed = headers
        .get(ALLOW)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let allowed: Vec<_> = allowed
        .split(',')
        .map(str::trim)
        .filter(|method| !method.is_empty())
        .collect();
    Problem::new(
        Reason::MethodNotAllowed,
        format!("This route knows only {}.", allowed.join(", ")),
    )
    .with("allowed", allowed)
}

fn range_not_satisfiable(headers: &HeaderMap) -> Problem {
    let size = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let size: Option<u64> = size
        .and_then(|value| value.rsplit('/').next())
        .and_then(|size| size.parse().ok());
    let problem = Problem::new(Reason::RangeNotSatisfiable, "The range lies outside of what there is.");
    size.into_iter()
        .fold(problem, |problem, size| problem.with("size", size))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.headers_mut().reserve(HEADERS);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<domain::Error> for Problem {
    fn from(error: domain::Error) -> Self {
        use domain::Error as E;
        match error {
            E::NotFound { resource, id, field } => {
                let problem = Self::new(
                    Reason::ResourceNotFound,
                    format!("There is no {resource} with this id."),
                )
                .with("resource", resource)
                .with("id", shortened(id));
                field.into_iter().fold(problem, |problem, field| {
                    problem.with("field", field.trim_start_matches('/'))
                })
            }
            E::Invalid(faults) => Self::invalid(faults),
            E::Rule {
                reason,
                message,
                details,
            } => Self {
                facts: details.into(),
                ..Self::new(reason, message)
            },
            E::Role { required } => insufficient_role(required),
            E::ConcurrentCalls { limit } => concurrent_calls(limit),
            E::PaymentRequired(unpaid) => Self::unpaid(&unpaid),
            E::Provider(failure) => provider(*failure),
            E::Internal { doing, source } => {
                let chain = domain::Error::Internal { doing, source };
                Self::new(Reason::Internal, "Something broke on our side.").because(chain)
            }
        }
    }
}

/// Who asks is known; their role is too low.
pub(crate) fn insufficient_role(required: MemberRole) -> Problem {
    let message = format!("This needs the role {}.", required.name());
    Problem::new(Reason::InsufficientRole, message).with("required_role", required.name())
}

/// Longer than any id; what a client wrote in place of one may be as large as a body.
const ID_CHARS_MAX: usize = 256;

fn shortened(id: String) -> String {
    match id.char_indices().nth(ID_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id,
    }
}

/// Calls end on their own schedule, so the wait is a guess; a short one.
const CONCURRENT_CALLS_RETRY_SECONDS: u64 = 10;

fn concurrent_calls(limit: u32) -> Problem {
    Problem::new(
        Reason::ConcurrentCalls,
        format!("The organisation may hold {limit} calls at once."),
    )
    .with("policy", "concurrent_calls")
    .with("limit", limit)
    .with("remaining", 0)
    .with("retry_after", CONCURRENT_CALLS_RETRY_SECONDS)
    .header(RETRY_AFTER, CONCURRENT_CALLS_RETRY_SECONDS)
}

fn provider(failure: domain::ProviderFailure) -> Problem {
    let problem = Problem {
        facts: failure.details().into(),
        ..Problem::new(failure.fault.reason(), failure.message())
    };
    let wait = failure.retry_after_seconds.filter(|_| failure.retryable);
    let problem = wait
        .into_iter()
        .fold(problem, |problem, seconds| problem.header(RETRY_AFTER, seconds.max(1)));
    problem.because(failure)
}

#[cfg(test)]
impl Problem {
    /// `error.details`, to look into.
    pub(crate) fn facts(&self) -> Value {
        let mut details = Vec::new();
        self.write_details(&mut details);
        serde_json::from_slice(&details).unwrap_or_default()
    }

    /// A header of the answer, to look at.
    pub(crate) fn header_text(&self, name: &HeaderName) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        value.to_str().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_folds_into_one_of_the_nine() {
        let known: Vec<u16> = contract::Code::ALL.iter().map(|code| code.status()).collect();
        for status in 400..600 {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            let (config, pages) = (ApiConfig::default(), PaymentPages::default());
            let problem = Problem::from_bare(status, &HeaderMap::new(), &config, &pages);
            assert!(known.contains(&problem.status().as_u16()), "{status}");
        }
    }

    #[test]
    fn a_flood_of_faults_is_cut_and_counted() {
        let fault = FieldFault::in_body("/x", contract::FieldReason::UnknownField, "unknown");
        let problem = Problem::invalid(vec![fault; 250]);
        assert_eq!(
            problem.facts()["fields"].as_array().map(Vec::len),
            Some(FAULTS_TOLD_MAX)
        );
        assert_eq!(problem.facts()["omitted"], 150);
    }

    #[test]
    fn a_cause_never_reaches_message_or_details() {
        let problem = Problem::from(domain::Error::internal("reading", "MARKER"));
        assert!(!format!("{}{:?}", problem.message(), problem.facts()).contains("MARKER"));
        let chain = problem
            .source()
            .map(|source| std::error::Error::source(source).map(ToString::to_string));
        assert_eq!(chain, Some(Some("MARKER".to_owned())));
    }
}
