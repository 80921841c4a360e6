//! Digits and number words.

use super::{Value, Word};

/// Longest number that is kept, in digits.
const DIGITS_MAX: usize = 40;

/// Number words below ten; "oh" counts among other digits only.
const UNITS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];
const TEENS: [&str; 10] = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

/// A number word up to ninety, or digits.
pub(super) fn small(word: &str) -> Option<u32> {
    if word.len() <= 9 && !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
        return word.parse().ok();
    }
    let at = |list: &[&str]| list.iter().position(|known| *known == word).map(|at| at as u32);
    at(&UNITS)
        .or_else(|| at(&TEENS).map(|n| n + 10))
        .or_else(|| at(&TENS).map(|n| n * 10 + 20))
}

/// Number words up to ninety-nine at the start of `words`, and how many words they are.
pub(super) fn small_pair(words: &[Word]) -> Option<(u32, usize)> {
    let first = small(&words.first()?.plain)?;
    let is_tens = TENS.contains(&words[0].plain.as_str());
    match words
        .get(1)
        .and_then(|word| UNITS.iter().position(|unit| *unit == word.plain))
    {
        Some(unit) if is_tens && unit > 0 => Some((first + unit as u32, 2)),
        _ => Some((first, 1)),
    }
}

/// Number in words, 0 to 99.
pub(super) fn in_words(number: u32) -> String {
    match number {
        0..=9 => UNITS[number as usize].to_owned(),
        10..=19 => TEENS[number as usize - 10].to_owned(),
        _ => {
            let tens = TENS
                .get((number / 10).saturating_sub(2) as usize)
                .copied()
                .unwrap_or_default();
            if number.is_multiple_of(10) {
                tens.to_owned()
            } else {
                format!("{tens}-{}", UNITS[(number % 10) as usize])
            }
        }
    }
}

/// The longest number said, the last of equally long ones: people correct themselves.
pub(super) fn number(said: &[Word]) -> Option<Value> {
    let best = runs(said)
        .into_iter()
        .filter_map(read)
        .max_by_key(|run| run.digits.len())?;
    if best.digits.len() > DIGITS_MAX {
        return None;
    }
    let spoken = if let Some((whole, part)) = best.digits.split_once('.') {
        format!("{whole} point {}", spaced(part))
    } else if best.amount || (best.digits.len() <= 3 && !best.one_by_one) || best.digits.len() < 3 {
        best.digits.clone()
    } else {
        spaced(&best.digits)
    };
    Some(Value {
        canonical: best.digits,
        spoken,
    })
}

/// Seven to fifteen digits, perhaps with a plus.
pub(super) fn phone(said: &[Word]) -> Option<Value> {
    let best = runs(said).into_iter().filter_map(|run| Some((run, read(run)?)));
    let (run, read) = best
        .filter(|(_, read)| !read.amount && !read.digits.contains('.'))
        .max_by_key(|(_, read)| read.digits.len())?;
    if !(7..=15).contains(&read.digits.len()) {
        return None;
    }
    let plus = run
        .first()
        .is_some_and(|word| word.plain.starts_with('+') || word.plain == "plus");
    let groups = grouped(&read.digits);
    Some(if plus {
        Value {
            canonical: format!("+{}", read.digits),
            spoken: format!("plus {groups}"),
        }
    } else {
        Value {
            canonical: read.digits,
            spoken: groups,
        }
    })
}

/// "4 5 6": each digit is said.
fn spaced(digits: &str) -> String {
    digits.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

/// Digits by threes, a short rest with the last group, as people read phone numbers out.
fn grouped(digits: &str) -> String {
    let mut groups: Vec<String> = Vec::new();
    let mut rest = digits;
    while !rest.is_empty() {
        let take = if rest.len() < 6 && rest.len() > 3 {
            rest.len()
        } else {
            rest.len().min(3)
        };
        groups.push(spaced(&rest[..take]));
        rest = &rest[take..];
    }
    groups.join(", ")
}

struct Read {
    digits: String,
    /// Said as an amount ("one hundred and twenty", "1,000"), not digit by digit.
    amount: bool,
    one_by_one: bool,
}

/// Stretches of words that are part of one number.
fn runs(said: &[Word]) -> Vec<&[Word]> {
    let mut found = Vec::new();
    let mut start = 0;
    while start < said.len() {
        let length = said[start..].iter().take_while(|word| is_part(&word.plain)).count();
        let run = trim(&said[start..start + length]);
        if !run.is_empty() {
            found.extend(split_literals(run));
        }
        start += length.max(1);
    }
    found
}

/// Two whole numbers written side by side ("456 457") are two numbers; short groups are one, dictated.
fn split_literals(run: &[Word]) -> Vec<&[Word]> {
    let literal = |word: &Word| word.plain.len() >= 3 && word.plain.bytes().all(|b| b.is_ascii_digit());
    if run.len() == 2 && run.iter().all(literal) && run[0].plain.len() == run[1].plain.len() {
        run.chunks(1).collect()
    } else {
        vec![run]
    }
}

fn is_part(word: &str) -> bool {
    small(word).is_some()
        || is_literal(word)
        || matches!(
            word,
            "oh" | "o" | "double" | "triple" | "hundred" | "thousand" | "million" | "and" | "point" | "plus" | "dash"
        )
}

fn is_literal(word: &str) -> bool {
    let digits = word.trim_start_matches('+');
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '-' | ',' | '.' | ')' | '('))
}

/// Without joining words at either end.
fn trim(mut run: &[Word]) -> &[Word] {
    while let [first, rest @ ..] = run
        && matches!(
            first.plain.as_str(),
            "and" | "point" | "dash" | "hundred" | "thousand" | "million"
        )
    {
        run = rest;
    }
    while let [rest @ .., last] = run
        && matches!(
            last.plain.as_str(),
            "and" | "point" | "dash" | "double" | "triple" | "plus"
        )
    {
        run = rest;
    }
    // An "oh" alone is a sigh.
    if run
        .iter()
        .all(|word| matches!(word.plain.as_str(), "oh" | "o" | "plus" | "and"))
    {
        &[]
    } else {
        run
    }
}

fn read(run: &[Word]) -> Option<Read> {
    if run
        .iter()
        .any(|word| matches!(word.plain.as_str(), "hundred" | "thousand" | "million"))
    {
        return amount(run);
    }
    if let [only] = run
        && (only.plain.contains(',') || only.plain.matches('.').count() == 1)
    {
        return Some(Read {
            digits: only.plain.replace(',', ""),
            amount: true,
            one_by_one: false,
        });
    }
    let mut digits = String::new();
    let mut at = 0;
    while at < run.len() {
        at += step(&run[at..], &mut digits)?;
    }
    let parts = run
        .iter()
        .filter(|word| !matches!(word.plain.as_str(), "and" | "plus"))
        .count();
    let joined = run.len() == 1 && run[0].plain.contains('-');
    let pair = parts == 2 && TENS.contains(&run[0].plain.as_str()) && digits.len() == 2;
    (!digits.is_empty()).then_some(Read {
        digits,
        amount: false,
        one_by_one: joined || (parts > 1 && !pair),
    })
}

/// Reads the words at the start of `run` into `digits`; how many words they were.
fn step(run: &[Word], digits: &mut String) -> Option<usize> {
    let word = run[0].plain.as_str();
    match word {
        "and" | "plus" | "dash" => return Some(1),
        "point" => {
            digits.push('.');
            return Some(1);
        }
        "oh" | "o" => {
            digits.push('0');
            return Some(1);
        }
        "double" | "triple" => {
            let next = run.get(1).map(|next| {
                if matches!(next.plain.as_str(), "oh" | "o") {
                    "0"
                } else {
                    next.plain.as_str()
                }
            });
            let digit = next.and_then(small).filter(|digit| *digit < 10)?;
            digits.push_str(&digit.to_string().repeat(if word == "double" { 2 } else { 3 }));
            return Some(2);
        }
        _ => {}
    }
    if is_literal(word) {
        digits.extend(word.chars().filter(char::is_ascii_digit));
        return Some(1);
    }
    let (value, used) = small_pair(run)?;
    digits.push_str(&value.to_string());
    Some(used)
}

/// "two thousand five hundred and twenty".
fn amount(run: &[Word]) -> Option<Read> {
    let (mut total, mut group, mut at) = (0_u64, 0_u64, 0);
    while at < run.len() {
        match run[at].plain.as_str() {
            "and" => at += 1,
            "hundred" => {
                group = group.max(1).checked_mul(100)?;
                at += 1;
            }
            scale @ ("thousand" | "million") => {
                let scale = if scale == "thousand" { 1_000 } else { 1_000_000 };
                total = total.checked_add(group.max(1).checked_mul(scale)?)?;
                group = 0;
                at += 1;
            }
            _ => {
                let (value, used) = small_pair(&run[at..])?;
                // "hundred one two three" is no amount.
                if group % 100 != 0 {
                    return None;
                }
                group = group.checked_add(u64::from(value))?;
                at += used;
            }
        }
    }
    Some(Read {
        digits: total.checked_add(group)?.to_string(),
        amount: true,
        one_by_one: false,
    })
}
