//! The scalar field of BLS12-381: what a commitment's slots hold.

use blst::{blst_fr, blst_scalar};
use std::ops::{Add, Mul, Neg, Sub};

/// An element of the scalar field, in blst's Montgomery form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fr(blst_fr);

impl Fr {
    pub(super) const ZERO: Self = Self(blst_fr { l: [0; 4] });

    /// Reads a big-endian number; `None` when it is not below the order.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
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

    pub(super) fn from_u64(value: u64) -> Self {
        Self::from_u128(u128::from(value))
    }

    pub(super) fn from_u128(value: u128) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads four words, least first, and writes one element.
        unsafe { blst::blst_fr_from_uint64(&mut fr, [value as u64, (value >> 64) as u64, 0, 0].as_ptr()) };
        Self(fr)
    }

    /// The little-endian number, as blst's multiplications take it.
    pub(super) fn to_scalar(self) -> blst_scalar {
        let mut scalar = blst_scalar::default();
        // SAFETY: blst reads one element and writes one scalar.
        unsafe { blst::blst_scalar_from_fr(&mut scalar, &self.0) };
        scalar
    }

    /// The big-endian number.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = self.to_scalar().b;
        bytes.reverse();
        bytes
    }

    /// `self` to the power `exponent`, big endian.
    pub(super) fn power(self, exponent: &[u8; 32]) -> Self {
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
    pub(super) fn inverse(self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads one element and writes another.
        unsafe { blst::blst_fr_eucl_inverse(&mut fr, &self.0) };
        Self(fr)
    }
}

impl Add for Fr {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads two elements and writes a third.
        unsafe { blst::blst_fr_add(&mut fr, &self.0, &other.0) };
        Self(fr)
    }
}

impl Sub for Fr {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads two elements and writes a third.
        unsafe { blst::blst_fr_sub(&mut fr, &self.0, &other.0) };
        Self(fr)
    }
}

impl Mul for Fr {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let mut fr = blst_fr::default();
        // SAFETY: blst reads two elements and writes a third.
        unsafe { blst::blst_fr_mul(&mut fr, &self.0, &other.0) };
        Self(fr)
    }
}

impl Neg for Fr {
    type Output = Self;

    fn neg(self) -> Self {
        Self::ZERO - self
    }
}
