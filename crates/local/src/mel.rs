//! The mel filter bank that Whisper and the end-of-turn model were trained with: Slaney's scale and norm over the
//! 201 bins of a 400-point transform at 16 kHz.

/// Bins of the power spectrum.
pub(crate) const BINS: usize = 201;
/// Between bins.
const BIN_HZ: f64 = 40.0;
const NYQUIST_HZ: f64 = 8000.0;
/// Slaney's scale is linear below this and logarithmic above.
const LINEAR_HZ_MAX: f64 = 1000.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;

fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn mel_of_hz(hz: f64) -> f64 {
    if hz < LINEAR_HZ_MAX {
        hz / HZ_PER_MEL
    } else {
        LINEAR_HZ_MAX / HZ_PER_MEL + (hz / LINEAR_HZ_MAX).ln() / log_step()
    }
}

fn hz_of_mel(mel: f64) -> f64 {
    let linear_max = LINEAR_HZ_MAX / HZ_PER_MEL;
    if mel < linear_max {
        mel * HZ_PER_MEL
    } else {
        LINEAR_HZ_MAX * (log_step() * (mel - linear_max)).exp()
    }
}

/// One row of [`BINS`] weights for each of `count` bands.
pub(crate) fn filter_bank(count: usize) -> Vec<[f32; BINS]> {
    let top = mel_of_hz(NYQUIST_HZ);
    let edges: Vec<f64> = (0..count + 2)
        .map(|index| hz_of_mel(top * index as f64 / (count + 1) as f64))
        .collect();
    edges
        .windows(3)
        .map(|edge| {
            let area = 2.0 / (edge[2] - edge[0]);
            std::array::from_fn(|bin| {
                let hz = bin as f64 * BIN_HZ;
                let rising = (hz - edge[0]) / (edge[1] - edge[0]);
                let falling = (edge[2] - hz) / (edge[2] - edge[1]);
                (rising.min(falling).max(0.0) * area) as f32
            })
        })
        .collect()
}

/// The same bands without their zeros, for the inner loop.
pub(crate) struct SparseBands(Vec<(usize, Vec<f32>)>);

impl SparseBands {
    pub(crate) fn new(count: usize) -> Self {
        let band = |row: &[f32; BINS]| {
            let first = row.iter().position(|weight| *weight > 0.0).unwrap_or(0);
            let last = row.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
            (first, row[first..=last].to_vec())
        };
        Self(filter_bank(count).iter().map(band).collect())
    }

    /// Energy of each band of one power spectrum.
    pub(crate) fn energies<'a>(&'a self, power: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.0
            .iter()
            .map(|(first, weights)| weights.iter().zip(&power[*first..]).map(|(w, p)| w * p).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_rise_to_one_peak_and_the_peaks_climb() {
        let bank = filter_bank(80);
        let peak = |row: &[f32; BINS]| (0..BINS).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
        let peaks: Vec<usize> = bank.iter().map(peak).collect();
        assert!(peaks.is_sorted(), "{peaks:?}");
        assert_eq!(bank.len(), 80);
        // The published first band: bin 1 holds 0.0249 (40 Hz on a triangle from 0 to about 74 Hz).
        assert!((bank[0][1] - 0.0249).abs() < 5e-4, "{}", bank[0][1]);
    }

    #[test]
    fn the_sparse_bands_agree_with_the_full_ones() {
        let power: Vec<f32> = (0..BINS).map(|bin| (bin as f32 * 0.37).sin().abs()).collect();
        for (row, sparse) in filter_bank(80).iter().zip(SparseBands::new(80).energies(&power)) {
            let full: f32 = row.iter().zip(&power).map(|(w, p)| w * p).sum();
            assert!((full - sparse).abs() < 1e-5);
        }
    }
}
