//! A member's part: its share of the secret, and what it releases of an identity's key.

use super::{
    IDENTITY_DST, Identity,
    points::{PublicKey, read_g1},
};
use blst::min_sig;
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of a released share.
pub const SHARE_BYTES: usize = 2 + 48;

/// A number that is no share: zero, or not below the order of the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the share of member {member} is zero or not below the group's order")]
pub struct ShareError {
    /// Whose it would be.
    pub member: u16,
}

/// One member's share of the committee's secret: `f(member + 1)`, wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct SecretShare {
    member: u16,
    secret: min_sig::SecretKey,
}

impl SecretShare {
    /// The share of `member`, counted from 0, from its big-endian number.
    ///
    /// # Errors
    ///
    /// [`ShareError`].
    pub fn from_bytes(member: u16, bytes: &[u8; 32]) -> Result<Self, ShareError> {
        let secret = min_sig::SecretKey::from_bytes(bytes).map_err(|_| ShareError { member })?;
        Ok(Self { member, secret })
    }

    /// The big-endian number, for the member's key file only.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// Whose share it is, counted from 0.
    pub fn member(&self) -> u16 {
        self.member
    }

    /// What released shares of this one are checked against.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.secret.sk_to_pk())
    }

    /// This member's share of the key of `identity`; the same each time. Constant time in the secret.
    ///
    /// Whoever calls this has checked that the identity's conditions are met: `threshold` of these give its key away.
    pub fn release(&self, identity: &Identity) -> ReleaseShare {
        ReleaseShare {
            member: self.member,
            point: self.secret.sign(identity.0.as_ref(), IDENTITY_DST, &[]),
        }
    }
}

impl fmt::Debug for SecretShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threshold::SecretShare(member {}, ..)", self.member)
    }
}

/// What one member released of an identity's key: `member (2, big endian) | point of G1 (48, compressed)`.
///
/// A point of the group, but not yet the right one: [`Committee::verify`](super::Committee::verify) or
/// [`Committee::combine`](super::Committee::combine) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseShare {
    /// Whose share it says it is, counted from 0.
    pub member: u16,
    pub(super) point: min_sig::Signature,
}

impl Write for ReleaseShare {
    fn write(&self, buf: &mut impl BufMut) {
        self.member.write(buf);
        self.point.to_bytes().write(buf);
    }
}

impl Read for ReleaseShare {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let member = u16::read(buf)?;
        let point = read_g1(&ReadExt::read(buf)?)
            .map_err(|_| Error::Invalid("threshold::ReleaseShare", "not a point of the group"))?;
        Ok(Self { member, point })
    }
}

impl FixedSize for ReleaseShare {
    const SIZE: usize = SHARE_BYTES;
}
