#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const GOLD: &str = r#"{
  "wait": "wˈAt", "box": "bˈɑks", "cat": "kˈæt", "dog": "dˈɔɡ", "stop": "stˈɑp", "try": "tɹˈI", "bake": "bˈAk",
  "to": "tu", "used": {"DEFAULT": "jˈuzd", "VBD": "jˈust"}, "read": {"DEFAULT": "ɹˈid", "VBD": "ɹˈɛd"},
  "apple": "ˈæpᵊl", "of": "ʌv", "Boston": "bˈɔstən", "sign": "sˈIn", "up": "ˈʌp",
  "A": "ˈA", "P": "pˈi", "I": "ˈI", "M": "ˈɛm", "T": "tˈi", "V": "vˈi"
}"#;

fn g2p() -> G2p {
    G2p {
        lexicon: Lexicon::of(GOLD, "{}").unwrap(),
        tagger: Tagger::default(),
        speller: None,
    }
}

#[test]
fn endings_follow_the_sound_of_the_stem() {
    for (word, expected) in [
        ("cats", "kˈæts"),
        ("dogs", "dˈɔɡz"),
        ("boxes", "bˈɑksᵻz"),
        ("tries", "tɹˈIz"),
        ("dog's", "dˈɔɡz"),
        ("dogs'", "dˈɔɡz"),
        ("stopped", "stˈɑpt"),
        ("waited", "wˈATᵻd"),
        ("baked", "bˈAkt"),
        ("tried", "tɹˈId"),
        ("waiting", "wˈATɪŋ"),
        ("stopping", "stˈɑpɪŋ"),
        ("baking", "bˈAkɪŋ"),
    ] {
        assert_eq!(g2p().phonemes(word), expected, "{word}");
    }
}

#[test]
fn function_words_listen_to_what_follows() {
    for (text, expected) in [
        ("the dog", "ðə dˈɔɡ"),
        ("the apple", "ði ˈæpᵊl"),
        ("to Boston", "tə bˈɔstən"),
        ("to apple", "tʊ ˈæpᵊl"),
        ("to.", "tu."),
        ("a cat, an apple", "ɐ kˈæt, ɐn ˈæpᵊl"),
    ] {
        assert_eq!(g2p().phonemes(text), expected, "{text}");
    }
}

#[test]
fn initials_are_read_as_letters_with_the_last_one_stressed() {
    assert_eq!(g2p().phonemes("API"), "ˌApˌiˈI");
    assert_eq!(g2p().phonemes("A.M."), "ˌAˈɛm");
    assert_eq!(g2p().phonemes("TVs"), "tˌivˈiz");
}

#[test]
fn shouting_a_known_word_is_still_the_word() {
    assert_eq!(g2p().phonemes("STOP!"), "stˈɑp!");
}

#[test]
fn hyphenated_words_run_together() {
    assert_eq!(g2p().phonemes("sign-up"), "sˈInˌʌp");
}

#[test]
fn unknown_words_without_a_speller_and_odd_characters_are_silent() {
    assert_eq!(g2p().phonemes("xyzzy (dog) ¿?"), "dˈɔɡ ?");
    assert_eq!(g2p().phonemes(""), "");
}
