//! First parameters from a seed.
//!
//! SplitMix64 (Steele, Lea and Flood, 2014) in counter form: parameter `i` is a function of the seed and `i` alone. It needs
//! no dependency and no state; it is not secret, and nothing here has to be.

use crate::layout::{Layout, Start};

/// The `index`-th number of the stream `seed`, in -1..1 in steps of 2^-23.
fn uniform(seed: u64, index: u64) -> f32 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // 24 bits less half their range: at most 24 significant bits again, so exact in an f32.
    ((z >> 40) as f32 - 8_388_607.5) / 8_388_608.0
}

/// The parameters a network of `layout` starts with under `seed`.
pub(crate) fn first_parameters(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut parameters = vec![0.0; layout.parameter_count()];
    for tensor in layout.tensors() {
        match tensor.start {
            Start::Zero => {}
            Start::One => parameters[tensor.range.clone()].fill(1.0),
            Start::Random(deviation) => {
                // A uniform number in -1..1 has a standard deviation of 1/√3.
                let scale = deviation * 3.0_f32.sqrt();
                for (index, slot) in tensor.range.clone().zip(&mut parameters[tensor.range.clone()]) {
                    *slot = scale * uniform(seed, index as u64);
                }
            }
        }
    }
    parameters
}
