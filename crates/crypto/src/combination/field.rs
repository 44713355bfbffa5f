//! The field of 2^128 elements that combinations are in: the symbols' field, extended three times by a root of `u² + u + c`.
//!
//! `u_0² + u_0 = ν`, `u_1² + u_1 = ν·u_0`, `u_2² + u_2 = ν·u_0·u_1`, where ν is the symbol [`NU`]. Coordinate `j` of an element's eight belongs to the
//! product of the `u_i` whose bits `j` has.
//!
//! That it is a field: `u² + u = c` has no root where c's trace is one. ν is the last vector of Cantor's basis among symbols, and the next one
//! would solve `v² + v = ν` if symbols had it, so that ν's trace is one. A root's conjugate is that root plus one, hence the trace of `u` over
//! the field below is one, and the trace of `c·u` is that of `c`: one at each step.

use crate::galois;
use std::{array::from_fn, sync::LazyLock};

/// Coordinates of an element.
pub(super) const DEGREE: usize = 8;
/// The vector of Cantor's basis that comes last among symbols.
pub(super) const NU: u16 = 0x8000;

/// The coordinates of an element, least first.
pub(super) type Element = [u16; DEGREE];

/// What Karatsuba's rule multiplies: for `u_2`, the coordinates without it, those with it, and the sums of both; of each for `u_1` and `u_0`, in
/// this order, the same.
pub(super) type Terms<T> = [[T; 9]; 3];

/// Symbols, or many of them side by side.
///
/// # Safety
///
/// Functions may use instructions that the processor must have.
pub(super) unsafe trait Symbols<T: Copy> {
    /// The sum.
    unsafe fn add(&self, a: T, b: T) -> T;
    /// The product with ν, which is `u_0² + u_0`.
    unsafe fn times_nu(&self, a: T) -> T;

    /// The sums of two coordinates each.
    #[inline(always)]
    unsafe fn add_two(&self, [a, b]: [T; 2], [c, d]: [T; 2]) -> [T; 2] {
        // SAFETY: the caller's.
        unsafe { [self.add(a, c), self.add(b, d)] }
    }

    /// The product with `ν·u_0`, which is `u_1² + u_1`.
    #[inline(always)]
    unsafe fn times_nu_two(&self, [a, b]: [T; 2]) -> [T; 2] {
        // SAFETY: the caller's.
        unsafe { [self.times_nu(self.times_nu(b)), self.times_nu(self.add(a, b))] }
    }

    /// The product with `ν·u_0·u_1`, which is `u_2² + u_2`.
    #[inline(always)]
    unsafe fn times_nu_four(&self, [a, b, c, d]: [T; 4]) -> [T; 4] {
        // SAFETY: the caller's.
        unsafe {
            let [e, f] = self.times_nu_two(self.times_nu_two([c, d]));
            let [g, h] = self.times_nu_two(self.add_two([a, b], [c, d]));
            [e, f, g, h]
        }
    }
}

/// Single symbols, with the products of ν with low bytes and with high bytes of symbols.
struct Single(&'static [[u16; 256]; 2]);

impl Single {
    fn get() -> Self {
        static TIMES_NU: LazyLock<[[u16; 256]; 2]> =
            LazyLock::new(|| [0, 8].map(|shift| from_fn(|byte| galois::multiply(NU, (byte as u16) << shift))));
        Self(&TIMES_NU)
    }
}

// SAFETY: plain Rust.
unsafe impl Symbols<u16> for Single {
    unsafe fn add(&self, a: u16, b: u16) -> u16 {
        a ^ b
    }

    unsafe fn times_nu(&self, a: u16) -> u16 {
        let [low, high] = a.to_le_bytes().map(usize::from);
        self.0[0][low] ^ self.0[1][high]
    }
}

/// The product of two elements.
pub(super) fn multiply(a: &Element, b: &Element) -> Element {
    let (a, b) = (terms(a), terms(b));
    recombined(from_fn(|part| {
        from_fn(|term| galois::multiply(a[part][term], b[part][term]))
    }))
}

/// The sums of an element's coordinates that are multiplied.
pub(super) fn terms(element: &Element) -> Terms<u16> {
    let [a, b, c, d, e, f, g, h] = *element;
    // SAFETY: plain Rust.
    [[a, b, c, d], [e, f, g, h], [a ^ e, b ^ f, c ^ g, d ^ h]]
        .map(|four| unsafe { terms_of_four(&Single::get(), four) })
}

/// What is multiplied of four coordinates, by `u_1` and `u_0`.
#[inline(always)]
pub(super) unsafe fn terms_of_four<T: Copy>(symbols: &impl Symbols<T>, [a, b, c, d]: [T; 4]) -> [T; 9] {
    // SAFETY: the caller's.
    unsafe {
        let (low, high) = (symbols.add(a, c), symbols.add(b, d));
        let [first, second, both] = [symbols.add(a, b), symbols.add(c, d), symbols.add(low, high)];
        [a, b, first, c, d, second, low, high, both]
    }
}

/// The element whose terms' products, or sums of such products, are `products`.
pub(super) fn recombined(products: Terms<u16>) -> Element {
    // SAFETY: plain Rust.
    unsafe { recombined_of(&Single::get(), products) }
}

/// As [`recombined`], of many elements side by side.
///
/// A product comes of those of the lows, of the highs and of the sums of both: `(a + b·u)(c + d·u) = ac + bd·(u² + u) + (ac + (a + b)(c + d))·u`.
#[inline(always)]
pub(super) unsafe fn recombined_of<T: Copy>(symbols: &impl Symbols<T>, [low, high, both]: Terms<T>) -> [T; DEGREE] {
    // SAFETY: the caller's.
    unsafe {
        let [a, b, c, d] = four(symbols, low);
        let [e, f, g, h] = symbols.times_nu_four(four(symbols, high));
        let [i, j, k, l] = four(symbols, both);
        let ([ae, bf], [cg, dh]) = (symbols.add_two([a, b], [e, f]), symbols.add_two([c, d], [g, h]));
        let ([ai, bj], [ck, dl]) = (symbols.add_two([a, b], [i, j]), symbols.add_two([c, d], [k, l]));
        [ae, bf, cg, dh, ai, bj, ck, dl]
    }
}

/// Four coordinates, of the products by `u_1` and `u_0`.
#[inline(always)]
unsafe fn four<T: Copy>(symbols: &impl Symbols<T>, [a, b, c, d, e, f, g, h, i]: [T; 9]) -> [T; 4] {
    // SAFETY: the caller's.
    unsafe {
        let low = two(symbols, [a, b, c]);
        let high = symbols.times_nu_two(two(symbols, [d, e, f]));
        let both = two(symbols, [g, h, i]);
        let ([j, k], [l, m]) = (symbols.add_two(low, high), symbols.add_two(low, both));
        [j, k, l, m]
    }
}

/// Two coordinates, of the products by `u_0`.
#[inline(always)]
unsafe fn two<T: Copy>(symbols: &impl Symbols<T>, [low, high, both]: [T; 3]) -> [T; 2] {
    // SAFETY: the caller's.
    unsafe { [symbols.add(low, symbols.times_nu(high)), symbols.add(low, both)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Element = [1, 0, 0, 0, 0, 0, 0, 0];

    fn random(seed: u64) -> Element {
        let digest = primitives::Digest::of(&seed.to_le_bytes());
        from_fn(|place| u16::from_le_bytes([digest.as_bytes()[2 * place], digest.as_bytes()[2 * place + 1]]))
    }

    fn sum(a: &Element, b: &Element) -> Element {
        from_fn(|place| a[place] ^ b[place])
    }

    #[test]
    fn the_units_solve_the_equations_that_define_them() {
        let unit = |coordinate: usize| from_fn(|place| u16::from(place == coordinate));
        let nu: Element = [NU, 0, 0, 0, 0, 0, 0, 0];
        let [u0, u1, u2] = [unit(1), unit(2), unit(4)];
        let square_and = |u: &Element| sum(&multiply(u, u), u);
        assert_eq!(square_and(&u0), nu);
        assert_eq!(square_and(&u1), multiply(&nu, &u0));
        assert_eq!(square_and(&u2), multiply(&multiply(&nu, &u0), &u1));
        assert_eq!(multiply(&multiply(&u0, &u1), &u2), unit(7));
    }

    #[test]
    fn elements_multiply_as_in_a_ring() {
        for seed in 0..100 {
            let [a, b, c] = [random(3 * seed), random(3 * seed + 1), random(3 * seed + 2)];
            assert_eq!(multiply(&a, &ONE), a);
            assert_eq!(multiply(&a, &b), multiply(&b, &a));
            assert_eq!(multiply(&multiply(&a, &b), &c), multiply(&a, &multiply(&b, &c)));
            assert_eq!(multiply(&a, &sum(&b, &c)), sum(&multiply(&a, &b), &multiply(&a, &c)));
        }
    }

    /// What makes combinations sound: no difference of rows but none at all is multiplied to zero. Powers tell the field from products of smaller
    /// ones, where already the 2^64th is the element itself.
    #[test]
    fn every_element_but_zero_has_an_inverse() {
        let power = |x: &Element, squarings: u32| (0..squarings).fold(*x, |x, _| multiply(&x, &x));
        for seed in 0..20 {
            let x = random(seed);
            assert_eq!(power(&x, 128), x);
            assert_ne!(power(&x, 64), x);
            // x^(2^128 - 2), the product of x^(2^i) for i from 1 to 127.
            let mut inverse = ONE;
            let mut square = x;
            for _ in 1..128 {
                square = multiply(&square, &square);
                inverse = multiply(&inverse, &square);
            }
            assert_eq!(multiply(&inverse, &x), ONE);
        }
    }
}
