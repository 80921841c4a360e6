//! Clients of speech, model and voice services. Each implements domain's ports and turns whatever goes wrong into
//! a [`domain::ProviderFailure`]; neither keys nor what was said ever reaches a log or an error.

mod http;
mod openai;
mod sse;
mod wav;

pub use http::{Secret, Timeouts};
pub use openai::{OpenAiConfig, OpenAiProvider, SetupError, SpeechFormat};
