//! Sentence embeddings: `MiniLM`, mean of the token vectors, unit length.

use std::sync::Arc;

use async_trait::async_trait;
use contract::ProviderKind;
use domain::{ProviderFailure, ports::SentenceEmbedder};
use tokenizers::Tokenizer;

use crate::{
    LoadError,
    engine::{Pool, Ticket},
    failure,
    models::{ModelStore, file},
    net::{Net, NetError},
};

/// The network knows positions up to this; the rest of a longer text does not count.
const TOKENS_MAX: usize = 512;
const TEXTS_MAX: usize = 4096;

pub(crate) struct Embedder(Arc<Pool<Engine>>);

struct Engine {
    net: Net,
    tokenizer: Tokenizer,
}

#[derive(Debug, thiserror::Error)]
enum EmbedError {
    #[error(transparent)]
    Net(NetError),
    #[error("a text could not be cut into tokens")]
    Tokens(#[source] tokenizers::Error),
    #[error("the caller went away")]
    Cancelled,
}

impl Embedder {
    pub(crate) fn load(store: &ModelStore) -> Result<Self, LoadError> {
        Pool::new(1, |_| Engine::load(store)).map(Self)
    }
}

#[async_trait]
impl SentenceEmbedder for Embedder {
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ProviderFailure> {
        if texts.len() > TEXTS_MAX {
            return Err(failure::rejected(
                ProviderKind::Embedding,
                "embed",
                format!("more than {TEXTS_MAX} texts"),
            ));
        }
        self.0
            .run(move |engine, ticket| engine.embed_all(&texts, ticket))
            .await
            .map_err(failure::of(ProviderKind::Embedding, "embed"))?
            .map_err(failure::of(ProviderKind::Embedding, "embed"))
    }
}

impl Engine {
    fn load(store: &ModelStore) -> Result<Self, LoadError> {
        let path = store.path(file::EMBEDDER_TOKENIZER);
        LoadError::require(&path)?;
        let mut tokenizer = Tokenizer::from_file(&path).map_err(|error| LoadError::unreadable(&path, error))?;
        // The file asks for 128 tokens whatever the text; padding alone would cost tenfold.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|error| LoadError::unreadable(&path, error))?;
        Ok(Self {
            net: Net::load(&store.path(file::EMBEDDER))?,
            tokenizer,
        })
    }

    fn embed_all(&self, texts: &[String], ticket: &Ticket) -> Result<Vec<Vec<f32>>, EmbedError> {
        let each = |text: &String| {
            if ticket.is_cancelled() {
                Err(EmbedError::Cancelled)
            } else {
                self.embed(text)
            }
        };
        texts.iter().map(each).collect()
    }

    fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let encoding = self.tokenizer.encode(text, true).map_err(EmbedError::Tokens)?;
        let mut ids: Vec<i32> = encoding.get_ids().iter().map(|id| *id as i32).collect();
        ids.truncate(TOKENS_MAX);
        self.vector(ids).map_err(EmbedError::Net)
    }

    fn vector(&self, ids: Vec<i32>) -> Result<Vec<f32>, NetError> {
        let shape = [1, ids.len()];
        let (mask, kinds) = (vec![1_i32; ids.len()], vec![0_i32; ids.len()]);
        let inputs = vec![
            ("input_ids", self.net.tensor(&shape, ids)?),
            ("attention_mask", self.net.tensor(&shape, mask)?),
            ("token_type_ids", self.net.tensor(&shape, kinds)?),
        ];
        let [output] = self.net.run(inputs, ["last_hidden_state"])?;
        let (shape, numbers) = self.net.floats(output)?;
        let width = *shape
            .get(2)
            .filter(|width| **width > 0)
            .ok_or_else(|| self.net.error(&"not three dimensions"))?;
        Ok(unit_mean(&numbers, width))
    }
}

/// The direction of the mean of the rows.
fn unit_mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f32; width];
    for row in rows.chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    let length = sum
        .iter()
        .map(|value| value * value)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    for value in &mut sum {
        *value /= length;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_has_unit_length_and_zeros_stay_zeros() {
        assert_eq!(unit_mean(&[3.0, 0.0, 3.0, 8.0], 2), [0.6, 0.8]);
        assert_eq!(unit_mean(&[0.0, 0.0], 2), [0.0, 0.0]);
    }
}
