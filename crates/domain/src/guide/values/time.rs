//! Times of day.

use super::{Value, Word, number};

/// Which half of the day was said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Morning,
    Afternoon,
}

/// The time said. Without "am", "pm" or a part of the day it stays as said, on the twelve-hour clock.
pub(super) fn time(said: &[Word]) -> Option<Value> {
    let words = parted(said);
    let text = super::join(&words);
    if words
        .iter()
        .any(|word| matches!(word.plain.as_str(), "noon" | "midday"))
    {
        return Some(Value {
            canonical: "12:00".to_owned(),
            spoken: "noon".to_owned(),
        });
    }
    if text.contains("midnight") {
        return Some(Value {
            canonical: "00:00".to_owned(),
            spoken: "midnight".to_owned(),
        });
    }
    let (hour, minute) = (0..words.len())
        .find_map(|at| past_or_to(&words[at..]))
        .or_else(|| (0..words.len()).find_map(|at| clock(&words[at..])))?;
    let half = half(&words, &text);
    let hour24 = match (half, hour) {
        (Some(Half::Afternoon), 1..=11) => hour + 12,
        (Some(Half::Morning), 12) => 0,
        _ => hour,
    };
    if hour24 > 23 || minute > 59 {
        return None;
    }
    let half_known = half.is_some() || !(1..=12).contains(&hour);
    Some(Value {
        canonical: format!("{hour24:02}:{minute:02}"),
        spoken: spoken(hour24, minute, half_known),
    })
}

/// "9am" is "9 am".
fn parted(said: &[Word]) -> Vec<Word> {
    said.iter()
        .flat_map(|word| {
            let digits = word.plain.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let letters = &word.plain[digits.len()..];
            let parts = if !digits.is_empty() && matches!(letters, "am" | "pm") {
                vec![digits, letters]
            } else {
                vec![word.plain.as_str()]
            };
            parts
                .into_iter()
                .map(|part| Word {
                    raw: part.to_owned(),
                    plain: part.to_owned(),
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn half(words: &[Word], text: &str) -> Option<Half> {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.plain.as_str()));
    if has(&["pm", "afternoon", "evening", "tonight"]) || text.contains("at night") || text.contains("p m") {
        Some(Half::Afternoon)
    } else if has(&["am", "morning"]) && !text.contains("i am") || text.contains("a m ") || text.ends_with("a m") {
        Some(Half::Morning)
    } else {
        None
    }
}

/// "half past nine", "quarter to eight", "twenty past six".
fn past_or_to(words: &[Word]) -> Option<(u32, u32)> {
    let (minutes, used) = match words.first()?.plain.as_str() {
        "half" => (30, 1),
        "quarter" => (15, 1),
        _ => number::small_pair(words)?,
    };
    let joint = words.get(used).map(|word| word.plain.as_str());
    let at = if joint == Some("minutes") { used + 1 } else { used };
    let joint = words.get(at).map(|word| word.plain.as_str())?;
    let (hour, _) = number::small_pair(words.get(at + 1..)?)?;
    if minutes > 59 || !(1..=12).contains(&hour) {
        return None;
    }
    match joint {
        "past" | "after" => Some((hour, minutes)),
        "to" | "till" | "before" if minutes > 0 => Some((if hour == 1 { 12 } else { hour - 1 }, 60 - minutes)),
        _ => None,
    }
}

/// "15:05", "nine o'clock", "seven fifteen", "nine oh five", "at five".
fn clock(words: &[Word]) -> Option<(u32, u32)> {
    let first = words.first()?.plain.as_str();
    if let Some((hour, minute)) = first.split_once([':', '.']) {
        return Some((
            hour.parse().ok().filter(|hour| *hour < 24)?,
            minute.parse().ok().filter(|minute| *minute < 60)?,
        ));
    }
    let (hour, used) = number::small_pair(words).filter(|(hour, _)| *hour < 24)?;
    let rest = &words[used..];
    let minute = match rest.first().map(|word| word.plain.as_str()) {
        Some("oh" | "o") => rest
            .get(1)
            .and_then(|word| number::small(&word.plain))
            .filter(|minute| *minute < 10),
        Some(_) => number::small_pair(rest)
            .map(|(minute, _)| minute)
            .filter(|minute| (10..60).contains(minute)),
        None => None,
    };
    Some((hour, minute.unwrap_or(0)))
}

fn spoken(hour: u32, minute: u32, half_known: bool) -> String {
    let twelve = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
    let hour_words = number::in_words(twelve);
    let clock = match minute {
        0 => format!("{hour_words} o'clock"),
        1..=9 => format!("{hour_words} oh {}", number::in_words(minute)),
        _ => format!("{hour_words} {}", number::in_words(minute)),
    };
    let part = match hour {
        0..=11 => "in the morning",
        12..=17 => "in the afternoon",
        18..=20 => "in the evening",
        _ => "at night",
    };
    if half_known { format!("{clock} {part}") } else { clock }
}
