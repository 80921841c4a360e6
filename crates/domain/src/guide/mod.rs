//! `builtin/guide`: the deterministic brain that answers from a script and invents nothing.
//!
//! A caller's words are matched by meaning with the examples that the agent's owner wrote. A clear match is
//! answered, a close one is asked back ("Do you mean …?"), anything else gets the owner's fallback. Small talk
//! that every phone user expects (greetings, thanks, "can you repeat that", goodbyes) works without a script and
//! gives way to one. The guide's own few sentences are English.

mod corrections;
mod dialogue;
mod index;
mod talk;
#[cfg(test)]
mod tests;
mod values;
mod warm;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

pub use index::{GuideIndex, MARGIN, PLAUSIBLE, SURE};
pub(crate) use warm::Warmer;
pub use warm::warm;

use crate::{
    ProviderFailure,
    ports::{Brain, BrainEvent, BrainSetup, BrainStream, SentenceEmbedder},
};
use dialogue::{Dialogue, Reply};

/// The brain of one call that answers from the agent's script.
///
/// Ends the call after the owner's `end_call` action, after `fallback.then: end_call`, and when the caller takes
/// leave: "goodbye", "that's all", or "no" to the question whether there is anything else.
pub struct Guide {
    embedder: Arc<dyn SentenceEmbedder>,
    index: Arc<GuideIndex>,
    dialogue: Dialogue,
    /// As it was before the last answer, until something of that was heard.
    before: Option<Dialogue>,
}

impl Guide {
    /// Ready for a call. Embeds the script's examples unless an earlier call has.
    pub async fn open(embedder: Arc<dyn SentenceEmbedder>, setup: BrainSetup) -> Result<Self, ProviderFailure> {
        let script = setup.agent.script.unwrap_or_default();
        let index = GuideIndex::open(&embedder, &script).await?;
        let dialogue = Dialogue::new(script, setup.variables, setup.now.utc().date_naive());
        Ok(Self {
            embedder,
            index,
            dialogue,
            before: None,
        })
    }
}

#[async_trait]
impl Brain for Guide {
    /// Greets in its own words: the guide doesn't word things from a prompt.
    async fn greet(&mut self, _prompt: &str) -> Result<BrainStream, ProviderFailure> {
        Ok(spoken(self.dialogue.greet()))
    }

    async fn answer(&mut self, words: &str) -> Result<BrainStream, ProviderFailure> {
        // If this is dropped while it waits, nothing is to be undone.
        self.before = None;
        let found = self.index.find(self.embedder.as_ref(), words).await?;
        self.before = Some(self.dialogue.clone());
        Ok(spoken(self.dialogue.answer(words, &found)))
    }

    /// An answer that nobody heard has not happened: the same words come again, with what the caller added.
    fn heard(&mut self, text: &str, interrupted: bool) {
        let before = self.before.take();
        if !(interrupted && text.trim().is_empty()) {
            self.dialogue.heard(text, interrupted);
        } else if let Some(before) = before {
            self.dialogue = before;
        }
    }

    fn said(&mut self, text: &str) {
        self.dialogue.said(text);
    }
}

fn spoken(reply: Reply) -> BrainStream {
    let text = (!reply.text.is_empty()).then_some(Ok(BrainEvent::Text(reply.text)));
    let end = reply.end_call.then_some(Ok(BrainEvent::EndCall));
    stream::iter(text.into_iter().chain(end)).boxed()
}
