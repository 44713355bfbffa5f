//! Which shape to code a blob into: from who keeps it, how often they answer, and for how long it is kept.

use super::{MAX_COSETS, MAX_ROW_BYTES, Shape};
use crypto::reed_solomon::{DATA_ROWS_MAX, DATA_ROWS_MIN};

/// How many times the payload can be coded: the rates to choose from.
pub const RATES: std::ops::RangeInclusive<u32> = 2..=MAX_COSETS;

/// Chance that a blob cannot be read at a given moment, at most, if it is kept for a day or less: operators are back before it is gone.
const UNREADABLE_BRIEFLY: f64 = 1e-6;
/// The same for blobs kept longer, for which somebody may come at any moment of months.
const UNREADABLE: f64 = 1e-9;
/// Blocks of a day, four a second.
const DAY_BLOCKS: u64 = 24 * 3600 * 4;
/// Fewest operators for two cosets: a certificate then takes five sixths of the rows, and one operator that is away should not stop it.
const TWOFOLD_OPERATORS_MIN: u32 = 12;
/// Rows that each seat of a small committee has at least: fewer would leave the quorum's sums to rounding.
const SEAT_ROWS_MIN: u32 = 8;

/// What a shape is chosen from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Count of operators, of equal seats.
    pub operators: u32,
    /// Whether whoever reads trusts the operators not to lie, as in one's own cluster. Fewer rows may then be coded, and data rows
    /// may be as few as the operators allow.
    pub trusted: bool,
    /// Share of operators that answer, 0 to 1, as measured: each is taken to answer independently with that chance.
    pub availability: f64,
    /// For how long the blob is kept, in blocks.
    pub retention_blocks: u64,
    /// Length of the longest payload, as coded, in bytes: few data rows hold less.
    pub longest_bytes: u64,
}

impl Conditions {
    /// The cheapest shape that meets the conditions, or the widest there is when none does.
    ///
    /// Operators that do not trust one another need three cosets: with two, a certificate takes five sixths of the rows, so that who owns
    /// a sixth stops everything. Trusted ones that are many will do with two. One more coset is taken until operators that
    /// answer as often as measured keep the blob readable but for 10^-6 of the time (10^-9 if it is kept for more than a day).
    pub fn shape(&self) -> Shape {
        let data_rows = match self.trusted {
            false => DATA_ROWS_MAX,
            true => (SEAT_ROWS_MIN.saturating_mul(self.operators))
                .clamp(DATA_ROWS_MIN, DATA_ROWS_MAX)
                .next_power_of_two(),
        };
        let fitting = (self.longest_bytes.div_ceil(u64::from(MAX_ROW_BYTES)))
            .min(u64::from(DATA_ROWS_MAX))
            .next_power_of_two() as u32;
        let data_rows = data_rows.max(fitting);
        let bound = match self.retention_blocks <= DAY_BLOCKS {
            true => UNREADABLE_BRIEFLY,
            false => UNREADABLE,
        };
        let fewest = if self.trusted && self.operators >= TWOFOLD_OPERATORS_MIN {
            2
        } else {
            3
        };
        let cosets = (fewest..=MAX_COSETS)
            .find(|&cosets| unreadable(self.operators, self.availability, cosets) <= bound)
            .unwrap_or(MAX_COSETS);
        Shape::whole(data_rows, cosets).expect("a power of two in range, two to four times")
    }
}

/// Chance that fewer of `operators`, of equal seats, answer than hold one of `cosets` cosets, each answering with chance `availability`
/// whatever the others do: the binomial distribution's tail.
pub fn unreadable(operators: u32, availability: f64, cosets: u32) -> f64 {
    let chance = availability.clamp(0.0, 1.0);
    let needed = operators.div_ceil(cosets);
    if chance >= 1.0 {
        return 0.0;
    }
    if chance <= 0.0 {
        return 1.0;
    }
    // From none that answers upwards; as logarithms, for a factorial of thousands does not fit.
    let odds = (chance / (1.0 - chance)).ln();
    let mut term = f64::from(operators) * (1.0 - chance).ln();
    let mut sum = 0.0;
    for answering in 0..needed {
        sum += term.exp();
        term += odds + (f64::from(operators - answering) / f64::from(answering + 1)).ln();
    }
    sum.min(1.0)
}
