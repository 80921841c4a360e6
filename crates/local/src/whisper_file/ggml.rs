//! Writing whisper.cpp's file: header, mel filters, vocabulary, tensors.
#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "names of tensors, not of files"
)]

use std::io::{self, Write};

use half::f16;

use super::layers::{Shape, Tensor};
use crate::mel;

const MAGIC: i32 = 0x6767_6d6c;
/// `Q8_0` with version 2 of the quantisation format.
const FILE_TYPE_Q8_0: i32 = 2007;
/// Numbers that share a scale.
const BLOCK: usize = 32;

/// A whisper.cpp model, ready to be written.
pub(crate) struct WhisperFile {
    shape: Shape,
    vocabulary: Vec<Vec<u8>>,
    tensors: Vec<Tensor>,
}

/// How a tensor's numbers are kept; the values are ggml's.
#[derive(Clone, Copy)]
enum Encoding {
    F32 = 0,
    F16 = 1,
    Q8 = 8,
}

impl Encoding {
    /// Matrices are quantised; convolutions have no 8-bit kernel; the small and exact stay as they are.
    fn of(tensor: &Tensor) -> Self {
        let exact = tensor.name.ends_with("positional_embedding") || tensor.name.ends_with(".bias");
        match tensor.dims.as_slice() {
            _ if exact => Self::F32,
            [] | [_] => Self::F32,
            [_, width] if width.is_multiple_of(BLOCK) => Self::Q8,
            _ => Self::F16,
        }
    }
}

impl WhisperFile {
    pub(super) fn new(shape: Shape, vocabulary: Vec<Vec<u8>>, tensors: Vec<Tensor>) -> Self {
        Self {
            shape,
            vocabulary,
            tensors,
        }
    }

    /// Writes the whole file.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.write_header(out)?;
        self.write_filters(out)?;
        put(out, self.vocabulary.len())?;
        for token in &self.vocabulary {
            put(out, token.len())?;
            out.write_all(token)?;
        }
        self.tensors.iter().try_for_each(|tensor| write_tensor(out, tensor))
    }

    fn write_header(&self, out: &mut impl Write) -> io::Result<()> {
        let shape = &self.shape;
        out.write_all(&MAGIC.to_le_bytes())?;
        for number in [
            shape.vocabulary,
            shape.audio_positions,
            shape.width,
            shape.heads,
            shape.encoder_layers,
            shape.text_positions,
            shape.width,
            shape.heads,
            shape.decoder_layers,
            shape.mel_bands,
        ] {
            put(out, number)?;
        }
        out.write_all(&FILE_TYPE_Q8_0.to_le_bytes())
    }

    fn write_filters(&self, out: &mut impl Write) -> io::Result<()> {
        put(out, self.shape.mel_bands)?;
        put(out, mel::BINS)?;
        mel::filter_bank(self.shape.mel_bands)
            .iter()
            .flatten()
            .try_for_each(|weight| out.write_all(&weight.to_le_bytes()))
    }
}

fn put(out: &mut impl Write, number: usize) -> io::Result<()> {
    out.write_all(&(number as i32).to_le_bytes())
}

fn write_tensor(out: &mut impl Write, tensor: &Tensor) -> io::Result<()> {
    let encoding = Encoding::of(tensor);
    put(out, tensor.dims.len())?;
    put(out, tensor.name.len())?;
    put(out, encoding as usize)?;
    for dim in tensor.dims.iter().rev() {
        put(out, *dim)?;
    }
    out.write_all(tensor.name.as_bytes())?;
    match encoding {
        Encoding::F32 => tensor
            .values
            .iter()
            .try_for_each(|value| out.write_all(&value.to_le_bytes())),
        Encoding::F16 => tensor
            .values
            .iter()
            .try_for_each(|value| out.write_all(&f16::from_f32(*value).to_le_bytes())),
        Encoding::Q8 => tensor
            .values
            .chunks(BLOCK)
            .try_for_each(|block| out.write_all(&quantised(block))),
    }
}

/// The block's scale, then each number as a multiple of it.
fn quantised(block: &[f32]) -> Vec<u8> {
    let largest = block.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { scale.recip() };
    let mut bytes = f16::from_f32(scale).to_le_bytes().to_vec();
    bytes.extend(
        block
            .iter()
            .flat_map(|value| ((value * inverse).round() as i8).to_le_bytes()),
    );
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantising_keeps_values_to_half_a_step() {
        let block: Vec<f32> = (0..32).map(|index| (index as f32 - 16.0) * 0.11).collect();
        let bytes = quantised(&block);
        let scale = f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
        for (value, byte) in block.iter().zip(&bytes[2..]) {
            let back = f32::from(i8::from_le_bytes([*byte])) * scale;
            assert!((value - back).abs() <= scale * 0.6, "{value} became {back}");
        }
    }

    #[test]
    fn a_block_of_zeros_stays_zero() {
        assert_eq!(quantised(&[0.0; 32]), vec![0; 34]);
    }
}
