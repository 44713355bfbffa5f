//! Compression of a round's progress: the largest entries of every chunk, two bits each, and what was left out kept for later.
//!
//! A vector is cut into chunks of [`CHUNK`] entries. Of each chunk the `k` entries of largest magnitude are sent: their places
//! as Golomb–Rice coded gaps, their values as a sign and one of two levels the chunk names. [`ErrorFeedback`] keeps what was
//! not sent, exactly: everything here is an integer multiple of 2^-40, so nothing is ever lost to rounding.

mod bits;
mod feedback;
mod select;
mod sparse;
#[cfg(test)]
mod tests;

pub use feedback::{Decay, ErrorFeedback};
pub use sparse::{Chunk, Entry, Sparse, SparseConfig};

/// Entries of a chunk: a place in it fits 12 bits, and its levels follow the vector's local size.
pub const CHUNK: usize = 4096;

/// Most parameters of a model trained this way: 2^28, a GiB of f32.
pub const MAX_PARAMETERS: usize = 1 << 28;

/// Binary places of the fixed-point numbers that deltas, errors and sums are held in: a unit is 2^-40.
pub const FIXED_BITS: u32 = 40;

/// Binary places of the grid that every f16 lies on: the smallest subnormal is 2^-24.
pub const LEVEL_BITS: u32 = 24;

/// Magnitude beyond which a fixed-point number saturates: 2^60 units, so that adding two never overflows.
const FIXED_MAX: i64 = 1 << 60;

/// `value` in units of 2^-40, rounded to the nearest; saturates at ±2^20, zero for NaN.
pub fn to_fixed(value: f32) -> i64 {
    // Scaling by a power of two is exact in f64.
    let units = (f64::from(value) * (1u64 << FIXED_BITS) as f64).round_ties_even();
    (units as i64).clamp(-FIXED_MAX, FIXED_MAX)
}

/// The f32 nearest to `units` of 2^-40.
pub fn from_fixed(units: i64) -> f32 {
    (from_fixed_f64(units)) as f32
}

/// `units` of 2^-40 as f64, exact up to 2^53 units.
pub(crate) fn from_fixed_f64(units: i64) -> f64 {
    units as f64 / (1u64 << FIXED_BITS) as f64
}

/// Which entries of a chunk are sent: `k` of every [`CHUNK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Density(u16);

impl Density {
    /// `k` entries of every [`CHUNK`]; `None` unless `k` is in 1 to [`CHUNK`].
    pub const fn new(k: u16) -> Option<Self> {
        if k >= 1 && k as usize <= CHUNK {
            Some(Self(k))
        } else {
            None
        }
    }

    /// Entries sent of a full chunk.
    pub fn k(self) -> u16 {
        self.0
    }

    /// Entries sent of a chunk of `length`: the same share, rounded up.
    pub fn count(self, length: usize) -> usize {
        (length * usize::from(self.0)).div_ceil(CHUNK)
    }
}
