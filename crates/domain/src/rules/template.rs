//! `{{variables}}` in prompts, greetings and scripts.

use contract::Variables;

/// Longest name of a variable.
const NAME_BYTES_MAX: usize = 64;

/// Why a template can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// A `{{` without its `}}`.
    #[error("The {{{{ at byte {at} is never closed.")]
    Unclosed {
        /// Where the `{{` stands.
        at: usize,
    },
    /// Between the braces stands no name.
    #[error("Between {{{{ and }}}} at byte {at} must stand a name: a letter or _, then letters, digits, _, - or dots.")]
    NotAName {
        /// Where the `{{` stands.
        at: usize,
    },
}

/// A piece of a template.
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The names of a template's variables in the order of their first use, each once.
pub fn template_variables(text: &str) -> Result<Vec<String>, TemplateFault> {
    let mut names: Vec<String> = Vec::new();
    for piece in pieces(text)? {
        if let Piece::Variable(name) = piece
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The template with its variables replaced. A variable without a value says nothing, and a template that can't be
/// read stays as it is: when words are due it is too late to complain. Values are taken as they are: braces in them
/// mean nothing.
pub fn fill(text: &str, values: &Variables) -> String {
    let Ok(pieces) = pieces(text) else {
        return text.to_owned();
    };
    let value = |piece| match piece {
        Piece::Text(text) => text,
        Piece::Variable(name) => values.get(name).map_or("", String::as_str),
    };
    pieces.into_iter().map(value).collect()
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateFault> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(open) = twice('{', text, at) {
        let inside = open + 2;
        let close = twice('}', text, inside);
        let close = close.ok_or(TemplateFault::Unclosed { at: open })?;
        let name = text[inside..close].trim();
        if !is_name(name) {
            return Err(TemplateFault::NotAName { at: open });
        }
        pieces.push(Piece::Text(&text[at..open]));
        pieces.push(Piece::Variable(name));
        at = close + 2;
    }
    pieces.push(Piece::Text(&text[at..]));
    Ok(pieces)
}

/// Where `brace` stands twice, from a place on. Most texts hold no braces at all, which a search for one of them tells
/// sooner than one for two.
fn twice(brace: char, text: &str, mut from: usize) -> Option<usize> {
    loop {
        let at = from + text[from..].find(brace)?;
        if text[at + 1..].starts_with(brace) {
            return Some(at);
        }
        from = at + 1;
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_once_each_and_filled_everywhere() {
        let text = "Hi {{name}}, {{ order.id }} is ready, {{name}}. {single} }} {";
        assert_eq!(
            template_variables(text),
            Ok(vec!["name".to_owned(), "order.id".to_owned()])
        );
        let values = [("name", "{{x}}"), ("order.id", "é7")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            fill(text, &values.into()),
            "Hi {{x}}, é7 is ready, {{x}}. {single} }} {"
        );
    }

    #[test]
    fn what_cannot_be_read_says_why_and_stays_as_it_is() {
        for (text, fault) in [
            ("é {{name", TemplateFault::Unclosed { at: 3 }),
            ("{{}}", TemplateFault::NotAName { at: 0 }),
            ("a{{1x}}", TemplateFault::NotAName { at: 1 }),
            ("{{a b}}", TemplateFault::NotAName { at: 0 }),
            ("{{{a}}", TemplateFault::NotAName { at: 0 }),
        ] {
            assert_eq!(template_variables(text), Err(fault), "{text}");
        }
        assert_eq!(fill("a{{who}}b", &Variables::new()), "ab");
        assert_eq!(fill("a{{who", &Variables::new()), "a{{who");
    }
}
