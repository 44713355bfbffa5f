//! Who votes: a validator's keys, and the committee of all validators' public keys.
//!
//! A validator has two keys. The ed25519 key is its identity on the network. The BLS12-381 key signs votes, whose signatures
//! add up to one short certificate that Solidity can verify (EIP-2537). Adding up is safe only against keys whose owners proved
//! that they know the secret, so a [`Committee`] cannot be built from members without a valid proof of possession.

#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, DecodeExt as _, Error as CodecError, FixedSize, Read, ReadExt as _, Write};
use commonware_cryptography::{
    Hasher as _, Sha256, Signer as _,
    bls12381::primitives::{group::Private, ops, variant::MinPk, variant::Variant},
    ed25519,
};
use commonware_utils::{TryCollect as _, ordered::BiMap, ordered::Set};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeSet;

/// A validator's name on the network: its ed25519 public key (32 bytes).
pub type Identity = ed25519::PublicKey;
/// The BLS12-381 public key that verifies a validator's votes: a compressed G1 point (48 bytes), as Ethereum's.
pub type VoteKey = <MinPk as Variant>::Public;
/// A BLS12-381 signature over a validator's own vote key: a compressed G2 point (96 bytes).
pub type Possession = <MinPk as Variant>::Signature;

/// Most validators of one committee: with 128, a certificate is still under 200 bytes and one round of votes under 32 KiB.
pub const MAX_VALIDATORS: usize = 128;

/// What a proof of possession signs besides the key itself, so that it proves nothing anywhere else.
const POSSESSION_NAMESPACE: &[u8] = b"aloft-chain-vote-key";

/// A validator's secret keys. `Debug` shows only the public identity.
#[derive(Clone)]
pub struct ValidatorKeys {
    /// Signs the network handshake.
    pub ed25519: ed25519::PrivateKey,
    /// Signs votes.
    pub bls: Private,
}

impl ValidatorKeys {
    /// Derives both keys from one 32-byte secret: `SHA-256(purpose ‖ seed)` is the ed25519 secret, and seeds the generator that
    /// draws the BLS secret.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let secret = |purpose: &[u8]| -> [u8; 32] { Sha256::hash(&[purpose, seed]).0 };
        let identity = secret(b"aloft-chain-identity");
        let ed25519 =
            ed25519::PrivateKey::decode(Bytes::copy_from_slice(&identity)).expect("any 32 bytes are an ed25519 secret");
        let (bls, _) = ops::keypair::<_, MinPk>(&mut ChaCha20Rng::from_seed(secret(b"aloft-chain-vote")));
        Self { ed25519, bls }
    }

    /// The name this validator goes by on the network.
    pub fn identity(&self) -> Identity {
        self.ed25519.public_key()
    }

    /// The public half, with its proof of possession: what a genesis file lists.
    pub fn member(&self) -> Member {
        Member {
            identity: self.identity(),
            vote_key: ops::compute_public::<MinPk>(&self.bls),
            possession: ops::sign_proof_of_possession::<MinPk>(&self.bls, POSSESSION_NAMESPACE),
        }
    }
}

impl std::fmt::Debug for ValidatorKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ValidatorKeys({})", self.identity())
    }
}

/// One validator's public keys: `identity (32) | vote key (48) | proof of possession (96)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name on the network.
    pub identity: Identity,
    /// Verifies its votes.
    pub vote_key: VoteKey,
    /// Proves that it knows the secret of `vote_key`.
    pub possession: Possession,
}

impl Write for Member {
    fn write(&self, buf: &mut impl BufMut) {
        self.identity.write(buf);
        self.vote_key.write(buf);
        self.possession.write(buf);
    }
}

impl Read for Member {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            identity: Identity::read(buf)?,
            vote_key: VoteKey::read(buf)?,
            possession: Possession::read(buf)?,
        })
    }
}

impl FixedSize for Member {
    const SIZE: usize = Identity::SIZE + VoteKey::SIZE + Possession::SIZE;
}

/// The validators that agree on blocks, each with one vote.
#[derive(Clone, Debug)]
pub struct Committee {
    votes: BiMap<Identity, VoteKey>,
}

/// Why some members are no committee.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommitteeError {
    /// A committee has at least one member and at most [`MAX_VALIDATORS`].
    #[error("a committee of {count} validators is outside 1..={MAX_VALIDATORS}")]
    Size {
        /// Members given.
        count: usize,
    },
    /// Two members share an identity or a vote key.
    #[error("validator {identity} repeats a key of another validator")]
    Repeated {
        /// The later of the two.
        identity: Box<Identity>,
    },
    /// A member did not prove that it knows the secret of its vote key.
    #[error("validator {identity} does not prove possession of its vote key")]
    Possession {
        /// The member.
        identity: Box<Identity>,
    },
}

impl Committee {
    /// Checks every member's proof of possession (about 1 ms each).
    ///
    /// # Errors
    ///
    /// [`CommitteeError`] names the first member at fault.
    pub fn new(members: &[Member]) -> Result<Self, CommitteeError> {
        let count = members.len();
        if !(1..=MAX_VALIDATORS).contains(&count) {
            return Err(CommitteeError::Size { count });
        }
        let (mut identities, mut vote_keys) = (BTreeSet::new(), Vec::new());
        for member in members {
            let identity = Box::new(member.identity.clone());
            if !identities.insert(member.identity.clone()) || vote_keys.contains(&member.vote_key) {
                return Err(CommitteeError::Repeated { identity });
            }
            vote_keys.push(member.vote_key);
            ops::verify_proof_of_possession::<MinPk>(&member.vote_key, POSSESSION_NAMESPACE, &member.possession)
                .map_err(|_| CommitteeError::Possession { identity })?;
        }
        let pairs = members.iter().map(|member| (member.identity.clone(), member.vote_key));
        let votes = pairs.try_collect().expect("keys are distinct");
        Ok(Self { votes })
    }

    /// Validators.
    pub fn len(&self) -> usize {
        self.votes.len()
    }

    /// Never true: a committee has a member.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// All identities, in the order in which certificates count them.
    pub fn identities(&self) -> Set<Identity> {
        self.votes.clone().into_keys()
    }

    /// Whether `identity` votes.
    pub fn contains(&self, identity: &Identity) -> bool {
        self.votes.position(identity).is_some()
    }

    /// Each identity with its vote key.
    pub(crate) fn votes(&self) -> BiMap<Identity, VoteKey> {
        self.votes.clone()
    }
}
