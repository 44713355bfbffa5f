//! Keys that no one dealt: the outcome of the engine's distributed key generation, as the release committee takes it.
//!
//! Joint-Feldman, with dealers' logs that everybody can check, reveals in place of complaints, and resharing to another committee
//! (`commonware_cryptography::bls12381::dkg::feldman_desmedt`). Its threshold is `n - ⌊(n - 1) / 3⌋`: 3 of 4, 67 of 100. Its bias of
//! the key, a few bits at most, is of no use against encryption. The run needs a channel on which everybody sees the same logs.

use commonware_codec::{Encode, FixedSize};
use commonware_cryptography::{
    PublicKey as MemberKey,
    bls12381::{
        dkg::feldman_desmedt::Output,
        primitives::{
            group::{G2, Share},
            sharing::Mode,
            variant::MinSig,
        },
    },
};
use commonware_utils::Participant;
use crypto::threshold::{Committee, CommitteeError, KEY_BYTES, PointError, PublicKey, SecretShare, ShareError};
use zeroize::Zeroizing;

/// Why the outcome of a key generation gives no committee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeneratedError {
    /// A key is not a point of the group.
    #[error(transparent)]
    Point(#[from] PointError),
    /// The keys are no committee's, or it ran under another numbering of the members than [`Generated::MODE`].
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The share is no number that can be one, or not the one whose public half the committee knows.
    #[error("the share is not member {member}'s")]
    Share {
        /// Whose it says it is.
        member: u32,
    },
}

impl From<ShareError> for GeneratedError {
    fn from(error: ShareError) -> Self {
        Self::Share {
            member: error.member.into(),
        }
    }
}

/// A committee whose secret was never in one place.
#[derive(Clone, Debug)]
pub struct Generated {
    /// What everybody may know.
    pub committee: Committee,
}

impl Generated {
    /// How the key generation must number its members: from 1 up, so that the secret is at 0.
    pub const MODE: Mode = Mode::NonZeroCounter;

    /// Reads the public outcome.
    ///
    /// # Errors
    ///
    /// [`GeneratedError`].
    pub fn new<P: MemberKey>(output: &Output<MinSig, P>) -> Result<Self, GeneratedError> {
        let sharing = output.public();
        let (members, threshold) = (sharing.total().get(), sharing.required());
        let shape = |_| CommitteeError::Shape {
            threshold: u16::MAX,
            members: members as usize,
        };
        u16::try_from(members).map_err(shape)?;
        let threshold = u16::try_from(threshold).map_err(shape)?;
        let keys = (0..members)
            .map(|member| {
                let key = sharing
                    .partial_public(Participant::new(member))
                    .expect("a member of the outcome");
                point(&key)
            })
            .collect::<Result<_, _>>()?;
        let committee = Committee::new(threshold, point(sharing.public())?, keys)?;
        Ok(Self { committee })
    }

    /// Reads a member's share, and checks it against the committee.
    ///
    /// # Errors
    ///
    /// [`GeneratedError::Share`].
    pub fn share(&self, share: &Share) -> Result<SecretShare, GeneratedError> {
        let member = share.index.get();
        let wrong = GeneratedError::Share { member };
        let place = u16::try_from(member).map_err(|_| wrong)?;
        let bytes = share.private.expose(|scalar| Zeroizing::new(scalar.encode().to_vec()));
        let bytes: &[u8; 32] = bytes[..].try_into().map_err(|_| wrong)?;
        let own = SecretShare::from_bytes(place, bytes)?;
        if self.committee.members().get(usize::from(place)) != Some(&own.public()) {
            return Err(wrong);
        }
        Ok(own)
    }
}

/// A compressed point is the same bytes here and there.
fn point(key: &G2) -> Result<PublicKey, PointError> {
    const _: () = assert!(G2::SIZE == KEY_BYTES, "a compressed point of G2");
    let bytes: [u8; KEY_BYTES] = key.encode()[..].try_into().map_err(|_| PointError)?;
    PublicKey::from_bytes(&bytes)
}
