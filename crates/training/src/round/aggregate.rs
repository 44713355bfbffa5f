//! The mean of accepted updates, in integers: every machine that has the updates has the same bits.

use crate::compress::{FIXED_BITS, LEVEL_BITS, Sparse, from_fixed_f64};

/// What all shares of a round add up to. A value (units of 2^-24) times a share is in units of 2^-40: nothing is rounded.
pub const SHARE_TOTAL: u32 = 1 << (FIXED_BITS - LEVEL_BITS);

/// Shares of [`SHARE_TOTAL`] in proportion to `weights`: floors first, then one each to the largest remainders, the earlier
/// first among equals. All zero weights share equally. Empty for no weights.
pub fn shares(weights: &[u64]) -> Vec<u32> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if total == 0 {
        return if weights.is_empty() {
            vec![]
        } else {
            shares(&vec![1; weights.len()])
        };
    }
    let scaled = |weight: u64| u128::from(weight) * u128::from(SHARE_TOTAL);
    let mut shares: Vec<u32> = weights.iter().map(|weight| (scaled(*weight) / total) as u32).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|&index| (std::cmp::Reverse(scaled(weights[index]) % total), index));
    let missing = SHARE_TOTAL - shares.iter().sum::<u32>();
    for &index in &by_remainder[..missing as usize] {
        shares[index] += 1;
    }
    shares
}

/// Merges updates into `parameters`: `θ ← θ − Σ share · update`, an outer step of plain SGD with rate 1.
///
/// `updates` are pairs of update and share, the shares adding up to [`SHARE_TOTAL`]. The sum is exact; each parameter is
/// rounded once, to the nearest.
///
/// # Panics
///
/// When an update has another length than `parameters`.
pub fn aggregate<'a>(parameters: &mut [f32], updates: impl IntoIterator<Item = (&'a Sparse, u32)>) {
    let mut sums = vec![0i64; parameters.len()];
    for (update, share) in updates {
        assert_eq!(update.length(), parameters.len(), "one model has one size");
        for (place, value) in update.values() {
            // |value| < 2^40 and the shares add up to 2^16: the sum stays below 2^57.
            sums[place] += value * i64::from(share);
        }
    }
    for (parameter, sum) in parameters.iter_mut().zip(sums) {
        if sum != 0 {
            *parameter = (f64::from(*parameter) - from_fixed_f64(sum)) as f32;
        }
    }
}
