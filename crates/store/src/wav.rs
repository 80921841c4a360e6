//! The header of a WAV file: 16-bit PCM, two channels.

/// Bytes before the audio.
pub(crate) const HEADER_BYTES: u64 = 44;
/// Bytes of one sample of both channels.
pub(crate) const FRAME_BYTES: u64 = 4;
/// Most audio whose length the header's 32 bits can hold, in whole frames.
pub(crate) const AUDIO_BYTES_MAX: u64 = (u32::MAX as u64 - (HEADER_BYTES - 8)) / FRAME_BYTES * FRAME_BYTES;

/// The header of a file without audio yet.
pub(crate) fn header(sample_rate: u32) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[0..4].copy_from_slice(b"RIFF");
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16u32.to_le_bytes());
    header[20..22].copy_from_slice(&1u16.to_le_bytes());
    header[22..24].copy_from_slice(&2u16.to_le_bytes());
    header[24..28].copy_from_slice(&sample_rate.to_le_bytes());
    header[28..32].copy_from_slice(&sample_rate.saturating_mul(FRAME_BYTES as u32).to_le_bytes());
    header[32..34].copy_from_slice(&(FRAME_BYTES as u16).to_le_bytes());
    header[34..36].copy_from_slice(&16u16.to_le_bytes());
    header[36..40].copy_from_slice(b"data");
    for (at, value) in lengths(0) {
        header[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }
    header
}

/// Where the lengths stand in the header, and what they are for so much audio.
pub(crate) fn lengths(audio_bytes: u64) -> [(u64, u32); 2] {
    let audio = audio_bytes.min(AUDIO_BYTES_MAX) as u32;
    [(4, audio + (HEADER_BYTES as u32 - 8)), (40, audio)]
}
