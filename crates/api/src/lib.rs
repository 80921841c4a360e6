//! HTTP: routes, extractors, the one writer of error bodies, limits, and the API's own description.
//!
//! The only crate that knows statuses. Use cases live in `domain`; handlers extract, call one, and present.
//! Not covered by the error contract: bytes that are not HTTP at all, `/health/*` and `/metrics`.

mod app;
mod bare;
mod changing;
mod conditions;
mod config;
mod document;
mod envelope;
mod exchange;
mod extract;
mod form;
mod formats;
mod gate;
mod head;
mod health;
mod json;
mod lazily;
mod limits;
mod operation;
mod pages;
mod problem;
mod reply;
mod router;
mod routes;
mod schema;
mod server;
mod support;
mod together;

pub use app::{App, AppParts, MetricsText, ReadyProbe};
pub use config::{ApiConfig, RateLimitConfig};
pub use document::openapi;
pub use envelope::{RequestContext, X_REQUEST_ID};
pub use problem::Problem;
pub use router::{Front, router, router_with};
pub use server::{serve, serve_router};
pub use support::request_lines;
