//! Words no dictionary knows: a small network reads them letter by letter.

use std::{collections::HashMap, fs, path::Path};

use serde::Deserialize;

use crate::{
    LoadError,
    net::{Net, NetError},
};

#[derive(Deserialize)]
struct Alphabet {
    #[serde(rename = "in")]
    letters: Vec<String>,
    #[serde(rename = "out")]
    phonemes: Vec<String>,
    maxlen: usize,
}

pub(super) struct Speller {
    net: Net,
    letters: HashMap<char, i32>,
    phonemes: Vec<String>,
    length_max: usize,
}

impl Speller {
    pub(super) fn load(net: &Path, alphabet: &Path) -> Result<Self, LoadError> {
        LoadError::require(alphabet)?;
        let text = fs::read(alphabet).map_err(|error| LoadError::unreadable(alphabet, error))?;
        let parsed: Alphabet = serde_json::from_slice(&text).map_err(|error| LoadError::unreadable(alphabet, error))?;
        let letters = parsed
            .letters
            .iter()
            .zip(1..)
            .filter_map(|(letter, id)| Some((letter.chars().next()?, id)));
        Ok(Self {
            net: Net::load(net)?,
            letters: letters.collect(),
            phonemes: parsed.phonemes,
            length_max: parsed.maxlen,
        })
    }

    /// `None` when the network can't read it at all; a word unsaid is better than a call that fails.
    pub(super) fn spell(&self, word: &str) -> Option<String> {
        let ids: Vec<i32> = word
            .chars()
            .filter_map(|char| self.letters.get(&char).copied())
            .take(self.length_max)
            .collect();
        if ids.is_empty() {
            return None;
        }
        match self.run(ids) {
            Ok(sound) => Some(sound),
            Err(error) => {
                tracing::warn!(%error, "an unknown word stays silent");
                None
            }
        }
    }

    fn run(&self, ids: Vec<i32>) -> Result<String, NetError> {
        let input = self.net.tensor(&[1, ids.len()], ids)?;
        let [output] = self.net.run(vec![("chars", input)], ["ids"])?;
        Ok(collapse(&self.net.integers(output)?)
            .filter_map(|id| self.phonemes.get(id - 1))
            .map(String::as_str)
            .collect())
    }
}

/// Repeats are one, zero is nothing.
fn collapse(ids: &[i32]) -> impl Iterator<Item = usize> + '_ {
    let changed = |index: &usize| *index == 0 || ids[*index] != ids[index - 1];
    (0..ids.len())
        .filter(changed)
        .map(|index| ids[index])
        .filter(|id| *id > 0)
        .map(|id| id as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_collapse_unless_a_blank_parts_them() {
        assert_eq!(collapse(&[0, 3, 3, 0, 3, 5, 5, 0]).collect::<Vec<_>>(), [3, 3, 5]);
    }
}
