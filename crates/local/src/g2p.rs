//! From words to the phonemes the voice was trained on.
//!
//! Dictionary, suffix rules and the handling of function words follow misaki (hexgrad, Apache-2.0) in the form that
//! hibari (Maureese Williams, Apache-2.0) gave them; the data files are theirs. Numbers and the like are words
//! already when they come here, see [`crate::text`].

mod lexicon;
mod speller;
mod stress;
mod tagger;

use self::{lexicon::Lexicon, speller::Speller, stress::Stress, tagger::Tagger};
use crate::{
    LoadError,
    models::{ModelStore, file},
};

const PUNCTUATION: &str = ";:,.!?—…\"";
const VOWELS: &str = "AIOQWYaiuæɑɐɒɔəɛɜɪʊʌᵻ";

/// Reads words aloud, on paper.
pub(crate) struct G2p {
    lexicon: Lexicon,
    tagger: Tagger,
    speller: Option<Speller>,
}

/// What follows a word, as far as its sound depends on it.
#[derive(Clone, Copy, Default)]
struct Next {
    /// Whether the next sound is a vowel; `None` before a pause.
    vowel: Option<bool>,
    /// Whether the next word is "to".
    to: bool,
}

/// A word or a punctuation mark.
#[derive(Debug, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    /// Whether a space follows.
    space: bool,
}

impl G2p {
    pub(crate) fn load(store: &ModelStore) -> Result<Self, LoadError> {
        Ok(Self {
            lexicon: Lexicon::load(&store.path(file::LEXICON_GOLD), &store.path(file::LEXICON_SILVER))?,
            tagger: Tagger::load(&store.path(file::TAGGER))?,
            speller: Some(Speller::load(
                &store.path(file::SPELLER),
                &store.path(file::SPELLER_ALPHABET),
            )?),
        })
    }

    /// Phonemes and punctuation of one piece of spoken text.
    pub(crate) fn phonemes(&self, text: &str) -> String {
        let tokens = tokens(text);
        let tags = self
            .tagger
            .tag(&tokens.iter().map(|token| token.text).collect::<Vec<_>>());
        let mut sounds = vec![String::new(); tokens.len()];
        let mut next = Next::default();
        for (index, token) in tokens.iter().enumerate().rev() {
            sounds[index] = self.sound(token.text, &tags[index], next);
            next = Next {
                vowel: first_sound(&sounds[index], next.vowel),
                to: token.text.eq_ignore_ascii_case("to"),
            };
        }
        let mut joined = String::new();
        for (sound, token) in sounds.iter().zip(&tokens) {
            joined.push_str(sound);
            joined.push_str(if token.space { " " } else { "" });
        }
        // The voice knows the flap as T and no glottal stop.
        joined.trim().replace('ɾ', "T").replace('ʔ', "t")
    }

    fn sound(&self, word: &str, tag: &str, next: Next) -> String {
        if word.chars().all(|char| PUNCTUATION.contains(char)) {
            return word.to_owned();
        }
        if word.chars().all(|char| !char.is_alphanumeric()) {
            return String::new();
        }
        if let Some(sound) = self.lexicon.word(word, tag, next) {
            return sound;
        }
        if word.contains('-') {
            return self.compound(word, tag, next);
        }
        self.speller
            .as_ref()
            .and_then(|speller| speller.spell(word))
            .unwrap_or_default()
    }

    /// The parts of a hyphenated word run together; only the first keeps its full stress.
    fn compound(&self, word: &str, tag: &str, next: Next) -> String {
        let parts = word.split('-').filter(|part| !part.is_empty());
        let sounds = parts.enumerate().map(|(index, part)| {
            let sound = self.sound(part, tag, next);
            if index == 0 {
                sound
            } else {
                stress::apply(&sound, Some(Stress::Weaker))
            }
        });
        sounds.collect()
    }
}

/// Cuts off punctuation on both sides of each word.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for chunk in text.split_whitespace() {
        let start = chunk.find(|char: char| !is_mark(char)).unwrap_or(chunk.len());
        let initials = chunk.len() > 3 && chunk[start..].split('.').all(|part| part.chars().count() <= 1);
        let end = chunk
            .rfind(|char: char| !is_mark(char))
            .map_or(start, |at| at + chunk[at..].chars().next().map_or(0, char::len_utf8));
        let end = if initials && chunk[end..].starts_with('.') {
            end + 1
        } else {
            end
        };
        push_marks(&chunk[..start], &mut tokens);
        // Punctuation inside a chunk without spaces: "yes,no".
        if !chunk[start..end].is_empty() {
            tokens.push(Token {
                text: &chunk[start..end],
                space: false,
            });
        }
        push_marks(&chunk[end..], &mut tokens);
        if let Some(last) = tokens.last_mut() {
            last.space = true;
        }
    }
    tokens
}

fn is_mark(char: char) -> bool {
    !char.is_alphanumeric()
}

fn push_marks<'a>(marks: &'a str, tokens: &mut Vec<Token<'a>>) {
    for (at, char) in marks.char_indices().filter(|(_, char)| PUNCTUATION.contains(*char)) {
        tokens.push(Token {
            text: &marks[at..at + char.len_utf8()],
            space: false,
        });
    }
}

/// What the word before hears: a vowel, a consonant, a pause, or (from a silent word) what came after.
fn first_sound(sound: &str, after: Option<bool>) -> Option<bool> {
    let heard = sound
        .chars()
        .find(|char| char.is_alphabetic() && !"ˈˌ".contains(*char) || ";:,.!?—…".contains(*char));
    match heard {
        None => after,
        Some(char) if char.is_alphabetic() => Some(VOWELS.contains(char)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
