//! How much clients may ask: requests in windows of time, refused credentials, and requests at once.
//!
//! Counting itself is behind a port ([`domain::limits::LimitCounters`]); here is who is limited how, and what they are
//! told.

mod attempts;
mod load;
mod policies;
mod refusals;
mod standing;
mod windows;

pub(crate) use attempts::{Attempts, network};
pub(crate) use load::{Load, Seat};
pub(crate) use refusals::Refusals;
pub(crate) use standing::LimitHeaders;
pub(crate) use windows::{Asker, RateLimiter};
