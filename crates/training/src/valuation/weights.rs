//! From values to integer weights that add up exactly, and to the leaves that go on chain.

use primitives::{Address, B256, keccak256};

/// What all weights add up to.
pub const WEIGHT_TOTAL: u64 = 1_000_000_000_000;

/// The most one farm may have of the whole, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap(u32);

impl Cap {
    /// No bound.
    pub const NONE: Self = Self(1_000_000);

    /// At most `millionths` of the whole; `None` unless in 1 to 1,000,000.
    pub fn new(millionths: u32) -> Option<Self> {
        (1..=1_000_000).contains(&millionths).then_some(Self(millionths))
    }
}

/// Weights by farm, adding up to [`WEIGHT_TOTAL`].
pub type Weighted = Vec<u64>;

/// Weights in proportion to `values`, those below zero counting as zero; `None` when none is above zero.
///
/// A farm above the cap gets the cap, and the rest is shared among the others in proportion; where all with a value are at the
/// cap the cap gives way, for the whole is always paid out. What rounding leaves goes one by one to the largest remainders.
pub fn weigh(values: &[f64], cap: Cap) -> Option<Weighted> {
    /// Values become integers of this many steps of the largest, so that everything after is exact.
    const STEPS: f64 = (1u64 << 50) as f64;
    let largest = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    if largest <= 0.0 {
        return None;
    }
    let steps = |value: f64| {
        if value.is_finite() {
            (value.max(0.0) / largest * STEPS) as u64
        } else {
            0
        }
    };
    let amounts: Vec<u64> = values.iter().map(|value| steps(*value)).collect();
    let positive = amounts.iter().filter(|amount| **amount > 0).count() as u64;
    let most = (WEIGHT_TOTAL / 1_000_000 * u64::from(cap.0)).max(WEIGHT_TOTAL.div_ceil(positive));

    let mut weights = vec![0; amounts.len()];
    let mut open: Vec<usize> = (0..amounts.len()).filter(|&farm| amounts[farm] > 0).collect();
    let mut left = WEIGHT_TOTAL;
    loop {
        let total: u128 = open.iter().map(|&farm| u128::from(amounts[farm])).sum();
        let exact = |farm: usize| u128::from(amounts[farm]) * u128::from(left);
        let over: Vec<usize> = open
            .iter()
            .copied()
            .filter(|&farm| exact(farm) > u128::from(most) * total)
            .collect();
        if over.is_empty() || over.len() == open.len() {
            let mut rest = left;
            for &farm in &open {
                weights[farm] = (exact(farm) / total) as u64;
                rest -= weights[farm];
            }
            open.sort_by_key(|&farm| (std::cmp::Reverse(exact(farm) % total), farm));
            for &farm in &open[..rest as usize] {
                weights[farm] += 1;
            }
            return Some(weights);
        }
        for &farm in &over {
            weights[farm] = most;
            left -= most;
        }
        open.retain(|farm| !over.contains(farm));
    }
}

/// Leaf of a farm's weight in the tree whose root goes on chain: `keccak(keccak(abi.encode(address, uint256)))`, as
/// OpenZeppelin's StandardMerkleTree hashes it.
pub fn leaf(account: Address, weight: u64) -> B256 {
    let mut encoded = [0; 64];
    encoded[12..32].copy_from_slice(account.as_slice());
    encoded[56..].copy_from_slice(&weight.to_be_bytes());
    keccak256(keccak256(encoded))
}
