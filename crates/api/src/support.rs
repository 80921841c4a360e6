//! What is kept of requests that failed, for whoever is asked about one by its id.
//!
//! The envelope opens a span for each request, so that every log line of its work carries the request's id; `lines`
//! gathers those lines; `recorder` writes what is known of a failed one to the store, beside the request and never in
//! its way. Of what clients send nothing is kept: no path, query, header or body; `scrub` sees to what a cause may
//! quote all the same.

mod lines;
mod queues;
mod recorder;
mod scrub;

use contract::{FailedRequest, FailedRequestReport};
use domain::requests::FailureClass;

pub use self::lines::request_lines;
pub(crate) use self::{
    lines::{Gathered, open_span},
    recorder::Recorder,
    scrub::scrubbed,
};
use crate::{App, Problem, RequestContext};

/// Most bytes of a cause that are kept.
const CAUSE_BYTES_MAX: usize = 4096;

/// What the envelope saw of a request that failed.
#[derive(Default)]
pub(crate) struct Seen<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
    pub(crate) milliseconds: u64,
    pub(crate) client_request_id: Option<&'a str>,
    pub(crate) cause: Option<String>,
}

/// Has a failed request kept.
pub(crate) fn note(
    app: &App,
    context: &RequestContext,
    problem: &Problem,
    seen: Seen<'_>,
    gathered: Option<&Gathered>,
) {
    let status = problem.status().as_u16();
    let organization = context.organization();
    let class = FailureClass::of(problem.reason().code(), organization);
    app.recorder().note(class, organization, || {
        let (lines, lines_omitted) = gathered.map(Gathered::close).unwrap_or_default();
        FailedRequestReport {
            request: FailedRequest {
                id: context.id,
                at: context.meta().ts,
                method: seen.method.map(ToOwned::to_owned),
                route: seen.route.map(ToOwned::to_owned),
                status,
                code: problem.reason().code().name().to_owned(),
                reason: problem.reason().name().to_owned(),
                duration_ms: seen.milliseconds,
                client_request_id: seen.client_request_id.map(ToOwned::to_owned),
                address: Some(context.address().to_string()),
            },
            organization_id: organization,
            cause: seen.cause.map(|mut cause| {
                cause.truncate(cause.floor_char_boundary(CAUSE_BYTES_MAX));
                cause
            }),
            lines,
            lines_omitted,
        }
    });
}
