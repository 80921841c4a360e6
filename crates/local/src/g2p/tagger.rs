//! Parts of speech, by an averaged perceptron: tells "I read it yesterday" from "I will read it".

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use serde::Deserialize;

use super::lexicon::read_gzip;
use crate::LoadError;

const BEFORE: [&str; 2] = ["-START2-", "-START-"];
const AFTER: [&str; 2] = ["-END-", "-END2-"];
const CONTRACTIONS: [&str; 7] = ["n't", "'s", "'m", "'re", "'ve", "'ll", "'d"];

#[derive(Default, Deserialize)]
pub(super) struct Tagger {
    /// Words with one dominant tag.
    tagdict: HashMap<String, String>,
    tags: Vec<String>,
    vocab: HashSet<String>,
    weights: HashMap<String, HashMap<String, f32>>,
}

impl Tagger {
    pub(super) fn load(path: &Path) -> Result<Self, LoadError> {
        read_gzip(path)
    }

    /// A tag for each word. Contractions are taken apart as in the training text; the first part's tag counts.
    pub(super) fn tag(&self, words: &[&str]) -> Vec<String> {
        let mut parts = Vec::new();
        let mut heads = Vec::with_capacity(words.len());
        for word in words {
            heads.push(parts.len());
            match CONTRACTIONS
                .iter()
                .find_map(|tail| word.strip_suffix(tail).filter(|head| !head.is_empty()))
            {
                Some(head) => parts.extend([head, &word[head.len()..]]),
                None => parts.push(*word),
            }
        }
        let tags = self.tag_parts(&parts);
        heads.into_iter().map(|head| tags[head].clone()).collect()
    }

    fn tag_parts(&self, words: &[&str]) -> Vec<String> {
        let around: Vec<String> = BEFORE
            .into_iter()
            .map(str::to_owned)
            .chain(words.iter().map(|word| self.normalised(word)))
            .chain(AFTER.map(str::to_owned))
            .collect();
        let mut tags: Vec<String> = BEFORE.map(str::to_owned).to_vec();
        for (index, word) in words.iter().enumerate() {
            let known = self.tagdict.get(*word).cloned();
            tags.push(known.unwrap_or_else(|| self.predict(&features(index, word, &around, &tags[index..index + 2]))));
        }
        tags.split_off(BEFORE.len())
    }

    /// Rare words are seen by their shape.
    fn normalised(&self, word: &str) -> String {
        let form = if word.contains('-') && !word.starts_with('-') {
            "!HYPHEN".to_owned()
        } else if word.starts_with(|char: char| char.is_ascii_digit()) {
            "!DIGITS".to_owned()
        } else {
            word.to_lowercase()
        };
        if self.vocab.contains(&form) {
            form
        } else {
            format!("<{}>", shape(word))
        }
    }

    fn predict(&self, features: &[String]) -> String {
        let mut scores: HashMap<&str, f32> = HashMap::new();
        for weights in features.iter().filter_map(|feature| self.weights.get(feature)) {
            for (tag, weight) in weights {
                *scores.entry(tag).or_default() += weight;
            }
        }
        let score = |tag: &String| scores.get(tag.as_str()).copied().unwrap_or_default();
        let best = self
            .tags
            .iter()
            .max_by(|a, b| score(a).total_cmp(&score(b)).then_with(|| a.cmp(b)));
        best.filter(|_| !scores.is_empty())
            .cloned()
            .unwrap_or_else(|| "NN".to_owned())
    }
}

fn features(index: usize, word: &str, around: &[String], previous: &[String]) -> Vec<String> {
    let at = |offset: usize| around[index + offset].as_str();
    let (before, last) = (&previous[0], &previous[1]);
    vec![
        "b".to_owned(),
        format!("s3={}", tail(word)),
        format!("p1={}", word.chars().next().map(String::from).unwrap_or_default()),
        format!("w={}", at(2)),
        format!("sh={}", shape(word)),
        if index == 0 { "i0" } else { "i+" }.to_owned(),
        format!("t-1={last}"),
        format!("t-2={before}"),
        format!("t-12={last},{before}"),
        format!("w-1={}", at(1)),
        format!("s3-1={}", tail(at(1))),
        format!("w-2={}", at(0)),
        format!("w+1={}", at(3)),
        format!("s3+1={}", tail(at(3))),
        format!("w+2={}", at(4)),
    ]
}

fn tail(word: &str) -> &str {
    word.char_indices().rev().nth(2).map_or(word, |(at, _)| &word[at..])
}

fn shape(word: &str) -> String {
    let mut chars = word.chars();
    let first_upper = chars.next().is_some_and(char::is_uppercase);
    if word.chars().all(char::is_alphabetic) {
        let rest_lower = chars.all(char::is_lowercase);
        let upper = word.chars().all(char::is_uppercase);
        return match (first_upper, rest_lower) {
            _ if upper && word.chars().count() == 1 => "X1",
            _ if upper => "XX",
            (true, true) => "Xx",
            (false, true) => "x",
            _ => "xX",
        }
        .to_owned();
    }
    if word.chars().all(|char| char.is_ascii_digit()) {
        return "d".to_owned();
    }
    let kind = |char: char| match char {
        _ if char.is_ascii_digit() => 'd',
        _ if char.is_alphabetic() => 'x',
        other => other,
    };
    word.chars().take(4).map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_tails() {
        for (word, expected) in [
            ("cat", "x"),
            ("Cat", "Xx"),
            ("CAT", "XX"),
            ("A", "X1"),
            ("eBay", "xX"),
            ("n't", "x'x"),
        ] {
            assert_eq!(shape(word), expected, "{word}");
        }
        assert_eq!((tail("naïve"), tail("ab")), ("ïve", "ab"));
    }

    #[test]
    fn without_weights_everything_is_a_noun_and_contractions_count_once() {
        assert_eq!(Tagger::default().tag(&["don't", "go", "."]), ["NN", "NN", "NN"]);
    }
}
