//! The pronouncing dictionary: a careful part (gold) and a large one (silver), with suffix rules on top.

use std::{collections::HashMap, fs::File, io::BufReader, path::Path};

use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Next,
    stress::{self, Stress},
};
use crate::LoadError;

/// Vowels after which American English flaps a t: "waiting".
const FLAPPING: &str = "AIOWYiuæɑəɛɪɹʊʌ";
/// Capitals up to this long that no dictionary knows are read as letters.
const INITIALS_MAX: usize = 5;

/// One sound, or one for each part of speech.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    One(String),
    ByTag(HashMap<String, Option<String>>),
}

#[derive(Default)]
pub(super) struct Lexicon {
    gold: HashMap<String, Entry>,
    silver: HashMap<String, Entry>,
}

pub(super) fn read_gzip<T: DeserializeOwned>(path: &Path) -> Result<T, LoadError> {
    LoadError::require(path)?;
    let file = File::open(path).map_err(|error| LoadError::unreadable(path, error))?;
    let reader = BufReader::with_capacity(1 << 16, GzDecoder::new(file));
    serde_json::from_reader(reader).map_err(|error| LoadError::unreadable(path, error))
}

impl Lexicon {
    pub(super) fn load(gold: &Path, silver: &Path) -> Result<Self, LoadError> {
        Ok(Self {
            gold: read_gzip(gold)?,
            silver: read_gzip(silver)?,
        })
    }

    #[cfg(test)]
    pub(super) fn of(gold: &str, silver: &str) -> serde_json::Result<Self> {
        Ok(Self {
            gold: serde_json::from_str(gold)?,
            silver: serde_json::from_str(silver)?,
        })
    }

    /// `None` for a word that is neither known nor made from a known one.
    pub(super) fn word(&self, word: &str, tag: &str, next: Next) -> Option<String> {
        if let Some(sound) = self.function_word(word, tag, next) {
            return Some(sound);
        }
        if is_dotted(word) {
            return self.letters(word);
        }
        let shouted = word.chars().count() > 1 && !word.chars().any(char::is_lowercase);
        let stress = match word {
            _ if shouted => Some(Stress::Strong),
            _ if word.starts_with(char::is_uppercase) => Some(Stress::Some),
            _ => None,
        };
        let lower = word.to_lowercase();
        self.entry(word, tag, next)
            .or_else(|| {
                if shouted && tag == "NNP" && is_short(word) {
                    self.letters(word)
                } else {
                    None
                }
            })
            .or_else(|| self.entry(&lower, tag, next))
            .or_else(|| self.derived(&lower, tag, next))
            .map(|sound| stress::apply(&sound, stress))
            .or_else(|| {
                if shouted && is_short(word) {
                    self.letters(word)
                } else {
                    None
                }
            })
            .or_else(|| self.plural_of_letters(word))
    }

    /// Words whose sound depends on what follows or on their part of speech.
    fn function_word(&self, word: &str, tag: &str, next: Next) -> Option<String> {
        let sound = match word {
            "a" => "ɐ",
            "A" if tag == "DT" => "ɐ",
            "A" => "ˈA",
            "an" | "An" => "ɐn",
            "I" => "ˌI",
            "the" | "The" if next.vowel == Some(true) => "ði",
            "the" | "The" => "ðə",
            "to" | "To" => match next.vowel {
                None => return self.entry("to", tag, next),
                Some(false) => "tə",
                Some(true) => "tʊ",
            },
            "in" | "In" if next.vowel.is_none() || tag != "IN" => "ˈɪn",
            "in" | "In" => "ɪn",
            "am" if next.vowel.is_some() => "ɐm",
            "by" | "By" if tag.starts_with("RB") => "bˈI",
            "used" | "Used" if next.to && matches!(tag, "VBD" | "JJ") => return self.entry("used", "VBD", next),
            _ => return None,
        };
        Some(sound.to_owned())
    }

    fn entry(&self, word: &str, tag: &str, next: Next) -> Option<String> {
        let found = lookup(&self.gold, word).or_else(|| lookup(&self.silver, word))?;
        match found {
            Entry::One(sound) => Some(sound.clone()),
            Entry::ByTag(sounds) => {
                let end = sounds.get("None").filter(|_| next.vowel.is_none());
                let by_tag = || sounds.get(tag).or_else(|| sounds.get(parent(tag)));
                end.or_else(by_tag).or_else(|| sounds.get("DEFAULT"))?.clone()
            }
        }
    }

    /// Plurals, possessives, pasts and -ing forms of known words.
    fn derived(&self, word: &str, tag: &str, next: Next) -> Option<String> {
        if let Some(plain) = word.strip_suffix('\'') {
            return self.entry(plain, tag, next).or_else(|| self.derived(plain, tag, next));
        }
        if let Some(owner) = word.strip_suffix("'s") {
            let sound = self
                .entry(owner, tag, next)
                .or_else(|| self.derived(owner, tag, next))?;
            return with_s(&sound);
        }
        let stem = |stems: &[Option<String>]| stems.iter().flatten().find_map(|stem| self.entry(stem, tag, next));
        if let Some(base) = word
            .strip_suffix('s')
            .filter(|base| base.len() > 1 && !base.ends_with('s'))
        {
            let stems = [
                Some(base.to_owned()),
                base.strip_suffix('e').map(str::to_owned),
                base.strip_suffix("ie").map(|base| format!("{base}y")),
            ];
            return with_s(&stem(&stems)?);
        }
        if let Some(base) = word.strip_suffix("ed").filter(|base| base.len() > 1) {
            let stems = [
                Some(format!("{base}e")),
                Some(base.to_owned()),
                undoubled(base),
                base.strip_suffix('i').map(|base| format!("{base}y")),
            ];
            return with_ed(&stem(&stems)?);
        }
        let base = word.strip_suffix("ing").filter(|base| base.len() > 1)?;
        with_ing(&stem(&[
            Some(base.to_owned()),
            Some(format!("{base}e")),
            undoubled(base),
        ])?)
    }

    /// Letter by letter, the last one stressed.
    fn letters(&self, word: &str) -> Option<String> {
        let sounds: Option<String> = word
            .chars()
            .filter(|char| char.is_alphabetic())
            .map(|char| self.entry(&char.to_uppercase().to_string(), "NN", Next::default()))
            .collect();
        sounds.map(|sounds| stress::end_heavy(&stress::apply(&sounds, Some(Stress::Even))))
    }

    /// "PINs", "TV's".
    fn plural_of_letters(&self, word: &str) -> Option<String> {
        let letters = word.strip_suffix("'s").or_else(|| word.strip_suffix('s'))?;
        let initials = letters.chars().count() > 1 && is_short(letters) && letters.chars().all(char::is_uppercase);
        if initials {
            with_s(&self.letters(letters)?)
        } else {
            None
        }
    }
}

/// An entry answers to its capitalised form too, and the other way round.
fn lookup<'a>(entries: &'a HashMap<String, Entry>, word: &str) -> Option<&'a Entry> {
    entries.get(word).or_else(|| {
        let mut chars = word.chars();
        let first = chars.next().filter(|char| char.is_lowercase())?;
        if chars.as_str().is_empty() || chars.as_str().chars().any(char::is_uppercase) {
            return None;
        }
        entries.get(&first.to_uppercase().chain(chars).collect::<String>())
    })
}

fn parent(tag: &str) -> &str {
    match tag.get(..2) {
        Some("VB") => "VERB",
        Some("NN") => "NOUN",
        Some("RB") => "ADV",
        Some("JJ") => "ADJ",
        _ => tag,
    }
}

fn is_dotted(word: &str) -> bool {
    word.contains('.') && word.split('.').all(|part| part.chars().count() <= 1)
}

fn is_short(word: &str) -> bool {
    word.chars().count() <= INITIALS_MAX
}

/// "stopp" to "stop".
fn undoubled(base: &str) -> Option<String> {
    let mut last = base.chars().rev();
    let (one, two) = (last.next()?, last.next()?);
    (one == two && !"aeiou".contains(one)).then(|| base[..base.len() - one.len_utf8()].to_owned())
}

fn with_s(stem: &str) -> Option<String> {
    let ending = match stem.chars().last()? {
        'p' | 't' | 'k' | 'f' | 'θ' => "s",
        's' | 'z' | 'ʃ' | 'ʒ' | 'ʧ' | 'ʤ' => "ᵻz",
        _ => "z",
    };
    Some(format!("{stem}{ending}"))
}

fn with_ed(stem: &str) -> Option<String> {
    Some(match stem.chars().last()? {
        'p' | 'k' | 'f' | 'θ' | 'ʃ' | 's' | 'ʧ' => format!("{stem}t"),
        'd' => format!("{stem}ᵻd"),
        't' => flapped(stem).map_or_else(|| format!("{stem}ᵻd"), |stem| format!("{stem}ᵻd")),
        _ => format!("{stem}d"),
    })
}

fn with_ing(stem: &str) -> Option<String> {
    (!stem.is_empty()).then(|| flapped(stem).map_or_else(|| format!("{stem}ɪŋ"), |stem| format!("{stem}ɪŋ")))
}

/// A t after a vowel becomes a flap before another vowel.
fn flapped(stem: &str) -> Option<String> {
    let base = stem.strip_suffix('t')?;
    base.ends_with(|char| FLAPPING.contains(char))
        .then(|| format!("{base}ɾ"))
}
