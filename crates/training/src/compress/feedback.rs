//! Error feedback: what was not sent waits for the next round, exactly.

use super::{Density, FIXED_BITS, LEVEL_BITS, Sparse, from_fixed, to_fixed};

/// Units of 2^-40 in one of 2^-24.
const FIXED_PER_LEVEL: i64 = 1 << (FIXED_BITS - LEVEL_BITS);

/// Share of the error that is kept from one round to the next, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decay(u16);

impl Decay {
    /// 0.95: old errors fade before they point the wrong way. Source: notes of the simulation, SparseLoCo.
    pub const DEFAULT: Self = Self(950);
    /// Everything is kept.
    pub const NONE: Self = Self(1000);

    /// `thousandths` of the error are kept; `None` above 1,000.
    pub fn new(thousandths: u16) -> Option<Self> {
        (thousandths <= 1000).then_some(Self(thousandths))
    }

    /// What is kept, in thousandths.
    pub fn thousandths(self) -> u16 {
        self.0
    }
}

/// The buffer of what one worker has not sent yet, in units of 2^-40.
///
/// Conservation, exact in every entry: `decay(error before) + delta = update + error after`.
#[derive(Clone, Debug)]
pub struct ErrorFeedback {
    error: Vec<i64>,
    decay: Decay,
}

impl ErrorFeedback {
    /// An empty buffer for vectors of `length`.
    pub fn new(length: usize, decay: Decay) -> Self {
        Self {
            error: vec![0; length],
            decay,
        }
    }

    /// Compresses `delta` plus what was left before, and keeps what is left now.
    ///
    /// # Panics
    ///
    /// When `delta` has another length than the buffer.
    pub fn compress(&mut self, delta: &[f32], density: Density) -> Sparse {
        assert_eq!(delta.len(), self.error.len(), "one model has one size");
        for (error, delta) in self.error.iter_mut().zip(delta) {
            *error = add(decayed(*error, self.decay), to_fixed(*delta));
        }
        let update = Sparse::of(&self.error, density);
        for (place, value) in update.values() {
            self.error[place] -= value * FIXED_PER_LEVEL;
        }
        update
    }

    /// Takes back an update that was not accepted: nothing of it is lost.
    ///
    /// # Panics
    ///
    /// When `update` has another length than the buffer.
    pub fn restore(&mut self, update: &Sparse) {
        assert_eq!(update.length(), self.error.len(), "one model has one size");
        for (place, value) in update.values() {
            self.error[place] = add(self.error[place], value * FIXED_PER_LEVEL);
        }
    }

    /// Euclidean length of what waits, for telling whether the density is too low.
    pub fn norm(&self) -> f64 {
        self.error
            .iter()
            .map(|units| f64::from(from_fixed(*units)).powi(2))
            .sum::<f64>()
            .sqrt()
    }

    #[cfg(test)]
    pub(super) fn units(&self) -> &[i64] {
        &self.error
    }
}

/// Saturates where a diverged model would overflow.
fn add(a: i64, b: i64) -> i64 {
    a.saturating_add(b).clamp(-super::FIXED_MAX, super::FIXED_MAX)
}

/// The share of `units` that is kept, rounded towards zero.
pub(super) fn decayed(units: i64, decay: Decay) -> i64 {
    (i128::from(units) * i128::from(decay.0) / 1000) as i64
}
