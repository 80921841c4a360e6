//! Cutting a text into pieces that one run of the synthesizer takes.

/// Characters; about eight seconds of speech. A piece is heard only when all of it is made.
const PIECE_MAX: usize = 120;

/// Sentences, and long sentences cut at clauses, or between words where there are none.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut current = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
        let length = current.chars().count();
        let clause = word.ends_with([',', ';', ':', '—']) && length * 2 > PIECE_MAX;
        if ends_sentence(word, words.peek()) || clause || length > PIECE_MAX * 2 {
            pieces.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        pieces.push(current);
    }
    pieces
}

/// Not after initials, and not before a lower-case word.
fn ends_sentence(word: &str, next: Option<&&str>) -> bool {
    let bare = word.trim_end_matches(['"', '\'', ')']);
    let initials = bare.ends_with('.') && bare.len() > 2 && bare.split('.').all(|part| part.chars().count() <= 1);
    let goes_on = next.is_some_and(|next| next.starts_with(char::is_lowercase));
    bare.ends_with(['.', '!', '?', '…']) && !goes_on && !initials
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_come_apart_and_initials_do_not() {
        assert_eq!(
            pieces("Hello there. At nine A.M. we open! Yes?"),
            ["Hello there.", "At nine A.M. we open!", "Yes?"]
        );
        assert!(pieces("  ").is_empty());
    }

    #[test]
    fn long_sentences_are_cut_at_clauses_and_nothing_is_lost() {
        let text = "we are open from nine to five on every weekday of the year, and on the weekend, ".repeat(5);
        let pieces = pieces(&text);
        assert!(pieces.len() > 3, "{pieces:?}");
        assert!(pieces.iter().all(|piece| piece.chars().count() <= 2 * PIECE_MAX));
        assert_eq!(pieces.join(" "), text.trim());
    }
}
