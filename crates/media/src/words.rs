//! How much of a sentence a listener has heard.

/// The whole words of `text` whose audio was played, estimated by their share of the characters.
///
/// Conservative: a word that is not through is left out. The whole text comes back only if all of its
/// `total` samples were played; nothing comes back if there were none.
pub fn words_heard(text: &str, played: usize, total: usize) -> &str {
    if total == 0 {
        return "";
    }
    if played >= total {
        return text;
    }
    let characters = text.trim_end().chars().count();
    let through = (characters as u128 * played as u128 / total as u128) as usize;
    let mut heard = 0;
    let mut previous_is_word = false;
    for (count, (offset, character)) in text.char_indices().enumerate() {
        if character.is_whitespace() && previous_is_word {
            heard = offset;
        }
        if count >= through {
            break;
        }
        previous_is_word = !character.is_whitespace();
    }
    &text[..heard]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whole_words_count() {
        let text = "Yes, we open at nine.";
        for (played, heard) in [
            (0, ""),
            (30, ""),
            (40, "Yes,"),
            (60, "Yes,"),
            (70, "Yes, we"),
            (120, "Yes, we open"),
            (209, "Yes, we open at"),
            (210, text),
            (500, text),
        ] {
            assert_eq!(words_heard(text, played, 210), heard, "{played} of 210");
        }
    }

    #[test]
    fn without_audio_nothing_was_heard() {
        assert_eq!(words_heard("Hello there", 0, 0), "");
        assert_eq!(words_heard("", 5, 10), "");
    }

    #[test]
    fn characters_count_not_bytes() {
        assert_eq!(words_heard("Grüße für Jürgen", 10, 16), "Grüße für");
        assert_eq!(words_heard("  padded   text here  ", 12, 22), "  padded");
    }

    proptest! {
        #[test]
        fn the_result_is_a_prefix_that_grows(text in "\\PC{0,60}", total in 1_usize..5_000, a in 0_usize..5_000, b in 0_usize..5_000) {
            let (less, more) = (a.min(b), a.max(b));
            prop_assert!(text.starts_with(words_heard(&text, more, total)));
            prop_assert!(words_heard(&text, less, total).len() <= words_heard(&text, more, total).len());
        }
    }
}
