//! The words of a byte-pair tokenizer as raw bytes.

use std::collections::HashMap;

use super::ConvertError;

/// Vocabularies from this size on are multilingual and have one ordinary token more.
const MULTILINGUAL_SIZE: usize = 51_865;
const ORDINARY_ENGLISH: usize = 50_256;

/// The ordinary tokens (those below end-of-text), by id.
pub(super) fn byte_tokens(tokenizer: &[u8], vocabulary: usize) -> Result<Vec<Vec<u8>>, ConvertError> {
    let ordinary = ORDINARY_ENGLISH + usize::from(vocabulary >= MULTILINGUAL_SIZE);
    let tokenizer: serde_json::Value =
        serde_json::from_slice(tokenizer).map_err(|_| ConvertError::Tokenizer("it is not JSON"))?;
    let words = tokenizer["model"]["vocab"]
        .as_object()
        .ok_or(ConvertError::Tokenizer("it has no vocabulary"))?;
    let bytes = byte_of_char();
    let mut tokens = vec![Vec::new(); ordinary.min(vocabulary)];
    for (word, id) in words {
        let id = id.as_u64().ok_or(ConvertError::Tokenizer("an id is not a number"))? as usize;
        if let Some(token) = tokens.get_mut(id) {
            *token = word
                .chars()
                .map(|char| bytes.get(&char).copied())
                .collect::<Option<_>>()
                .ok_or(ConvertError::Tokenizer(
                    "a word has a character outside the byte alphabet",
                ))?;
        }
    }
    Ok(tokens)
}

/// GPT-2's alphabet: printable bytes stand for themselves, the others for the characters from 256 on.
fn byte_of_char() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let shifted = (0..=255_u8).filter(|byte| !printable(*byte)).zip('\u{100}'..);
    let plain = (0..=255_u8)
        .filter(|byte| printable(*byte))
        .map(|byte| (byte, char::from(byte)));
    plain.chain(shifted).map(|(byte, char)| (char, byte)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn tokens_become_bytes_and_special_ones_are_left_out() {
        let tokenizer = r#"{"model":{"vocab":{"Ġhi":1,"!":0,"Ã©":2,"<|endoftext|>":9}}}"#.as_bytes();
        let tokens = byte_tokens(tokenizer, 3).unwrap();
        assert_eq!(tokens, [b"!".to_vec(), b" hi".to_vec(), "é".as_bytes().to_vec()]);
    }

    #[test]
    fn a_tokenizer_without_vocabulary_is_refused() {
        assert!(matches!(
            byte_tokens(b"{}", 3),
            Err(ConvertError::Tokenizer("it has no vocabulary"))
        ));
    }
}
