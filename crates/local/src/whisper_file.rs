//! Turns Whisper weights as `CTranslate2` keeps them into the file that whisper.cpp reads.
//!
//! The two differ in layout, not in numbers: `CTranslate2` fuses query, key and value into one matrix, stores
//! Whisper's zero key bias, and knows its vocabulary from `tokenizer.json` only.

mod ctranslate2;
mod ggml;
mod layers;
mod vocabulary;

pub(crate) use self::ggml::WhisperFile;

/// Changes when the same weights would give another file.
pub(crate) const REVISION: u32 = 1;

/// Why weights could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The file ends in the middle of something.
    #[error("the weights end early")]
    Truncated,
    /// Another format or version.
    #[error("these are not CTranslate2 Whisper weights of version 6, but {0}")]
    Format(String),
    /// A number type we don't know.
    #[error("unknown number type {0}")]
    NumberType(u8),
    /// A tensor Whisper needs is not there.
    #[error("there is no {0}")]
    Missing(String),
    /// A tensor has a shape that can't be.
    #[error("{0} has an unexpected shape")]
    Shape(String),
    /// The tokenizer can't be read.
    #[error("the tokenizer can't be read: {0}")]
    Tokenizer(&'static str),
}

/// Reads the weights and the vocabulary and lays them out anew, matrices in 8 bits (`Q8_0`).
pub(crate) fn convert(model: &[u8], tokenizer: &[u8]) -> Result<WhisperFile, ConvertError> {
    let checkpoint = ctranslate2::Checkpoint::parse(model)?;
    let shape = layers::Shape::of(&checkpoint)?;
    let vocabulary = vocabulary::byte_tokens(tokenizer, shape.vocabulary)?;
    let tensors = layers::tensors(&checkpoint, &shape)?;
    Ok(WhisperFile::new(shape, vocabulary, tensors))
}

#[cfg(test)]
mod tests;
