//! The rewriting rules, in the order they apply: what is more specific comes first.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

use super::{
    dates,
    numbers::{cardinal, digits, ordinal, plain, year},
};

type Rewrite = fn(&Captures<'_>) -> Option<String>;

/// A pattern and what to say instead; `None` leaves the text as it is.
struct Rule {
    pattern: Regex,
    rewrite: Rewrite,
}

const MONTH: &str = r"(?P<name>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?";

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let month_day = format!(r"\b{MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<year>\d{{4}})\b)?");
    let rules: [(&str, Rewrite); 23] = [
        (r"\b(?P<name>[\w.+-]+)@(?P<site>[\w-]+(?:\.[\w-]+)+)", |c| {
            Some(format!("{} at {}", dotted(&c["name"]), dotted(&c["site"])))
        }),
        (
            r"(?:https?://)?(?P<site>(?:[\w-]+\.)+(?:com|org|net|io|edu|gov|us|co|ai|dev|app)\b(?:/[\w/-]*)?)",
            site,
        ),
        (
            r"\+\d{7,15}\b|(?:\+?1[-. ])?\(?\b\d{3}\)?[-. ]\d{3}[-. ]\d{4}\b|\b\d{3}-\d{4}\b",
            phone,
        ),
        (
            r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b",
            dates::numeric,
        ),
        (
            r"\b(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4}|\d{2})\b",
            dates::numeric,
        ),
        (
            r"(?i)\b(?P<hour>\d{1,2}):(?P<minute>\d{2})(?:\s?(?P<half>[ap])\.?m\b\.?)?",
            dates::time,
        ),
        (r"(?i)\b(?P<hour>\d{1,2})\s?(?P<half>[ap])\.?m\b\.?", dates::time),
        (&month_day, dates::named),
        (
            r"(?P<unit>[$£€])\s?(?P<whole>\d[\d,]*)(?:\.(?P<part>\d{2})\b|(?P<more>\.\d+))?(?:\s?(?P<scale>thousand|million|billion)\b)?",
            money,
        ),
        (r"(?P<number>\d[\d,]*(?:\.\d+)?)\s?%", |c| {
            Some(format!("{} percent", plain(&c["number"])))
        }),
        (r"(?P<number>-?\d+)\s?°\s?(?P<scale>[FC])?\b", degrees),
        (r"\b(?P<number>\d[\d,]*)(?:st|nd|rd|th)\b", |c| {
            Some(
                c["number"]
                    .replace(',', "")
                    .parse()
                    .map_or_else(|_| digits(&c["number"]), ordinal),
            )
        }),
        (r"\b(?P<from>\d{1,4})\s?[-–]\s?(?P<to>\d{1,4})\b", |c| {
            Some(format!("{} to {}", plain(&c["from"]), plain(&c["to"])))
        }),
        (r"\b(?P<title>Mr|Mrs|Ms|Dr|Prof|St)\.? (?P<first>[A-Z])", title),
        (r"\b(?P<short>[A-Za-z]{1,6})\.", abbreviation),
        (r"\bNo\. ?(?P<first>\d)", |c| Some(format!("number {}", &c["first"]))),
        (r"#(?P<first>\d)", |c| Some(format!("number {}", &c["first"]))),
        (r"\b(?P<number>\d{1,2})/(?P<by>\d{1,2})\b", fraction),
        (r"\b(?P<decade>\d{3}0)s\b", |c| {
            c["decade"]
                .parse()
                .ok()
                .map(|number| format!("{}s", year(number)).replace("ys", "ies"))
        }),
        (r"(?P<minus>(?:^|\s)-)?(?P<number>\d[\d,]*\.\d+|\.\d+)", |c| {
            Some(format!("{}{}", minus(c), plain(&c["number"])))
        }),
        (r"\b(?P<number>1[1-9]\d\d|20\d\d)\b", |c| {
            c["number"].parse().ok().map(year)
        }),
        (r"(?P<minus>(?:^|\s)-)?(?P<number>\d[\d,]*\d|\d)", |c| {
            Some(format!("{}{} ", minus(c), plain(&c["number"])))
        }),
        (r"(?P<symbol>[&%@+=<>#°$£€/|~^*_\\`{}\[\]•])", |c| {
            Some(symbol(&c["symbol"]).to_owned())
        }),
    ];
    rules
        .into_iter()
        .filter_map(|(pattern, rewrite)| {
            Some(Rule {
                pattern: Regex::new(pattern).ok()?,
                rewrite,
            })
        })
        .collect()
});

/// The words to say for a text.
pub(crate) fn spoken(text: &str) -> String {
    let text = text
        .replace(['’', '‘', '`'], "'")
        .replace(['“', '”'], "\"")
        .replace(['\u{a0}', '\n', '\t', '\r'], " ");
    let mut text = RULES.iter().fold(text, |text, rule| {
        let rewritten = rule.pattern.replace_all(&text, |found: &Captures<'_>| {
            (rule.rewrite)(found).unwrap_or_else(|| found[0].to_owned())
        });
        if let Cow::Owned(new) = rewritten { new } else { text }
    });
    for (apart, together) in [
        (" ,", ","),
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ;", ";"),
        (" :", ":"),
    ] {
        text = collapsed(&text).replace(apart, together);
    }
    text
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn minus(captures: &Captures<'_>) -> &'static str {
    if captures.name("minus").is_some() {
        " minus "
    } else {
        " "
    }
}

fn dotted(name: &str) -> String {
    name.replace('.', " dot ")
        .replace('-', " dash ")
        .replace('_', " underscore ")
        .replace('+', " plus ")
        .replace('/', " slash ")
}

#[expect(clippy::unnecessary_wraps, reason = "a rewrite")]
fn site(captures: &Captures<'_>) -> Option<String> {
    let site = &captures["site"];
    Some(dotted(site.trim_end_matches('/')))
}

/// Digit by digit, a pause where the number is grouped.
#[expect(clippy::unnecessary_wraps, reason = "a rewrite")]
fn phone(captures: &Captures<'_>) -> Option<String> {
    let text = &captures[0];
    let groups: Vec<String> = text
        .split(|char: char| !char.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .map(digits)
        .collect();
    Some(format!(
        "{}{}",
        if text.starts_with('+') { "plus " } else { "" },
        groups.join(", ")
    ))
}

fn money(captures: &Captures<'_>) -> Option<String> {
    let (one, many, cent, cents) = match &captures["unit"] {
        "£" => ("pound", "pounds", "penny", "pence"),
        "€" => ("euro", "euros", "cent", "cents"),
        _ => ("dollar", "dollars", "cent", "cents"),
    };
    let whole: u64 = captures["whole"].replace(',', "").parse().ok()?;
    if captures.name("scale").is_some() || captures.name("more").is_some() {
        let fraction = captures.name("more").map_or_else(
            || {
                captures
                    .name("part")
                    .map(|part| format!(".{}", part.as_str()))
                    .unwrap_or_default()
            },
            |more| more.as_str().to_owned(),
        );
        let scale = captures
            .name("scale")
            .map(|scale| format!(" {}", scale.as_str()))
            .unwrap_or_default();
        return Some(format!("{}{scale} {many}", plain(&format!("{whole}{fraction}"))));
    }
    let part: u64 = captures.name("part").map_or(Ok(0), |part| part.as_str().parse()).ok()?;
    let unit =
        |count: u64, one: &str, many: &str| format!("{} {}", cardinal(count), if count == 1 { one } else { many });
    Some(match (whole, part) {
        (_, 0) => unit(whole, one, many),
        (0, _) => unit(part, cent, cents),
        _ => format!("{} and {}", unit(whole, one, many), unit(part, cent, cents)),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a rewrite")]
fn degrees(captures: &Captures<'_>) -> Option<String> {
    let number = &captures["number"];
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("minus ", rest));
    let scale = captures.name("scale").map_or("", |scale| {
        if scale.as_str() == "F" {
            " Fahrenheit"
        } else {
            " Celsius"
        }
    });
    Some(format!(
        "{sign}{} {}{scale}",
        plain(number),
        if number == "1" { "degree" } else { "degrees" }
    ))
}

#[expect(clippy::unnecessary_wraps, reason = "a rewrite")]
fn title(captures: &Captures<'_>) -> Option<String> {
    let title = match &captures["title"] {
        "Mr" => "Mister",
        "Mrs" => "Missus",
        "Ms" => "Miz",
        "Dr" => "Doctor",
        "Prof" => "Professor",
        _ => "Saint",
    };
    Some(format!("{title} {}", &captures["first"]))
}

/// Only what is hardly ever a word at a sentence's end.
fn abbreviation(captures: &Captures<'_>) -> Option<String> {
    let word = match &captures["short"] {
        "St" => "Street",
        "Ave" => "Avenue",
        "Blvd" => "Boulevard",
        "Rd" => "Road",
        "Apt" => "Apartment",
        "Ste" => "Suite",
        "Dept" => "Department",
        "Inc" => "Incorporated",
        "Ltd" => "Limited",
        "Corp" => "Corporation",
        "Jr" => "Junior",
        "Sr" => "Senior",
        "approx" => "approximately",
        "vs" => "versus",
        "etc" => "et cetera",
        "ext" | "Ext" => "extension",
        "Mon" => "Monday",
        "Tue" | "Tues" => "Tuesday",
        "Wed" => "Wednesday",
        "Thu" | "Thurs" => "Thursday",
        "Fri" => "Friday",
        _ => return None,
    };
    Some(word.to_owned())
}

fn fraction(captures: &Captures<'_>) -> Option<String> {
    let (number, by) = (
        captures["number"].parse::<u64>().ok()?,
        captures["by"].parse::<u64>().ok()?,
    );
    Some(match (number, by) {
        (1, 2) => "one half".to_owned(),
        (1, 4) => "one quarter".to_owned(),
        (3, 4) => "three quarters".to_owned(),
        (24, 7) => "twenty four seven".to_owned(),
        (1, 3..=10) => format!("one {}", ordinal(by)),
        (2.., 3..=10) if number < by => format!("{} {}s", cardinal(number), ordinal(by)),
        _ => format!("{} slash {}", cardinal(number), cardinal(by)),
    })
}

fn symbol(symbol: &str) -> &'static str {
    match symbol {
        "&" => " and ",
        "%" => " percent ",
        "@" => " at ",
        "+" => " plus ",
        "=" => " equals ",
        "<" => " less than ",
        ">" => " greater than ",
        "°" => " degrees ",
        "$" => " dollars ",
        "£" => " pounds ",
        "€" => " euros ",
        _ => " ",
    }
}

#[cfg(test)]
mod tests;
