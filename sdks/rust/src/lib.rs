#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! Operations are methods of [`Client`], named as in the API document: [`Client::agent_create`],
//! [`Client::call_list`] and so on. Each gives a value that is a request until it is awaited: [`Request`],
//! [`ListRequest`], [`Watch`] or [`Download`]. What can go wrong is one [`Error`]. Wire types are in [`contract`].

mod answer;
mod catalogue;
mod client;
mod decode;
mod details;
mod download;
mod error;
mod events;
mod list;
mod operations;
mod request;
mod retry;
mod send;

pub use answer::{Answer, RateLimit};
pub use catalogue::{Code, Reason};
pub use client::{Client, ClientBuilder};
/// Wire types, ids, and the server's own catalogue.
pub use contract;
pub use decode::error_of;
pub use details::{FieldFault, FieldReason, Limited, MissingResource, Payment, ProviderFacts};
pub use download::{Download, Downloaded};
pub use error::{ApiError, Error, ErrorKind, InvalidRequest, TransportError, Unexpected};
pub use events::{EventStream, Watch, WatchEvent};
pub use list::{ListRequest, Page};
pub use operations::*;
pub use request::Request;
pub use retry::{RetryPolicy, SystemTimer, Timer};
