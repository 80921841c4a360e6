//! SPDX licence expressions: `OR`, `AND`, `WITH` and parentheses, and crates.io's old `/` for `OR`.

use anyhow::{Context as _, Result, bail, ensure};

/// What a licence expression asks of whoever uses the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// One licence, with its exception if it has one.
    Licence {
        /// The licence's identifier.
        id: String,
        /// The identifier after `WITH`.
        exception: Option<String>,
    },
    /// All of them apply.
    All(Box<Self>, Box<Self>),
    /// One of them applies, by choice.
    Any(Box<Self>, Box<Self>),
}

impl Expression {
    /// Reads an expression; `AND` binds tighter than `OR`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let mut tokens = Tokens {
            words: spaced.split_whitespace().collect(),
            at: 0,
        };
        let expression = any(&mut tokens)?;
        ensure!(
            tokens.at == tokens.words.len(),
            "unexpected {:?}",
            tokens.words[tokens.at]
        );
        Ok(expression)
    }

    /// Whether a choice exists in which every licence that applies is `allowed`.
    pub(crate) fn is_allowed(&self, allowed: &dyn Fn(&str, Option<&str>) -> bool) -> bool {
        match self {
            Self::Licence { id, exception } => allowed(id, exception.as_deref()),
            Self::All(left, right) => left.is_allowed(allowed) && right.is_allowed(allowed),
            Self::Any(left, right) => left.is_allowed(allowed) || right.is_allowed(allowed),
        }
    }
}

struct Tokens<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += usize::from(word.is_some());
        word
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self
            .words
            .get(self.at)
            .is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }
}

fn any(tokens: &mut Tokens<'_>) -> Result<Expression> {
    let mut left = all(tokens)?;
    while tokens.take("OR") {
        left = Expression::Any(Box::new(left), Box::new(all(tokens)?));
    }
    Ok(left)
}

fn all(tokens: &mut Tokens<'_>) -> Result<Expression> {
    let mut left = licence(tokens)?;
    while tokens.take("AND") {
        left = Expression::All(Box::new(left), Box::new(licence(tokens)?));
    }
    Ok(left)
}

fn licence(tokens: &mut Tokens<'_>) -> Result<Expression> {
    if tokens.take("(") {
        let inner = any(tokens)?;
        ensure!(tokens.take(")"), "a parenthesis is not closed");
        return Ok(inner);
    }
    let id = tokens.next().context("the expression ends too early")?;
    if [")", "OR", "AND", "WITH"].contains(&id) {
        bail!("unexpected {id:?}");
    }
    let exception = if tokens.take("WITH") {
        Some(tokens.next().context("WITH names no exception")?.to_owned())
    } else {
        None
    };
    Ok(Expression::Licence {
        id: id.to_owned(),
        exception,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn allowed(text: &str, licences: &[&str]) -> bool {
        Expression::parse(text)
            .unwrap()
            .is_allowed(&|id, exception| exception.is_none() && licences.contains(&id))
    }

    #[test]
    fn either_of_a_choice_is_enough() {
        assert!(allowed("MIT OR GPL-3.0", &["MIT"]));
        assert!(allowed("GPL-3.0/MIT", &["MIT"]));
        assert!(!allowed("GPL-2.0 OR GPL-3.0", &["MIT"]));
    }

    #[test]
    fn all_of_a_conjunction_are_needed() {
        assert!(allowed("MIT AND ISC", &["MIT", "ISC"]));
        assert!(!allowed("MIT AND GPL-3.0", &["MIT"]));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(allowed("MIT OR ISC AND GPL-3.0", &["MIT"]));
        assert!(!allowed("(MIT OR ISC) AND GPL-3.0", &["MIT", "ISC"]));
        assert!(allowed("(MIT OR GPL-3.0) AND ISC", &["MIT", "ISC"]));
    }

    #[test]
    fn an_exception_is_seen() {
        let expression = Expression::parse("Apache-2.0 WITH LLVM-exception OR GPL-3.0").unwrap();
        assert!(expression.is_allowed(&|id, exception| id == "Apache-2.0" && exception == Some("LLVM-exception")));
        assert!(!allowed("Apache-2.0 WITH LLVM-exception", &["Apache-2.0"]));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "OR MIT", "MIT WITH"] {
            assert!(Expression::parse(text).is_err(), "{text:?}");
        }
    }
}
