//! Reading `model.bin` of `CTranslate2`: a flat list of named tensors, little-endian.

use std::collections::HashMap;

use half::f16;

use super::ConvertError;

const VERSION: u32 = 6;
const SPECIFICATION: &str = "WhisperSpec";
const RANK_MAX: usize = 4;

/// All tensors of a file, by name.
pub(super) struct Checkpoint<'a>(HashMap<String, Variable<'a>>);

/// A tensor whose numbers are still in the file's bytes.
#[derive(Clone)]
pub(super) struct Variable<'a> {
    pub(super) dims: Vec<usize>,
    number: NumberType,
    bytes: &'a [u8],
}

#[derive(Clone, Copy)]
enum NumberType {
    F32,
    I8,
    I16,
    I32,
    F16,
}

impl<'a> Checkpoint<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ConvertError> {
        let mut reader = Reader(bytes);
        let version = reader.u32()?;
        if version != VERSION {
            return Err(ConvertError::Format(format!("version {version}")));
        }
        let specification = reader.string()?;
        if specification != SPECIFICATION {
            return Err(ConvertError::Format(specification));
        }
        let _revision = reader.u32()?;
        let count = reader.u32()?;
        let variables = (0..count)
            .map(|_| Ok((reader.string()?, reader.variable()?)))
            .collect::<Result<_, _>>()?;
        Ok(Self(variables))
    }

    pub(super) fn get(&self, name: &str) -> Result<&Variable<'a>, ConvertError> {
        self.0.get(name).ok_or_else(|| ConvertError::Missing(name.to_owned()))
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl Variable<'_> {
    /// One dimension of the shape, or an error that names the tensor.
    pub(super) fn dim(&self, index: usize, name: &str) -> Result<usize, ConvertError> {
        self.dims
            .get(index)
            .copied()
            .ok_or_else(|| ConvertError::Shape(name.to_owned()))
    }

    /// The `part`-th of `parts` equal blocks of rows: how fused projections come apart.
    pub(super) fn rows(&self, part: usize, parts: usize, name: &str) -> Result<Self, ConvertError> {
        let rows = self.dim(0, name)?;
        if !rows.is_multiple_of(parts) {
            return Err(ConvertError::Shape(name.to_owned()));
        }
        let mut dims = self.dims.clone();
        dims[0] = rows / parts;
        let size = self.bytes.len() / parts;
        Ok(Self {
            dims,
            number: self.number,
            bytes: &self.bytes[part * size..(part + 1) * size],
        })
    }

    pub(super) fn values(&self) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks::<N>().0.iter().map(|chunk| number(*chunk)).collect()
        }
        match self.number {
            NumberType::F32 => each(self.bytes, f32::from_le_bytes),
            NumberType::I8 => each(self.bytes, |byte| i8::from_le_bytes(byte) as f32),
            NumberType::I16 => each(self.bytes, |bytes| i16::from_le_bytes(bytes) as f32),
            NumberType::I32 => each(self.bytes, |bytes| i32::from_le_bytes(bytes) as f32),
            NumberType::F16 => each(self.bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
        }
    }
}

impl NumberType {
    fn of(code: u8) -> Result<Self, ConvertError> {
        Ok(match code {
            0 => Self::F32,
            1 => Self::I8,
            2 => Self::I16,
            3 => Self::I32,
            4 => Self::F16,
            other => return Err(ConvertError::NumberType(other)),
        })
    }

    fn size(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 | Self::F16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ConvertError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ConvertError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ConvertError> {
        self.take(N)?.try_into().map_err(|_| ConvertError::Truncated)
    }

    fn u8(&mut self) -> Result<u8, ConvertError> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, ConvertError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Length (with the closing zero) and bytes.
    fn string(&mut self) -> Result<String, ConvertError> {
        let length = self.array().map(u16::from_le_bytes)? as usize;
        let bytes = self.take(length)?;
        Ok(String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned())
    }

    fn variable(&mut self) -> Result<Variable<'a>, ConvertError> {
        let rank = self.u8()? as usize;
        if rank > RANK_MAX {
            return Err(ConvertError::Format(format!("a tensor of rank {rank}")));
        }
        let dims: Vec<usize> = (0..rank)
            .map(|_| self.u32().map(|dim| dim as usize))
            .collect::<Result<_, _>>()?;
        let number = NumberType::of(self.u8()?)?;
        let size = self.u32()? as usize;
        let expected = dims.iter().try_fold(number.size(), |size, dim| size.checked_mul(*dim));
        if expected != Some(size) {
            return Err(ConvertError::Shape("a tensor".to_owned()));
        }
        Ok(Variable {
            dims,
            number,
            bytes: self.take(size)?,
        })
    }
}
