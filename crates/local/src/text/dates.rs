//! Times of day and dates.

use regex::Captures;

use super::numbers::{cardinal, ordinal, year};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn number(captures: &Captures<'_>, name: &str) -> Option<u64> {
    captures.name(name)?.as_str().parse().ok()
}

/// "nine thirty A.M.", "five o'clock", "twelve oh five".
pub(super) fn time(captures: &Captures<'_>) -> Option<String> {
    let (hour, minute) = (number(captures, "hour")?, number(captures, "minute").unwrap_or(0));
    if hour > 24 || minute > 59 {
        return None;
    }
    let half = captures.name("half").map(|half| {
        if half.as_str().eq_ignore_ascii_case("a") {
            " A.M."
        } else {
            " P.M."
        }
    });
    let minutes = match (minute, half) {
        (0, None) => " o'clock".to_owned(),
        (0, Some(_)) => String::new(),
        (1..10, _) => format!(" oh {}", cardinal(minute)),
        _ => format!(" {}", cardinal(minute)),
    };
    Some(format!("{}{minutes}{}", cardinal(hour), half.unwrap_or_default()))
}

/// `2026-11-22` and `11/22/2026`.
pub(super) fn numeric(captures: &Captures<'_>) -> Option<String> {
    let written = date(number(captures, "month")?, number(captures, "day")?)?;
    Some(match number(captures, "year") {
        Some(short @ 0..100) => format!(
            "{written}, {}",
            year(if short > 60 { 1900 + short } else { 2000 + short })
        ),
        Some(full) => format!("{written}, {}", year(full)),
        None => written,
    })
}

/// `Nov. 22nd, 2026`.
pub(super) fn named(captures: &Captures<'_>) -> Option<String> {
    let name = captures.name("name")?.as_str().to_lowercase();
    let month = MONTHS
        .iter()
        .position(|month| month.to_lowercase().starts_with(&name[..3]))? as u64
        + 1;
    let written = date(month, number(captures, "day")?)?;
    Some(number(captures, "year").map_or(written.clone(), |full| format!("{written}, {}", year(full))))
}

fn date(month: u64, day: u64) -> Option<String> {
    let name = MONTHS.get((month as usize).checked_sub(1)?)?;
    (1..=31).contains(&day).then(|| format!("{name} {}", ordinal(day)))
}
