//! Points as they are stored, and the table of multiples of `G` that every key uses.

use super::{
    field::Field,
    lanes::{LANES, is_available, load, store, transposed},
    order,
    point::{Affine, Jacobian},
};
use secp256k1::SecretKey;
use std::{arch::x86_64::*, array, sync::LazyLock};

/// Bits of a digit of `u1`.
pub(super) const COMB_BITS: u32 = 8;
/// Multiples of `2^(8 i) * G` in the table for digit `i`: 1, 3 and so on, to 255.
pub(super) const COMB_MULTIPLES: usize = 1 << (COMB_BITS - 1);
/// Digits of `u1`.
const COMB_WINDOWS: usize = 32;

/// The coordinates of a point below the prime, `x` then `y`, least significant word first. Aligned, as lookups read one cache line
/// and not two.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Entry([u64; 8]);

/// The odd multiples of `2^(8 i) * G`, for each digit `i` of `u1`: 256 KiB.
pub(super) static COMB: LazyLock<Vec<[Entry; COMB_MULTIPLES]>> = LazyLock::new(comb);

/// Makes [`COMB`]: a lane a digit, eight digits at a time.
fn comb() -> Vec<[Entry; COMB_MULTIPLES]> {
    assert!(is_available(), "AVX-512 IFMA");
    let mut table = vec![[Entry([0; 8]); COMB_MULTIPLES]; COMB_WINDOWS];
    for (group, entries) in table.chunks_exact_mut(LANES).enumerate() {
        let bases = array::from_fn(|lane| {
            let mut power = [0; 32];
            power[31 - (group * LANES + lane)] = 1;
            let secret = SecretKey::from_secret_bytes(power).expect("a power of 256 below the order");
            let key = secret.public_key().serialize_uncompressed();
            entry(key[1..].try_into().expect("two coordinates"))
        });
        // SAFETY: the instructions exist, as was checked above.
        unsafe { odd_multiples(&bases, entries) };
    }
    table
}

/// Fills the entries of each lane with the odd multiples of its base.
#[target_feature(enable = "avx512f,avx512ifma")]
fn odd_multiples(bases: &[Entry; LANES], entries: &mut [[Entry; COMB_MULTIPLES]]) {
    let base = points(bases.each_ref());
    let (doubles, _) = affine(&[base.double()])[0];
    let double = points(doubles.each_ref());
    let mut multiples = vec![base.signed(0)];
    for i in 1..COMB_MULTIPLES {
        multiples.push(multiples[i - 1].add(double, 0).0);
    }
    for (i, (multiple, _)) in affine(&multiples).iter().enumerate() {
        for (entries, entry) in entries.iter_mut().zip(multiple) {
            entries[i] = *entry;
        }
    }
}

/// Eight points from a table.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn points(entries: [&Entry; LANES]) -> Affine {
    let [a, b, c, d, e, f, g, h] = transposed(load(&entries.map(|entry| entry.0)));
    Affine {
        x: Field::from_words([a, b, c, d]),
        y: Field::from_words([e, f, g, h]),
    }
}

/// The affine coordinates of points, and the lanes of each eight where `z` is not zero; the others' coordinates mean nothing.
/// One inversion for all (Montgomery's trick).
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn affine(points: &[Jacobian]) -> Vec<([Entry; LANES], __mmask8)> {
    let one = Field::small(1);
    let mut product = one;
    let mut before = Vec::with_capacity(points.len());
    for point in points {
        let infinite = point.z.is_zero();
        let z = point.z.or(infinite, one);
        before.push((product, z, !infinite));
        product = product.mul(z);
    }
    let mut rest = product.inverse();
    let mut affine = Vec::with_capacity(points.len());
    for (point, (before, z, finite)) in points.iter().zip(before).rev() {
        let Affine { x, y } = Affine { x: point.x, y: point.y }.scaled(rest.mul(before));
        rest = rest.mul(z);
        let ([a, b, c, d], [e, f, g, h]) = (x.to_words(), y.to_words());
        let mut entries = [Entry([0; 8]); LANES];
        for (entry, register) in entries.iter_mut().zip(transposed([a, b, c, d, e, f, g, h])) {
            *entry = Entry(store(register));
        }
        affine.push((entries, finite));
    }
    affine.reverse();
    affine
}

/// The words of coordinates, `x` then `y`, big endian.
fn entry(bytes: &[u8; 64]) -> Entry {
    let mut entry = [0; 8];
    for (coordinate, bytes) in entry.chunks_exact_mut(4).zip(bytes.as_chunks().0) {
        coordinate.copy_from_slice(&order::from_bytes(bytes));
    }
    Entry(entry)
}

/// The coordinates of words, `x` then `y`, big endian.
pub(super) fn bytes(entry: &Entry) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (bytes, coordinate) in bytes.as_chunks_mut::<32>().0.iter_mut().zip(entry.0.as_chunks::<4>().0) {
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(coordinate.iter().rev()) {
            *bytes = word.to_be_bytes();
        }
    }
    bytes
}
