//! The script's examples as vectors, and how a caller's words are matched with them.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use contract::Script;
use sha2::{Digest, Sha256};

use super::words::{content, plain, sentences};
use crate::{ProviderFailure, ports::SentenceEmbedder};

// Measured with all-MiniLM-L6-v2 (int8) on the 44 phrases of tests/data/guide_phrases.json (ten intents of one
// business): right matches lie between 0.38 and 1.0 with a median of 0.74, wrong ones end at 0.46, foreign topics
// at 0.35 with one at 0.50. Where the likest intent was the wrong one, the right one was at most 0.10 behind.
/// Likeness from which an answer is given without asking back.
pub const SURE: f32 = 0.56;
/// How far the runner-up must be behind a sure match.
pub const MARGIN: f32 = 0.10;
/// Likeness from which "Do you mean …?" is worth asking.
pub const PLAUSIBLE: f32 = 0.37;
/// A second option is offered when it is at least this like, and no further than this behind the first.
const SECOND: (f32, f32) = (0.30, 0.13);
/// Likeness from which a match is as good as the very words.
pub(super) const VERBATIM: f32 = 0.85;

/// Sentences of one utterance that are looked at.
const PIECES_MAX: usize = 4;
/// Examples embedded in one go; between two goes, the words of calls have their turn.
const BATCH: usize = 16;
/// Longest utterance that is looked at, in characters; a recogniser writes more only when it loops.
const UTTERANCE_CHARS_MAX: usize = 1000;
/// Vectors kept for scripts of earlier calls, all together (about 1.5 kB each).
const CACHED_VECTORS_MAX: usize = 20_000;

/// What a script can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Goal {
    Answer(usize),
    Action(usize),
}

/// The examples of a script, embedded.
pub struct GuideIndex {
    examples: Vec<Example>,
}

struct Example {
    goal: Goal,
    /// As compared word by word.
    plain: String,
    vector: Vec<f32>,
}

/// What an utterance asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Match {
    /// These, for sure; more than one where several sentences asked for several things.
    Clear { goals: Vec<Goal>, likeness: f32 },
    /// One of these one or two, perhaps.
    Close(Vec<Goal>),
    /// Nothing that the script knows.
    Nothing,
}

impl GuideIndex {
    /// Embeds the examples of a script, or finds them embedded by an earlier call.
    pub async fn open(embedder: &Arc<dyn SentenceEmbedder>, script: &Script) -> Result<Arc<Self>, ProviderFailure> {
        let key = key(script);
        if let Some(index) = cached(key, embedder) {
            return Ok(index);
        }
        let index = Arc::new(Self::build(embedder.as_ref(), script).await?);
        keep(key, embedder, &index);
        Ok(index)
    }

    async fn build(embedder: &dyn SentenceEmbedder, script: &Script) -> Result<Self, ProviderFailure> {
        let answers = script
            .answers
            .iter()
            .enumerate()
            .map(|(at, answer)| (Goal::Answer(at), &answer.examples));
        let actions = script
            .actions
            .iter()
            .enumerate()
            .map(|(at, action)| (Goal::Action(at), &action.examples));
        let all: Vec<(Goal, &String)> = answers
            .chain(actions)
            .flat_map(|(goal, examples)| examples.iter().map(move |example| (goal, example)))
            .collect();
        let mut vectors = Vec::with_capacity(all.len());
        for batch in all.chunks(BATCH) {
            let texts = batch.iter().map(|(_, example)| meaning(example)).collect();
            vectors.extend(embedder.embed(texts).await?);
        }
        let examples = all.into_iter().zip(vectors).map(|((goal, example), vector)| Example {
            goal,
            plain: plain(example),
            vector,
        });
        Ok(Self {
            examples: examples.collect(),
        })
    }

    /// What the words ask for.
    pub(super) async fn find(&self, embedder: &dyn SentenceEmbedder, words: &str) -> Result<Match, ProviderFailure> {
        let words: String = words.chars().take(UTTERANCE_CHARS_MAX).collect();
        if let Some(goal) = self.verbatim(&words) {
            return Ok(Match::Clear {
                goals: vec![goal],
                likeness: 1.0,
            });
        }
        let mut texts: Vec<String> = sentences(&words)
            .into_iter()
            .map(content)
            .filter(|text| !text.is_empty())
            .collect();
        texts.truncate(PIECES_MAX);
        if texts.is_empty() || self.examples.is_empty() {
            return Ok(Match::Nothing);
        }
        if texts.len() > 1 {
            texts.push(content(&words));
        }
        let vectors = embedder.embed(texts.clone()).await?;
        let ranked: Vec<_> = texts
            .iter()
            .zip(&vectors)
            .map(|(text, vector)| self.rank(text, vector))
            .collect();
        Ok(decide(&ranked))
    }

    /// The goal with an example of exactly these words.
    fn verbatim(&self, words: &str) -> Option<Goal> {
        let words = plain(words);
        self.examples
            .iter()
            .find(|example| !words.is_empty() && example.plain == words)
            .map(|example| example.goal)
    }

    /// Every goal by its likest example, likest first.
    fn rank(&self, text: &str, vector: &[f32]) -> Vec<(Goal, f32)> {
        let mut best: HashMap<Goal, f32> = HashMap::new();
        for example in &self.examples {
            let likeness = if meaning(&example.plain) == text {
                1.0
            } else {
                dot(&example.vector, vector)
            };
            let known = best.entry(example.goal).or_insert(f32::MIN);
            *known = known.max(likeness);
        }
        let mut ranked: Vec<_> = best.into_iter().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked
    }
}

/// What of an example is compared: without politeness, unless politeness is all there is.
fn meaning(example: &str) -> String {
    let content = content(example);
    if content.is_empty() { plain(example) } else { content }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Sure matches of the sentences; else of the whole, which comes last; else what is worth asking back.
fn decide(ranked: &[Vec<(Goal, f32)>]) -> Match {
    let sentences = if ranked.len() > 1 {
        &ranked[..ranked.len() - 1]
    } else {
        ranked
    };
    let mut sure: Vec<(Goal, f32)> = Vec::new();
    for (goal, likeness) in sentences.iter().filter_map(|ranked| winner(ranked)) {
        if sure.len() < 2 && !sure.iter().any(|(known, _)| *known == goal) {
            sure.push((goal, likeness));
        }
    }
    if sure.is_empty() {
        sure.extend(ranked.last().and_then(|whole| winner(whole)));
    }
    if !sure.is_empty() {
        let likeness = sure.iter().map(|(_, likeness)| *likeness).fold(0.0, f32::max);
        return Match::Clear {
            goals: sure.into_iter().map(|(goal, _)| goal).collect(),
            likeness,
        };
    }
    let likest = ranked.iter().max_by(|a, b| top(a).total_cmp(&top(b)));
    let close = likest.map(|ranked| {
        let first = top(ranked);
        let offered = |likeness: f32| first >= PLAUSIBLE && likeness >= SECOND.0 && first - likeness <= SECOND.1;
        ranked
            .iter()
            .take(2)
            .filter(|(_, likeness)| offered(*likeness))
            .map(|(goal, _)| *goal)
            .collect::<Vec<_>>()
    });
    close
        .filter(|goals| !goals.is_empty())
        .map_or(Match::Nothing, Match::Close)
}

fn top(ranked: &[(Goal, f32)]) -> f32 {
    ranked.first().map_or(f32::MIN, |(_, likeness)| *likeness)
}

fn winner(ranked: &[(Goal, f32)]) -> Option<(Goal, f32)> {
    let (goal, likeness) = *ranked.first()?;
    let behind = ranked.get(1).map_or(f32::MAX, |(_, second)| likeness - second);
    // What is nearly the owner's own words needs less of a lead.
    let margin = if likeness >= VERBATIM { MARGIN / 4.0 } else { MARGIN };
    (likeness >= SURE && behind >= margin).then_some((goal, likeness))
}

// ---------------------------------------------------------------- cache

struct Cached {
    key: [u8; 32],
    /// Also keeps the address from being given to another embedder.
    embedder: Weak<dyn SentenceEmbedder>,
    index: Arc<GuideIndex>,
}

/// Least recently used first.
static CACHE: LazyLock<Mutex<Vec<Cached>>> = LazyLock::new(Mutex::default);

fn key(script: &Script) -> [u8; 32] {
    let mut hash = Sha256::new();
    let answers = script.answers.iter().map(|answer| (0_u8, &answer.examples));
    for (kind, examples) in answers.chain(script.actions.iter().map(|action| (1_u8, &action.examples))) {
        hash.update([kind]);
        hash.update(examples.len().to_le_bytes());
        for example in examples {
            hash.update(example.len().to_le_bytes());
            hash.update(example);
        }
    }
    hash.finalize().into()
}

fn cached(key: [u8; 32], embedder: &Arc<dyn SentenceEmbedder>) -> Option<Arc<GuideIndex>> {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |entry: &Cached| entry.key == key && std::ptr::addr_eq(entry.embedder.as_ptr(), Arc::as_ptr(embedder));
    let at = cache.iter().position(same)?;
    let entry = cache.remove(at);
    let index = Arc::clone(&entry.index);
    cache.push(entry);
    Some(index)
}

fn keep(key: [u8; 32], embedder: &Arc<dyn SentenceEmbedder>, index: &Arc<GuideIndex>) {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    cache.push(Cached {
        key,
        embedder: Arc::downgrade(embedder),
        index: Arc::clone(index),
    });
    cache.retain(|entry| entry.embedder.strong_count() > 0);
    while cache.len() > 1
        && cache
            .iter()
            .map(|entry| entry.index.examples.len().max(1))
            .sum::<usize>()
            > CACHED_VECTORS_MAX
    {
        cache.remove(0);
    }
}
