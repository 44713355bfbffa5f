//! The field again, as pairs of bytes: where processors that multiply bytes can compute.
//!
//! GFNI multiplies in GF(2^8) modulo `x^8 + x^4 + x^3 + x + 1`. Over that field `y² + y + δ` has no root for some byte δ, so
//! pairs `low + high · y` are a field of 65,536 elements, and there is only one: sending the polynomial x to a root of x's
//! minimal polynomial carries every symbol over, linearly in its bits.

use crate::galois::{self, apply, invert};
use std::sync::LazyLock;

/// The change of field and back.
pub(super) struct Tower {
    /// The pair of each power of two among symbols.
    pub(super) to: [u16; 16],
    /// The symbol that is `x_low·c_low` for each value of that product; that is `x_high·c_high · y²`; that is the mixed products `· y`.
    symbols: [[u16; 256]; 3],
}

impl Tower {
    pub(super) fn get() -> &'static Self {
        static TOWER: LazyLock<Tower> = LazyLock::new(Tower::find);
        &TOWER
    }

    fn find() -> Self {
        let reducible = |delta: u8| (0..=u8::MAX).any(|z| multiply_bytes(z, z) ^ z == delta);
        let delta = (1..=u8::MAX)
            .find(|&delta| !reducible(delta))
            .expect("half of all bytes");
        let powers = |root: u16| {
            let mut powers = [1u16; 17];
            for power in 1..17 {
                powers[power] = multiply_pairs(powers[power - 1], root, delta);
            }
            powers
        };
        let is_root = |root: &u16| {
            let powers = powers(*root);
            (0..17)
                .filter(|power| galois::POLYNOMIAL >> power & 1 == 1)
                .fold(0, |sum, power| sum ^ powers[power])
                == 0
        };
        let powers = powers((2..=u16::MAX).find(is_root).expect("fields of one size are one"));
        let to = galois::CANTOR_BASIS.map(|basis| {
            (0..16)
                .filter(|bit| basis >> bit & 1 == 1)
                .fold(0, |sum, bit| sum ^ powers[bit])
        });
        let from = invert(to);
        let symbol = |low: u8, high: u8| apply(&from, u16::from_le_bytes([low, high]));
        let table = |of: &dyn Fn(u8) -> u16| std::array::from_fn(|byte| of(byte as u8));
        Self {
            to,
            symbols: [
                table(&|product| symbol(product, 0)),
                table(&|product| symbol(multiply_bytes(product, delta), product)),
                table(&|product| symbol(0, product)),
            ],
        }
    }

    /// The symbol that is `Σ x·c`, given the sums of `x_low·c_low`, of `x_high·c_high` and of `x_high·c_low + x_low·c_high`: it is
    /// linear in each.
    pub(super) fn symbol(&self, low: u8, high: u8, mixed: u8) -> u16 {
        let [lows, highs, mixeds] = &self.symbols;
        lows[usize::from(low)] ^ highs[usize::from(high)] ^ mixeds[usize::from(mixed)]
    }
}

/// The product that `gf2p8mulb` computes.
fn multiply_bytes(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b > 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

fn multiply_pairs(x: u16, y: u16, delta: u8) -> u16 {
    let ([x0, x1], [y0, y1]) = (x.to_le_bytes(), y.to_le_bytes());
    let high = multiply_bytes(x1, y1);
    let mixed = multiply_bytes(x0, y1) ^ multiply_bytes(x1, y0);
    u16::from_le_bytes([multiply_bytes(x0, y0) ^ multiply_bytes(high, delta), mixed ^ high])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_symbols_and_of_their_pairs_correspond() {
        let tower = Tower::get();
        let mut x = 0x1234u16;
        let mut y = 0xfedcu16;
        for _ in 0..1000 {
            let [x0, x1] = apply(&tower.to, x).to_le_bytes();
            let [y0, y1] = apply(&tower.to, y).to_le_bytes();
            let mixed = multiply_bytes(x0, y1) ^ multiply_bytes(x1, y0);
            let product = tower.symbol(multiply_bytes(x0, y0), multiply_bytes(x1, y1), mixed);
            assert_eq!(product, galois::multiply(x, y));
            x = x.wrapping_mul(25_173).wrapping_add(13_849);
            y = y.wrapping_mul(28_629).wrapping_add(12_345);
        }
    }
}
