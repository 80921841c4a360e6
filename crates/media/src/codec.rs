//! ITU-T G.711, the two codecs every telephone speaks (RTP payload types of RFC 3551 §6).

/// A codec of the telephone network: 8 kHz, one byte per sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// µ-law, used in North America and Japan.
    Pcmu,
    /// A-law, used in the rest of the world.
    Pcma,
}

impl Codec {
    /// Every codec, in our own order of preference.
    pub const ALL: &'static [Self] = &[Self::Pcmu, Self::Pcma];

    /// The static payload type (RFC 3551 §6, table 4).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The encoding name as SDP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// Appends one byte per sample to `out`.
    pub fn encode(self, pcm: &[i16], out: &mut Vec<u8>) {
        match self {
            Self::Pcmu => out.extend(pcm.iter().map(|&sample| mulaw_encode(sample))),
            Self::Pcma => out.extend(pcm.iter().map(|&sample| alaw_encode(sample))),
        }
    }

    /// Appends one sample per byte to `out`.
    pub fn decode(self, payload: &[u8], out: &mut Vec<i16>) {
        let table = self.table();
        out.extend(payload.iter().map(|&byte| table[usize::from(byte)]));
    }

    fn table(self) -> &'static [i16; 256] {
        match self {
            Self::Pcmu => &MULAW,
            Self::Pcma => &ALAW,
        }
    }
}

/// Added to the magnitude so that every µ-law segment starts at a power of two.
const MULAW_BIAS: i32 = 0x84;
/// The largest magnitude that still fits after the bias.
const MULAW_CLIP: i32 = 32_635;

static MULAW: [i16; 256] = table(Codec::Pcmu);
static ALAW: [i16; 256] = table(Codec::Pcma);

const fn table(codec: Codec) -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match codec {
            Codec::Pcmu => mulaw_decode(byte as u8),
            Codec::Pcma => alaw_decode(byte as u8),
        };
        byte += 1;
    }
    table
}

/// G.711 table 2: the bits travel inverted, sign first, then segment, then step.
const fn mulaw_decode(byte: u8) -> i16 {
    let bits = !byte as i32;
    let magnitude = ((((bits & 0x0f) << 3) + MULAW_BIAS) << ((bits >> 4) & 7)) - MULAW_BIAS;
    (if bits & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

fn mulaw_encode(sample: i16) -> u8 {
    let sign: i32 = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(MULAW_CLIP) + MULAW_BIAS;
    let segment = magnitude.ilog2() as i32 - 7;
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !((sign | (segment << 4) | step) as u8)
}

/// G.711 table 1: every second bit travels inverted; the sign bit is set for positive values.
const fn alaw_decode(byte: u8) -> i16 {
    let bits = (byte ^ 0x55) as i32;
    let step = (bits & 0x0f) << 4;
    let magnitude = match (bits >> 4) & 7 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    (if bits & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

fn alaw_encode(sample: i16) -> u8 {
    let mask = if sample < 0 { 0x55 } else { 0xd5 };
    // One's complement keeps the two halves symmetric and i16::MIN in range.
    let magnitude = i32::from(if sample < 0 { !sample } else { sample });
    let bits = if magnitude < 256 {
        magnitude >> 4
    } else {
        let segment = magnitude.ilog2() as i32 - 7;
        (segment << 4) | ((magnitude >> (segment + 3)) & 0x0f)
    };
    bits as u8 ^ mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(codec: Codec, pcm: &[i16]) -> Vec<i16> {
        let (mut bytes, mut back) = (Vec::new(), Vec::new());
        codec.encode(pcm, &mut bytes);
        codec.decode(&bytes, &mut back);
        back
    }

    #[test]
    fn decoding_gives_the_values_of_the_recommendation() {
        // G.711 tables 1 and 2, scaled from 13 and 14 bits to 16 (times 8 and 4).
        for (codec, byte, value) in [
            (Codec::Pcmu, 0x80, 8_031 * 4),
            (Codec::Pcmu, 0x8f, 4_191 * 4),
            (Codec::Pcmu, 0x9f, 2_079 * 4),
            (Codec::Pcmu, 0xbf, 495 * 4),
            (Codec::Pcmu, 0xef, 33 * 4),
            (Codec::Pcmu, 0xfe, 2 * 4),
            (Codec::Pcmu, 0xff, 0),
            (Codec::Pcmu, 0x7f, 0),
            (Codec::Pcmu, 0x00, -8_031 * 4),
            (Codec::Pcma, 0xaa, 4_032 * 8),
            (Codec::Pcma, 0xa5, 2_112 * 8),
            (Codec::Pcma, 0xd5, 8),
            (Codec::Pcma, 0x55, -8),
            (Codec::Pcma, 0x2a, -4_032 * 8),
        ] {
            assert_eq!(codec.table()[byte], value as i16, "{codec:?} {byte:#04x}");
        }
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for &codec in Codec::ALL {
            for byte in 0..=255_u8 {
                let value = codec.table()[usize::from(byte)];
                assert_eq!(round_trip(codec, &[value]), [value], "{codec:?} {byte:#04x}");
            }
        }
    }

    #[test]
    fn encoding_takes_a_nearby_code_for_every_sample() {
        for &codec in Codec::ALL {
            for sample in i16::MIN..=i16::MAX {
                let back = i32::from(round_trip(codec, &[sample])[0]);
                let error = (i32::from(sample) - back).abs();
                let allowed = (i32::from(sample).abs() / 16).max(16);
                assert!(
                    error <= allowed.max(if sample.unsigned_abs() > 32_000 { 700 } else { 0 }),
                    "{codec:?} {sample} became {back}"
                );
            }
        }
    }

    #[test]
    fn a_tone_keeps_the_signal_to_noise_ratio_of_g711() {
        let tone: Vec<i16> = (0..8_000)
            .map(|n| ((n as f32 * 0.801).sin() * 12_000.0) as i16)
            .collect();
        for &codec in Codec::ALL {
            let back = round_trip(codec, &tone);
            let energy = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
            let signal = energy(&mut tone.iter().map(|&s| f64::from(s)));
            let noise = energy(&mut tone.iter().zip(&back).map(|(&a, &b)| f64::from(a) - f64::from(b)));
            let ratio = 10.0 * (signal / noise).log10();
            // G.712 asks for 33 dB at this level.
            assert!(ratio > 33.0, "{codec:?}: {ratio:.1} dB");
        }
    }
}
