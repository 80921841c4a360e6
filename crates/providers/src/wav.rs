//! Just enough of WAV: one header for what we send, and an incremental reader for what comes back.

/// Chunks before the samples that are skipped, at most, in bytes.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// A whole file of 16-bit mono samples.
pub(crate) fn encode(samples: &[i16], sample_rate: u32) -> Vec<u8> {
    let size = (samples.len() * 2) as u32;
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + size).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&sample_rate.to_le_bytes());
    file.extend_from_slice(&(sample_rate * 2).to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&16_u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&size.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// No 16-bit mono WAV, or none at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Samples out of bytes as they come: bare ones at a known rate, or a WAV file, told apart by its first bytes.
#[derive(Debug)]
pub(crate) struct Samples {
    pending: Vec<u8>,
    state: State,
    rate: u32,
}

#[derive(Debug)]
enum State {
    /// Too few bytes to tell.
    Start {
        wav_only: bool,
    },
    Header,
    /// Bytes of samples left; `None` until the end.
    Data(Option<usize>),
}

impl Samples {
    /// Bare samples at `rate`, or a WAV file all the same.
    pub(crate) fn bare(rate: u32) -> Self {
        Self {
            pending: Vec::new(),
            state: State::Start { wav_only: false },
            rate,
        }
    }

    /// A WAV file and nothing else.
    pub(crate) fn wav() -> Self {
        Self {
            pending: Vec::new(),
            state: State::Start { wav_only: true },
            rate: 0,
        }
    }

    /// The rate; known once samples have come.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// The samples that these bytes complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<i16>, Unreadable> {
        self.pending.extend_from_slice(bytes);
        if let State::Start { wav_only } = self.state {
            if self.pending.len() < 12 {
                return Ok(Vec::new());
            }
            self.state = match (
                self.pending.starts_with(b"RIFF") && &self.pending[8..12] == b"WAVE",
                wav_only,
            ) {
                (true, _) => State::Header,
                (false, false) => State::Data(None),
                (false, true) => return Err(Unreadable),
            };
        }
        if matches!(self.state, State::Header) && !self.header()? {
            return Ok(Vec::new());
        }
        Ok(self.take())
    }

    /// Samples of a bare stream so short that nothing was decided.
    pub(crate) fn finish(&mut self) -> Vec<i16> {
        if matches!(self.state, State::Start { wav_only: false }) {
            self.state = State::Data(None);
            return self.take();
        }
        Vec::new()
    }

    /// Reads chunks up to the samples; `false` when there are too few bytes yet.
    fn header(&mut self) -> Result<bool, Unreadable> {
        let mut at = 12;
        let mut rate = None;
        loop {
            let Some(head) = self.pending.get(at..at + 8) else {
                return if self.pending.len() > HEADER_BYTES_MAX {
                    Err(Unreadable)
                } else {
                    Ok(false)
                };
            };
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            if head.starts_with(b"data") {
                self.rate = rate.ok_or(Unreadable)?;
                // Servers that stream don't know the size and write 0 or the largest.
                let known = !matches!(size, 0 | 0x7FFF_FF00..);
                self.state = State::Data(known.then_some(size as usize));
                self.pending.drain(..at + 8);
                return Ok(true);
            }
            let length = size as usize;
            if length > HEADER_BYTES_MAX {
                return Err(Unreadable);
            }
            if head.starts_with(b"fmt ") {
                let Some(format) = self.pending.get(at + 8..at + 8 + length) else {
                    return Ok(false);
                };
                rate = Some(format_rate(format)?);
            }
            at += 8 + length + length % 2;
            if at > HEADER_BYTES_MAX {
                return Err(Unreadable);
            }
        }
    }

    fn take(&mut self) -> Vec<i16> {
        let State::Data(left) = &mut self.state else {
            return Vec::new();
        };
        let mut usable = self.pending.len();
        if let Some(left) = left {
            usable = usable.min(*left);
        }
        usable -= usable % 2;
        let samples = self.pending[..usable]
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        self.pending.drain(..usable);
        if let Some(left) = left {
            *left -= usable;
            // What follows the samples (tags, say) is no sound.
            if *left < 2 {
                self.pending.clear();
            }
        }
        samples
    }
}

/// The rate of a format that is 16-bit mono PCM.
fn format_rate(format: &[u8]) -> Result<u32, Unreadable> {
    let Some([tag0, tag1, channels0, channels1, r0, r1, r2, r3]) = format.first_chunk::<8>() else {
        return Err(Unreadable);
    };
    let bits = format
        .get(14..16)
        .map_or(0, |bits| u16::from_le_bytes([bits[0], bits[1]]));
    let tag = u16::from_le_bytes([*tag0, *tag1]);
    let channels = u16::from_le_bytes([*channels0, *channels1]);
    let rate = u32::from_le_bytes([*r0, *r1, *r2, *r3]);
    let usable = matches!(tag, 1 | 0xFFFE) && channels == 1 && bits == 16 && (8_000..=192_000).contains(&rate);
    if usable { Ok(rate) } else { Err(Unreadable) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(mut reader: Samples, bytes: &[u8], size: usize) -> (Vec<i16>, u32) {
        let mut samples: Vec<i16> = bytes
            .chunks(size)
            .flat_map(|chunk| reader.push(chunk).unwrap())
            .collect();
        samples.extend(reader.finish());
        (samples, reader.rate())
    }

    #[test]
    fn samples_survive_every_cut_of_the_bytes() {
        let samples: Vec<i16> = (-50..50).map(|n| n * 300).collect();
        let bare: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let mut file = encode(&samples, 22_050);
        file.extend_from_slice(b"LIST\x04\0\0\0junk");
        let mut endless = encode(&samples, 22_050);
        endless[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        for size in 1..60 {
            assert_eq!(read(Samples::bare(24_000), &bare, size), (samples.clone(), 24_000));
            assert_eq!(read(Samples::bare(24_000), &file, size), (samples.clone(), 22_050));
            assert_eq!(read(Samples::wav(), &endless, size), (samples.clone(), 22_050));
        }
    }

    #[test]
    fn what_is_no_wav_of_ours_is_refused() {
        let mut stereo = encode(&[1, 2], 8_000);
        stereo[22] = 2;
        let mut huge = encode(&[1, 2], 8_000);
        huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        for bytes in [b"ID3 this is an mp3".to_vec(), stereo, huge] {
            assert_eq!(Samples::wav().push(&bytes), Err(Unreadable));
        }
    }

    #[test]
    fn a_very_short_bare_stream_is_still_sound() {
        assert_eq!(read(Samples::bare(8_000), &[1, 0, 2, 0, 9], 2), (vec![1, 2], 8_000));
    }
}
