//! What a recogniser wrote, cut into words that can be compared, and freed of what carries no question.

/// A word as it was written, and as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// As written, without the punctuation round it.
    pub raw: String,
    /// Lower case, straight apostrophes, no dots in "a.m.".
    pub plain: String,
}

/// Words of a text. Hyphens between letters part words; digits keep what joins them ("3:30", "456-789").
pub(super) fn words(text: &str) -> Vec<Word> {
    let text = text.replace(['’', '‘', '`'], "'").replace(['–', '—', '…'], " ");
    text.split_whitespace().flat_map(parts).filter_map(word).collect()
}

/// The comparable form of a text.
pub(super) fn plain(text: &str) -> String {
    join(&words(text))
}

/// Comparable words, one space between them.
pub(super) fn join(words: &[Word]) -> String {
    words
        .iter()
        .map(|word| word.plain.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Parts words at hyphens and the like; "1,000" is one number, "4,5,6" is three.
fn parts(token: &str) -> Vec<&str> {
    if !token.contains(|c: char| c.is_ascii_digit()) {
        return token.split(['-', '/', ',', '&']).collect();
    }
    let groups: Vec<&str> = token.split(',').collect();
    let thousands = groups
        .iter()
        .skip(1)
        .all(|group| group.trim_end_matches(['.', '?', '!']).len() == 3);
    if thousands { vec![token] } else { groups }
}

fn word(part: &str) -> Option<Word> {
    let keep = |c: char| c.is_alphanumeric();
    let plus = part.starts_with('+') && part[1..].starts_with(|c: char| c.is_ascii_digit());
    let bare = part.trim_matches(|c: char| !keep(c));
    if bare.is_empty() {
        return None;
    }
    let raw = if plus { format!("+{bare}") } else { bare.to_owned() };
    let mut plain = raw.to_lowercase();
    if matches!(plain.trim_start_matches(|c: char| c.is_ascii_digit()), "a.m" | "p.m") {
        plain = plain.replace('.', "");
    }
    Some(Word { raw, plain })
}

/// Sentences of an utterance; a dot within a number or an "a.m." is none's end.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, mark) in text.char_indices() {
        let after = at + mark.len_utf8();
        let ends =
            matches!(mark, '?' | '!' | ';' | '\n') || (mark == '.' && is_full_stop(&text[start..at], &text[after..]));
        if ends {
            found.push(text[start..after].trim());
            start = after;
        }
    }
    found.push(text[start..].trim());
    found.retain(|sentence| sentence.contains(char::is_alphanumeric));
    found
}

fn is_full_stop(before: &str, after: &str) -> bool {
    let last = before.rsplit(' ').next().unwrap_or_default();
    let short = last.contains('.') || last.chars().count() == 1 || matches!(last, "Mr" | "Mrs" | "Ms" | "Dr" | "St");
    (after.is_empty() || after.starts_with(char::is_whitespace)) && !short
}

/// Sounds and softeners that mean nothing wherever they stand.
const NOISE: [&str; 12] = [
    "um", "uh", "uhm", "umm", "er", "erm", "hmm", "hm", "mm", "please", "ah", "eh",
];

/// What people say before a question without asking anything yet. Longest first where one begins another.
const LEADS: [&str; 64] = [
    "i was just wondering if you could tell me",
    "i was wondering if you could tell me",
    "i was just wondering if",
    "i was wondering if",
    "i was just wondering",
    "i was wondering",
    "i'm calling because",
    "i am calling because",
    "i'm calling to ask",
    "i am calling to ask",
    "i'm calling to find out",
    "i wanted to ask you",
    "i wanted to ask",
    "i want to ask you",
    "i want to ask",
    "i wanted to know",
    "i want to know",
    "i would like to know",
    "i'd like to know",
    "i'd like to ask",
    "i just wanted to ask",
    "i just wanted to know",
    "i have a question",
    "i've got a question",
    "could you please tell me",
    "could you tell me",
    "can you please tell me",
    "can you tell me",
    "would you tell me",
    "can you say",
    "do you happen to know",
    "do you know",
    "tell me",
    "let me know",
    "good morning",
    "good afternoon",
    "good evening",
    "good day",
    "hi there",
    "hello there",
    "hey there",
    "excuse me",
    "thank you very much",
    "thank you so much",
    "thank you",
    "thanks a lot",
    "thanks",
    "hello",
    "hi",
    "hey",
    "well",
    "so",
    "ok",
    "okay",
    "oh",
    "yeah",
    "yes",
    "and",
    "but",
    "sorry",
    "actually",
    "alright",
    "all right",
    "great",
];

/// What people say after a question.
const TAILS: [&str; 10] = [
    "if you don't mind",
    "thank you very much",
    "thank you so much",
    "thank you",
    "thanks a lot",
    "thanks",
    "then",
    "today if possible",
    "you know",
    "right now",
];

/// The part of an utterance that asks something: without greetings, politeness and hesitation.
pub(super) fn content(text: &str) -> String {
    let words: Vec<String> = words(text)
        .into_iter()
        .map(|word| word.plain)
        .filter(|word| !is_noise(word))
        .collect();
    let mut rest: &[String] = &words;
    while let Some(lead) = LEADS.iter().find_map(|lead| starts(rest, lead)) {
        rest = &rest[lead..];
    }
    while let Some(tail) = TAILS.iter().find_map(|tail| ends(rest, tail)) {
        rest = &rest[..rest.len() - tail];
    }
    rest.join(" ")
}

/// Without the sounds and softeners that mean nothing.
pub(super) fn without_noise(text: &str) -> String {
    let words = words(text)
        .into_iter()
        .map(|word| word.plain)
        .filter(|word| !is_noise(word));
    words.collect::<Vec<_>>().join(" ")
}

fn is_noise(word: &str) -> bool {
    NOISE.contains(&word)
}

fn starts(words: &[String], phrase: &str) -> Option<usize> {
    let length = phrase.split(' ').count();
    (words.len() >= length
        && words
            .iter()
            .map(String::as_str)
            .zip(phrase.split(' '))
            .all(|(a, b)| a == b))
    .then_some(length)
}

fn ends(words: &[String], phrase: &str) -> Option<usize> {
    let length = phrase.split(' ').count();
    let from = words.len().checked_sub(length)?;
    words[from..]
        .iter()
        .map(String::as_str)
        .eq(phrase.split(' '))
        .then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn politeness_and_hesitation_fall_away() {
        for (said, asked) in [
            (
                "Hi there, what are your opening hours please?",
                "what are your opening hours",
            ),
            (
                "Um, hello. So, uh, could you tell me where you are? Thanks!",
                "where you are",
            ),
            ("I was wondering if you have parking.", "you have parking"),
            ("Hello!", ""),
            ("Thank you.", ""),
            ("Yes, please.", ""),
            ("What’s the price", "what's the price"),
        ] {
            assert_eq!(content(said), asked, "{said}");
        }
    }

    #[test]
    fn words_survive_what_recognisers_write() {
        for (text, expected) in [
            ("Twenty-one, please!", "twenty one please"),
            ("At 3:30 P.M.", "at 3:30 pm"),
            ("1,000 or 4,5,6", "1,000 or 4 5 6"),
            ("+44 20-7946", "+44 20-7946"),
            ("...", ""),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn utterances_fall_into_sentences() {
        assert_eq!(
            sentences("I have a question. Where are you? At 5 p.m. it's 3.50"),
            ["I have a question.", "Where are you?", "At 5 p.m. it's 3.50"]
        );
    }
}
