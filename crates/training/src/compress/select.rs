//! Choosing what to send of a chunk, and the two levels that stand for its magnitudes.

use super::{Chunk, Entry, FIXED_BITS, LEVEL_BITS};
use half::f16;

/// The `count` entries of largest magnitude in `values` (units of 2^-40), earlier places first among equals, with levels.
pub(super) fn compress(values: &[i64], count: usize) -> Chunk {
    let mut places: Vec<u32> = (0..values.len() as u32).collect();
    let largest_first = |place: &u32| (std::cmp::Reverse(values[*place as usize].unsigned_abs()), *place);
    if count < places.len() {
        places.select_nth_unstable_by_key(count - 1, largest_first);
        places.truncate(count);
    }
    places.sort_unstable();

    let magnitude = |place: &u32| i128::from(values[*place as usize].unsigned_abs());
    let total: i128 = places.iter().map(magnitude).sum();
    let is_high = |place: &u32| magnitude(place) * count as i128 > total;
    let (high, low): (Vec<u32>, Vec<u32>) = places.iter().partition(|place| is_high(place));
    let level = |part: &[u32]| level_of(part.iter().map(magnitude).sum(), part.len());
    let low_level = level(&low);
    let high_level = if high.is_empty() { low_level } else { level(&high) };
    let entry = |place: &u32| Entry {
        place: *place as u16,
        negative: values[*place as usize] < 0,
        high: is_high(place),
    };
    Chunk {
        low: low_level,
        high: high_level,
        entries: places.iter().map(entry).collect(),
    }
}

/// The f16 nearest to the mean of `count` magnitudes that sum to `total` units of 2^-40; the largest f16 when beyond it.
fn level_of(total: i128, count: usize) -> f16 {
    // Not every chunk has entries above its mean, but every chunk has one that is not.
    let mean = total / count.max(1) as i128;
    let value = mean as f64 / (1u64 << FIXED_BITS) as f64;
    f16::from_f64(value).min(f16::MAX)
}

/// A level in units of 2^-24, exact; `level` is finite and not negative.
pub(super) fn level_units(level: f16) -> i64 {
    (level.to_f64() * (1u64 << LEVEL_BITS) as f64) as i64
}
