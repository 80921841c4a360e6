//! The two sides of a call as one stereo stream.

/// Appends left and right samples in turn; the shorter side ends in silence.
pub fn interleave(left: &[i16], right: &[i16], out: &mut Vec<i16>) {
    let frames = left.len().max(right.len());
    out.reserve(frames * 2);
    for index in 0..frames {
        out.push(left.get(index).copied().unwrap_or(0));
        out.push(right.get(index).copied().unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_ends_in_silence() {
        let mut out = vec![9];
        interleave(&[1, 2, 3], &[-1], &mut out);
        assert_eq!(out, [9, 1, -1, 2, 0, 3, 0]);
    }
}
