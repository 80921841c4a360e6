//! From words heard to speech: the brain's answer cut into sentences, each synthesized as soon as it stands.
//!
//! Runs beside the session's own task, which takes the speech from a bounded channel at the pace of the line.

use std::time::Duration;

use contract::ProviderKind;
use domain::{
    ProviderFailure, ProviderFault,
    calls::SpokenVoice,
    ports::{Brain, BrainEvent, BrainStream, SpeechChunk, SpeechRequest, StageDeadlines},
    sentences::Splitter,
};
use futures_util::{
    Stream, StreamExt, TryFutureExt,
    future::try_join,
    stream::{self, BoxStream},
};
use media::resample::Resampler;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

/// Sentences that may wait for the synthesizer.
const SENTENCES_AHEAD: usize = 4;
/// Pieces of speech that may wait for the line.
pub(super) const PIECES_AHEAD: usize = 16;
/// Rate of the line.
const LINE_HZ: u32 = 8000;

/// What the session asks for. A turn is cancelled by its token.
pub(super) enum Command {
    /// Answer the caller's words.
    Respond {
        turn: u32,
        words: String,
        cancel: CancellationToken,
    },
    /// Word a greeting after the owner's prompt.
    Greet {
        turn: u32,
        prompt: String,
        cancel: CancellationToken,
    },
    /// Say exactly this.
    Say {
        turn: u32,
        text: String,
        cancel: CancellationToken,
    },
    /// What was really heard of the last answer.
    Heard { text: String, interrupted: bool },
    /// What the agent said that the brain did not make: a greeting, a reminder.
    Said { text: String },
}

/// What comes back, in order within a turn.
pub(super) enum Speech {
    /// A sentence stands; its audio follows.
    Sentence { turn: u32, text: String },
    /// Some of its audio, 8 kHz mono.
    Audio { turn: u32, samples: Vec<i16> },
    /// The sentence's audio is complete.
    SentenceEnd { turn: u32 },
    /// The call is to end once all this is said.
    EndCall { turn: u32 },
    /// The turn is complete.
    Done { turn: u32 },
    /// A stage broke.
    Failed { turn: u32, failure: ProviderFailure },
}

enum Piece {
    Sentence(String),
    EndCall,
}

/// The brain and the voice of one call.
pub(super) struct Voice {
    pub(super) brain: Box<dyn Brain>,
    pub(super) brain_provider: String,
    pub(super) spoken: SpokenVoice,
    pub(super) deadlines: StageDeadlines,
    pub(super) out: mpsc::Sender<Speech>,
}

impl Voice {
    /// Serves commands until the session drops its end.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            let (turn, cancel, ask) = match command {
                Command::Said { text } => {
                    self.brain.said(&text);
                    continue;
                }
                Command::Heard { text, interrupted } => {
                    self.brain.heard(&text, interrupted);
                    continue;
                }
                Command::Respond { turn, words, cancel } => (turn, cancel, Ask::Answer(words)),
                Command::Greet { turn, prompt, cancel } => (turn, cancel, Ask::Greeting(prompt)),
                Command::Say { turn, text, cancel } => (turn, cancel, Ask::Exactly(text)),
            };
            let out = self.out.clone();
            let last = tokio::select! {
                biased;
                () = cancel.cancelled() => continue,
                spoken = self.turn(turn, ask) => match spoken {
                    Ok(()) => Speech::Done { turn },
                    Err(failure) => Speech::Failed { turn, failure },
                },
            };
            if out.send(last).await.is_err() {
                return;
            }
        }
    }

    async fn turn(&mut self, turn: u32, ask: Ask) -> Result<(), ProviderFailure> {
        let (sentences, waiting) = mpsc::channel(SENTENCES_AHEAD);
        let thinker = Thinker {
            brain: self.brain.as_mut(),
            provider: &self.brain_provider,
            deadline: self.deadlines.reply,
        };
        let speaker = Speaker {
            voice: &self.spoken,
            deadline: self.deadlines.speak,
            out: &self.out,
            turn,
        };
        try_join(thinker.think(ask, sentences), speaker.speak_all(waiting))
            .map_ok(drop)
            .await
    }
}

enum Ask {
    Answer(String),
    Greeting(String),
    Exactly(String),
}

struct Thinker<'a> {
    brain: &'a mut dyn Brain,
    provider: &'a str,
    deadline: Duration,
}

impl Thinker<'_> {
    async fn think(self, ask: Ask, sentences: mpsc::Sender<Piece>) -> Result<(), ProviderFailure> {
        let mut splitter = Splitter::new();
        let mut end_call = false;
        match ask {
            Ask::Exactly(text) => splitter.push(&text),
            Ask::Answer(words) => {
                let late = late(self.provider, ProviderKind::Llm, "reply");
                let opened = timeout(self.deadline, self.brain.answer(&words))
                    .await
                    .map_err(|_| late)??;
                end_call = follow(opened, self.provider, self.deadline, &mut splitter, &sentences).await?;
            }
            Ask::Greeting(prompt) => {
                let late = late(self.provider, ProviderKind::Llm, "greet");
                let opened = timeout(self.deadline, self.brain.greet(&prompt))
                    .await
                    .map_err(|_| late)??;
                end_call = follow(opened, self.provider, self.deadline, &mut splitter, &sentences).await?;
            }
        }
        splitter.finish();
        let _ = hand_over(&mut splitter, &sentences).await;
        if end_call {
            let _ = sentences.send(Piece::EndCall).await;
        }
        Ok(())
    }
}

/// Reads an answer to its end, handing sentences over as they stand. Whether the call is to end.
async fn follow(
    mut stream: BrainStream,
    provider: &str,
    deadline: Duration,
    splitter: &mut Splitter,
    sentences: &mpsc::Sender<Piece>,
) -> Result<bool, ProviderFailure> {
    let mut end_call = false;
    loop {
        let next = timeout(deadline, stream.next()).await;
        match next.map_err(|_| late(provider, ProviderKind::Llm, "reply"))? {
            None => return Ok(end_call),
            Some(Ok(BrainEvent::Text(text))) => splitter.push(&text),
            Some(Ok(BrainEvent::EndCall)) => end_call = true,
            Some(Err(failure)) => return Err(failure),
        }
        if hand_over(splitter, sentences).await.is_err() {
            return Ok(end_call);
        }
    }
}

async fn hand_over(splitter: &mut Splitter, sentences: &mpsc::Sender<Piece>) -> Result<(), ()> {
    while let Some(sentence) = splitter.next() {
        sentences.send(Piece::Sentence(sentence)).await.map_err(drop)?;
    }
    Ok(())
}

struct Speaker<'a> {
    voice: &'a SpokenVoice,
    deadline: Duration,
    out: &'a mpsc::Sender<Speech>,
    turn: u32,
}

impl Speaker<'_> {
    async fn speak_all(self, mut waiting: mpsc::Receiver<Piece>) -> Result<(), ProviderFailure> {
        while let Some(piece) = waiting.recv().await {
            match piece {
                Piece::Sentence(text) => self.speak(text).await?,
                Piece::EndCall => self.tell(Speech::EndCall { turn: self.turn }).await,
            }
        }
        Ok(())
    }

    async fn speak(&self, text: String) -> Result<(), ProviderFailure> {
        let turn = self.turn;
        self.tell(Speech::Sentence {
            turn,
            text: text.clone(),
        })
        .await;
        let mut stream = std::pin::pin!(line_speech(self.voice, text, self.deadline));
        while let Some(samples) = stream.next().await {
            self.tell(Speech::Audio {
                turn,
                samples: samples?,
            })
            .await;
        }
        self.tell(Speech::SentenceEnd { turn }).await;
        Ok(())
    }

    async fn tell(&self, speech: Speech) {
        // Nobody listens only when the call is over.
        let _ = self.out.send(speech).await;
    }
}

/// Speech at the rate of the line, each piece within the deadline.
pub(super) fn line_speech(
    voice: &SpokenVoice,
    text: String,
    deadline: Duration,
) -> impl Stream<Item = Result<Vec<i16>, ProviderFailure>> + use<> {
    let voice = voice.clone();
    let request = SpeechRequest {
        text,
        voice: voice.voice.clone(),
    };
    stream::unfold(LineSpeech::Asking(request), move |state| {
        let voice = voice.clone();
        async move { state.next(&voice, deadline).await }
    })
}

enum LineSpeech {
    Asking(SpeechRequest),
    Reading(
        BoxStream<'static, Result<SpeechChunk, ProviderFailure>>,
        Option<Resampler>,
    ),
    Over,
}

impl LineSpeech {
    async fn next(self, voice: &SpokenVoice, deadline: Duration) -> Option<(Result<Vec<i16>, ProviderFailure>, Self)> {
        let late = || late(&voice.provider, ProviderKind::Tts, "speak");
        let (mut stream, mut resampler) = match self {
            Self::Over => return None,
            Self::Reading(stream, resampler) => (stream, resampler),
            Self::Asking(request) => match timeout(deadline, voice.text_to_speech.speak(request)).await {
                Ok(Ok(stream)) => (stream, None),
                Ok(Err(failure)) => return Some((Err(failure), Self::Over)),
                Err(_) => return Some((Err(late()), Self::Over)),
            },
        };
        let mut samples = Vec::new();
        match timeout(deadline, stream.next()).await {
            Err(_) => Some((Err(late()), Self::Over)),
            Ok(Some(Err(failure))) => Some((Err(failure), Self::Over)),
            Ok(Some(Ok(chunk))) => {
                let to_line = resampler.get_or_insert_with(|| Resampler::new(chunk.sample_rate.max(1), LINE_HZ));
                to_line.process(&chunk.samples, &mut samples);
                Some((Ok(samples), Self::Reading(stream, resampler)))
            }
            Ok(None) => {
                resampler?.flush(&mut samples);
                Some((Ok(samples), Self::Over))
            }
        }
    }
}

/// A stage that did not answer in time.
pub(super) fn late(provider: &str, kind: ProviderKind, operation: &'static str) -> ProviderFailure {
    ProviderFailure::new(provider, kind, operation, ProviderFault::Timeout)
}
