//! Who shares the secret, as everybody sees it, and what their shares add up to.

use super::{
    Identity, ReleaseShare,
    points::{self, PublicKey},
};
use crate::scalar::Scalar;
use blst::min_sig;
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};

/// Most members: combining shares and checking a committee is quadratic in them.
pub const MEMBERS_MAX: u16 = 256;

/// Why some keys are not a committee's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// No threshold, or one that all members together do not reach, or too many members.
    #[error("{threshold} of {members} members: 1 to all of at most {MEMBERS_MAX}")]
    Shape {
        /// Shares needed.
        threshold: u16,
        /// Members there are.
        members: usize,
    },
    /// Not every `threshold` members share the secret of the committee's key.
    #[error("the members' keys are not shares of the committee's")]
    Inconsistent,
    /// Fewer members than the threshold share it already.
    #[error("fewer than {threshold} members would suffice")]
    Degenerate {
        /// Shares that should be needed.
        threshold: u16,
    },
}

/// Why shares gave no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Too few right shares.
    #[error("{right} right shares, {wrong} wrong: {threshold} are needed", wrong = wrong.len())]
    TooFew {
        /// Members whose share is right.
        right: usize,
        /// Members whose share is wrong, ascending.
        wrong: Vec<u16>,
        /// Shares needed.
        threshold: u16,
    },
}

/// A committee's public keys: of the whole, and of each member.
///
/// `threshold (2, big endian) | members (2, big endian) | key (96) | members × key (96)`
///
/// One polynomial of degree `threshold - 1` passes through all of them, checked when it is made or read: any `threshold` members
/// can act for the key, whichever they are, and fewer cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    threshold: u16,
    key: PublicKey,
    members: Vec<PublicKey>,
}

impl Committee {
    /// A committee of these keys; about 25 ms for a hundred members.
    ///
    /// # Errors
    ///
    /// [`CommitteeError`].
    pub fn new(threshold: u16, key: PublicKey, members: Vec<PublicKey>) -> Result<Self, CommitteeError> {
        let count = members.len();
        if threshold == 0 || usize::from(threshold) > count || count > usize::from(MEMBERS_MAX) {
            return Err(CommitteeError::Shape {
                threshold,
                members: count,
            });
        }
        let committee = Self {
            threshold,
            key,
            members,
        };
        if !committee.has_degree_below(threshold) {
            return Err(CommitteeError::Inconsistent);
        }
        if threshold > 1 && committee.has_degree_below(threshold - 1) {
            return Err(CommitteeError::Degenerate { threshold });
        }
        Ok(committee)
    }

    /// The key that secrets are encrypted to.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Shares needed.
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The members' keys, in their order.
    pub fn members(&self) -> &[PublicKey] {
        &self.members
    }

    /// Whether `share` is its member's share of the key of `identity`; about 1 ms.
    pub fn verify(&self, identity: &Identity, share: &ReleaseShare) -> bool {
        self.members
            .get(usize::from(share.member))
            .is_some_and(|key| key.verify(identity, &share.point))
    }

    /// Puts shares of the key of `identity` together; the order is of no matter.
    ///
    /// The first `threshold` are combined and the sum checked by one pairing, as if all were right; only when it does not hold
    /// is each share checked, the wrong ones named, and the rest combined. A member that gave several shares counts once.
    ///
    /// # Errors
    ///
    /// [`CombineError::TooFew`] when the right shares are fewer than the threshold.
    pub fn combine(&self, identity: &Identity, shares: &[ReleaseShare]) -> Result<Combined, CombineError> {
        let mut first: Vec<ReleaseShare> = Vec::with_capacity(usize::from(self.threshold));
        for share in shares {
            let known = usize::from(share.member) < self.members.len();
            if known && first.len() < usize::from(self.threshold) && !gave(&first, share.member) {
                first.push(*share);
            }
        }
        if let Some(released) = self.sum(identity, &first) {
            let wrong = Vec::new();
            return Ok(Combined { released, wrong });
        }
        let mut right: Vec<ReleaseShare> = Vec::with_capacity(self.members.len());
        let mut wrong = Vec::new();
        for share in shares {
            if !self.verify(identity, share) {
                wrong.push(share.member);
            } else if !gave(&right, share.member) {
                right.push(*share);
            }
        }
        wrong.sort_unstable();
        wrong.dedup();
        let found = right.len();
        right.truncate(usize::from(self.threshold));
        match self.sum(identity, &right) {
            Some(released) => Ok(Combined { released, wrong }),
            None => Err(CombineError::TooFew {
                right: found,
                wrong,
                threshold: self.threshold,
            }),
        }
    }

    /// The key that these shares, one a member, give; `None` when they are fewer than needed or do not give it.
    fn sum(&self, identity: &Identity, shares: &[ReleaseShare]) -> Option<Released> {
        if shares.len() < usize::from(self.threshold) {
            return None;
        }
        let places: Vec<Scalar> = shares.iter().map(|share| place(share.member)).collect();
        let terms: Vec<_> = weights_at_zero(&places)
            .into_iter()
            .zip(shares.iter().map(|share| share.point))
            .collect();
        let point = points::sum_g1(&terms)?;
        self.key.verify(identity, &point).then_some(Released {
            identity: *identity,
            committee: self.key,
            point,
        })
    }

    /// Whether a polynomial of degree below `bound` passes through the committee's key at 0 and each member's at its place.
    ///
    /// The values of such polynomials at `0 ..= n` are a Reed–Solomon code; the words orthogonal to it are `v_i·g(i)`, `g` of
    /// degree at most `n - bound` and `v_i` the inverse of the product of `i - j` over the other `j`. A word drawn after the
    /// keys are fixed, by hashing them, is orthogonal to keys that are not of the code with probability 2^-255. Source: the
    /// test of SCRAPE (Cascudo and David 2017).
    fn has_degree_below(&self, bound: u16) -> bool {
        let last = self.members.len();
        let mut hasher = blake3::Hasher::new_derive_key("aloft/threshold/consistency/v1");
        hasher.update(&bound.to_be_bytes());
        for key in std::iter::once(&self.key).chain(&self.members) {
            hasher.update(&key.to_bytes());
        }
        let mut output = hasher.finalize_xof();
        let word: Vec<Scalar> = (0..=last - usize::from(bound))
            .map(|_| {
                let mut bytes = [0; 64];
                output.fill(&mut bytes);
                Scalar::reduce(&bytes)
            })
            .collect();
        let places: Vec<Scalar> = (0..=last as u64).map(Scalar::from_u64).collect();
        let terms: Vec<_> = std::iter::once(&self.key)
            .chain(&self.members)
            .enumerate()
            .map(|(at, key)| {
                let others = places.iter().enumerate().filter(|(other, _)| *other != at);
                let product = others.fold(Scalar::from_u64(1), |product, (_, &other)| {
                    product * (places[at] - other)
                });
                (product.inverse() * Scalar::evaluate(&word, places[at]), *key)
            })
            .collect();
        points::sum_is_zero_g2(&terms)
    }
}

/// An identity's key, and who gave wrong shares of it.
#[derive(Clone, Debug)]
pub struct Combined {
    /// The key.
    pub released: Released,
    /// Members whose share is wrong, ascending: empty when the shares that were tried first were right.
    pub wrong: Vec<u16>,
}

/// The key of an identity, checked against the committee's: opens every [`Ciphertext`](super::Ciphertext) to it.
#[derive(Clone)]
pub struct Released {
    pub(super) identity: Identity,
    pub(super) committee: PublicKey,
    pub(super) point: min_sig::Signature,
}

impl std::fmt::Debug for Released {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "threshold::Released({:?}, ..)", self.identity)
    }
}

fn gave(shares: &[ReleaseShare], member: u16) -> bool {
    shares.iter().any(|share| share.member == member)
}

/// Where the polynomial takes the member's share; the secret itself is at 0.
pub(super) fn place(member: u16) -> Scalar {
    Scalar::from_u64(u64::from(member) + 1)
}

/// What each value of a polynomial at `places`, distinct and not zero, weighs in its value at 0: Lagrange's coefficients.
fn weights_at_zero(places: &[Scalar]) -> Vec<Scalar> {
    let weight = |at: usize| {
        let others = places.iter().enumerate().filter(|(other, _)| *other != at);
        let (above, below) = others.fold(
            (Scalar::from_u64(1), Scalar::from_u64(1)),
            |(above, below), (_, &other)| (above * other, below * (other - places[at])),
        );
        above * below.inverse()
    };
    (0..places.len()).map(weight).collect()
}

impl Write for Committee {
    fn write(&self, buf: &mut impl BufMut) {
        self.threshold.write(buf);
        u16::try_from(self.members.len())
            .expect("at most MEMBERS_MAX")
            .write(buf);
        self.key.write(buf);
        for key in &self.members {
            key.write(buf);
        }
    }
}

impl EncodeSize for Committee {
    fn encode_size(&self) -> usize {
        2 * u16::SIZE + (1 + self.members.len()) * PublicKey::SIZE
    }
}

impl Read for Committee {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let threshold = u16::read(buf)?;
        let members = u16::read(buf)?;
        if members > MEMBERS_MAX {
            return Err(Error::InvalidLength(members.into()));
        }
        let key = PublicKey::read(buf)?;
        let members = (0..members).map(|_| PublicKey::read(buf)).collect::<Result<_, _>>()?;
        Self::new(threshold, key, members)
            .map_err(|_| Error::Invalid("threshold::Committee", "not keys of one committee"))
    }
}
