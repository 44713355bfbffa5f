//! Who votes: a validator's keys, and the committee of an epoch.
//!
//! A validator has one ed25519 key, its identity on the network, and a BLS12-381 key for each of its seats. The engine counts one key, one
//! vote, so who has three seats votes with three keys. The signatures add up to one short certificate that Solidity can verify (EIP-2537).
//! Adding up is safe only against keys whose owners proved that they know the secret: `ValidatorRegistry` takes no other.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use commonware_codec::DecodeExt as _;
use commonware_cryptography::{
    Hasher as _, Sha256, Signer as _,
    bls12381::{
        self,
        primitives::{group::Private, variant::MinPk, variant::Variant},
    },
    ed25519,
};
use commonware_utils::{
    Participant, TryCollect as _,
    ordered::{BiMap, Quorum as _},
};
use crypto::bls;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A validator's name on the network: its ed25519 public key (32 bytes).
pub type Identity = ed25519::PublicKey;
/// The BLS12-381 public key that verifies votes of one seat: a compressed G1 point (48 bytes), as Ethereum's.
pub type VoteKey = <MinPk as Variant>::Public;

/// Most seats of one validator: `ValidatorRegistry.MAX_KEYS`. Its votes travel in one message.
pub const MAX_SEATS: usize = 8;
/// Most votes of one committee: with 128, a certificate is still under 200 bytes and one round of votes under 32 KiB.
pub const MAX_VOTES: usize = 128;

/// A validator's secret keys. `Debug` shows only the public identity.
#[derive(Clone)]
pub struct ValidatorKeys {
    /// Signs the network handshake.
    pub ed25519: ed25519::PrivateKey,
    /// Sign votes, one for each seat it may come to have.
    pub votes: Vec<bls::SecretKey>,
}

impl ValidatorKeys {
    /// Derives all keys from one 32-byte secret: `SHA-256(purpose ‖ seed)` is the ed25519 secret; `SHA-256(purpose ‖ seat ‖ seed)`, the seat
    /// being one byte, is what `KeyGen` of the BLS draft makes that seat's key of.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let identity = Sha256::hash(&[b"aloft-chain-identity", seed]).0;
        let ed25519 =
            ed25519::PrivateKey::decode(Bytes::copy_from_slice(&identity)).expect("any 32 bytes are an ed25519 secret");
        let vote = |seat: u8| bls::SecretKey::from_seed(&Sha256::hash(&[b"aloft-chain-vote", &[seat], seed]).0);
        let votes = (0..MAX_SEATS as u8).map(vote).collect();
        Self { ed25519, votes }
    }

    /// The name this validator goes by on the network.
    pub fn identity(&self) -> Identity {
        self.ed25519.public_key()
    }

    /// The public half, with the keys of its first `seats` seats.
    pub fn validator(&self, seats: usize) -> Validator {
        Validator {
            identity: self.identity(),
            vote_keys: self.votes.iter().take(seats).map(vote_key).collect(),
        }
    }

    /// The secrets of all seats, as ceremonies of the beacon use them.
    pub(crate) fn seat_secrets(&self) -> impl Iterator<Item = bls12381::PrivateKey> {
        self.votes.iter().map(|secret| private(secret).into())
    }

    /// The secret of a vote key, if it is one of these.
    pub(crate) fn secret_of(&self, key: &VoteKey) -> Option<Private> {
        let secret = self.votes.iter().find(|secret| vote_key(secret) == *key)?;
        Some(private(secret))
    }
}

/// The secret in the engine's type.
fn private(secret: &bls::SecretKey) -> Private {
    let scalar = Bytes::copy_from_slice(&*secret.to_bytes());
    Private::decode(scalar).expect("both libraries read a big-endian scalar")
}

/// The public key of `secret` in the engine's type.
fn vote_key(secret: &bls::SecretKey) -> VoteKey {
    let point = Bytes::copy_from_slice(&secret.public_key().to_bytes());
    VoteKey::decode(point).expect("both libraries read a compressed point")
}

impl std::fmt::Debug for ValidatorKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ValidatorKeys({})", self.identity())
    }
}

/// One validator's public keys. Whoever makes one vouches that possession of the vote keys was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Its name on the network.
    pub identity: Identity,
    /// Verify its votes, one for each seat.
    pub vote_keys: Vec<VoteKey>,
}

/// The validators of an epoch, with their seats.
///
/// The engine knows seats, each by an ed25519 key. A validator's first seat goes by the validator's own identity, the others by names that
/// are ed25519 keys only in form: anybody can compute their secrets, and nothing is ever signed with them.
#[derive(Clone, Debug)]
pub struct Committee {
    validators: Arc<[Validator]>,
    votes: BiMap<Identity, VoteKey>,
    /// Validator and number of each seat.
    seats: Arc<HashMap<Identity, (usize, usize)>>,
}

/// Why some validators are no committee.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommitteeError {
    /// A committee has at least one vote and at most [`MAX_VOTES`].
    #[error("a committee of {count} votes is outside 1..={MAX_VOTES}")]
    Size {
        /// Votes given.
        count: usize,
    },
    /// A validator has no vote, or more than [`MAX_SEATS`].
    #[error("validator {identity} has {count} seats, outside 1..={MAX_SEATS}")]
    Seats {
        /// The validator.
        identity: Box<Identity>,
        /// Its seats.
        count: usize,
    },
    /// Two validators share an identity or a vote key.
    #[error("validator {identity} repeats a key of another validator")]
    Repeated {
        /// The later of the two.
        identity: Box<Identity>,
    },
}

impl Committee {
    /// The committee of `validators`.
    ///
    /// Who registered, as its identity, a name that stands for another's seat is left out: anybody knows the secret of that key.
    ///
    /// # Errors
    ///
    /// [`CommitteeError`] names the first validator at fault.
    pub fn new(validators: &[Validator]) -> Result<Self, CommitteeError> {
        let mut identities = BTreeSet::new();
        let mut vote_keys = BTreeSet::new();
        for validator in validators {
            let identity = || Box::new(validator.identity.clone());
            let count = validator.vote_keys.len();
            if !(1..=MAX_SEATS).contains(&count) {
                return Err(CommitteeError::Seats {
                    identity: identity(),
                    count,
                });
            }
            let fresh =
                identities.insert(&validator.identity) & validator.vote_keys.iter().all(|key| vote_keys.insert(key));
            if !fresh {
                return Err(CommitteeError::Repeated { identity: identity() });
            }
        }
        let names: BTreeSet<Identity> = validators
            .iter()
            .flat_map(|validator| (1..validator.vote_keys.len()).map(|seat| seat_name(&validator.identity, seat)))
            .collect();
        let validators: Arc<[Validator]> = validators
            .iter()
            .filter(|validator| !names.contains(&validator.identity))
            .cloned()
            .collect();
        let (mut seats, mut votes) = (HashMap::new(), BTreeMap::new());
        for (index, validator) in validators.iter().enumerate() {
            for (seat, key) in validator.vote_keys.iter().enumerate() {
                let name = seat_name(&validator.identity, seat);
                seats.insert(name.clone(), (index, seat));
                votes.insert(name, *key);
            }
        }
        let count = votes.len();
        if !(1..=MAX_VOTES).contains(&count) {
            return Err(CommitteeError::Size { count });
        }
        Ok(Self {
            validators,
            votes: votes.into_iter().try_collect().expect("names and keys are distinct"),
            seats: Arc::new(seats),
        })
    }

    /// The validators, in the order given.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// Votes of all of them.
    pub fn votes(&self) -> usize {
        self.votes.len()
    }

    /// The least identity: the leader that the genesis block names.
    pub fn first(&self) -> Identity {
        let identities = self.validators.iter().map(|validator| &validator.identity);
        identities.min().expect("a committee has a validator").clone()
    }

    /// The validator of that identity.
    pub fn validator(&self, identity: &Identity) -> Option<&Validator> {
        self.validators.iter().find(|validator| validator.identity == *identity)
    }

    /// Each seat's name with its vote key.
    pub(crate) fn seat_keys(&self) -> BiMap<Identity, VoteKey> {
        self.votes.clone()
    }

    /// The identity of the validator that has the seat of that name.
    pub(crate) fn holder(&self, seat: &Identity) -> Option<&Identity> {
        let (validator, _) = self.seats.get(seat)?;
        Some(&self.validators[*validator].identity)
    }

    /// The validator that has the seat counted as `participant`, and which of its seats that is.
    pub(crate) fn seat(&self, participant: Participant) -> Option<(&Validator, usize)> {
        let (validator, seat) = self.seats.get(self.seat_name(participant)?)?;
        Some((&self.validators[*validator], *seat))
    }

    /// Where the seat that the engine counts as `participant` is among the seats of the validators, in the order given.
    pub(crate) fn place(&self, participant: Participant) -> Option<usize> {
        let (validator, seat) = self.seats.get(self.seat_name(participant)?)?;
        let before = self.validators[..*validator].iter();
        Some(before.map(|validator| validator.vote_keys.len()).sum::<usize>() + seat)
    }

    /// The name of the seat counted as `participant`.
    pub(crate) fn seat_name(&self, participant: Participant) -> Option<&Identity> {
        self.votes.keys().key(participant)
    }

    /// The number under which the seat of that name is counted.
    pub(crate) fn participant(&self, seat: &Identity) -> Option<Participant> {
        self.votes.keys().index(seat)
    }
}

/// The name of a validator's `seat`-th seat: its identity for the first; for others the ed25519 public key whose secret is
/// `SHA-256("aloft-chain-seat" ‖ identity ‖ seat)`, the seat being one byte.
fn seat_name(identity: &Identity, seat: usize) -> Identity {
    if seat == 0 {
        return identity.clone();
    }
    let seat = u8::try_from(seat).expect("a validator has at most MAX_SEATS");
    let secret = Sha256::hash(&[b"aloft-chain-seat", identity, &[seat]]).0;
    let secret = ed25519::PrivateKey::decode(Bytes::copy_from_slice(&secret));
    secret.expect("any 32 bytes are an ed25519 secret").public_key()
}
