//! WAV files: reading what people upload, writing headers for recordings.

use std::fmt;

use crate::Codec;

/// Sound as it lay in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WavAudio {
    /// Samples per second and channel.
    pub sample_rate: u32,
    /// How many samples lie side by side.
    pub channels: u16,
    /// Interleaved, whole frames only.
    pub samples: Vec<i16>,
}

/// Why bytes are no WAV file that we can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WavError {
    /// No `RIFF … WAVE` at the start.
    NotWav,
    /// No complete `fmt ` chunk.
    NoFormat,
    /// No `data` chunk.
    NoData,
    /// A format tag that is neither PCM, float, A-law nor µ-law.
    Format(u16),
    /// So many bits per sample do not go with the format.
    Bits(u16),
    /// More channels than [`CHANNELS_MAX`], or none.
    Channels(u16),
    /// A rate that no sound has.
    SampleRate(u32),
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWav => f.write_str("not a WAV file"),
            Self::NoFormat => f.write_str("WAV file without a complete format chunk"),
            Self::NoData => f.write_str("WAV file without a data chunk"),
            Self::Format(tag) => write!(
                f,
                "WAV format {tag:#06x} is not supported; use PCM, float, A-law or µ-law"
            ),
            Self::Bits(bits) => write!(f, "WAV with {bits} bits per sample is not supported"),
            Self::Channels(channels) => write!(f, "WAV with {channels} channels is not supported"),
            Self::SampleRate(rate) => write!(f, "WAV with {rate} samples per second is not supported"),
        }
    }
}

impl std::error::Error for WavError {}

/// The most channels that are read.
pub const CHANNELS_MAX: u16 = 16;

/// Format tag of files whose real format is named by the first bytes of a GUID.
const EXTENSIBLE: u16 = 0xfffe;

#[derive(Clone, Copy)]
enum Sample {
    Unsigned8,
    /// Signed, 16 to 32 bits; this many bytes, of which the upper two count.
    Signed(usize),
    Float32,
    Float64,
    G711(Codec),
}

struct Format {
    sample: Sample,
    channels: u16,
    sample_rate: u32,
}

/// Reads a file of PCM (8, 16, 24, 32 bits), float (32, 64), A-law or µ-law. A length that is wrong or
/// unknown, as streams write it, means "to the end".
pub fn parse(bytes: &[u8]) -> Result<WavAudio, WavError> {
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err(WavError::NotWav);
    }
    let (mut format, mut data, mut rest) = (None, None, &bytes[12..]);
    while let Some((name, body, next)) = chunk(rest) {
        match name {
            b"fmt " if format.is_none() => format = Some(read_format(body)?),
            b"data" if data.is_none() => data = Some(body),
            _ => {}
        }
        rest = next;
    }
    let format = format.ok_or(WavError::NoFormat)?;
    let mut samples = decode(format.sample, data.ok_or(WavError::NoData)?);
    samples.truncate(samples.len() - samples.len() % usize::from(format.channels));
    Ok(WavAudio {
        sample_rate: format.sample_rate,
        channels: format.channels,
        samples,
    })
}

type Chunk<'a> = (&'a [u8; 4], &'a [u8], &'a [u8]);

fn chunk(bytes: &[u8]) -> Option<Chunk<'_>> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length >= rest.len() || (name == b"data" && length == 0) {
        return Some((name, rest, &[]));
    }
    let (body, next) = rest.split_at(length);
    // Chunks start at even offsets.
    Some((name, body, next.get(length % 2..).unwrap_or_default()))
}

fn read_format(body: &[u8]) -> Result<Format, WavError> {
    let word = |at: usize| {
        body.get(at..at + 2)
            .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
            .ok_or(WavError::NoFormat)
    };
    let (channels, bits) = (word(2)?, word(14)?);
    let sample_rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
    let tag = match word(0)? {
        EXTENSIBLE => word(24)?,
        tag => tag,
    };
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(WavError::Channels(channels));
    }
    if !(1_000..=192_000).contains(&sample_rate) {
        return Err(WavError::SampleRate(sample_rate));
    }
    let sample = match (tag, bits) {
        (1, 8) => Sample::Unsigned8,
        (1, 16 | 24 | 32) => Sample::Signed(usize::from(bits / 8)),
        (3, 32) => Sample::Float32,
        (3, 64) => Sample::Float64,
        (6, 8) => Sample::G711(Codec::Pcma),
        (7, 8) => Sample::G711(Codec::Pcmu),
        (1 | 3 | 6 | 7, bits) => return Err(WavError::Bits(bits)),
        (tag, _) => return Err(WavError::Format(tag)),
    };
    Ok(Format {
        sample,
        channels,
        sample_rate,
    })
}

fn decode(sample: Sample, data: &[u8]) -> Vec<i16> {
    match sample {
        Sample::Unsigned8 => data.iter().map(|&byte| (i16::from(byte) - 128) * 256).collect(),
        Sample::Signed(width) => data
            .chunks_exact(width)
            .map(|bytes| i16::from_le_bytes([bytes[width - 2], bytes[width - 1]]))
            .collect(),
        Sample::Float32 => data
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| from_float(f64::from(f32::from_le_bytes(*bytes))))
            .collect(),
        Sample::Float64 => data
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| from_float(f64::from_le_bytes(*bytes)))
            .collect(),
        Sample::G711(codec) => {
            let mut samples = Vec::with_capacity(data.len());
            codec.decode(data, &mut samples);
            samples
        }
    }
}

/// Full scale is ±1; what lies beyond is clipped, NaN is silence.
fn from_float(value: f64) -> i16 {
    (value * 32_768.0).round() as i16
}

/// The header of a 16-bit PCM file; `data_bytes` is the length of what follows.
pub fn header(sample_rate: u32, channels: u16, data_bytes: u32) -> [u8; 44] {
    let frame_bytes = channels.saturating_mul(2);
    let mut header = [0; 44];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RIFF");
    put(4, &data_bytes.saturating_add(36).to_le_bytes());
    put(8, b"WAVEfmt ");
    put(16, &16_u32.to_le_bytes());
    put(20, &1_u16.to_le_bytes());
    put(22, &channels.to_le_bytes());
    put(24, &sample_rate.to_le_bytes());
    put(28, &sample_rate.saturating_mul(u32::from(frame_bytes)).to_le_bytes());
    put(32, &frame_bytes.to_le_bytes());
    put(34, &16_u16.to_le_bytes());
    put(36, b"data");
    put(40, &data_bytes.to_le_bytes());
    header
}

/// All channels as one, by their mean.
pub fn mono(audio: &WavAudio) -> Vec<i16> {
    let channels = usize::from(audio.channels.max(1));
    audio
        .samples
        .chunks_exact(channels)
        .map(|frame| (frame.iter().map(|&sample| i32::from(sample)).sum::<i32>() / channels as i32) as i16)
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn file(format: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt ".to_vec();
        bytes.extend((format.len() as u32).to_le_bytes());
        bytes.extend(format);
        bytes.extend(b"data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        let mut bytes = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
        bytes.extend(rate.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(bits.to_le_bytes());
        bytes
    }

    #[test]
    fn what_the_header_announces_is_read_back() {
        let samples = [1_i16, -2, 300, i16::MIN];
        let mut bytes = header(8_000, 2, 8).to_vec();
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let audio = parse(&bytes).unwrap();
        assert_eq!(
            audio,
            WavAudio {
                sample_rate: 8_000,
                channels: 2,
                samples: samples.to_vec()
            }
        );
        assert_eq!(mono(&audio), [0, -16_234]);
    }

    #[test]
    fn every_sample_format_is_read() {
        let float = [0.5_f32, -2.0, f32::NAN].map(f32::to_le_bytes).concat();
        let double = [0.5_f64, -1.0].map(f64::to_le_bytes).concat();
        let cases: [(u16, u16, &[u8], &[i16]); 7] = [
            (1, 8, &[128, 0, 255], &[0, -32_768, 32_512]),
            (1, 24, &[9, 1, 0, 0, 0, 0x80], &[1, -32_768]),
            (1, 32, &[9, 9, 1, 0], &[1]),
            (3, 32, &float, &[16_384, -32_768, 0]),
            (3, 64, &double, &[16_384, -32_768]),
            (6, 8, &[0xd5, 0xaa], &[8, 32_256]),
            (7, 8, &[0xff, 0x80], &[0, 32_124]),
        ];
        for (tag, bits, data, samples) in cases {
            let audio = parse(&file(&format(tag, 1, 44_100, bits), data)).unwrap();
            assert_eq!(audio.samples, samples, "format {tag}, {bits} bits");
            assert_eq!(audio.sample_rate, 44_100);
        }
        let mut extensible = format(EXTENSIBLE, 1, 16_000, 16);
        extensible.extend([22, 0, 16, 0, 4, 0, 0, 0, 1, 0]);
        extensible.extend([0; 14]);
        assert_eq!(parse(&file(&extensible, &[7, 0])).unwrap().samples, [7]);
    }

    #[test]
    fn streams_of_unknown_length_are_read_to_the_end() {
        for length in [0, u32::MAX, 1_000] {
            let mut bytes = header(8_000, 1, length).to_vec();
            bytes.extend([1, 0, 2, 0, 3]);
            assert_eq!(parse(&bytes).unwrap().samples, [1, 2], "{length}");
        }
    }

    #[test]
    fn a_half_frame_at_the_end_is_dropped() {
        let audio = parse(&file(&format(1, 2, 8_000, 16), &[1, 0, 2, 0, 3, 0])).unwrap();
        assert_eq!(audio.samples, [1, 2]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (bytes, error) in [
            (b"OggS".to_vec(), WavError::NotWav),
            (b"RIFF\0\0\0\0WAVE".to_vec(), WavError::NoFormat),
            (file(&[1, 0, 1, 0], &[]), WavError::NoFormat),
            (header(8_000, 1, 0)[..36].to_vec(), WavError::NoData),
            (file(&format(0x55, 1, 8_000, 16), &[]), WavError::Format(0x55)),
            (file(&format(1, 1, 8_000, 12), &[]), WavError::Bits(12)),
            (file(&format(1, 0, 8_000, 16), &[]), WavError::Channels(0)),
            (file(&format(1, 17, 8_000, 16), &[]), WavError::Channels(17)),
            (file(&format(1, 1, 0, 16), &[]), WavError::SampleRate(0)),
            (file(&format(EXTENSIBLE, 1, 8_000, 16), &[]), WavError::NoFormat),
        ] {
            assert_eq!(parse(&bytes), Err(error), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_chunks_make_the_parser_panic(
            tag in 0_u16..8, channels in 0_u16..20, bits in proptest::sample::select(vec![0_u16, 8, 16, 24, 32, 64]),
            data in proptest::collection::vec(any::<u8>(), 0..100), length: u32, cut in 0_usize..100,
        ) {
            let mut bytes = file(&format(tag, channels, 8_000, bits), &data);
            let at = bytes.len() - data.len() - 4;
            bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            let _ = parse(&bytes).map(|audio| mono(&audio));
        }
    }
}
