//! What reasoning models think aloud before they answer, between `<think>` and `</think>`.

use std::mem;

/// Tags that begin a thought, each with the one that ends it.
const TAGS: [(&str, &str); 2] = [("<think>", "</think>"), ("<thinking>", "</thinking>")];

/// Takes thoughts out of an answer, however its text is cut on the way. Holds back at most one unfinished tag.
#[derive(Default)]
pub(super) struct Thoughts {
    /// The tag that ends the thought that is being read.
    until: Option<&'static str>,
    /// May become a tag.
    held: String,
}

impl Thoughts {
    /// What is to be said of some more of the answer.
    pub(super) fn without(&mut self, text: &str) -> String {
        let mut spoken = String::new();
        for next in text.chars() {
            self.held.push(next);
            self.settle(&mut spoken);
        }
        spoken
    }

    /// The answer is over: what might have become a tag is none.
    pub(super) fn finish(&mut self) -> String {
        let held = mem::take(&mut self.held);
        if self.until.take().is_some() {
            String::new()
        } else {
            held
        }
    }

    /// Acts on a tag that is complete, and lets go of what can't become one.
    fn settle(&mut self, spoken: &mut String) {
        while !self.held.is_empty() {
            if self.is_tag() {
                self.held.clear();
            } else if self.may_become_tag() {
                return;
            } else {
                let first = self.held.remove(0);
                if self.until.is_none() {
                    spoken.push(first);
                }
            }
        }
    }

    fn is_tag(&mut self) -> bool {
        if let Some(end) = self.until {
            let ends = self.held.eq_ignore_ascii_case(end);
            if ends {
                self.until = None;
            }
            return ends;
        }
        let begun = TAGS.iter().find(|(start, _)| self.held.eq_ignore_ascii_case(start));
        self.until = begun.map(|(_, end)| *end);
        // An end without a beginning, which some servers swallow, is not said either.
        begun.is_some() || TAGS.iter().any(|(_, end)| self.held.eq_ignore_ascii_case(end))
    }

    fn may_become_tag(&self) -> bool {
        let begins = |tag: &str| {
            tag.get(..self.held.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(&self.held))
        };
        match self.until {
            Some(end) => begins(end),
            None => TAGS.iter().any(|(start, end)| begins(start) || begins(end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(pieces: &[&str]) -> String {
        let mut thoughts = Thoughts::default();
        let mut spoken: String = pieces.iter().map(|piece| thoughts.without(piece)).collect();
        spoken.push_str(&thoughts.finish());
        spoken
    }

    #[test]
    fn only_thoughts_are_taken_out() {
        for (answer, expected) in [
            ("Hello.", "Hello."),
            ("<think>Hm.</think>Hello.", "Hello."),
            ("<THINK>Hm.</Think>Hello.", "Hello."),
            ("<thinking>a <think> b </think> c</thinking>Hello.", "Hello."),
            ("Well, <think>ü<</think>hello.", "Well, hello."),
            ("Hm.</think>Hello.", "Hm.Hello."),
            ("<think>and on and on", ""),
            ("<think>and on</thin", ""),
            ("1 < 2 <<think></think> <thin", "1 < 2 < <thin"),
            ("<think></think>", ""),
        ] {
            assert_eq!(spoken(&[answer]), expected, "{answer}");
            let letters: Vec<String> = answer.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(spoken(&letters), expected, "{answer}, letter by letter");
        }
    }
}
