//! Stress marks: `ˈ` before the main, `ˌ` before a side stress.

const PRIMARY: char = 'ˈ';
const SECONDARY: char = 'ˌ';
const VOWELS: &str = "AIOQWYaiuæɑɒɔəɛɜɪʊʌᵻ";

/// How a word is stressed other than its entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stress {
    /// Main becomes side stress.
    Weaker,
    /// As `Weaker`, and a word without stress gets a side stress: letters read one by one.
    Even,
    /// A word without stress gets a side stress: Capitalised.
    Some,
    /// The strongest stress becomes the main one: SHOUTED.
    Strong,
}

pub(super) fn apply(sound: &str, stress: Option<Stress>) -> String {
    let main = sound.contains(PRIMARY);
    let side = sound.contains(SECONDARY);
    match stress {
        Some(Stress::Weaker | Stress::Even) if main => {
            sound.replace(SECONDARY, "").replace(PRIMARY, &SECONDARY.to_string())
        }
        Some(Stress::Even | Stress::Some) if !main && !side => before_first_vowel(sound, SECONDARY),
        Some(Stress::Strong) if !main && side => sound.replace(SECONDARY, &PRIMARY.to_string()),
        Some(Stress::Strong) if !main => before_first_vowel(sound, PRIMARY),
        _ => sound.to_owned(),
    }
}

fn before_first_vowel(sound: &str, mark: char) -> String {
    let mut marked = sound.to_owned();
    if let Some(at) = sound.find(|char| VOWELS.contains(char)) {
        marked.insert(at, mark);
    }
    marked
}

/// The last side stress becomes the main one: how a row of letters is said.
pub(super) fn end_heavy(sound: &str) -> String {
    match sound.rsplit_once(SECONDARY) {
        Some((head, tail)) => format!("{head}{PRIMARY}{tail}"),
        None => sound.to_owned(),
    }
}
