//! Arithmetic of exponents, for sharing a secret and putting it together again.

use blst::{blst_fr, blst_scalar};
use rand_core::CryptoRng;
use std::ops::{Add, Mul, Sub};
use zeroize::{Zeroize, Zeroizing};

/// A number modulo the order of the groups, in blst's Montgomery form.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scalar(blst_fr);

impl Scalar {
    pub(super) const ZERO: Self = Self(blst_fr { l: [0; 4] });

    pub(super) fn from_u64(value: u64) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads four words and writes one element.
        unsafe { blst::blst_fr_from_uint64(&mut fr, [value, 0, 0, 0].as_ptr()) };
        Self(fr)
    }

    /// 512 bits modulo the order: uniform for uniform bytes, but for 2^-256.
    pub(super) fn reduce(bytes: &[u8; 64]) -> Self {
        let mut scalar = Zeroizing::new(Bytes::default());
        let mut fr = blst_fr::default();
        // SAFETY: blst reads 64 bytes, writes one scalar, then reads it and writes one element.
        unsafe {
            blst::blst_scalar_from_be_bytes(&mut scalar.0, bytes.as_ptr(), bytes.len());
            blst::blst_fr_from_scalar(&mut fr, &scalar.0);
        }
        Self(fr)
    }

    pub(super) fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 64]);
        rng.fill_bytes(&mut bytes[..]);
        Self::reduce(&bytes)
    }

    /// The big-endian number.
    pub(super) fn to_be_bytes(self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new(self.to_le_bytes());
        bytes.reverse();
        bytes
    }

    /// The little-endian number, as blst's multiplications take it.
    pub(super) fn to_le_bytes(self) -> [u8; 32] {
        let mut scalar = Zeroizing::new(Bytes::default());
        // SAFETY: blst reads one element and writes one scalar.
        unsafe { blst::blst_scalar_from_fr(&mut scalar.0, &self.0) };
        scalar.0.b
    }

    /// The inverse, or zero for zero.
    pub(super) fn inverse(self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads one element and writes another.
        unsafe { blst::blst_fr_eucl_inverse(&mut fr, &self.0) };
        Self(fr)
    }

    /// The polynomial of these coefficients, the constant first, at `x`.
    pub(super) fn evaluate(coefficients: &[Self], x: Self) -> Self {
        coefficients.iter().rev().fold(Self::ZERO, |sum, &c| sum * x + c)
    }
}

/// A scalar that can be wiped.
#[derive(Default)]
struct Bytes(blst_scalar);

impl Zeroize for Bytes {
    fn zeroize(&mut self) {
        self.0.b.zeroize();
    }
}

impl Zeroize for Scalar {
    fn zeroize(&mut self) {
        self.0.l.zeroize();
    }
}

impl Add for Scalar {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads two elements and writes a third.
        unsafe { blst::blst_fr_add(&mut fr, &self.0, &other.0) };
        Self(fr)
    }
}

impl Sub for Scalar {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads two elements and writes a third.
        unsafe { blst::blst_fr_sub(&mut fr, &self.0, &other.0) };
        Self(fr)
    }
}

impl Mul for Scalar {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads two elements and writes a third.
        unsafe { blst::blst_fr_mul(&mut fr, &self.0, &other.0) };
        Self(fr)
    }
}
