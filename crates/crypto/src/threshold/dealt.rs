//! Keys from a dealer.

use super::{Committee, CommitteeError, MEMBERS_MAX, SecretShare, committee::place, points::PublicKey};
use crate::scalar::Scalar;
use blst::min_sig;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// A committee's keys as one dealer hands them out: simplified, because the dealer knows the secret and is trusted to forget it.
///
/// For tests and networks of one owner. Members who trust nobody run a distributed key generation, whose shares
/// [`SecretShare::from_bytes`] and [`Committee::new`] take as well.
#[derive(Debug)]
pub struct DealtThresholdKeys {
    /// What everybody may know.
    pub committee: Committee,
    /// Each member's secret, in their order.
    pub shares: Vec<SecretShare>,
}

impl DealtThresholdKeys {
    /// Deals keys to `members`, any `threshold` of whom suffice.
    ///
    /// # Errors
    ///
    /// [`CommitteeError::Shape`].
    pub fn deal(rng: &mut impl CryptoRng, threshold: u16, members: u16) -> Result<Self, CommitteeError> {
        if threshold == 0 || threshold > members || members > MEMBERS_MAX {
            return Err(CommitteeError::Shape {
                threshold,
                members: members.into(),
            });
        }
        let mut polynomial = Zeroizing::new(Vec::with_capacity(threshold.into()));
        polynomial.extend((0..threshold).map(|_| Scalar::random(rng)));
        let secret_at = |x: Scalar| {
            let value = Zeroizing::new(Scalar::evaluate(&polynomial, x));
            min_sig::SecretKey::from_bytes(&value.to_secret_bytes()[..]).expect("zero has probability 2^-255")
        };
        let key = PublicKey(secret_at(Scalar::ZERO).sk_to_pk());
        let shares: Vec<SecretShare> = (0..members)
            .map(|member| {
                SecretShare::from_bytes(member, &secret_at(place(member)).to_bytes()).expect("a secret just made")
            })
            .collect();
        let publics = shares.iter().map(SecretShare::public).collect();
        let committee = Committee::new(threshold, key, publics)?;
        Ok(Self { committee, shares })
    }
}
