//! "No, sorry, I meant …": telling a correction from an answer.

use super::words::plain;

const MARKERS: [&str; 11] = [
    "no wait",
    "no sorry",
    "no",
    "nope",
    "sorry",
    "actually",
    "wait",
    "correction",
    "i meant",
    "i said",
    "not",
];

pub(super) fn is_correction(said: &str) -> bool {
    without_marker(said) != plain(said)
}

/// The words without the "no, sorry" before them.
pub(super) fn without_marker(said: &str) -> String {
    let said = plain(said);
    let mut rest = said.as_str();
    while let Some(next) = MARKERS
        .iter()
        .find_map(|marker| rest.strip_prefix(marker).and_then(|rest| rest.strip_prefix(' ')))
    {
        rest = next;
    }
    rest.to_owned()
}
