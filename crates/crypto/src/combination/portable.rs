//! The combination in plain Rust: the reference for the others, and what processors without them run.

use super::{BLOCK_BYTES, BLOCK_ELEMENTS, Block, Combined, bytes_of, element, field, padded};
use crate::galois;
use std::array::from_fn;

/// The sum of a row's blocks, each times its element, of which `terms` are the terms.
pub(super) fn fold(terms: &[field::Terms<u16>], row: &[u8]) -> Block {
    let mut sums = [[[0u16; 9]; 3]; BLOCK_ELEMENTS];
    for (block, terms) in row.chunks(BLOCK_BYTES).map(padded).zip(terms) {
        for (place, sums) in sums.iter_mut().enumerate() {
            let factors = field::terms(&element(&block, place));
            for part in 0..3 {
                for term in 0..9 {
                    sums[part][term] ^= galois::multiply(factors[part][term], terms[part][term]);
                }
            }
        }
    }
    let elements = sums.map(field::recombined);
    let mut block = [0; BLOCK_BYTES];
    for (place, element) in elements.into_iter().enumerate() {
        super::set_element(&mut block, place, element);
    }
    block
}

/// The sum of a block's elements, each times that at its place in `factors`.
pub(super) fn inner_product(factors: &Block, block: &Block) -> Combined {
    let products: [field::Element; BLOCK_ELEMENTS] =
        from_fn(|place| field::multiply(&element(block, place), &element(factors, place)));
    bytes_of(from_fn(|coordinate| {
        products.iter().fold(0, |sum, product| sum ^ product[coordinate])
    }))
}
