//! A committee that releases keys under policies of the chain.
//!
//! An owner encrypts a blob's key to a policy and an epoch of it ([`identity`]), asking nobody ([`crate::access`]). Upon receiving
//! a [`Request`], a member asks the chain whether the policy lets this reader read that epoch now (`ReaderBook.allowed`), and only
//! then gives its share of the identity's key, sealed to the reader: who overhears a threshold of answers learns nothing. The reader
//! opens the answers ([`open_share`]), checks each against its member's public key and combines any threshold of them ([`collect`]).
//! Requests and answers travel on the streams of [`crate::wire`]; who the members are is on chain ([`Keepers`]).
//!
//! ```text
//! request   policy 32 | epoch 8 | reader 32
//! response  0 | count 1 | times: envelope 80 | sealed share 66      or 1: refused      or 2: the chain does not answer
//! identity  H_aloft/da/release/identity/v1(chain id 8, ReaderBook 20, policy 32, epoch 8)
//! ```
//!
//! Whoever asks need not say who it is: the answer is of use only to the holder of the reader's key, which the policy names. A reader
//! that is dropped from a policy gets nothing more; what was released to it before opens everything that was encrypted to those
//! epochs, so an owner who drops a reader also advances the epoch, and encrypts to the new one from then on.
//!
//! A share proves itself: `e(share, G2) = e(H(identity), member's key)` holds for the right one and no other, so an answer carries no proof.
//!
//! The members' keys are their own for this: not those that sign for rows. The members make them among themselves, on the chain
//! ([`ceremony`], [`participant`]), or, in tests and networks of one owner, from a dealer ([`crypto::threshold::DealtThresholdKeys`]).

pub mod ceremony;
mod collect;
mod generated;
mod keepers;
pub mod participant;
#[cfg(test)]
mod tests;

pub use collect::{CollectError, Collected, Failure, FailureKind, MEMBER_TIMEOUT, collect};
pub use generated::{Generated, GeneratedError};
pub use keepers::{Keepers, KeepersError};

use crate::Domain;
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, DecodeExt, Encode, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use contracts::{CallError, Provider, RELEASE_SEATS_MAX, abi::ReaderBook, addresses};
use crypto::{
    envelope::{self, ENVELOPE_BYTES, RecipientPublic, RecipientSecret},
    stream::{self, Key, TAG_BYTES},
    threshold::{Identity, ReleaseShare, SHARE_BYTES, SecretShare},
};
use primitives::{B256, Digest};
use rand_core::CryptoRng;

/// Under which conditions a key is released: a policy of `ReaderBook`, and one of its epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The policy's name.
    pub policy: B256,
    /// Released once the policy has reached this epoch.
    pub epoch: u64,
}

/// A reader asks for a key to be released to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Under which conditions.
    pub terms: Terms,
    /// To whom: the answer is sealed to this key.
    pub reader: RecipientPublic,
}

/// Shares of one operator at most.
pub const SHARES_MAX: usize = RELEASE_SEATS_MAX as usize;

/// A member's share, sealed to the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedShare {
    /// A fresh key, wrapped for the reader.
    envelope: [u8; ENVELOPE_BYTES],
    /// The share under that key: one segment of a stream.
    sealed: [u8; SHARE_BYTES + TAG_BYTES],
}

/// What an operator answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Its shares, one for each member that it is: 1 to [`SHARES_MAX`].
    Shares(Vec<SealedShare>),
    /// The policy does not let this reader read this epoch at present.
    Refused,
    /// The member cannot ask the chain just now; another request may do better.
    Unavailable,
}

/// Why a member's answer gave no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The policy does not allow it.
    #[error("member {member} refused: the policy does not let this reader read, at present")]
    Refused {
        /// Whose answer.
        member: u16,
    },
    /// It could not look.
    #[error("member {member} cannot ask the chain")]
    Unavailable {
        /// Whose answer.
        member: u16,
    },
    /// What it sent is not a share of its own, sealed to this reader for these terms.
    #[error("member {member} sent no share that opens")]
    Unauthentic {
        /// Whose answer.
        member: u16,
    },
}

/// One operator of the committee, with a share for each member that it is: asks the chain, then answers.
pub struct Member<P: Provider> {
    provider: P,
    domain: Domain,
    shares: Vec<SecretShare>,
}

impl<P: Provider> Member<P> {
    /// An operator that holds `shares` and believes `provider`, which should be its own node.
    ///
    /// # Panics
    ///
    /// When there is no share, or there are more than [`SHARES_MAX`].
    pub fn new(provider: P, domain: Domain, shares: Vec<SecretShare>) -> Self {
        assert!((1..=SHARES_MAX).contains(&shares.len()), "{} shares", shares.len());
        Self {
            provider,
            domain,
            shares,
        }
    }

    /// Answers one request: a call on the latest final state, then about 0.3 ms a share if it allows.
    ///
    /// The chain is asked each time, because a policy may change with each block; nothing is kept between requests.
    pub async fn answer(&self, rng: &mut impl CryptoRng, request: &Request) -> Response {
        match allowed(&self.provider, request).await {
            Ok(true) => {
                let identity = identity(&self.domain, &request.terms);
                let sealed = self.shares.iter().map(|share| {
                    let released = share.release(&identity);
                    SealedShare::seal(rng, &identity, &request.reader, &released)
                });
                Response::Shares(sealed.collect())
            }
            Ok(false) => Response::Refused,
            Err(error) => {
                tracing::warn!(%error, policy = %request.terms.policy, "the chain does not say whether a reader may read");
                Response::Unavailable
            }
        }
    }
}

/// Whether the chain lets the reader read, at its latest final block.
///
/// # Errors
///
/// As [`contracts::read`].
pub async fn allowed(provider: &impl Provider, request: &Request) -> Result<bool, CallError> {
    let call = ReaderBook::allowedCall {
        policy: request.terms.policy,
        epoch: request.terms.epoch,
        reader: B256::new(request.reader.to_bytes()),
    };
    contracts::read(provider, addresses::READER_BOOK, &call).await
}

/// What a key is encrypted to under `terms`: another on every chain.
pub fn identity(domain: &Domain, terms: &Terms) -> Identity {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/da/release/identity/v1");
    hasher
        .update(&domain.chain_id.to_be_bytes())
        .update(addresses::READER_BOOK.as_slice())
        .update(terms.policy.as_slice())
        .update(&terms.epoch.to_be_bytes());
    Identity(Digest::from(hasher.finalize()))
}

/// The share of each of `members` in the answer of the operator that they are, to the request for `terms` by the holder of `secret`. Whether they
/// are the right ones, the committee's keys tell.
pub fn open_shares(
    domain: &Domain,
    terms: &Terms,
    secret: &RecipientSecret,
    members: &[u16],
    response: &Response,
) -> Vec<(u16, Result<ReleaseShare, AnswerError>)> {
    let opened: Vec<ReleaseShare> = match response {
        Response::Shares(sealed) => {
            let identity = identity(domain, terms);
            // Who sends more than it has members has us open no more.
            let sealed = sealed.iter().take(members.len());
            sealed.filter_map(|share| share.open(&identity, secret)).collect()
        }
        Response::Refused | Response::Unavailable => Vec::new(),
    };
    let of = |member| match response {
        Response::Refused => Err(AnswerError::Refused { member }),
        Response::Unavailable => Err(AnswerError::Unavailable { member }),
        Response::Shares(_) => {
            let own = opened.iter().find(|share| share.member == member);
            own.copied().ok_or(AnswerError::Unauthentic { member })
        }
    };
    members.iter().map(|member| (*member, of(*member))).collect()
}

impl SealedShare {
    fn seal(rng: &mut impl CryptoRng, identity: &Identity, reader: &RecipientPublic, share: &ReleaseShare) -> Self {
        let info = share_info(identity);
        // Used once, so any nonce does.
        let key = Key::generate(rng);
        let sealed = stream::seal(&key, [0; 7], &info, &share.encode());
        Self {
            envelope: envelope::wrap(rng, reader, &key, &info),
            sealed: sealed.try_into().expect("a share is one segment"),
        }
    }

    fn open(&self, identity: &Identity, secret: &RecipientSecret) -> Option<ReleaseShare> {
        let info = share_info(identity);
        let key = envelope::unwrap(secret, &self.envelope, &info).ok()?;
        let share = stream::open(&key, &[0; 7], &info, &self.sealed).ok()?;
        ReleaseShare::decode(Bytes::from(share)).ok()
    }
}

/// Binds a sealed share to what it is a share of.
fn share_info(identity: &Identity) -> Vec<u8> {
    [b"aloft/da/release/share/v1", identity.0.as_ref()].concat()
}

impl Write for Terms {
    fn write(&self, buf: &mut impl BufMut) {
        self.policy.0.write(buf);
        self.epoch.write(buf);
    }
}

impl FixedSize for Terms {
    const SIZE: usize = 32 + 8;
}

impl Read for Terms {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self {
            policy: B256::new(ReadExt::read(buf)?),
            epoch: u64::read(buf)?,
        })
    }
}

impl Write for Request {
    fn write(&self, buf: &mut impl BufMut) {
        self.terms.write(buf);
        self.reader.write(buf);
    }
}

impl FixedSize for Request {
    const SIZE: usize = Terms::SIZE + 32;
}

impl Read for Request {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self {
            terms: Terms::read(buf)?,
            reader: RecipientPublic::read(buf)?,
        })
    }
}

const SHARES: u8 = 0;
const REFUSED: u8 = 1;
const UNAVAILABLE: u8 = 2;

impl Write for Response {
    fn write(&self, buf: &mut impl BufMut) {
        match self {
            Self::Shares(shares) => {
                SHARES.write(buf);
                u8::try_from(shares.len()).expect("at most SHARES_MAX").write(buf);
                for share in shares {
                    share.envelope.write(buf);
                    share.sealed.write(buf);
                }
            }
            Self::Refused => REFUSED.write(buf),
            Self::Unavailable => UNAVAILABLE.write(buf),
        }
    }
}

impl EncodeSize for Response {
    fn encode_size(&self) -> usize {
        match self {
            Self::Shares(shares) => 2 + shares.len() * (ENVELOPE_BYTES + SHARE_BYTES + TAG_BYTES),
            Self::Refused | Self::Unavailable => 1,
        }
    }
}

impl Read for Response {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(match u8::read(buf)? {
            SHARES => {
                let count = usize::from(u8::read(buf)?);
                if !(1..=SHARES_MAX).contains(&count) {
                    return Err(Error::InvalidLength(count));
                }
                let share = |_| {
                    Ok(SealedShare {
                        envelope: ReadExt::read(buf)?,
                        sealed: ReadExt::read(buf)?,
                    })
                };
                Self::Shares((0..count).map(share).collect::<Result<_, Error>>()?)
            }
            REFUSED => Self::Refused,
            UNAVAILABLE => Self::Unavailable,
            other => return Err(Error::InvalidEnum(other)),
        })
    }
}
