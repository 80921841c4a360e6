//! Clients of speech, model and voice services, and of those who vouch for people. Each implements domain's ports and turns whatever goes wrong into
//! a [`domain::ProviderFailure`]; neither keys nor what was said ever reaches a log or an error.

mod http;
mod jwks;
mod openai;
mod sse;
mod stripe;
mod wav;

pub use http::{Secret, Timeouts};
pub use jwks::{JwtConfig, JwtSetupError, JwtVerifier};
pub use openai::{OpenAiConfig, OpenAiProvider, SetupError, SpeechFormat};
pub use stripe::{Stripe, StripeConfig, StripePrice};
