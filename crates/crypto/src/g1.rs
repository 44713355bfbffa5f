//! Sums in the first group of BLS12-381: what batches of openings and of released shares are made of.

use crate::scalar::Scalar;
use blst::{blst_p1, blst_p1_affine};

/// `Σ factor · point` over points of no table, each factor having at most `bits` bits.
pub(crate) fn sum_of_products(terms: &[(blst_p1_affine, Scalar)], bits: usize) -> blst_p1 {
    let bytes = bits.div_ceil(8);
    let mut points = Vec::with_capacity(terms.len());
    let mut scalars = Vec::with_capacity(terms.len() * bytes);
    for (point, factor) in terms {
        // The identity adds nothing, and blst's table for short sums has no room for it.
        // SAFETY: blst reads one point.
        if unsafe { !blst::blst_p1_affine_is_inf(point) } {
            points.push(*point);
            scalars.extend_from_slice(&factor.to_scalar().b[..bytes]);
        }
    }
    let mut sum = blst_p1::default();
    if points.is_empty() {
        return sum;
    }
    // SAFETY: a null after the first pointer says that points, and scalars of `bytes` bytes, follow one another; there are as many of
    // both as said; the scratch has the size that blst asks for, in whole 8-byte words.
    unsafe {
        let words = blst::blst_p1s_mult_pippenger_scratch_sizeof(points.len()).div_ceil(8);
        let mut scratch = vec![0u64; words];
        blst::blst_p1s_mult_pippenger(
            &mut sum,
            [points.as_ptr(), std::ptr::null()].as_ptr(),
            points.len(),
            [scalars.as_ptr(), std::ptr::null()].as_ptr(),
            bits,
            scratch.as_mut_ptr(),
        );
    }
    sum
}
