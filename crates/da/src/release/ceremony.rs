//! How the committee makes its key: what its seats post on the chain, and what the posts come to.
//!
//! Everything here is a function of posts that all see and of a seat's own secrets, with no state between: who starts again computes the same and
//! sees which of it is posted. `ReleaseCeremony` takes posts in four fifths of an epoch, each phase's closed before the next begins:
//!
//! ```text
//! enrol        sealing key 32 | seat's key 32 | signature 64
//! deal         seat's key 32 | signature 64 | commitment | n x envelope 80, the players in the order of their keys
//! acknowledge  seat's key 32 | times: place of the dealer 2 | acknowledgement 64
//! close        the engine's signed log
//! ```
//!
//! A post is of who signs it, whoever posted it; of several the first sound one counts. The engine's ceremony is [`crypto::ceremony`].
//!
//! Two secrets make a seat: one that lasts, by which it signs, and one of this ceremony alone ([`Fresh`]), from which the key that shares are sealed to and
//! the polynomial that it deals follow. Who forgets the second cannot open old posts any more, nor can who takes its machine later.

mod posts;
#[cfg(test)]
mod tests;

pub use posts::{Outcome, Recorded, read_outcome};

use super::{Generated, GeneratedError};
use bytes::Bytes;
use commonware_codec::{Copying, DecodeExt, Encode};
use commonware_cryptography::{Signer, bls12381::primitives::group::Share, ed25519};
use commonware_utils::{N3f1, NZU32, TryCollect, ordered::Set};
use crypto::{
    ceremony::{self, Application, Dealer, DealerPublic, DealerShare, Failure, Player, PlayerAck, Round},
    envelope::{self, RecipientPublic, RecipientSecret},
    stream::Key,
};
use posts::{Acknowledgements, Dealt, Enrolment};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    num::NonZeroU32,
};
use zeroize::Zeroizing;

/// Keeps these ceremonies apart from all others.
const APPLICATION: Application = Application("aloft-release");

/// Seats of a committee at most.
pub const SEATS_MAX: NonZeroU32 = NZU32!(256);

/// A seat's key, the name it goes by in ceremonies.
pub type SeatKey = ed25519::PublicKey;

/// Bytes that a seat posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Whose seat.
    pub operator: u32,
    /// Which of its seats.
    pub seat: u32,
    /// What it says.
    pub bytes: Bytes,
}

/// Seats of a committee that an operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seated {
    /// The operator.
    pub operator: u32,
    /// How many.
    pub seats: u32,
}

/// Why there is no ceremony, or nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// Too few seats want the key.
    #[error("{enrolled} of {needed} seats enrolled")]
    TooFewEnrolled {
        /// Seats that did.
        enrolled: usize,
        /// Seats it takes.
        needed: u32,
    },
    /// Those who hold the key and those who want it do not fit together.
    #[error("dealers and players do not fit together")]
    Participants(#[source] ceremony::Error),
    /// Too few logs count.
    #[error("too few logs: {0}")]
    TooFewLogs(String),
    /// The outcome is no committee.
    #[error(transparent)]
    Generated(#[from] GeneratedError),
    /// An operator that shares the key is in no enrolment.
    #[error("a member that nobody enrolled")]
    UnknownMember,
    /// A share was acknowledged and is lost, or the seat did not take part.
    #[error("a seat has no share: {0}")]
    NoShare(String),
}

/// The secret of one ceremony, the same for all of an operator's seats: to be drawn anew, kept until the ceremony is over, and forgotten then.
#[derive(Clone)]
pub struct Fresh(
    /// Wiped when it is dropped.
    pub Zeroizing<[u8; 32]>,
);

/// The secret by which an operator's seats sign; it lasts.
#[derive(Clone)]
pub struct Lasting(
    /// Wiped when it is dropped.
    pub Zeroizing<[u8; 32]>,
);

/// One of this operator's seats in one ceremony.
#[derive(Clone)]
pub struct Seat {
    operator: u32,
    seat: u32,
    signer: ed25519::PrivateKey,
    sealing: RecipientSecret,
    dealing: Zeroizing<[u8; 32]>,
}

impl Seat {
    /// Seat number `seat` of `operator`.
    pub fn new(operator: u32, seat: u32, lasting: &Lasting, fresh: &Fresh) -> Self {
        let derive = |context, secret: &[u8; 32]| {
            let material = Zeroizing::new([secret.as_slice(), &seat.to_be_bytes()].concat());
            Zeroizing::new(blake3::derive_key(context, &material))
        };
        let signing = derive("aloft/da/release/seat/v1", &lasting.0);
        Self {
            operator,
            seat,
            signer: ed25519::PrivateKey::decode(Copying(signing.as_slice())).expect("any 32 bytes are a key"),
            sealing: RecipientSecret::from_seed(&derive("aloft/da/release/sealing/v1", &fresh.0)),
            dealing: derive("aloft/da/release/dealing/v1", &fresh.0),
        }
    }

    /// Its name.
    pub fn key(&self) -> SeatKey {
        self.signer.public_key()
    }

    /// Which of the operator's seats.
    pub fn number(&self) -> u32 {
        self.seat
    }
}

/// One ceremony, before it is known who takes part.
#[derive(Clone, Debug)]
pub struct Ceremony {
    /// Begins everything that is signed.
    namespace: Vec<u8>,
    epoch: u64,
    /// How the key is shared while it goes on; none where it is made.
    previous: Option<Outcome>,
    /// The committee that is to share the key.
    seated: BTreeMap<u32, u32>,
}

impl Ceremony {
    /// The ceremony of `epoch` on the chain with this id, after which the seats of `seated` share the key.
    pub fn new(chain_id: u64, epoch: u64, previous: Option<Outcome>, seated: &[Seated]) -> Self {
        Self {
            namespace: [b"aloft-release".as_slice(), &chain_id.to_be_bytes()].concat(),
            epoch,
            previous,
            seated: seated.iter().map(|entry| (entry.operator, entry.seats)).collect(),
        }
    }

    /// Seats that have to enrol: all but a third. With fewer, the threshold would be one that those reach who must not.
    fn needed(&self) -> u32 {
        let seats: u32 = self.seated.values().sum();
        seats - seats.saturating_sub(1) / 3
    }

    fn label(&self, purpose: &str) -> Vec<u8> {
        [&self.namespace, purpose.as_bytes()].concat()
    }

    /// What `seat` posts to be a player.
    pub fn enrol(&self, seat: &Seat) -> Bytes {
        let sealing = seat.sealing.public();
        let said = Enrolment::said(self.epoch, seat.operator, seat.seat, &sealing);
        let enrolment = Enrolment {
            sealing,
            key: seat.key(),
            signature: seat.signer.sign(&self.label("-enrol"), &said),
        };
        enrolment.encode()
    }

    /// Who takes part, by all that was posted in the first phase.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::TooFewEnrolled`], [`CeremonyError::Participants`].
    pub fn roster(self, enrolments: &[Post]) -> Result<Roster, CeremonyError> {
        let label = self.label("-enrol");
        let mut players = BTreeMap::new();
        for post in enrolments {
            let Ok(enrolment) = Enrolment::decode(post.bytes.clone()) else {
                continue;
            };
            let known = self.seated.get(&post.operator).is_some_and(|seats| post.seat < *seats);
            if known && enrolment.is_signed(&label, self.epoch, post.operator, post.seat) {
                let player = Enrolled {
                    operator: post.operator,
                    sealing: enrolment.sealing,
                };
                players.entry(enrolment.key).or_insert(player);
            }
        }
        let needed = self.needed();
        if players.len() < needed as usize {
            let enrolled = players.len();
            return Err(CeremonyError::TooFewEnrolled { enrolled, needed });
        }
        let keys: Set<SeatKey> = players
            .keys()
            .cloned()
            .try_collect()
            .expect("a map's keys are distinct");
        let round = Round::new(
            APPLICATION,
            &self.namespace,
            self.epoch,
            self.previous.clone(),
            keys.clone(),
            keys,
            SEATS_MAX,
        )
        .map_err(CeremonyError::Participants)?;
        Ok(Roster {
            dealers: match &self.previous {
                Some(previous) => previous.players().iter().cloned().collect(),
                None => players.keys().cloned().collect(),
            },
            ceremony: self,
            round,
            players,
        })
    }
}

/// A player as it enrolled.
#[derive(Clone, Debug)]
struct Enrolled {
    operator: u32,
    sealing: RecipientPublic,
}

/// A ceremony whose players are known.
#[derive(Clone, Debug)]
pub struct Roster {
    ceremony: Ceremony,
    round: Round<SeatKey>,
    players: BTreeMap<SeatKey, Enrolled>,
    /// In the order of their keys.
    dealers: Vec<SeatKey>,
}

/// What dealers dealt, as far as it is sound by itself.
pub type Dealings = BTreeMap<SeatKey, (DealerPublic, Vec<[u8; envelope::ENVELOPE_BYTES]>)>;

impl Roster {
    /// Whether a seat receives a share.
    pub fn plays(&self, seat: &Seat) -> bool {
        self.players.contains_key(&seat.key())
    }

    /// What seals `dealer`'s share to `player`.
    fn share_info(&self, dealer: &SeatKey, player: &SeatKey) -> Vec<u8> {
        let info = (self.ceremony.label("-share"), self.ceremony.epoch).encode();
        [info.as_ref(), dealer.as_ref(), player.as_ref()].concat()
    }

    fn dealer(&self, seat: &Seat, held: &[Share]) -> Option<Dealer<ed25519::PrivateKey>> {
        if !self.dealers.contains(&seat.key()) {
            return None;
        }
        Dealer::deal(&self.round, &seat.signer, &seat.dealing[..], held).ok()?
    }

    /// What `seat` posts as a dealer, of the shares `held`; `None` if it is none, or its share is not among them.
    pub fn deal(&self, seat: &Seat, held: &[Share]) -> Option<Bytes> {
        let dealer = self.dealer(seat, held)?;
        let own = seat.key();
        let envelopes = self.players.iter().map(|(player, enrolled)| {
            let share = Zeroizing::new(dealer.shares()[player].encode().to_vec());
            let key = Key::from_bytes(share[..].try_into().expect("a share is a scalar of 32 bytes"));
            // Of the dealing's own secret, so that a dealer that starts again posts the same bytes; no two envelopes have the same.
            let mut chance = envelope_chance(&seat.dealing, &self.share_info(&own, player));
            envelope::wrap(&mut chance, &enrolled.sealing, &key, &self.share_info(&own, player))
        });
        let mut dealt = Dealt {
            key: own.clone(),
            signature: None,
            public: dealer.public().clone(),
            envelopes: envelopes.collect(),
        };
        let said = dealt.said(self.ceremony.epoch);
        dealt.signature = Some(seat.signer.sign(&self.ceremony.label("-deal"), &said));
        Some(dealt.encode())
    }

    /// The dealings among what was posted in the second phase: of each dealer the first that it signed.
    pub fn dealings(&self, posts: &[Post]) -> Dealings {
        let label = self.ceremony.label("-deal");
        let mut dealings = Dealings::new();
        for post in posts {
            let Ok(dealt) = Dealt::read(post.bytes.clone(), self.players.len()) else {
                continue;
            };
            if self.dealers.contains(&dealt.key)
                && let Entry::Vacant(entry) = dealings.entry(dealt.key.clone())
                && dealt.is_signed(&label, self.ceremony.epoch)
            {
                entry.insert((dealt.public, dealt.envelopes));
            }
        }
        dealings
    }

    /// `seat` as a player that has heard `dealings`, and what it acknowledges: only shares that open and meet their commitment.
    #[allow(clippy::type_complexity, reason = "used by the two functions below it alone")]
    fn player(
        &self,
        seat: &Seat,
        dealings: &Dealings,
    ) -> Option<(Player<ed25519::PrivateKey>, BTreeMap<SeatKey, PlayerAck<SeatKey>>)> {
        let own = seat.key();
        let place = self.players.keys().position(|key| *key == own)?;
        let mut player = Player::new(self.round.info.clone(), seat.signer.clone()).ok()?;
        let mut acks = BTreeMap::new();
        for (dealer, (public, envelopes)) in dealings {
            let Ok(key) = envelope::unwrap(&seat.sealing, &envelopes[place], &self.share_info(dealer, &own)) else {
                continue;
            };
            let Ok(share) = DealerShare::decode(Copying(key.as_bytes())) else {
                continue;
            };
            if let Ok(Some(ack)) = player.dealer_message::<N3f1>(dealer.clone(), public.clone(), share) {
                acks.insert(dealer.clone(), ack);
            }
        }
        Some((player, acks))
    }

    /// What `seat` posts as a player; `None` if it is none, or nothing that was dealt to it is sound.
    pub fn acknowledge(&self, seat: &Seat, dealings: &Dealings) -> Option<Bytes> {
        let (_, acks) = self.player(seat, dealings)?;
        let place = |dealer: &SeatKey| self.dealers.iter().position(|key| key == dealer);
        let acks: Vec<(u16, PlayerAck<SeatKey>)> = acks
            .into_iter()
            .filter_map(|(dealer, ack)| Some((u16::try_from(place(&dealer)?).ok()?, ack)))
            .collect();
        let said = Acknowledgements { key: seat.key(), acks };
        (!said.acks.is_empty()).then(|| said.encode())
    }

    /// What `seat` posts to close its dealing, by what was posted in the third phase. Of a seat that dealt only.
    pub fn close(&self, seat: &Seat, held: &[Share], dealings: &Dealings, acknowledgements: &[Post]) -> Option<Bytes> {
        let mut dealer = self.dealer(seat, held)?;
        // What nobody could read would have to be shown to all.
        let (public, _) = dealings.get(&seat.key())?;
        if public != dealer.public() {
            return None;
        }
        let own = self.dealers.iter().position(|key| *key == seat.key())?;
        for post in acknowledgements {
            let Ok(said) = Acknowledgements::read(post.bytes.clone(), self.dealers.len()) else {
                continue;
            };
            let mine = said.acks.into_iter().filter(|(place, _)| usize::from(*place) == own);
            for (_, ack) in mine {
                // One that is not the player's is not taken, and another post may have the right one.
                let _ = dealer.take_ack(said.key.clone(), ack);
            }
        }
        dealer.close(true).log().cloned()
    }

    /// What the ceremony comes to, by what was posted in the fourth phase.
    ///
    /// # Errors
    ///
    /// [`CeremonyError`].
    pub fn conclude(&self, logs: &[Post]) -> Result<Recorded, CeremonyError> {
        let outcome = self.round.conclude(&bytes_of(logs)).map_err(|failure| {
            let Failure::InsufficientLogs { required, found, .. } = failure;
            CeremonyError::TooFewLogs(format!("{found} of {required}"))
        })?;
        let operators = outcome.players().iter().map(|player| {
            let enrolled = self.players.get(player).ok_or(CeremonyError::UnknownMember)?;
            Ok(enrolled.operator)
        });
        Ok(Recorded {
            keys: Generated::new(&outcome)?.committee.encode().to_vec().into(),
            operators: operators.collect::<Result<_, CeremonyError>>()?,
            output: outcome.encode().to_vec().into(),
        })
    }

    /// The share of `seat`, of a ceremony whose logs were enough.
    ///
    /// # Errors
    ///
    /// [`CeremonyError::NoShare`].
    pub fn share(&self, seat: &Seat, dealings: &Dealings, logs: &[Post]) -> Result<Share, CeremonyError> {
        let none = || CeremonyError::NoShare("it did not enrol".into());
        let (player, _) = self.player(seat, dealings).ok_or_else(none)?;
        let (checked, mut weights) = self.round.checked(&bytes_of(logs));
        self.round
            .share(player, &checked, &mut weights)
            .map_err(|error| CeremonyError::NoShare(error.to_string()))
    }
}

fn bytes_of(posts: &[Post]) -> Vec<Bytes> {
    posts.iter().map(|post| post.bytes.clone()).collect()
}

/// What an envelope's key is drawn from.
fn envelope_chance(secret: &[u8; 32], info: &[u8]) -> impl rand_core::CryptoRng + use<> {
    use commonware_cryptography::transcript::{Transcript, Version};
    let mut transcript = Transcript::new(b"aloft-release-envelope", Version::V1);
    transcript.commit(secret.as_slice());
    transcript.commit(info);
    transcript.noise(b"envelope")
}
