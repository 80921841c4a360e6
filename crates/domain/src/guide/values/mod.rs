//! Values in what a caller says: numbers, dates, times, phones, names.

mod date;
mod number;
mod time;

use chrono::NaiveDate;
use contract::SlotType;

use super::words::{Word, join, words};

/// A value as it is kept and as it is said back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// Digits, `2027-03-05`, `15:30`, `yes`, or the words.
    pub canonical: String,
    /// In words that any synthesizer says well.
    pub spoken: String,
}

/// Longest free text that is kept.
const FREE_TEXT_CHARS_MAX: usize = 500;

/// The value of that type in the caller's words, if there is one.
pub(super) fn extract(slot_type: SlotType, text: &str, today: NaiveDate) -> Option<Value> {
    let said = words(text);
    match slot_type {
        SlotType::Number => number::number(&said),
        SlotType::Phone => number::phone(&said),
        SlotType::YesNo => yes_no(&said).map(|yes| same(if yes { "yes" } else { "no" })),
        SlotType::Date => date::date(&said, today),
        SlotType::Time => time::time(&said),
        SlotType::Name => name(&said),
        SlotType::FreeText => free_text(text),
    }
}

/// The value of that type, only where the words can't well mean anything else: a question may hold the answer to
/// what would be asked next ("where is my order 4 5 6?").
pub(super) fn extract_in_passing(slot_type: SlotType, text: &str, today: NaiveDate) -> Option<Value> {
    let value = match slot_type {
        SlotType::Number | SlotType::Phone | SlotType::Date | SlotType::Time => extract(slot_type, text, today)?,
        SlotType::YesNo | SlotType::Name | SlotType::FreeText => return None,
    };
    (slot_type != SlotType::Number || value.canonical.len() > 1).then_some(value)
}

fn same(text: &str) -> Value {
    Value {
        canonical: text.to_owned(),
        spoken: text.to_owned(),
    }
}

/// Yes, no, or neither.
pub(super) fn yes_no(said: &[Word]) -> Option<bool> {
    const YES: [&str; 24] = [
        "yes",
        "yeah",
        "yep",
        "yup",
        "yah",
        "ya",
        "sure",
        "correct",
        "right",
        "exactly",
        "absolutely",
        "definitely",
        "certainly",
        "affirmative",
        "indeed",
        "ok",
        "okay",
        "fine",
        "perfect",
        "true",
        "course",
        "great",
        "alright",
        "aye",
    ];
    const NO: [&str; 14] = [
        "no",
        "nope",
        "nah",
        "not",
        "wrong",
        "incorrect",
        "never",
        "negative",
        "don't",
        "isn't",
        "false",
        "neither",
        "doesn't",
        "wasn't",
    ];
    let text = join(said);
    let unsure = ["not sure", "don't know", "no idea", "maybe", "perhaps"]
        .iter()
        .any(|phrase| text.contains(phrase));
    let first = said
        .iter()
        .find(|word| !matches!(word.plain.as_str(), "um" | "uh" | "oh" | "well" | "er"))?;
    if unsure {
        None
    } else if YES.contains(&first.plain.as_str()) || matches!(text.as_str(), "uh huh" | "mm hm" | "mhm" | "no problem")
    {
        Some(true)
    } else if NO.contains(&first.plain.as_str()) {
        Some(false)
    } else if said.len() > 8 {
        None
    } else if said.iter().any(|word| NO.contains(&word.plain.as_str())) {
        Some(false)
    } else {
        let yes = said.iter().any(|word| YES.contains(&word.plain.as_str()));
        (yes || ["i do", "it is", "that is", "i would", "i am", "please do", "go ahead"].contains(&text.as_str()))
            .then_some(true)
    }
}

/// A person's name: after "my name is" and the like, or up to four bare words that are no other answer.
fn name(said: &[Word]) -> Option<Value> {
    const BEFORE: [&[&str]; 13] = [
        &["my", "name", "is"],
        &["my", "name's"],
        &["the", "name", "is"],
        &["the", "name's"],
        &["name", "is"],
        &["this", "is"],
        &["i", "am"],
        &["i'm"],
        &["call", "me"],
        &["it's"],
        &["it", "is"],
        &["that's"],
        &["under"],
    ];
    let is = |word: &Word, plain: &str| word.plain == plain;
    let after = |phrase: &[&str]| {
        let at = said
            .windows(phrase.len())
            .position(|window| window.iter().zip(phrase).all(|(word, plain)| is(word, plain)))?;
        Some(&said[at + phrase.len()..])
    };
    let introduced = BEFORE
        .iter()
        .find_map(|phrase| after(phrase))
        .filter(|rest| !rest.is_empty());
    let mut rest = introduced.unwrap_or(said);
    while let [first, others @ ..] = rest
        && matches!(
            first.plain.as_str(),
            "um" | "uh"
                | "er"
                | "well"
                | "yes"
                | "yeah"
                | "sure"
                | "hi"
                | "hello"
                | "oh"
                | "so"
                | "ok"
                | "okay"
                | "no"
                | "sorry"
                | "actually"
        )
        && !others.is_empty()
    {
        rest = others;
    }
    let stop = rest.iter().position(|word| {
        matches!(
            word.plain.as_str(),
            "and" | "speaking" | "here" | "please" | "thanks" | "thank" | "but"
        )
    });
    let rest = &rest[..stop.unwrap_or(rest.len())];
    let longest = if introduced.is_some() { 5 } else { 4 };
    let plausible = (1..=longest).contains(&rest.len()) && rest.iter().all(may_be_name);
    (plausible || is_spelled(rest)).then(|| same(&spell(rest)))
}

fn may_be_name(word: &Word) -> bool {
    const NEVER: [&str; 57] = [
        "what", "when", "where", "why", "who", "how", "which", "yes", "no", "yeah", "not", "is", "are", "am", "was",
        "do", "does", "did", "can", "could", "would", "will", "the", "a", "an", "you", "your", "i", "i'm", "me", "my",
        "it", "it's", "this", "that", "that's", "there", "have", "has", "had", "want", "need", "know", "don't", "ok",
        "okay", "sure", "hello", "hi", "please", "thanks", "calling", "looking", "sorry", "pardon", "to", "for",
    ];
    let letters = word
        .plain
        .chars()
        .all(|c| c.is_alphabetic() || matches!(c, '\'' | '.' | '-'));
    letters && !NEVER.contains(&word.plain.as_str())
}

/// "A D A": letters, not words.
fn is_spelled(words: &[Word]) -> bool {
    let letter = |word: &Word| word.plain.chars().count() == 1 && word.plain.chars().all(char::is_alphabetic);
    (3..=20).contains(&words.len()) && words.iter().all(letter)
}

/// Single letters are a spelled name; other words get a capital unless the recogniser gave them one.
fn spell(words: &[Word]) -> String {
    let capital = |text: &str| {
        let mut letters = text.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    if is_spelled(words) {
        return capital(&words.iter().map(|word| word.plain.as_str()).collect::<String>());
    }
    words
        .iter()
        .map(|word| capital(&word.raw))
        .collect::<Vec<_>>()
        .join(" ")
}

fn free_text(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.contains(char::is_alphanumeric) {
        return None;
    }
    Some(same(&text.chars().take(FREE_TEXT_CHARS_MAX).collect::<String>()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A Wednesday.
    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 2, 4).unwrap()
    }

    fn check(slot_type: SlotType, cases: &[(&str, &str, &str)]) {
        for (said, canonical, spoken) in cases {
            let value = extract(slot_type, said, today()).map(|value| (value.canonical, value.spoken));
            let expected = (!canonical.is_empty()).then(|| ((*canonical).to_owned(), (*spoken).to_owned()));
            assert_eq!(value, expected, "{slot_type:?}: {said}");
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_said_or_written() {
        check(
            SlotType::Number,
            &[
                ("four five six", "456", "4 5 6"),
                ("It's 456.", "456", "456"),
                ("It's 4, 5, 6.", "456", "4 5 6"),
                ("4-5-6", "456", "4 5 6"),
                ("45678", "45678", "4 5 6 7 8"),
                ("forty two", "42", "42"),
                ("Forty-two, please.", "42", "42"),
                ("double seven one", "771", "7 7 1"),
                ("triple zero oh nine", "00009", "0 0 0 0 9"),
                ("one hundred and twenty", "120", "120"),
                ("two thousand five hundred", "2500", "2500"),
                ("1,000", "1000", "1000"),
                ("nineteen eighty four", "1984", "1 9 8 4"),
                ("no not 456, 457", "457", "457"),
                ("Um, one moment, it's seven seven two.", "772", "7 7 2"),
                ("there are five of us", "5", "5"),
                ("3.5", "3.5", "3 point 5"),
                ("oh I don't know", "", ""),
                ("hello", "", ""),
            ],
        );
    }

    #[test]
    fn phones_are_read_in_digits_and_words() {
        check(
            SlotType::Phone,
            &[
                ("oh seven seven double oh nine hundred one two three", "", ""),
                (
                    "zero seven seven double zero nine zero zero one two three",
                    "07700900123",
                    "0 7 7, 0 0 9, 0 0 1 2 3",
                ),
                ("It's 555-0123-456", "5550123456", "5 5 5, 0 1 2, 3 4 5 6"),
                ("+1 (555) 012-3456", "+15550123456", "plus 1 5 5, 5 0 1, 2 3 4 5 6"),
                (
                    "plus four four 20 7946 0000",
                    "+442079460000",
                    "plus 4 4 2, 0 7 9, 4 6 0, 0 0 0",
                ),
                ("four five six", "", ""),
            ],
        );
    }

    #[test]
    fn yes_and_no_are_told_apart() {
        for (said, expected) in [
            ("Yes.", Some(true)),
            ("yeah that's right", Some(true)),
            ("Uh-huh.", Some(true)),
            ("that's correct", Some(true)),
            ("No.", Some(false)),
            ("nope", Some(false)),
            ("that's not right", Some(false)),
            ("No, it's 4 5 6.", Some(false)),
            ("I'm not sure", None),
            ("what do you mean", None),
            ("of course", Some(true)),
            ("", None),
        ] {
            assert_eq!(yes_no(&words(said)), expected, "{said}");
        }
    }

    #[test]
    fn dates_are_relative_to_today() {
        check(
            SlotType::Date,
            &[
                ("tomorrow", "2026-02-05", "Thursday, February fifth"),
                ("today please", "2026-02-04", "Wednesday, February fourth"),
                ("the day after tomorrow", "2026-02-06", "Friday, February sixth"),
                ("on Friday", "2026-02-06", "Friday, February sixth"),
                ("Next Friday.", "2026-02-13", "Friday, February thirteenth"),
                ("Wednesday", "2026-02-11", "Wednesday, February eleventh"),
                ("the 5th of March", "2026-03-05", "Thursday, March fifth"),
                ("March 5th", "2026-03-05", "Thursday, March fifth"),
                ("the fifth of march", "2026-03-05", "Thursday, March fifth"),
                ("March twenty-first", "2026-03-21", "Saturday, March twenty-first"),
                ("january 2nd", "2027-01-02", "Saturday, January second"),
                ("2027-03-05", "2027-03-05", "Friday, March fifth"),
                ("March 5, 2028", "2028-03-05", "Sunday, March fifth, 2028"),
                ("in three days", "2026-02-07", "Saturday, February seventh"),
                ("in a week", "2026-02-11", "Wednesday, February eleventh"),
                ("the 3rd", "2026-03-03", "Tuesday, March third"),
                ("the 30th of February", "", ""),
                ("3/5/2026", "2026-03-05", "Thursday, March fifth"),
                ("25/12", "2026-12-25", "Friday, December twenty-fifth"),
                ("maybe", "", ""),
                ("may I ask something", "", ""),
            ],
        );
    }

    #[test]
    fn times_are_read_in_digits_and_words() {
        check(
            SlotType::Time,
            &[
                ("half past nine", "09:30", "nine thirty"),
                ("3 pm", "15:00", "three o'clock in the afternoon"),
                ("3:30 p.m.", "15:30", "three thirty in the afternoon"),
                ("at 9am", "09:00", "nine o'clock in the morning"),
                ("noon", "12:00", "noon"),
                ("midnight", "00:00", "midnight"),
                (
                    "quarter to eight in the evening",
                    "19:45",
                    "seven forty-five in the evening",
                ),
                ("twenty past six", "06:20", "six twenty"),
                ("nine o'clock", "09:00", "nine o'clock"),
                ("seven fifteen pm", "19:15", "seven fifteen in the evening"),
                ("15:05", "15:05", "three oh five in the afternoon"),
                ("twelve thirty", "12:30", "twelve thirty"),
                ("at five", "05:00", "five o'clock"),
                ("at 99", "", ""),
                ("I don't know", "", ""),
            ],
        );
    }

    #[test]
    fn names_are_found_with_and_without_introduction() {
        check(
            SlotType::Name,
            &[
                ("My name is Ada Lovelace.", "Ada Lovelace", "Ada Lovelace"),
                ("ada lovelace", "Ada Lovelace", "Ada Lovelace"),
                ("Hi, this is Miles O’Brien speaking", "Miles O'Brien", "Miles O'Brien"),
                ("It's A D A.", "Ada", "Ada"),
                ("what do you need that for", "", ""),
                ("456", "", ""),
            ],
        );
    }
}
