//! Calendar dates, relative ones included.

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

use super::{Value, Word, number};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const ORDINALS: [&str; 20] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
];

/// The date said. Without a year it is the next such day; "next Friday" is next week's, a bare weekday the coming one.
pub(super) fn date(said: &[Word], today: NaiveDate) -> Option<Value> {
    let found = literal(said, today)
        .or_else(|| month_and_day(said, today))
        .or_else(|| relative(said, today))
        .or_else(|| weekday(said, today))
        .or_else(|| day_alone(said, today))?;
    Some(Value {
        canonical: found.format("%Y-%m-%d").to_string(),
        spoken: spoken(found, today),
    })
}

fn spoken(date: NaiveDate, today: NaiveDate) -> String {
    let month = chrono::Month::try_from(date.month() as u8).map_or("", |month| month.name());
    let weekday = date.format("%A");
    let day = ordinal_words(date.day());
    // The year is said only where nobody would guess it.
    if (today..today + Months::new(14)).contains(&date) {
        format!("{weekday}, {month} {day}")
    } else {
        format!("{weekday}, {month} {day}, {}", date.year())
    }
}

fn ordinal_words(day: u32) -> String {
    match day {
        1..=20 => ORDINALS[day as usize - 1].to_owned(),
        30 => "thirtieth".to_owned(),
        _ => format!(
            "{}-{}",
            number::in_words(day / 10 * 10),
            ORDINALS[(day % 10).max(1) as usize - 1]
        ),
    }
}

/// `2027-03-05`, `3/5/2027` (month first, unless the first can't be one).
fn literal(said: &[Word], today: NaiveDate) -> Option<NaiveDate> {
    said.iter().find_map(|word| {
        let parts: Vec<u32> = word
            .plain
            .split(['-', '/'])
            .map(|part| part.parse().ok())
            .collect::<Option<_>>()?;
        match *parts.as_slice() {
            [year, month, day] if (1900..3000).contains(&year) => NaiveDate::from_ymd_opt(year as i32, month, day),
            [a, b, year] if word.plain.contains('/') && year < 3000 => {
                let year = if year < 100 { 2000 + year } else { year };
                let (month, day) = if a > 12 { (b, a) } else { (a, b) };
                NaiveDate::from_ymd_opt(year as i32, month, day)
            }
            [a, b] if word.plain.contains('/') => {
                let (month, day) = if a > 12 { (b, a) } else { (a, b) };
                next_such(month, day, today)
            }
            _ => None,
        }
    })
}

/// "March 5th", "the fifth of March", "5 March 2028".
fn month_and_day(said: &[Word], today: NaiveDate) -> Option<NaiveDate> {
    let (at, month) = said
        .iter()
        .enumerate()
        .find_map(|(at, word)| Some((at, month(&word.plain)?)))?;
    let after = said[at + 1..]
        .iter()
        .position(|word| !matches!(word.plain.as_str(), "the" | "of"))
        .map(|skip| at + 1 + skip);
    let day = after.and_then(|from| day(&said[from..]));
    let (day, rest) = match day {
        Some((day, used)) => (day, after.map_or(said.len(), |from| from + used)),
        None => (day_before(&said[..at])?, at + 1),
    };
    let year = said
        .get(rest)
        .and_then(|word| word.plain.parse::<i32>().ok())
        .filter(|year| (1900..3000).contains(year));
    match year {
        Some(year) => NaiveDate::from_ymd_opt(year, month, day),
        None => next_such(month, day, today),
    }
}

fn day_before(words: &[Word]) -> Option<u32> {
    let end = words
        .iter()
        .rposition(|word| !matches!(word.plain.as_str(), "of" | "the"))?;
    let two = end
        .checked_sub(1)
        .and_then(|from| day(&words[from..=end]))
        .filter(|(_, used)| *used == 2);
    two.or_else(|| day(&words[end..=end])).map(|(day, _)| day)
}

fn month(word: &str) -> Option<u32> {
    let at = MONTHS
        .iter()
        .position(|month| *month == word || (word.len() == 3 && word != "may" && month.starts_with(word)))?;
    Some(at as u32 + 1)
}

/// A day of the month at the start of the words, and how many words it is.
fn day(words: &[Word]) -> Option<(u32, usize)> {
    let first = words.first()?.plain.as_str();
    let ordinal = |word: &str| ORDINALS.iter().position(|known| *known == word).map(|at| at as u32 + 1);
    let digits = first.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffixed = matches!(&first[digits.len()..], "" | "st" | "nd" | "rd" | "th");
    let found = if let Some(day) = ordinal(first) {
        (day, 1)
    } else if let Some(day) = digits.parse().ok().filter(|_| suffixed) {
        (day, 1)
    } else if matches!(first, "twenty" | "thirty")
        && let Some(unit) = words
            .get(1)
            .and_then(|word| ordinal(&word.plain))
            .filter(|unit| *unit < 10)
    {
        (if first == "twenty" { 20 } else { 30 } + unit, 2)
    } else if first == "thirtieth" {
        (30, 1)
    } else {
        number::small_pair(words)?
    };
    (1..=31).contains(&found.0).then_some(found)
}

fn next_such(month: u32, day: u32, today: NaiveDate) -> Option<NaiveDate> {
    // Eight years hold a leap day wherever one starts.
    (0..=8)
        .filter_map(|years| NaiveDate::from_ymd_opt(today.year() + years, month, day))
        .find(|date| *date >= today)
}

fn relative(said: &[Word], today: NaiveDate) -> Option<NaiveDate> {
    let text = super::join(said);
    let days = if text.contains("day after tomorrow") {
        2
    } else if text.contains("tomorrow") {
        1
    } else if ["today", "tonight", "this morning", "this afternoon", "this evening"]
        .iter()
        .any(|word| text.contains(word))
    {
        0
    } else {
        return in_some_days(said, today);
    };
    today.checked_add_days(Days::new(days))
}

/// "in three days", "in a week", "a week from now".
fn in_some_days(said: &[Word], today: NaiveDate) -> Option<NaiveDate> {
    let text = super::join(said);
    let at = said
        .iter()
        .position(|word| matches!(word.plain.as_str(), "day" | "days" | "week" | "weeks"))?;
    if !(text.contains("in ") || text.ends_with("from now") || text.ends_with("from today")) || at == 0 {
        return None;
    }
    let count = match said[at - 1].plain.as_str() {
        "a" | "one" => 1,
        other => u64::from(number::small(other)?),
    };
    let days = if said[at].plain.starts_with("week") {
        count * 7
    } else {
        count
    };
    today.checked_add_days(Days::new(days.min(3660)))
}

fn weekday(said: &[Word], today: NaiveDate) -> Option<NaiveDate> {
    let (at, weekday) = said.iter().enumerate().find_map(|(at, word)| {
        let name = word.plain.trim_end_matches("'s");
        let name = if name.ends_with("days") {
            &name[..name.len() - 1]
        } else {
            name
        };
        // Only whole names: "sun", "mon" or "sat" are words of their own.
        (name.ends_with("day") && name.len() > 5)
            .then(|| name.parse::<Weekday>().ok())
            .flatten()
            .map(|day| (at, day))
    })?;
    let next_week = at > 0 && said[at - 1].plain == "next" || super::join(&said[at + 1..]).starts_with("next week");
    if next_week {
        let monday = today.checked_sub_days(Days::new(u64::from(today.weekday().num_days_from_monday())))?;
        return monday.checked_add_days(Days::new(7 + u64::from(weekday.num_days_from_monday())));
    }
    let ahead = (7 + weekday.num_days_from_monday() - today.weekday().num_days_from_monday()) % 7;
    today.checked_add_days(Days::new(if ahead == 0 { 7 } else { u64::from(ahead) }))
}

/// "the 5th", "the fifth": this month's or the next one's.
fn day_alone(said: &[Word], today: NaiveDate) -> Option<NaiveDate> {
    let at = said.iter().position(|word| word.plain == "the")? + 1;
    let first = said.get(at)?.plain.as_str();
    let is_ordinal = ORDINALS.contains(&first)
        || matches!(first, "twenty" | "thirty" | "thirtieth")
        || (first.starts_with(|c: char| c.is_ascii_digit()) && first.ends_with(['t', 'd', 'h']));
    // "of" says that a month was named, which month_and_day did not take.
    if !is_ordinal || said.iter().any(|word| word.plain == "of") {
        return None;
    }
    let (day, _) = day(&said[at..])?;
    let first_of_month = today.with_day(1)?;
    (0..3)
        .filter_map(|months| (first_of_month + Months::new(months)).with_day(day))
        .find(|date| *date >= today)
}
