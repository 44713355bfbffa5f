//! Numbers modulo the order of secp256k1's group, as four 64-bit words, least significant first.
//!
//! Variable time: for public numbers only.

use std::cmp::Ordering;

/// A number below 2^256, least significant word first.
pub(super) type Words = [u64; 4];

/// The order of the group.
pub(super) const ORDER: Words = [
    0xbfd2_5e8c_d036_4141,
    0xbaae_dce6_af48_a03b,
    0xffff_ffff_ffff_fffe,
    u64::MAX,
];
/// 2^256 less the order.
const PAST_256: [u64; 3] = [0x402d_a173_2fc9_bebf, 0x4551_2319_50b7_5fc4, 1];
/// Half of the order, rounded down: the largest `s` of a signature.
pub(super) const HALF_ORDER: Words = [
    0xdfe9_2f46_681b_20a0,
    0x5d57_6e73_57a4_501d,
    u64::MAX,
    0x7fff_ffff_ffff_ffff,
];

/// The number with these big-endian bytes.
pub(super) fn from_bytes(bytes: &[u8; 32]) -> Words {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0.iter().rev()) {
        *word = u64::from_be_bytes(*bytes);
    }
    words
}

/// Whether `a` is `b` or less.
pub(super) fn at_most(a: &Words, b: &Words) -> bool {
    a.iter().rev().cmp(b.iter().rev()) != Ordering::Greater
}

/// The number modulo the order.
pub(super) fn reduced(a: Words) -> Words {
    if at_most(&ORDER, &a) { sub(&a, &ORDER) } else { a }
}

/// The order less a number that is at most the order.
pub(super) fn negative(a: &Words) -> Words {
    sub(&ORDER, a)
}

/// `a + b` modulo 2^256.
pub(super) fn add(a: &Words, b: &Words) -> Words {
    let mut sum = [0; 4];
    let mut carry = false;
    for i in 0..4 {
        (sum[i], carry) = a[i].carrying_add(b[i], carry);
    }
    sum
}

/// `a - b` modulo 2^256.
pub(super) fn sub(a: &Words, b: &Words) -> Words {
    let mut difference = [0; 4];
    let mut borrow = false;
    for i in 0..4 {
        (difference[i], borrow) = a[i].borrowing_sub(b[i], borrow);
    }
    difference
}

/// `sum += a * b`; what passes the end of `sum` is dropped.
#[inline(always)]
fn add_product<const S: usize, const A: usize, const B: usize>(sum: &mut [u64; S], a: &[u64; A], b: &[u64; B]) {
    for i in 0..A {
        let mut carry = 0;
        for place in i..S {
            let factor = if place < i + B { b[place - i] } else { 0 };
            (sum[place], carry) = a[i].carrying_mul_add(factor, sum[place], carry);
        }
    }
}

/// `a * b` modulo the order.
pub(super) fn mul(a: &Words, b: &Words) -> Words {
    let mut product = [0; 8];
    add_product(&mut product, a, b);
    // 2^256 is worth a number of 129 bits, so three folds bring 512 bits down to 386, 260 and 256 and a little.
    let [a, b, c, d, high @ ..] = product;
    let mut folded = [a, b, c, d, 0, 0, 0];
    add_product(&mut folded, &high, &PAST_256);
    let [a, b, c, d, high @ ..] = folded;
    let mut folded = [a, b, c, d, 0];
    add_product(&mut folded, &high, &PAST_256);
    let [a, b, c, d, high] = folded;
    let mut folded = [a, b, c, d, 0];
    add_product(&mut folded, &[high], &PAST_256);
    let [a, b, c, d, high] = folded;
    let folded = [a, b, c, d];
    // A last carry leaves less than 2^132, to which 2^256 modulo the order adds without another.
    if high == 0 {
        reduced(folded)
    } else {
        add(&folded, &[PAST_256[0], PAST_256[1], PAST_256[2], 0])
    }
}

/// The inverse of a number that is not zero: `a^(order - 2)`, four bits at a time.
fn inverse(a: &Words) -> Words {
    let mut powers = [[1, 0, 0, 0]; 16];
    for i in 1..16 {
        powers[i] = mul(&powers[i - 1], a);
    }
    let exponent = sub(&ORDER, &[2, 0, 0, 0]);
    let mut power = [1, 0, 0, 0];
    for digit in (0..64).rev() {
        for _ in 0..4 {
            power = mul(&power, &power);
        }
        power = mul(
            &power,
            &powers[(exponent[digit / 16] >> (4 * (digit % 16)) & 15) as usize],
        );
    }
    power
}

/// The inverses of numbers of which none is zero: one inversion, and three products each (Montgomery's trick).
pub(super) fn inverses(numbers: &[Words]) -> Vec<Words> {
    let mut product = [1, 0, 0, 0];
    let mut inverses: Vec<Words> = numbers
        .iter()
        .map(|number| {
            let before = product;
            product = mul(&product, number);
            before
        })
        .collect();
    let mut rest = inverse(&product);
    for (before, number) in inverses.iter_mut().zip(numbers).rev() {
        *before = mul(before, &rest);
        rest = mul(&rest, number);
    }
    inverses
}

/// A number of 129 bits with a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Half {
    /// Whether the number is below zero.
    pub(super) negative: bool,
    /// Its absolute value.
    pub(super) words: [u64; 3],
}

/// The short vectors `(a, b)` with `a + b * LAMBDA = 0` modulo the order are `(A1, -B1)` and `(A2, A1)`
/// (Gallant, Lambert and Vanstone, CRYPTO 2001).
const A1: Words = [0xe86c_90e4_9284_eb15, 0x3086_d221_a7d4_6bcd, 0, 0];
const B1: Words = [0x6f54_7fa9_0abf_e4c3, 0xe443_7ed6_010e_8828, 0, 0];
const A2: Words = [0x57c1_108d_9d44_cfd8, 0x14ca_50f7_a8e2_f3f6, 1, 0];
/// `2^384 * A1 / order` and `2^384 * B1 / order`, rounded.
const A1_OVER_ORDER: Words = [
    0xe893_209a_45db_b031,
    0x3daa_8a14_71e8_ca7f,
    0xe86c_90e4_9284_eb15,
    0x3086_d221_a7d4_6bcd,
];
const B1_OVER_ORDER: Words = [
    0x1571_b4ae_8ac4_7f71,
    0x2212_08ac_9df5_06c6,
    0x6f54_7fa9_0abf_e4c4,
    0xe443_7ed6_010e_8828,
];

/// Two odd halves of a number below the order: `a + b * LAMBDA` is the number modulo the order, where `LAMBDA` times a point is
/// the point with `x` times a cube root of one. Odd, because a window of an odd number is never zero when it is written with
/// odd digits only.
pub(super) fn split(number: &Words) -> [Half; 2] {
    let c1 = high_rounded(number, &A1_OVER_ORDER);
    let c2 = high_rounded(number, &B1_OVER_ORDER);
    // The results are small, so arithmetic modulo 2^256 gives them with their sign.
    let mut a = sub(&sub(number, &product(&c1, &A1)), &product(&c2, &A2));
    let mut b = sub(&product(&c1, &B1), &product(&c2, &A1));
    // Of the vectors, the first is odd in both places, the second in the latter only.
    let (odd_a, odd_b) = (a[0] & 1 == 1, b[0] & 1 == 1);
    if !odd_a {
        (a, b) = (add(&a, &A1), sub(&b, &B1));
    }
    if odd_a != odd_b {
        (a, b) = (sub(&a, &A2), sub(&b, &A1));
    }
    [a, b].map(|number| {
        let negative = number[3] >> 63 == 1;
        let [a, b, c, _] = if negative { sub(&[0; 4], &number) } else { number };
        Half {
            negative,
            words: [a, b, c],
        }
    })
}

/// `a * b` modulo 2^256.
fn product(a: &Words, b: &Words) -> Words {
    let mut product = [0; 4];
    add_product(&mut product, a, b);
    product
}

/// `a * b / 2^384`, rounded to the nearest.
fn high_rounded(a: &Words, b: &Words) -> Words {
    let mut product = [0, 0, 0, 0, 0, 1 << 63, 0, 0];
    add_product(&mut product, a, b);
    [product[6], product[7], 0, 0]
}
