//! Points of the two groups: public keys in G2, released keys in G1, and sums of them.

use super::{IDENTITY_DST, Identity};
use crate::{g1, scalar::Scalar};
use blst::{BLST_ERROR, blst_fp12, blst_p1_affine, blst_p2, blst_p2_affine, min_sig};
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use std::fmt;

/// Bytes of a compressed public key.
pub const KEY_BYTES: usize = 96;

/// Some bytes that are no point: not on the curve, not in the subgroup of prime order, its identity, or not its one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a compressed point of the group, or its identity")]
pub struct PointError;

/// A public key, of a committee or of one member: a point of G2's prime-order subgroup, never the identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub(super) min_sig::PublicKey);

impl PublicKey {
    /// Reads a compressed point and checks that it is in the group; about 100 µs.
    ///
    /// # Errors
    ///
    /// [`PointError`].
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Result<Self, PointError> {
        min_sig::PublicKey::key_validate(bytes)
            .map(Self)
            .map_err(|_| PointError)
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> [u8; KEY_BYTES] {
        self.0.to_bytes()
    }

    /// Whether `point` is this key's secret times the identity's point.
    pub(super) fn verify(&self, identity: &Identity, point: &min_sig::Signature) -> bool {
        // Both points were checked when they were made.
        point.verify(false, identity.0.as_ref(), IDENTITY_DST, &[], &self.0, false) == BLST_ERROR::BLST_SUCCESS
    }
}

/// `e(point, key)`, canonical bytes of an element of the target group.
pub(super) fn pairing(point: &min_sig::Signature, key: &min_sig::PublicKey) -> [u8; 576] {
    blst_fp12::miller_loop(key.into(), point.into())
        .final_exp()
        .to_bendian()
}

/// Reads a point of G1 and checks that it is in the group and not its identity.
pub(super) fn read_g1(bytes: &[u8; 48]) -> Result<min_sig::Signature, PointError> {
    min_sig::Signature::sig_validate(bytes, true).map_err(|_| PointError)
}

/// The sum of each point of G1 times its scalar; `None` when it is the identity. The scalars are public: time depends on them.
pub(super) fn sum_g1(terms: &[(Scalar, min_sig::Signature)]) -> Option<min_sig::Signature> {
    let terms: Vec<_> = terms.iter().map(|(scalar, point)| ((*point).into(), *scalar)).collect();
    let sum = g1::sum_of_products(&terms, Scalar::BITS);
    let mut affine = blst_p1_affine::default();
    // SAFETY: blst reads one point and writes one affine point.
    unsafe {
        if blst::blst_p1_is_inf(&sum) {
            return None;
        }
        blst::blst_p1_to_affine(&mut affine, &sum);
    }
    Some(affine.into())
}

/// Whether the points of G2, each times its scalar, add up to the identity. Time depends on the scalars, which are public.
pub(super) fn sum_is_zero_g2(terms: &[(Scalar, PublicKey)]) -> bool {
    if terms.is_empty() {
        return true;
    }
    let points: Vec<blst_p2_affine> = terms.iter().map(|(_, key)| key.0.into()).collect();
    let scalars: Vec<u8> = terms.iter().flat_map(|(scalar, _)| scalar.to_scalar().b).collect();
    let mut sum = blst_p2::default();
    // SAFETY: the lists hold `terms.len()` points and as many scalars of 32 bytes, each list given by its start and a null that
    // says the rest follows in place; the scratch has the size that blst asks for.
    unsafe {
        let mut scratch = vec![0u64; blst::blst_p2s_mult_pippenger_scratch_sizeof(terms.len()).div_ceil(8)];
        let point_lists = [points.as_ptr(), std::ptr::null()];
        let scalar_lists = [scalars.as_ptr(), std::ptr::null()];
        blst::blst_p2s_mult_pippenger(
            &mut sum,
            point_lists.as_ptr(),
            terms.len(),
            scalar_lists.as_ptr(),
            Scalar::BITS,
            scratch.as_mut_ptr(),
        );
        blst::blst_p2_is_inf(&sum)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "threshold::PublicKey(0x{})",
            primitives::hex::encode(self.to_bytes())
        )
    }
}

impl Write for PublicKey {
    fn write(&self, buf: &mut impl BufMut) {
        self.to_bytes().write(buf);
    }
}

impl Read for PublicKey {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Self::from_bytes(&ReadExt::read(buf)?)
            .map_err(|_| Error::Invalid("threshold::PublicKey", "not a point of the group"))
    }
}

impl FixedSize for PublicKey {
    const SIZE: usize = KEY_BYTES;
}
