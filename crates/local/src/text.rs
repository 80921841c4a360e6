//! From written to spoken English: numbers, money, times, dates, abbreviations and symbols become words.
//!
//! The result holds letters, apostrophes, hyphens, dotted initials (`A.M.`) and punctuation only; how words sound is
//! the business of [`crate::g2p`].

mod dates;
mod numbers;
mod rules;
mod sentences;

pub(crate) use self::{rules::spoken, sentences::pieces};
