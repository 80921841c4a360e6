//! Numbers as words.

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
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
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const SCALES: [(u64, &str); 4] = [
    (1_000_000_000_000, "trillion"),
    (1_000_000_000, "billion"),
    (1_000_000, "million"),
    (1000, "thousand"),
];

/// "one hundred twenty three".
pub(super) fn cardinal(number: u64) -> String {
    let mut words = Vec::new();
    push_cardinal(number, &mut words);
    words.join(" ")
}

fn push_cardinal(number: u64, words: &mut Vec<&'static str>) {
    if let Some((scale, name)) = SCALES.iter().find(|(scale, _)| number >= *scale) {
        push_cardinal(number / scale, words);
        words.push(name);
        push_rest(number % scale, words);
    } else if number >= 100 {
        push_cardinal(number / 100, words);
        words.push("hundred");
        push_rest(number % 100, words);
    } else if number >= 20 {
        words.push(TENS[number as usize / 10]);
        push_rest(number % 10, words);
    } else {
        words.push(SMALL[number as usize]);
    }
}

fn push_rest(rest: u64, words: &mut Vec<&'static str>) {
    if rest > 0 {
        push_cardinal(rest, words);
    }
}

/// "twenty third".
pub(super) fn ordinal(number: u64) -> String {
    let words = cardinal(number);
    let (head, last) = words
        .rsplit_once(' ')
        .map_or(("", words.as_str()), |(head, last)| (head, last));
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        tens if tens.ends_with('y') => format!("{}ieth", &tens[..tens.len() - 1]),
        other => format!("{other}th"),
    };
    if head.is_empty() {
        last
    } else {
        format!("{head} {last}")
    }
}

/// "nineteen eighty four", "twenty oh five" never: "two thousand five".
pub(super) fn year(number: u64) -> String {
    let (century, rest) = (number / 100, number % 100);
    match rest {
        _ if !(1100..10_000).contains(&number) || (century.is_multiple_of(10) && rest < 10) => cardinal(number),
        0 => format!("{} hundred", cardinal(century)),
        1..10 => format!("{} oh {}", cardinal(century), cardinal(rest)),
        _ => format!("{} {}", cardinal(century), cardinal(rest)),
    }
}

/// "four one five".
pub(super) fn digits(text: &str) -> String {
    let words: Vec<&str> = text
        .chars()
        .filter_map(|char| char.to_digit(10))
        .map(|d| SMALL[d as usize])
        .collect();
    words.join(" ")
}

/// A number as it is written: grouping commas, a decimal point, leading zeros, or too long to be a quantity.
pub(super) fn plain(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let grouped = whole.contains(',');
    let whole = whole.replace(',', "");
    let identifier = (whole.starts_with('0') && whole.len() > 1) || (!grouped && whole.len() > 4) || whole.len() > 15;
    let spoken = match whole.parse() {
        _ if identifier => digits(&whole),
        Ok(number) => cardinal(number),
        Err(_) => digits(&whole),
    };
    match (spoken.is_empty(), fraction.is_empty()) {
        (_, true) => spoken,
        (true, false) => format!("point {}", digits(fraction)),
        (false, false) => format!("{spoken} point {}", digits(fraction)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cardinals_ordinals_and_years() {
        for (number, expected) in [
            (0, "zero"),
            (13, "thirteen"),
            (40, "forty"),
            (101, "one hundred one"),
            (1250, "one thousand two hundred fifty"),
            (2_000_001, "two million one"),
        ] {
            assert_eq!(cardinal(number), expected);
        }
        for (number, expected) in [
            (1, "first"),
            (12, "twelfth"),
            (20, "twentieth"),
            (23, "twenty third"),
            (100, "one hundredth"),
        ] {
            assert_eq!(ordinal(number), expected);
        }
        for (number, expected) in [
            (1984, "nineteen eighty four"),
            (1905, "nineteen oh five"),
            (1900, "nineteen hundred"),
            (2005, "two thousand five"),
            (2026, "twenty twenty six"),
            (2000, "two thousand"),
        ] {
            assert_eq!(year(number), expected);
        }
        assert!(!cardinal(u64::MAX).is_empty());
    }

    #[test]
    fn written_numbers_are_read_as_quantities_or_digits() {
        for (text, expected) in [
            ("7", "seven"),
            ("1,250", "one thousand two hundred fifty"),
            ("007", "zero zero seven"),
            ("48213", "four eight two one three"),
            ("3.14", "three point one four"),
            (".5", "point five"),
            (
                "99999999999999999999",
                "nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine",
            ),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }
}
