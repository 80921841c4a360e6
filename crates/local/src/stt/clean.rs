//! What Whisper writes that nobody said: annotations of sounds, and phrases over and over.

/// A phrase said this often in a row was said once.
const REPEATS_MIN: usize = 3;
const PHRASE_WORDS_MAX: usize = 12;

/// The words that were spoken, separated by single spaces.
pub(super) fn spoken_words(text: &str) -> String {
    let text = without_annotations(text);
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .collect();
    without_repeats(&words).join(" ")
}

/// Drops `[BLANK_AUDIO]`, `(music)`, `*sighs*` and notes; an annotation left open swallows the rest.
fn without_annotations(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut closing = None;
    for char in text.chars() {
        match (closing, char) {
            (Some(end), _) if char == end => closing = None,
            (None, '[') => closing = Some(']'),
            (None, '(') => closing = Some(')'),
            (None, '*') => closing = Some('*'),
            (Some(_), _) | (None, '♪' | '♫') => {}
            (None, _) => kept.push(char),
        }
    }
    kept
}

fn without_repeats<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let plain: Vec<String> = words.iter().map(|word| plain(word)).collect();
    let mut kept = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let (length, times) = (1..=PHRASE_WORDS_MAX)
            .map(|length| (length, repeats(&plain[at..], length)))
            .find(|(length, times)| *times >= repeats_needed(*length))
            .unwrap_or((1, 1));
        kept.extend(&words[at..at + length]);
        at += length * times;
    }
    kept
}

/// Single words are repeated in earnest ("no no no", "seven seven seven"): only a long run of them is a loop.
fn repeats_needed(length: usize) -> usize {
    if length == 1 { 2 * REPEATS_MIN } else { REPEATS_MIN }
}

/// How often the first `length` words stand one after another.
fn repeats(words: &[String], length: usize) -> usize {
    let Some(phrase) = words.get(..length) else { return 0 };
    words.chunks_exact(length).take_while(|chunk| *chunk == phrase).count()
}

fn plain(word: &str) -> String {
    word.chars()
        .filter(|char| char.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_remain() {
        for (written, expected) in [
            (" [BLANK_AUDIO]", ""),
            (" (upbeat music) Hello there. *sighs*", "Hello there."),
            ("♪ la la ♪", "la la"),
            (" I need 2 tickets, please. ", "I need 2 tickets, please."),
            (" ... - ", ""),
            ("One [noise", "One"),
        ] {
            assert_eq!(spoken_words(written), expected, "{written}");
        }
    }

    #[test]
    fn loops_are_cut_to_one_round() {
        for (written, expected) in [
            ("Thank you. Thank you. Thank you. Thank you.", "Thank you."),
            (
                "I see the store. I see the store, I see the store. Bye.",
                "I see the store. Bye.",
            ),
            ("no no no", "no no no"),
            ("seven seven seven five", "seven seven seven five"),
            ("the the the the the the the the end", "the end"),
            ("that that is is", "that that is is"),
        ] {
            assert_eq!(spoken_words(written), expected, "{written}");
        }
    }
}
