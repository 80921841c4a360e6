//! Which tensor of `CTranslate2` is which tensor of whisper.cpp.
#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "names of tensors, not of files"
)]

use super::{
    ConvertError,
    ctranslate2::{Checkpoint, Variable},
};

/// Audio positions of every Whisper model: 30 s in steps of 20 ms.
const AUDIO_POSITIONS: usize = 1500;

/// The model's sizes, as the header states them.
pub(super) struct Shape {
    pub(super) vocabulary: usize,
    pub(super) audio_positions: usize,
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) encoder_layers: usize,
    pub(super) text_positions: usize,
    pub(super) decoder_layers: usize,
    pub(super) mel_bands: usize,
}

/// A tensor under its new name, in row-major order.
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dims: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Shape {
    pub(super) fn of(checkpoint: &Checkpoint<'_>) -> Result<Self, ConvertError> {
        const EMBEDDINGS: &str = "decoder/embeddings/weight";
        const POSITIONS: &str = "decoder/position_encodings/encodings";
        const FILTERS: &str = "encoder/conv1/weight";
        const HEADS: &str = "encoder/num_heads";
        let embeddings = checkpoint.get(EMBEDDINGS)?;
        let heads = checkpoint.get(HEADS)?.values();
        Ok(Self {
            vocabulary: embeddings.dim(0, EMBEDDINGS)?,
            audio_positions: AUDIO_POSITIONS,
            width: embeddings.dim(1, EMBEDDINGS)?,
            heads: *heads.first().ok_or_else(|| ConvertError::Shape(HEADS.to_owned()))? as usize,
            encoder_layers: layer_count(checkpoint, "encoder"),
            text_positions: checkpoint.get(POSITIONS)?.dim(0, POSITIONS)?,
            decoder_layers: layer_count(checkpoint, "decoder"),
            mel_bands: checkpoint.get(FILTERS)?.dim(1, FILTERS)?,
        })
    }
}

fn layer_count(checkpoint: &Checkpoint<'_>, side: &str) -> usize {
    // Far above any Whisper.
    (0..1000)
        .take_while(|layer| checkpoint.contains(&format!("{side}/layer_{layer}/ffn/linear_0/weight")))
        .count()
}

/// All tensors, in the order whisper.cpp's own converter writes them.
pub(super) fn tensors(checkpoint: &Checkpoint<'_>, shape: &Shape) -> Result<Vec<Tensor>, ConvertError> {
    let mut renamer = Renamer {
        checkpoint,
        tensors: Vec::new(),
    };
    renamer.whole("encoder.positional_embedding", "encoder/position_encodings/encodings")?;
    for filter in ["conv1", "conv2"] {
        renamer.pair(&format!("encoder.{filter}"), &format!("encoder/{filter}"))?;
    }
    renamer.norm("encoder.ln_post", "encoder/layer_norm")?;
    renamer.whole("decoder.positional_embedding", "decoder/position_encodings/encodings")?;
    renamer.whole("decoder.token_embedding.weight", "decoder/embeddings/weight")?;
    renamer.norm("decoder.ln", "decoder/layer_norm")?;
    for layer in 0..shape.encoder_layers {
        renamer.block(&format!("encoder.blocks.{layer}"), &format!("encoder/layer_{layer}"))?;
    }
    for layer in 0..shape.decoder_layers {
        let (to, from) = (format!("decoder.blocks.{layer}"), format!("decoder/layer_{layer}"));
        renamer.block(&to, &from)?;
        renamer.cross_attention(&to, &from)?;
    }
    Ok(renamer.tensors)
}

struct Renamer<'a> {
    checkpoint: &'a Checkpoint<'a>,
    tensors: Vec<Tensor>,
}

impl Renamer<'_> {
    fn push(&mut self, name: String, variable: &Variable<'_>) {
        let mut dims = variable.dims.clone();
        // whisper.cpp adds these to a matrix with one column per time step.
        if name.starts_with("encoder.conv") && name.ends_with(".bias") {
            dims.push(1);
        }
        self.tensors.push(Tensor {
            name,
            dims,
            values: variable.values(),
        });
    }

    fn whole(&mut self, to: &str, from: &str) -> Result<(), ConvertError> {
        let variable = self.checkpoint.get(from)?;
        self.push(to.to_owned(), variable);
        Ok(())
    }

    fn pair(&mut self, to: &str, from: &str) -> Result<(), ConvertError> {
        self.whole(&format!("{to}.weight"), &format!("{from}/weight"))?;
        self.whole(&format!("{to}.bias"), &format!("{from}/bias"))
    }

    fn norm(&mut self, to: &str, from: &str) -> Result<(), ConvertError> {
        self.whole(&format!("{to}.weight"), &format!("{from}/gamma"))?;
        self.whole(&format!("{to}.bias"), &format!("{from}/beta"))
    }

    /// One of the matrices fused into `from`. A key's bias is always zero, and whisper.cpp knows none.
    fn part(&mut self, to: &str, from: &str, (part, parts): (usize, usize)) -> Result<(), ConvertError> {
        for kind in ["weight", "bias"] {
            if kind == "bias" && to.ends_with(".key") {
                continue;
            }
            let name = format!("{from}/{kind}");
            let rows = self.checkpoint.get(&name)?.rows(part, parts, &name)?;
            self.push(format!("{to}.{kind}"), &rows);
        }
        Ok(())
    }

    fn block(&mut self, to: &str, from: &str) -> Result<(), ConvertError> {
        self.norm(&format!("{to}.attn_ln"), &format!("{from}/self_attention/layer_norm"))?;
        self.norm(&format!("{to}.mlp_ln"), &format!("{from}/ffn/layer_norm"))?;
        self.pair(&format!("{to}.mlp.0"), &format!("{from}/ffn/linear_0"))?;
        self.pair(&format!("{to}.mlp.2"), &format!("{from}/ffn/linear_1"))?;
        self.pair(&format!("{to}.attn.out"), &format!("{from}/self_attention/linear_1"))?;
        for (index, name) in ["query", "key", "value"].into_iter().enumerate() {
            self.part(
                &format!("{to}.attn.{name}"),
                &format!("{from}/self_attention/linear_0"),
                (index, 3),
            )?;
        }
        Ok(())
    }

    fn cross_attention(&mut self, to: &str, from: &str) -> Result<(), ConvertError> {
        self.norm(&format!("{to}.cross_attn_ln"), &format!("{from}/attention/layer_norm"))?;
        self.pair(&format!("{to}.cross_attn.query"), &format!("{from}/attention/linear_0"))?;
        for (index, name) in ["key", "value"].into_iter().enumerate() {
            self.part(
                &format!("{to}.cross_attn.{name}"),
                &format!("{from}/attention/linear_1"),
                (index, 2),
            )?;
        }
        self.pair(&format!("{to}.cross_attn.out"), &format!("{from}/attention/linear_2"))
    }
}
