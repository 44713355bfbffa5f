//! The scalar field of BLS12-381: what a commitment's slots hold, and what a secret is shared in.

use blst::{blst_fr, blst_scalar};
use rand_core::CryptoRng;
use std::ops::{Add, Mul, Neg, Sub};
use zeroize::{Zeroize, Zeroizing};

/// A number modulo the order of the groups, in blst's Montgomery form.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Scalar(blst_fr);

impl Scalar {
    /// Bits of the groups' order.
    pub(crate) const BITS: usize = 255;
    pub(crate) const ZERO: Self = Self(blst_fr { l: [0; 4] });

    /// Reads a big-endian number; `None` when it is not below the order.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let mut scalar = blst_scalar::default();
        let mut fr = blst_fr::default();
        // SAFETY: blst reads exactly 32 bytes and writes only the two values, both live.
        unsafe {
            blst::blst_scalar_from_bendian(&mut scalar, bytes.as_ptr());
            if !blst::blst_scalar_fr_check(&scalar) {
                return None;
            }
            blst::blst_fr_from_scalar(&mut fr, &scalar);
        }
        Some(Self(fr))
    }

    pub(crate) fn from_u64(value: u64) -> Self {
        Self::from_u128(u128::from(value))
    }

    pub(crate) fn from_u128(value: u128) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads four words, least first, and writes one element.
        unsafe { blst::blst_fr_from_uint64(&mut fr, [value as u64, (value >> 64) as u64, 0, 0].as_ptr()) };
        Self(fr)
    }

    /// 512 bits modulo the order: uniform for uniform bytes, but for 2^-256.
    pub(crate) fn reduce(bytes: &[u8; 64]) -> Self {
        let mut scalar = Zeroizing::new(Wiped::default());
        let mut fr = blst_fr::default();
        // SAFETY: blst reads 64 bytes, writes one scalar, then reads it and writes one element.
        unsafe {
            blst::blst_scalar_from_be_bytes(&mut scalar.0, bytes.as_ptr(), bytes.len());
            blst::blst_fr_from_scalar(&mut fr, &scalar.0);
        }
        Self(fr)
    }

    pub(crate) fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 64]);
        rng.fill_bytes(&mut bytes[..]);
        Self::reduce(&bytes)
    }

    /// The little-endian number, as blst's multiplications take it.
    pub(crate) fn to_scalar(self) -> blst_scalar {
        let mut scalar = blst_scalar::default();
        // SAFETY: blst reads one element and writes one scalar.
        unsafe { blst::blst_scalar_from_fr(&mut scalar, &self.0) };
        scalar
    }

    /// The big-endian number.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = self.to_scalar().b;
        bytes.reverse();
        bytes
    }

    /// The big-endian number of a secret, wiped when dropped.
    pub(crate) fn to_secret_bytes(self) -> Zeroizing<[u8; 32]> {
        let mut scalar = Zeroizing::new(Wiped::default());
        // SAFETY: blst reads one element and writes one scalar.
        unsafe { blst::blst_scalar_from_fr(&mut scalar.0, &self.0) };
        let mut bytes = Zeroizing::new(scalar.0.b);
        bytes.reverse();
        bytes
    }

    /// `self` to the power `exponent`, big endian.
    pub(crate) fn power(self, exponent: &[u8; 32]) -> Self {
        let mut result = Self::from_u64(1);
        for byte in exponent {
            for bit in (0..8).rev() {
                result = result * result;
                if byte >> bit & 1 == 1 {
                    result = result * self;
                }
            }
        }
        result
    }

    /// The inverse, or zero for zero.
    pub(crate) fn inverse(self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads one element and writes another.
        unsafe { blst::blst_fr_eucl_inverse(&mut fr, &self.0) };
        Self(fr)
    }

    /// The polynomial of these coefficients, the constant first, at `x`.
    pub(crate) fn evaluate(coefficients: &[Self], x: Self) -> Self {
        coefficients.iter().rev().fold(Self::ZERO, |sum, &c| sum * x + c)
    }
}

/// A scalar that can be wiped.
#[derive(Default)]
struct Wiped(blst_scalar);

impl Zeroize for Wiped {
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

impl Neg for Scalar {
    type Output = Self;

    fn neg(self) -> Self {
        Self::ZERO - self
    }
}
