//! Chat completions, streamed.

use std::collections::VecDeque;

use async_trait::async_trait;
use contract::ProviderKind;
use domain::{
    ProviderFailure, ProviderFault,
    ports::{BrainEvent, BrainStream, ChatMessage, ChatRequest, ChatRole, LanguageModel},
};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{OpenAiProvider, thoughts::Thoughts};
use crate::{
    http::{Body, ErrorObject},
    sse::Events,
};

/// Longest answer that is read, the stream's wrapping included.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
const END_CALL: &str = "end_call";

#[async_trait]
impl LanguageModel for OpenAiProvider {
    async fn chat(&self, request: ChatRequest) -> Result<BrainStream, ProviderFailure> {
        let mut operation = self.operation(ProviderKind::Llm, "reply");
        let response = operation
            .send(self.post("/chat/completions").json(&body(&request)))
            .await?;
        let answer = Answer::new(operation.body(response));
        Ok(stream::try_unfold(answer, |mut answer| async move {
            Ok(answer.next().await?.map(|event| (event, answer)))
        })
        .boxed())
    }
}

fn body(request: &ChatRequest) -> Value {
    let mut body = json!({
        "model": request.model,
        "messages": request.messages.iter().map(message).collect::<Vec<_>>(),
        "temperature": request.temperature,
        "stream": true,
    });
    if request.may_end_call {
        body["tools"] = json!([{ "type": "function", "function": {
            "name": END_CALL,
            "description": "Ends the phone call. Say goodbye first.",
            "parameters": { "type": "object", "properties": {} },
        }}]);
    }
    body
}

fn message(message: &ChatMessage) -> Value {
    let role = match message.role {
        ChatRole::System => "system",
        ChatRole::User => "user",
        ChatRole::Assistant => "assistant",
    };
    json!({ "role": role, "content": message.text })
}

/// A chunk of a stream, or a whole answer: they differ in `delta` and `message`.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default, alias = "message")]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Deserialize)]
struct ToolCall {
    #[serde(default)]
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    #[serde(default)]
    name: Option<String>,
}

/// How the server answers; some ignore `stream` and send one JSON object.
enum Form {
    Unknown,
    Events(Events),
    Whole(Vec<u8>),
}

struct Answer {
    body: Body,
    form: Form,
    ready: VecDeque<BrainEvent>,
    thoughts: Thoughts,
    bytes: usize,
    end_call: bool,
    /// The server said that the answer is complete.
    complete: bool,
    over: bool,
}

impl Answer {
    fn new(body: Body) -> Self {
        Self {
            body,
            form: Form::Unknown,
            ready: VecDeque::new(),
            thoughts: Thoughts::default(),
            bytes: 0,
            end_call: false,
            complete: false,
            over: false,
        }
    }

    async fn next(&mut self) -> Result<Option<BrainEvent>, ProviderFailure> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.over {
                return Ok(None);
            }
            match self.body.next().await? {
                Some(piece) => self.take(&piece)?,
                None => self.end()?,
            }
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), ProviderFailure> {
        self.bytes += piece.len();
        if self.bytes > ANSWER_BYTES_MAX {
            return Err(self.unreadable("the answer is too long"));
        }
        if matches!(self.form, Form::Unknown) {
            match piece.iter().find(|byte| !byte.is_ascii_whitespace()) {
                None => return Ok(()),
                Some(b'{') => self.form = Form::Whole(Vec::new()),
                Some(_) => self.form = Form::Events(Events::default()),
            }
        }
        let events = match &mut self.form {
            Form::Events(events) => events.push(piece),
            Form::Whole(whole) => {
                whole.extend_from_slice(piece);
                Ok(Vec::new())
            }
            Form::Unknown => Ok(Vec::new()),
        };
        for data in events.map_err(|_| self.unreadable("an event is too long"))? {
            self.event(&data)?;
        }
        Ok(())
    }

    fn event(&mut self, data: &str) -> Result<(), ProviderFailure> {
        if self.over {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.complete = true;
            self.close();
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|_| self.unreadable("an event is no chat completion"))?;
        self.chunk(chunk)
    }

    fn chunk(&mut self, chunk: Chunk) -> Result<(), ProviderFailure> {
        if let Some(error) = chunk.error {
            let mut failure = self
                .body
                .operation
                .failure(ProviderFault::Rejected, "the server sent an error in its answer");
            failure.code = error.code();
            failure.retryable = true;
            return Err(failure);
        }
        let Some(choice) = chunk.choices.into_iter().next() else {
            return Ok(());
        };
        self.complete |= choice.finish_reason.is_some();
        let Some(delta) = choice.delta else { return Ok(()) };
        if let Some(text) = delta.content {
            let spoken = self.thoughts.without(&text);
            self.say(spoken);
        }
        let names = delta
            .tool_calls
            .into_iter()
            .flatten()
            .filter_map(|call| call.function?.name);
        for name in names {
            self.end_call |= name == END_CALL;
        }
        Ok(())
    }

    /// The body is over: an answer that was cut off is a failure, as nobody knows what is missing.
    fn end(&mut self) -> Result<(), ProviderFailure> {
        match std::mem::replace(&mut self.form, Form::Unknown) {
            Form::Unknown => return Err(self.unreadable("the answer is empty")),
            Form::Events(mut events) => {
                if let Some(data) = events.finish() {
                    self.event(&data)?;
                }
            }
            Form::Whole(whole) => {
                let chunk: Chunk =
                    serde_json::from_slice(&whole).map_err(|_| self.unreadable("the answer is no chat completion"))?;
                self.complete = !chunk.choices.is_empty();
                self.chunk(chunk)?;
            }
        }
        if !self.complete {
            return Err(self.unreadable("the answer was cut off"));
        }
        self.close();
        Ok(())
    }

    fn say(&mut self, text: String) {
        if !text.is_empty() {
            self.ready.push_back(BrainEvent::Text(text));
        }
    }

    fn close(&mut self) {
        self.over = true;
        let rest = self.thoughts.finish();
        self.say(rest);
        if std::mem::take(&mut self.end_call) {
            self.ready.push_back(BrainEvent::EndCall);
        }
    }

    fn unreadable(&self, why: &'static str) -> ProviderFailure {
        self.body.operation.failure(ProviderFault::BadResponse, why)
    }
}
