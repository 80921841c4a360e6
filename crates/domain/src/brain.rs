//! Brains of calls: which one an agent has, and the one that asks a language model.

use std::{collections::VecDeque, fmt::Write, sync::Arc};

use async_trait::async_trait;
use contract::ProviderKind;

use crate::{
    Error, ProviderFailure, ProviderFault,
    guide::Guide,
    ports::{Brain, BrainSetup, BrainStream, ChatMessage, ChatRequest, ChatRole, LanguageModel, Services},
    rules::fill,
};

pub use crate::agents::GUIDE;

/// Messages of the conversation that a model is sent at most, the system prompt aside.
const MESSAGES_MAX: usize = 60;
/// Characters of the conversation that a model is sent at most, the system prompt aside.
const CHARACTERS_MAX: usize = 24_000;
/// Characters of one message that are kept.
const MESSAGE_CHARACTERS_MAX: usize = 4_000;

/// Stands after every agent's own prompt.
const ON_THE_PHONE: &str = "This is a phone call: the other person hears what you write, word for word. Answer in one to \
    three short spoken sentences, without markup, lists, emojis or stage directions. Write numbers and symbols as they \
    are said. The other person's words come from speech recognition and may hold mistakes; ask when something is \
    unclear. A message of yours that ends in \"(interrupted)\" was cut off there. When the conversation is over, say \
    goodbye and call the tool end_call.";

/// The brain that the agent's `model` names.
pub async fn open_brain(services: &Services, setup: BrainSetup) -> Result<Box<dyn Brain>, Error> {
    let model = setup.agent.model.clone();
    if model == GUIDE {
        let embedder = services
            .embedder
            .clone()
            .ok_or_else(|| not_configured("builtin", ProviderKind::Embedding))?;
        return Ok(Box::new(Guide::open(embedder, setup).await?));
    }
    let (provider, name) = model.split_once('/').unwrap_or((&model, ""));
    let language_model = services
        .language_models
        .get(provider)
        .ok_or_else(|| not_configured(provider, ProviderKind::Llm))?;
    Ok(Box::new(LanguageModelBrain::new(
        Arc::clone(language_model),
        name,
        &setup,
    )))
}

fn not_configured(provider: &str, kind: ProviderKind) -> ProviderFailure {
    let mut failure = ProviderFailure::new(provider, kind, "reply", ProviderFault::Unreachable);
    failure.retryable = false;
    failure.with_source("no such provider is configured here")
}

/// A brain that asks a language model. Remembers a bounded conversation, and of its own words only what was heard.
pub struct LanguageModelBrain {
    model: Arc<dyn LanguageModel>,
    name: String,
    temperature: f32,
    system: String,
    history: VecDeque<ChatMessage>,
    /// The caller's words that were answered last, until the caller heard something.
    unanswered: String,
    /// The history ends with what was heard of the last answer.
    heard: bool,
}

impl LanguageModelBrain {
    /// A conversation with `name` at the provider behind `model`.
    pub fn new(model: Arc<dyn LanguageModel>, name: &str, setup: &BrainSetup) -> Self {
        Self {
            model,
            name: name.to_owned(),
            temperature: setup.agent.temperature,
            system: system_prompt(setup),
            history: VecDeque::new(),
            unanswered: String::new(),
            heard: false,
        }
    }

    fn request(&self, further: Option<ChatMessage>, may_end_call: bool) -> ChatRequest {
        let system = ChatMessage {
            role: ChatRole::System,
            text: self.system.clone(),
        };
        let messages = std::iter::once(system)
            .chain(self.history.iter().cloned())
            .chain(further)
            .collect();
        ChatRequest {
            model: self.name.clone(),
            messages,
            temperature: self.temperature,
            may_end_call,
        }
    }

    /// Adds to the conversation; words of the same side in a row become one message, as some models insist on turns.
    fn remember(&mut self, role: ChatRole, text: &str) {
        match self.history.back_mut().filter(|last| last.role == role) {
            Some(last) => {
                last.text.push(' ');
                last.text.push_str(text);
                last.text = cut(&last.text);
            }
            None => self.history.push_back(ChatMessage { role, text: cut(text) }),
        }
        self.forget();
    }

    /// Drops the oldest turns until the rest is within bounds and starts with the caller.
    fn forget(&mut self) {
        let mut characters: usize = self.history.iter().map(|message| message.text.chars().count()).sum();
        let mut dropped = false;
        while self.history.len() > 1
            && (self.history.len() > MESSAGES_MAX
                || characters > CHARACTERS_MAX
                || (dropped && self.history[0].role == ChatRole::Assistant))
        {
            characters -= self
                .history
                .pop_front()
                .map_or(0, |message| message.text.chars().count());
            dropped = true;
        }
    }
}

/// What comes after `known`, if `words` begin with exactly these words.
fn after<'a>(words: &'a str, known: &str) -> Option<&'a str> {
    words
        .strip_prefix(known)
        .filter(|rest| known.is_empty() || rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// The end of a text that is too long: the newest words count.
fn cut(text: &str) -> String {
    let excess = text.chars().count().saturating_sub(MESSAGE_CHARACTERS_MAX);
    text.chars().skip(excess).collect()
}

fn system_prompt(setup: &BrainSetup) -> String {
    let mut prompt = fill(&setup.agent.system_prompt, &setup.variables);
    prompt.push_str("\n\n");
    prompt.push_str(ON_THE_PHONE);
    // Writing to a String can't fail.
    let _ = write!(
        prompt,
        " The call began on {} UTC.",
        setup.now.utc().format("%A, %-d %B %Y at %H:%M")
    );
    if let Some(language) = &setup.agent.language_hint {
        let _ = write!(
            prompt,
            " Speak the language with the tag {language} unless the other person prefers another."
        );
    }
    prompt
}

#[async_trait]
impl Brain for LanguageModelBrain {
    async fn greet(&mut self, prompt: &str) -> Result<BrainStream, ProviderFailure> {
        let text = format!("(The call has just been answered. Greet the other person. {prompt})");
        self.model
            .chat(self.request(
                Some(ChatMessage {
                    role: ChatRole::User,
                    text,
                }),
                false,
            ))
            .await
    }

    async fn answer(&mut self, words: &str) -> Result<BrainStream, ProviderFailure> {
        // Words whose answer nobody heard come again, with what the caller added.
        let known = std::mem::replace(&mut self.unanswered, words.to_owned());
        let added = after(words, &known).unwrap_or(words).trim();
        self.heard = false;
        if !added.is_empty() {
            self.remember(ChatRole::User, added);
        }
        self.model.chat(self.request(None, true)).await
    }

    fn heard(&mut self, text: &str, interrupted: bool) {
        let text = text.trim();
        if text.is_empty() {
            // Nothing of an answer stands in the history before it is heard.
            return;
        }
        if self.heard {
            self.history.pop_back();
        }
        self.unanswered.clear();
        // Not if it joins earlier words of the agent: those stay.
        self.heard = self.history.back().is_none_or(|last| last.role == ChatRole::User);
        let text = if interrupted {
            format!("{text} (interrupted)")
        } else {
            text.to_owned()
        };
        self.remember(ChatRole::Assistant, &text);
    }

    fn said(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.unanswered.clear();
        self.heard = false;
        self.remember(ChatRole::Assistant, text);
    }
}

#[cfg(test)]
mod tests;
