//! Cuts streamed text into pieces worth speaking one by one, and drops what is only meant for eyes.
//!
//! Works character by character, so the pieces depend on the text alone and never on how it was cut up on
//! its way here.

use std::{collections::VecDeque, mem};

/// The first piece may end at a comma or dash once it is this long, so that speech starts early.
const EAGER_CHARS: usize = 40;
/// No piece is longer.
const PIECE_CHARS_MAX: usize = 240;
/// A link's address is skipped up to this length; a text that goes on without a `)` was no link.
const ADDRESS_CHARS_MAX: usize = 2048;
/// Longest run of marks at the start of a line that is looked at as Markdown.
const MARKS_MAX: usize = 64;

/// A dot after these never ends a sentence.
const TITLES: [&str; 17] = [
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "nr", "vs", "e.g", "i.e", "approx", "dept", "ext", "tel", "mt", "rev",
];
/// A dot after these ends a sentence only where a capital follows.
const SHORT_FORMS: [&str; 12] = [
    "a.m", "p.m", "etc", "inc", "ltd", "co", "corp", "jr", "sr", "ave", "u.s", "u.k",
];

/// Incremental splitter of streamed text into speakable sentences. Holds at most one piece that is not ready.
#[derive(Debug, Default)]
pub struct Splitter {
    marks: Marks,
    current: String,
    current_chars: usize,
    /// A dot that the next character decides about.
    undecided: bool,
    started: bool,
    ready: VecDeque<String>,
}

impl Splitter {
    /// Ready for the start of an answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes more of the text.
    pub fn push(&mut self, text: &str) {
        for next in text.chars() {
            let mut marks = mem::take(&mut self.marks);
            marks.feed(next, &mut |kept| self.accept(kept));
            self.marks = marks;
        }
    }

    /// The next piece that is certain.
    #[expect(clippy::should_implement_trait, reason = "not an iterator: more may come after None")]
    pub fn next(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    /// The text is over: the rest becomes ready too, and the next answer may begin.
    pub fn finish(&mut self) {
        let mut marks = mem::take(&mut self.marks);
        marks.finish(&mut |kept| self.accept(kept));
        self.flush();
        self.started = false;
    }

    fn accept(&mut self, next: char) {
        if next == '\n' {
            self.flush();
        } else if next.is_whitespace() {
            self.accept_space();
        } else {
            self.accept_visible(next);
        }
    }

    fn accept_space(&mut self) {
        if self.current.is_empty() || self.current.ends_with(' ') {
            return;
        }
        match ending(&self.current) {
            Ending::Sure => self.flush(),
            Ending::IfCapitalFollows => {
                self.undecided = true;
                self.append(' ');
            }
            Ending::None if !self.started && self.current_chars >= EAGER_CHARS && ends_clause(&self.current) => {
                self.flush();
            }
            Ending::None => self.append(' '),
        }
    }

    fn accept_visible(&mut self, next: char) {
        if mem::take(&mut self.undecided) && next.is_uppercase() {
            self.flush();
        }
        self.append(next);
        if matches!(next, '。' | '！' | '？') {
            self.flush();
        } else if self.current_chars >= PIECE_CHARS_MAX {
            self.cut();
        }
    }

    fn append(&mut self, next: char) {
        self.current.push(next);
        self.current_chars += 1;
    }

    /// Cuts a piece that grew too long: after a clause if there is one, else between words, else anywhere.
    fn cut(&mut self) {
        let clause = self
            .current
            .rfind([',', ';', ':'])
            .filter(|at| self.current[at + 1..].starts_with(' '));
        let at = clause
            .map(|at| at + 1)
            .or_else(|| self.current.rfind(' '))
            .unwrap_or(self.current.len());
        let rest = self.current.split_off(at).trim_start().to_owned();
        self.flush();
        self.current_chars = rest.chars().count();
        self.current = rest;
    }

    fn flush(&mut self) {
        self.undecided = false;
        self.current_chars = 0;
        let piece = mem::take(&mut self.current);
        let piece = piece.trim();
        if piece.chars().any(char::is_alphanumeric) {
            self.started = true;
            self.ready.push_back(piece.to_owned());
        }
    }
}

enum Ending {
    None,
    Sure,
    IfCapitalFollows,
}

/// Whether a space after `text` makes it a sentence.
fn ending(text: &str) -> Ending {
    let bare = text.trim_end_matches(['"', '\'', '”', '’', ')', ']', '»']);
    if bare.ends_with(['!', '?']) {
        return Ending::Sure;
    }
    if bare.ends_with("...") || bare.ends_with('…') {
        return Ending::IfCapitalFollows;
    }
    let Some(before) = bare.strip_suffix('.') else {
        return Ending::None;
    };
    // "1." at the start of a line is the number of a list entry, not a sentence.
    if before.chars().all(|c| c.is_ascii_digit()) {
        return Ending::None;
    }
    let word = before.rsplit([' ', '(', '"', '“']).next().unwrap_or_default();
    let lower = word.to_lowercase();
    if TITLES.contains(&lower.as_str()) && !ends_answer(&lower, before) {
        Ending::None
    } else if SHORT_FORMS.contains(&lower.as_str()) {
        Ending::IfCapitalFollows
    } else if word.chars().count() == 1 && word.chars().all(char::is_uppercase) && word != "I" {
        // An initial: "J. Smith".
        Ending::None
    } else {
        Ending::Sure
    }
}

/// "No." as a whole answer is a sentence; "No. 5" within one is a number.
fn ends_answer(word: &str, before: &str) -> bool {
    word == "no" && before.chars().count() == 2
}

fn ends_clause(text: &str) -> bool {
    text.ends_with([',', ';', ':', '—', '–']) || text.ends_with(" -")
}

/// Drops Markdown and pictures, keeping at most a few characters back until it is sure.
#[derive(Debug, Default)]
struct Marks {
    /// Something other than marks has been seen on this line.
    in_text: bool,
    /// Marks at the start of the line, so far.
    lead: String,
    /// A character that means something only together with the next.
    held: Option<char>,
    before: Option<char>,
    skip: Skip,
}

#[derive(Debug, Default, Clone, Copy)]
enum Skip {
    #[default]
    Nothing,
    Line,
    Address(usize),
}

impl Marks {
    fn feed(&mut self, next: char, keep: &mut impl FnMut(char)) {
        if next == '\r' {
            return;
        }
        match self.skip {
            Skip::Line if next != '\n' => return,
            Skip::Address(left) if next != '\n' && next != ')' && left > 0 => {
                self.skip = Skip::Address(left - 1);
                return;
            }
            Skip::Address(_) if next == ')' => {
                self.skip = Skip::Nothing;
                return;
            }
            _ => self.skip = Skip::Nothing,
        }
        if next == '\n' {
            self.end_line(keep);
        } else if self.in_text {
            self.inline(next, keep);
        } else {
            self.line_start(next, keep);
        }
    }

    fn finish(&mut self, keep: &mut impl FnMut(char)) {
        self.end_line(keep);
        *self = Self::default();
    }

    fn end_line(&mut self, keep: &mut impl FnMut(char)) {
        if let Some(held) = self.held.take().filter(|held| matches!(held, '!' | '~')) {
            keep(held);
        }
        self.lead.clear();
        self.in_text = false;
        self.before = None;
        keep('\n');
    }

    fn line_start(&mut self, next: char, keep: &mut impl FnMut(char)) {
        let is_mark = next.is_whitespace() || matches!(next, '#' | '>' | '-' | '*' | '+' | '•' | '`' | '~' | '=' | '_');
        if is_mark && self.lead.len() < MARKS_MAX {
            self.lead.push(next);
            return;
        }
        let lead = mem::take(&mut self.lead);
        let fence = lead.trim_start();
        if fence.starts_with("```") || fence.starts_with("~~~") {
            self.skip = Skip::Line;
            return;
        }
        self.in_text = true;
        // Marks right before the text are kept where they say something, as in "-5" or "#1".
        if let Some(last) = lead
            .split(char::is_whitespace)
            .next_back()
            .filter(|last| last.chars().count() == 1)
        {
            for mark in last.chars().filter(|mark| matches!(mark, '-' | '+' | '#' | '~')) {
                keep(mark);
            }
        }
        self.inline(next, keep);
    }

    fn inline(&mut self, next: char, keep: &mut impl FnMut(char)) {
        if let Some(held) = self.held.take() {
            match (held, next) {
                (']', '(') => {
                    self.skip = Skip::Address(ADDRESS_CHARS_MAX);
                    return;
                }
                ('~', '~') => return,
                (']', _) | ('!', '[') => {}
                ('_', _) => {
                    let joins = self.before.is_some_and(char::is_alphanumeric) && next.is_alphanumeric();
                    if joins {
                        keep('_');
                    }
                }
                _ => keep(held),
            }
        }
        match next {
            '!' | ']' | '_' | '~' => self.held = Some(next),
            '*' | '`' | '[' => {}
            '|' => keep(' '),
            _ if is_picture(next) => {}
            _ => keep(next),
        }
        if next != '_' {
            self.before = Some(next);
        }
    }
}

/// Emojis, arrows, dingbats and the invisible characters that join them; also control characters.
fn is_picture(c: char) -> bool {
    matches!(u32::from(c),
        0x1F000..=0x1FAFF | 0x2600..=0x27BF | 0x2190..=0x21FF | 0x2B00..=0x2BFF | 0x200B..=0x200F
        | 0xFE00..=0xFE0F | 0x20E3 | 0xE0000..=0xE007F | 0x2500..=0x25FF)
        || (c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(parts: &[&str]) -> Vec<String> {
        let mut splitter = Splitter::new();
        for part in parts {
            splitter.push(part);
        }
        splitter.finish();
        std::iter::from_fn(|| splitter.next()).collect()
    }

    #[test]
    fn text_is_cut_where_a_speaker_would_pause() {
        let cases: [(&str, &[&str]); 22] = [
            ("Hello there. How are you?", &["Hello there.", "How are you?"]),
            ("It costs 3.50 today. Fine!", &["It costs 3.50 today.", "Fine!"]),
            (
                "Dr. Smith is in. Mr. Jones is not.",
                &["Dr. Smith is in.", "Mr. Jones is not."],
            ),
            (
                "We open at 9 a.m. and close at 5 p.m. See you.",
                &["We open at 9 a.m. and close at 5 p.m.", "See you."],
            ),
            ("Bring e.g. a pen. Go.", &["Bring e.g. a pen.", "Go."]),
            ("Well... maybe. So... Yes.", &["Well... maybe.", "So...", "Yes."]),
            (
                "He said \"Stop.\" Then he left.",
                &["He said \"Stop.\"", "Then he left."],
            ),
            ("Really?! Yes.", &["Really?!", "Yes."]),
            (
                "J. Smith called. So did I. Bye.",
                &["J. Smith called.", "So did I.", "Bye."],
            ),
            ("No. It is No. 5 on the list.", &["No.", "It is No. 5 on the list."]),
            ("**Bold** and *soft* and `code`.", &["Bold and soft and code."]),
            (
                "# Hours\n- Monday: nine\n- Sunday: closed",
                &["Hours", "Monday: nine", "Sunday: closed"],
            ),
            (
                "1. Open the app.\n2. Press start.",
                &["1. Open the app.", "2. Press start."],
            ),
            (
                "See [our page](https://example.com/a.b?c=d). Bye.",
                &["See our page.", "Bye."],
            ),
            ("```rust\nlet it be\n```\nDone.", &["let it be", "Done."]),
            ("Great 😀👍🏽! See ❤️ you.", &["Great !", "See you."]),
            (
                "It is -5 outside.\n-5 inside.\n- five below.",
                &["It is -5 outside.", "-5 inside.", "five below."],
            ),
            ("snake_case stays, _soft_ goes.", &["snake_case stays, soft goes."]),
            ("Wow![a picture](x.png) here.", &["Wowa picture here."]),
            ("~5 minutes, ~~gone~~.", &["~5 minutes, gone."]),
            ("  \n\n---\n***\n", &[]),
            ("是的。好！", &["是的。", "好！"]),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces(&[text]), expected, "{text}");
        }
    }

    #[test]
    fn a_sentence_is_ready_as_soon_as_the_next_word_begins() {
        let mut splitter = Splitter::new();
        splitter.push("Hello there.");
        assert_eq!(splitter.next(), None);
        splitter.push(" How");
        assert_eq!(splitter.next().as_deref(), Some("Hello there."));
        assert_eq!(splitter.next(), None);
    }

    #[test]
    fn only_the_first_piece_ends_early_at_a_clause() {
        let text = "We are open from Monday to Friday from nine to five, and on Saturdays from ten to two in the \
                    afternoon, but never on Sundays. Anything else that you would like to know about us today, perhaps?";
        assert_eq!(
            pieces(&[text]),
            [
                "We are open from Monday to Friday from nine to five,",
                "and on Saturdays from ten to two in the afternoon, but never on Sundays.",
                "Anything else that you would like to know about us today, perhaps?",
            ]
        );
    }

    #[test]
    fn no_piece_is_longer_than_the_bound() {
        let words = "word ".repeat(500);
        let solid = "x".repeat(1000);
        for piece in pieces(&[&words, &solid]) {
            assert!(piece.chars().count() <= PIECE_CHARS_MAX, "{piece}");
        }
    }

    #[test]
    fn the_next_answer_starts_afresh_after_finish() {
        let mut splitter = Splitter::new();
        splitter.push("One");
        splitter.finish();
        splitter.push("Two");
        splitter.finish();
        assert_eq!(splitter.next().as_deref(), Some("One"));
        assert_eq!(splitter.next().as_deref(), Some("Two"));
    }

    fn letters(text: &str) -> String {
        text.chars().filter(|c| c.is_alphanumeric()).collect()
    }

    proptest! {
        #[test]
        fn no_letter_of_plain_text_is_lost(text in "[a-zA-Z0-9 ,.;:?!'\"()\n-]{0,600}") {
            let spoken: String = pieces(&[&text]).concat();
            prop_assert_eq!(letters(&spoken), letters(&text));
        }

        #[test]
        fn pieces_do_not_depend_on_how_the_text_was_cut(parts in prop::collection::vec(".{0,40}", 0..20)) {
            let whole = parts.concat();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let cut = pieces(&parts);
            prop_assert!(cut.iter().all(|piece| piece.chars().count() <= PIECE_CHARS_MAX));
            prop_assert_eq!(cut, pieces(&[&whole]));
        }
    }
}
