//! Credentials, and how none of them gets into a report, whoever wrote it there.

/// So many characters of a secret give it away: more than its public beginning, and less than a half.
const PIECE: usize = 12;

/// Every credential of a run, with what is written in its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<Secret>);

#[derive(Clone, Debug)]
struct Secret {
    chars: Vec<char>,
    /// Each piece that gives it away.
    pieces: Vec<String>,
    placeholder: &'static str,
}

impl Secrets {
    /// Hides a credential from now on.
    pub(crate) fn hide(&mut self, secret: &str, placeholder: &'static str) {
        let chars: Vec<char> = secret.chars().collect();
        if chars.is_empty() {
            return;
        }
        let pieces = chars.windows(PIECE.min(chars.len()));
        self.0.push(Secret {
            pieces: pieces.map(|piece| piece.iter().collect()).collect(),
            chars,
            placeholder,
        });
    }

    /// Whether a credential stands in the text, or a piece of one.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let mut pieces = self.0.iter().flat_map(|secret| &secret.pieces);
        pieces.any(|piece| text.contains(piece.as_str()))
    }

    /// The text with placeholders for credentials and pieces of them.
    pub(crate) fn redact(&self, text: &str) -> String {
        if !self.are_in(text) {
            return text.to_owned();
        }
        let text: Vec<char> = text.chars().collect();
        let (mut out, mut at) = (String::new(), 0);
        while at < text.len() {
            if let Some((length, placeholder)) = self.piece(&text[at..]) {
                out.push_str(placeholder);
                at += length;
            } else {
                out.push(text[at]);
                at += 1;
            }
        }
        out
    }

    /// The longest piece of a credential with which the text begins, and what stands for it.
    fn piece(&self, text: &[char]) -> Option<(usize, &'static str)> {
        let pieces = self.0.iter().filter_map(|secret| {
            let length = secret.longest(text)?;
            let is_whole = length == secret.chars.len();
            Some((length, if is_whole { secret.placeholder } else { "$PART_OF_KEY" }))
        });
        pieces.max_by_key(|(length, _)| *length)
    }
}

impl Secret {
    fn longest(&self, text: &[char]) -> Option<usize> {
        let least = PIECE.min(self.chars.len());
        let places = 0..=self.chars.len() - least;
        let lengths = places.map(|place| {
            let same = self.chars[place..].iter().zip(text);
            same.take_while(|(ours, theirs)| ours == theirs).count()
        });
        lengths.max().filter(|length| *length >= least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.hide("cw_0123456789abcdefghijklmn", "$KEY");
        secrets.hide("cw_0123456789abcdefXhijklmn", "$OTHER");
        secrets.hide("shörtkey", "$SHORT");
        secrets
    }

    #[test]
    fn credentials_and_pieces_of_them_are_written_by_their_names() {
        for (text, redacted) in [
            ("Bearer cw_0123456789abcdefghijklmn.", "Bearer $KEY."),
            ("cw_0123456789abcdefXhijklmn", "$OTHER"),
            ("(cw_0123456789abc", "($PART_OF_KEY"),
            ("6789abcdefghijkl|ü", "$PART_OF_KEY|ü"),
            ("a shörtkey", "a $SHORT"),
            ("cw_01234567 and shört", "cw_01234567 and shört"),
        ] {
            assert_eq!(secrets().redact(text), redacted);
            assert_eq!(secrets().are_in(text), text != redacted, "{text}");
        }
    }

    #[test]
    fn where_nothing_is_secret_nothing_is_hidden() {
        let mut secrets = Secrets::default();
        secrets.hide("", "$NOTHING");
        assert_eq!(secrets.redact("abc"), "abc");
    }
}
