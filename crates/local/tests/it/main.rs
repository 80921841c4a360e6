//! The engines on their real models.
#![expect(clippy::unwrap_used, reason = "tests")]

mod guide;
mod meaning;
mod phone_line;
mod speech;
mod support;
mod turns;
mod voice_activity;
