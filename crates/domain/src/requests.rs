//! Requests that failed: kept for a while, so that an id somebody quotes can be looked up.
//!
//! What is kept is bounded in age and in number, and the number for each class apart: however many strangers knock
//! with bad keys, the failures that somebody will ask about stay.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use contract::{Code, FailedRequest, FailedRequestReport, OrganizationId, RequestId, Timestamp};

use crate::{
    Error,
    clock::Straightness,
    ports::{Clock, Stored},
    records::{Listing, Page, Scope},
    rules,
};

/// Which failures share a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// Something of ours or a provider's broke: what the operator wants to know of most.
    Broken,
    /// A known caller was refused.
    Refused,
    /// Nobody we know was refused.
    Stranger,
}

impl FailureClass {
    /// All of them, the most worth keeping first.
    pub const ALL: [Self; 3] = [Self::Broken, Self::Refused, Self::Stranger];

    /// The class of an answer with `code` to `organization`, if that is known.
    pub fn of(code: Code, organization: Option<OrganizationId>) -> Self {
        match (code, organization) {
            (Code::InternalError | Code::ProviderError, _) => Self::Broken,
            (_, Some(_)) => Self::Refused,
            (_, None) => Self::Stranger,
        }
    }

    /// The class of what is kept.
    pub fn of_report(report: &FailedRequestReport) -> Self {
        let code = Code::ALL.iter().find(|code| code.name() == report.request.code);
        Self::of(code.copied().unwrap_or(Code::InternalError), report.organization_id)
    }

    /// As the store knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Refused => "refused",
            Self::Stranger => "stranger",
        }
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBounds {
    /// For how long; zero keeps nothing.
    pub keep: Duration,
    /// Most of [`FailureClass::Broken`].
    pub broken_max: u32,
    /// Most of [`FailureClass::Broken`] of one organisation: a provider of its own choice may fail all day.
    pub broken_of_one_max: u32,
    /// Most of [`FailureClass::Refused`].
    pub refused_max: u32,
    /// Most of [`FailureClass::Refused`] of one organisation, so that none takes the place of all others.
    pub refused_of_one_max: u32,
    /// Most of [`FailureClass::Stranger`].
    pub stranger_max: u32,
}

impl RequestBounds {
    /// Most of a class.
    pub const fn max(&self, class: FailureClass) -> u32 {
        match class {
            FailureClass::Broken => self.broken_max,
            FailureClass::Refused => self.refused_max,
            FailureClass::Stranger => self.stranger_max,
        }
    }

    /// Most of a class of one organisation; strangers are of none.
    pub const fn max_of_one(&self, class: FailureClass) -> Option<u32> {
        match class {
            FailureClass::Broken => Some(self.broken_of_one_max),
            FailureClass::Refused => Some(self.refused_of_one_max),
            FailureClass::Stranger => None,
        }
    }
}

impl Default for RequestBounds {
    fn default() -> Self {
        Self {
            keep: Duration::from_hours(7 * 24),
            broken_max: 40_000,
            broken_of_one_max: 5_000,
            refused_max: 50_000,
            refused_of_one_max: 10_000,
            stranger_max: 10_000,
        }
    }
}

/// Filters of lists of failed requests; all exact but `since`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Answered with this status.
    pub status: Option<u16>,
    /// Answered with this code.
    pub code: Option<String>,
    /// Answered because of this.
    pub reason: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
}

/// Where failed requests are kept.
#[async_trait]
pub trait RequestStore: Send + Sync {
    /// Adds failures. One that is there already stays as it is.
    async fn requests_add(&self, failed: &[FailedRequestReport]) -> Stored<()>;
    /// `None` also for another organisation's request.
    async fn request_fetch(&self, scope: Scope, id: RequestId) -> Stored<Option<FailedRequestReport>>;
    /// Anybody's; for the operator.
    async fn request_fetch_any(&self, id: RequestId) -> Stored<Option<FailedRequestReport>>;
    /// A page of an organisation's failures.
    async fn request_list(
        &self,
        scope: Scope,
        filter: &RequestFilter,
        page: Page,
    ) -> Stored<Listing<FailedRequestReport>>;
    /// A page of everybody's failures, or of one organisation's; for the operator.
    async fn request_list_any(
        &self,
        organization: Option<OrganizationId>,
        filter: &RequestFilter,
        page: Page,
    ) -> Stored<Listing<FailedRequestReport>>;
    /// Forgets what is older than `before`, and the oldest of what exceeds the bounds; how many that were.
    async fn requests_purge(&self, before: Timestamp, bounds: &RequestBounds) -> Stored<u64>;
}

/// Use cases of failed requests.
#[derive(Clone)]
pub struct Requests {
    store: Arc<dyn RequestStore>,
    clock: Arc<dyn Clock>,
    bounds: RequestBounds,
}

impl Requests {
    /// Use cases on this store.
    pub fn new(store: Arc<dyn RequestStore>, clock: Arc<dyn Clock>, bounds: RequestBounds) -> Self {
        Self { store, clock, bounds }
    }

    /// Whether failures are kept at all.
    pub fn is_keeping(&self) -> bool {
        !self.bounds.keep.is_zero()
    }

    /// Keeps failures.
    pub async fn keep(&self, failed: &[FailedRequestReport]) -> Result<(), Error> {
        Ok(self.store.requests_add(failed).await?)
    }

    /// Forgets what is too old or too much; how many that were.
    pub async fn purge(&self) -> Result<u64, Error> {
        let age = i64::try_from(self.bounds.keep.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(self.clock.now().millis().saturating_sub(age).max(0));
        Ok(self.store.requests_purge(before, &self.bounds).await?)
    }

    /// Forgets what is too much, however old; how many that were.
    pub async fn purge_excess(&self) -> Result<u64, Error> {
        let before = Timestamp::from_millis(0);
        Ok(self.store.requests_purge(before, &self.bounds).await?)
    }

    /// Watches the clock by which failures are forgotten.
    pub fn straightness(&self) -> Straightness {
        Straightness::new(Arc::clone(&self.clock))
    }

    /// One failed request of the organisation, without what is inside.
    pub async fn request_fetch(&self, scope: Scope, id: &str) -> Result<FailedRequest, Error> {
        let request = rules::id_in_path("request", id)?;
        let found = self.store.request_fetch(scope, request).await?;
        found
            .map(|report| report.request)
            .ok_or_else(|| Error::not_found("request", id))
    }

    /// A page of the organisation's failed requests, without what is inside.
    pub async fn request_list(
        &self,
        scope: Scope,
        filter: &RequestFilter,
        page: Page,
    ) -> Result<Listing<FailedRequest>, Error> {
        let Listing { items, total } = self.store.request_list(scope, filter, page).await?;
        let items = items.into_iter().map(|report| report.request).collect();
        Ok(Listing { items, total })
    }

    /// Anybody's failed request with all that is known of it; for the operator.
    pub async fn report_fetch(&self, id: &str) -> Result<FailedRequestReport, Error> {
        let request = rules::id_in_path("request", id)?;
        let found = self.store.request_fetch_any(request).await?;
        found.ok_or_else(|| Error::not_found("request", id))
    }

    /// A page of everybody's failed requests, or of one organisation's; for the operator.
    pub async fn report_list(
        &self,
        organization: Option<OrganizationId>,
        filter: &RequestFilter,
        page: Page,
    ) -> Result<Listing<FailedRequestReport>, Error> {
        Ok(self.store.request_list_any(organization, filter, page).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_ours_is_one_whoever_asked() {
        let known = Some(OrganizationId::new());
        for (code, organization, class) in [
            (Code::InternalError, None, FailureClass::Broken),
            (Code::ProviderError, known, FailureClass::Broken),
            (Code::NotFound, known, FailureClass::Refused),
            (Code::RateLimitExceeded, known, FailureClass::Refused),
            (Code::Unauthorized, None, FailureClass::Stranger),
            (Code::NotFound, None, FailureClass::Stranger),
        ] {
            assert_eq!(FailureClass::of(code, organization), class, "{code:?}");
        }
    }
}
