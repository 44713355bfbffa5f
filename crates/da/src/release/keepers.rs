//! Who releases: the committee's keys and its members' streams, as the chain has them.

use commonware_codec::{Copying, DecodeExt};
use commonware_cryptography::ed25519;
use contracts::{CallError, Provider, abi::DealtReleaseCommittee, addresses};
use crypto::threshold::{Committee, SecretShare};

/// A committee that releases, and where its members are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepers {
    committee: Committee,
    /// Key of each member's streams, in their order: an operator has it.
    stream_keys: Vec<ed25519::PublicKey>,
}

/// Why there is no committee to ask.
#[derive(Debug, thiserror::Error)]
pub enum KeepersError {
    /// The chain did not answer.
    #[error("ask the chain who releases keys")]
    Chain(#[from] Box<CallError>),
    /// Nobody was appointed, or the members have not made their key.
    #[error("this network has no committee that releases keys, or none yet")]
    Nobody,
    /// The keys are no committee's.
    #[error("the committee that releases keys is none")]
    Malformed(#[source] commonware_codec::Error),
    /// There is not one stream key a member.
    #[error("{stream_keys} stream keys of {members} members")]
    Count {
        /// Members there are.
        members: usize,
        /// Stream keys there are.
        stream_keys: usize,
    },
    /// A stream key is none.
    #[error("the stream key of member {member} is not an ed25519 key")]
    StreamKey {
        /// Whose.
        member: usize,
    },
    /// A node's share is not of the committee that the chain names, or another member's.
    #[error("the release share of member {member} is not the one that the chain expects of this node")]
    Share {
        /// Whose it says it is.
        member: u16,
    },
}

impl Keepers {
    /// The committee with these members.
    ///
    /// # Errors
    ///
    /// [`KeepersError::Count`].
    pub fn new(committee: Committee, stream_keys: Vec<ed25519::PublicKey>) -> Result<Self, KeepersError> {
        let (members, stream_keys_count) = (committee.members().len(), stream_keys.len());
        if members != stream_keys_count {
            return Err(KeepersError::Count {
                members,
                stream_keys: stream_keys_count,
            });
        }
        Ok(Self { committee, stream_keys })
    }

    /// The present committee: that which genesis appointed, or which made its key on the chain and handed it on. Its keys are checked to share one secret, which takes 25 ms for a hundred members.
    ///
    /// # Errors
    ///
    /// [`KeepersError`].
    pub async fn read(provider: &impl Provider) -> Result<Self, KeepersError> {
        let call = DealtReleaseCommittee::committeeCall {};
        let appointed = contracts::read(provider, addresses::RELEASE_COMMITTEE, &call)
            .await
            .map_err(Box::new)?;
        if appointed.keys.is_empty() {
            return Err(KeepersError::Nobody);
        }
        let committee = Committee::decode(Copying(&appointed.keys)).map_err(KeepersError::Malformed)?;
        let stream_keys = appointed
            .streamKeys
            .iter()
            .enumerate()
            .map(|(member, key)| {
                ed25519::PublicKey::decode(Copying(&key.0)).map_err(|_| KeepersError::StreamKey { member })
            })
            .collect::<Result<_, _>>()?;
        Self::new(committee, stream_keys)
    }

    /// What shares are checked against, and what keys are encrypted to.
    pub fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Key of each member's streams.
    pub fn stream_keys(&self) -> &[ed25519::PublicKey] {
        &self.stream_keys
    }

    /// Checks that `share` is what readers expect of the node with this stream key: a wrong one would only have it named a liar.
    ///
    /// # Errors
    ///
    /// [`KeepersError::Share`].
    pub fn check(&self, share: &SecretShare, stream_key: &ed25519::PublicKey) -> Result<(), KeepersError> {
        let place = usize::from(share.member());
        let known = self.stream_keys.get(place) == Some(stream_key);
        if known && self.committee.members().get(place) == Some(&share.public()) {
            Ok(())
        } else {
            Err(KeepersError::Share { member: share.member() })
        }
    }
}
