//! An operator's part in the ceremonies of the release committee: reads what was posted, posts what is missing, and ends with its shares.
//!
//! One step for each final block ([`Participant::advance`]); between steps nothing is kept but what the [`Vault`] keeps. Whatever the chain does not
//! answer, or a transaction does not reach, is tried again at the next block, as long as the phase lasts.

use super::{
    Generated, GeneratedError,
    ceremony::{Ceremony, CeremonyError, Fresh, Lasting, Outcome, Post, Roster, Seat, Seated, read_outcome},
};
use crate::Domain;
use alloy_sol_types::SolEvent;
use commonware_cryptography::bls12381::primitives::group::Share;
use contracts::{
    CallError, Event, EventFilter, Provider, ProviderError, RELEASE_SERVICE,
    abi::{NetworkRegistry, ReleaseCeremony},
    addresses::{NETWORK_REGISTRY, RELEASE_COMMITTEE},
};
use crypto::threshold::SecretShare;
use primitives::{Address, B256, U256};
use std::{io, num::NonZeroU64, ops::Range};

/// Epochs after which the same seats share the key anew: so a seat that missed a ceremony gets a share again, and what was taken from seats one by one over a
/// longer time is worth nothing.
pub const REFRESH_EPOCHS: u64 = 16;

/// Blocks that the operator next in the committee waits for the one before it to record what was agreed on.
const TURN_BLOCKS: u64 = 2;

/// Parts of an epoch, each a phase: `ReleaseCeremony.PHASES`.
const PHASES: u64 = 5;

/// What is posted in a part of an epoch: `Phase` of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Keys of seats.
    Enrol,
    /// Sealed shares.
    Deal,
    /// Which of them are sound.
    Acknowledge,
    /// Dealers' logs.
    Close,
    /// What they come to.
    Agree,
}

const ALL: [Phase; PHASES as usize] = [
    Phase::Enrol,
    Phase::Deal,
    Phase::Acknowledge,
    Phase::Close,
    Phase::Agree,
];

impl Phase {
    /// Epoch and phase of block `height`.
    pub fn of(height: u64, epoch_blocks: NonZeroU64) -> (u64, Self) {
        let part = u128::from(height % epoch_blocks) * u128::from(PHASES) / u128::from(epoch_blocks.get());
        (height / epoch_blocks, ALL[part as usize])
    }

    /// Its blocks in `epoch`.
    fn blocks(self, epoch: u64, epoch_blocks: NonZeroU64) -> Range<u64> {
        let begin = |part: u64| {
            let offset = (u128::from(part) * u128::from(epoch_blocks.get())).div_ceil(u128::from(PHASES));
            epoch * epoch_blocks.get() + offset as u64
        };
        begin(self as u64)..begin(self as u64 + 1)
    }
}

/// What is kept of a ceremony while it goes on.
#[derive(Clone)]
pub struct Undertaking {
    /// Which.
    pub epoch: u64,
    /// The secret of this operator's seats in it.
    pub fresh: Fresh,
    /// The sharing that it goes on from, as recorded; empty where there is none. When the ceremony is over the chain has another.
    pub previous: Vec<u8>,
}

/// What is on disk of ceremonies. Everything is durable when a function returns, and what is replaced is gone.
pub trait Vault: Send + 'static {
    /// Draws the secret of the ceremony of `epoch`, and keeps it in place of any other.
    ///
    /// # Errors
    ///
    /// The system's.
    fn begin(&mut self, epoch: u64, previous: Vec<u8>) -> io::Result<Undertaking>;

    /// What was begun and not forgotten.
    fn undertaking(&self) -> Option<&Undertaking>;

    /// Forgets that secret.
    ///
    /// # Errors
    ///
    /// The system's.
    fn forget(&mut self) -> io::Result<()>;

    /// The shares that are kept, and from which epoch on the key is shared as they share it.
    fn shares(&self) -> Option<(u64, &[Share])>;

    /// Keeps shares in place of those before.
    ///
    /// # Errors
    ///
    /// The system's.
    fn keep(&mut self, from_epoch: u64, shares: Vec<Share>) -> io::Result<()>;
}

/// Why a step was not finished. It is tried again at the next block.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The chain did not answer, or a transaction was not taken.
    #[error("ask the chain of the release ceremony")]
    Chain(#[from] Box<CallError>),
    /// What the chain recorded is no sharing.
    #[error("the recorded sharing does not decode")]
    Sharing(#[source] commonware_codec::Error),
    /// The recorded sharing is no committee, or a share kept is not of it.
    #[error(transparent)]
    Generated(#[from] GeneratedError),
    /// There is no ceremony.
    #[error("the release ceremony of epoch {epoch} fails")]
    Ceremony {
        /// Which.
        epoch: u64,
        /// Why.
        source: CeremonyError,
    },
    /// Secrets cannot be kept.
    #[error("keep what must not be forgotten of the release ceremony")]
    Vault(#[from] io::Error),
}

impl From<CallError> for StepError {
    fn from(error: CallError) -> Self {
        Box::new(error).into()
    }
}

impl From<ProviderError> for StepError {
    fn from(error: ProviderError) -> Self {
        CallError::from(error).into()
    }
}

/// An operator in the release committee's ceremonies.
pub struct Participant<P, V> {
    provider: P,
    vault: V,
    domain: Domain,
    account: Address,
    lasting: Lasting,
    epoch_blocks: NonZeroU64,
    /// The phase in which nothing is left to be done.
    done: Option<(u64, Phase)>,
    /// The sharing that was handed on last.
    serving: Option<u64>,
}

/// A committee of the service, and this operator in it.
#[derive(Clone)]
struct Committee {
    members: Vec<NetworkRegistry::Member>,
    own: Option<usize>,
}

impl Committee {
    /// This operator, if it has seats.
    fn own(&self) -> Option<&NetworkRegistry::Member> {
        self.members.get(self.own?)
    }

    /// Its place, and its number.
    fn place(&self) -> Option<(u32, u32)> {
        Some((u32::try_from(self.own?).ok()?, self.own()?.operator))
    }

    fn seated(&self) -> Vec<Seated> {
        let seats = |member: &NetworkRegistry::Member| member.endSeat - member.firstSeat;
        let seated = self.members.iter().map(|member| Seated {
            operator: member.operator,
            seats: seats(member),
        });
        seated.collect()
    }

    /// Seats that have to agree.
    fn needed(&self) -> u32 {
        let seats = self.members.last().map_or(0, |member| member.endSeat);
        seats - seats.saturating_sub(1) / 3
    }
}

/// How the key is shared, as the chain has it.
struct Sharing {
    from_epoch: u64,
    outcome: Outcome,
    /// Its encoding.
    output: Vec<u8>,
}

impl<P: Provider, V: Vault> Participant<P, V> {
    /// The operator with `account`, whose transactions `provider` sends.
    pub fn new(
        provider: P,
        vault: V,
        domain: Domain,
        account: Address,
        lasting: Lasting,
        epoch_blocks: NonZeroU64,
    ) -> Self {
        Self {
            provider,
            vault,
            domain,
            account,
            lasting,
            epoch_blocks,
            done: None,
            serving: None,
        }
    }

    /// Does what is to be done when block `next` is the next one. Gives this operator's shares, perhaps none, when they are others than before.
    ///
    /// # Errors
    ///
    /// [`StepError`]; the next call tries again.
    pub async fn advance(&mut self, next: u64) -> Result<Option<Vec<SecretShare>>, StepError> {
        let now = Phase::of(next, self.epoch_blocks);
        if self.done == Some(now) {
            return Ok(None);
        }
        let (epoch, phase) = now;
        let sharing = self.sharing().await?;
        let shares = self.settle(epoch, sharing.as_ref()).await?;
        match self.take_part(epoch, phase, next, sharing.as_ref()).await {
            Ok(true) => self.done = Some(now),
            Ok(false) => {}
            // The shares are to be served whatever becomes of this.
            Err(error) if shares.is_some() => tracing::warn!(%error, epoch, ?phase, "a step is tried again"),
            Err(error) => return Err(error),
        }
        Ok(shares)
    }

    async fn sharing(&self) -> Result<Option<Sharing>, StepError> {
        let found = contracts::read(&self.provider, RELEASE_COMMITTEE, &ReleaseCeremony::sharingCall {}).await?;
        if found.fromEpoch == 0 {
            return Ok(None);
        }
        Ok(Some(Sharing {
            from_epoch: found.fromEpoch,
            outcome: read_outcome(&found.output).map_err(StepError::Sharing)?,
            output: found.output.to_vec(),
        }))
    }

    /// Brings what is kept up to what the chain says: shares of a ceremony that succeeded, and no secret of one that is over.
    async fn settle(&mut self, epoch: u64, sharing: Option<&Sharing>) -> Result<Option<Vec<SecretShare>>, StepError> {
        let begun = self.vault.undertaking().cloned();
        let from_epoch = sharing.map(|sharing| sharing.from_epoch);
        if let Some(from_epoch) = from_epoch
            && self.vault.shares().is_none_or(|(kept, _)| kept != from_epoch)
        {
            let shares = match &begun {
                Some(begun) if begun.epoch + 1 == from_epoch => match self.recover(begun).await {
                    Err(StepError::Ceremony { epoch, source }) => {
                        // What was posted is not all here: this node's blocks begin later.
                        tracing::error!(%source, epoch, "no release share: what was posted is no ceremony");
                        Vec::new()
                    }
                    recovered => recovered?,
                },
                // No share of this sharing is ours; those of an older one would open what this one opens.
                _ => Vec::new(),
            };
            self.vault.keep(from_epoch, shares)?;
        }
        if begun.is_some_and(|begun| begun.epoch < epoch || Some(begun.epoch + 1) == from_epoch) {
            self.vault.forget()?;
        }
        let Some(sharing) = sharing.filter(|_| self.serving != from_epoch) else {
            return Ok(None);
        };
        let generated = Generated::new(&sharing.outcome)?;
        let kept = self.vault.shares().map_or(&[][..], |(_, shares)| shares);
        let shares = kept
            .iter()
            .map(|share| generated.share(share))
            .collect::<Result<_, _>>()?;
        self.serving = from_epoch;
        Ok(Some(shares))
    }

    /// This operator's shares of a ceremony that the chain recorded, by what was posted in it.
    async fn recover(&self, begun: &Undertaking) -> Result<Vec<Share>, StepError> {
        let epoch = begun.epoch;
        let next = self.committee(epoch + 1).await?;
        let Some(own) = next.own() else {
            return Ok(Vec::new());
        };
        let roster = self.roster(epoch, &begun.previous, &next).await?;
        let dealings = roster.dealings(&self.posts(epoch, Phase::Deal).await?);
        let logs = self.posts(epoch, Phase::Close).await?;
        let mut shares = Vec::new();
        for seat in self.seats(own, begun) {
            match roster.share(&seat, &dealings, &logs) {
                Ok(share) => shares.push(share),
                Err(error) => tracing::error!(%error, epoch, seat = seat.number(), "a seat has no release share"),
            }
        }
        Ok(shares)
    }

    /// Posts what is missing in this phase; whether nothing is left to be done in it.
    async fn take_part(
        &mut self,
        epoch: u64,
        phase: Phase,
        next_block: u64,
        sharing: Option<&Sharing>,
    ) -> Result<bool, StepError> {
        let next = self.committee(epoch + 1).await?;
        let from_epoch = sharing.map(|sharing| sharing.from_epoch);
        let holders = match from_epoch {
            Some(from_epoch) if from_epoch > epoch => return Ok(true),
            Some(from_epoch) => self.committee(from_epoch).await?,
            None => next.clone(),
        };
        let due = from_epoch.is_none_or(|from| next.members != holders.members || epoch + 1 - from >= REFRESH_EPOCHS);
        let taking_part = next.own().is_some() || holders.own().is_some();
        if !due || next.members.is_empty() || !taking_part {
            return Ok(true);
        }
        let begun = match self.vault.undertaking().filter(|begun| begun.epoch == epoch) {
            Some(begun) => begun.clone(),
            // Who was not here in the first phase has no sealing key in it, but may deal.
            None if phase <= Phase::Deal => {
                let previous = sharing.map_or_else(Vec::new, |sharing| sharing.output.clone());
                self.vault.begin(epoch, previous)?
            }
            None => return Ok(true),
        };
        let posts = match phase {
            Phase::Enrol => {
                let ceremony = self.ceremony(epoch, &begun.previous, &next)?;
                let seats = next.own().map_or_else(Vec::new, |own| self.seats(own, &begun));
                seats.iter().map(|seat| (seat.number(), ceremony.enrol(seat))).collect()
            }
            Phase::Agree => return self.agree(epoch, next_block, &begun, &next).await,
            _ => self.answers(epoch, phase, &begun, &next, &holders).await?,
        };
        let index = match phase {
            Phase::Enrol | Phase::Acknowledge => next.place(),
            _ => holders.place(),
        };
        let (Some(index), false) = (index, posts.is_empty()) else {
            return Ok(true);
        };
        self.post(epoch, phase, index, posts).await?;
        Ok(true)
    }

    /// What our seats say in a phase after the first, by what was said before.
    async fn answers(
        &self,
        epoch: u64,
        phase: Phase,
        begun: &Undertaking,
        next: &Committee,
        holders: &Committee,
    ) -> Result<Vec<(u32, bytes::Bytes)>, StepError> {
        let roster = self.roster(epoch, &begun.previous, next).await?;
        let held = self.vault.shares().map_or(&[][..], |(_, shares)| shares);
        let of = |committee: &Committee| committee.own().map_or_else(Vec::new, |own| self.seats(own, begun));
        let said = |seat: Seat, bytes: Option<bytes::Bytes>| bytes.map(|bytes| (seat.number(), bytes));
        if phase == Phase::Deal {
            let dealers = of(holders).into_iter();
            return Ok(dealers
                .filter_map(|seat| {
                    let dealt = roster.deal(&seat, held);
                    said(seat, dealt)
                })
                .collect());
        }
        let dealings = roster.dealings(&self.posts(epoch, Phase::Deal).await?);
        if phase == Phase::Acknowledge {
            let players = of(next).into_iter();
            return Ok(players
                .filter_map(|seat| {
                    let heard = roster.acknowledge(&seat, &dealings);
                    said(seat, heard)
                })
                .collect());
        }
        let acknowledgements = self.posts(epoch, Phase::Acknowledge).await?;
        let dealers = of(holders).into_iter();
        Ok(dealers
            .filter_map(|seat| {
                let log = roster.close(&seat, held, &dealings, &acknowledgements);
                said(seat, log)
            })
            .collect())
    }

    /// Says what the ceremony comes to, and records it once enough say the same. Whether that is done.
    async fn agree(
        &self,
        epoch: u64,
        next_block: u64,
        begun: &Undertaking,
        next: &Committee,
    ) -> Result<bool, StepError> {
        let Some((index, operator)) = next.place() else {
            // Who leaves waits for the others, to forget then.
            return Ok(false);
        };
        let failed = |source| StepError::Ceremony { epoch, source };
        let roster = self.roster(epoch, &begun.previous, next).await?;
        let recorded = roster
            .conclude(&self.posts(epoch, Phase::Close).await?)
            .map_err(failed)?;
        let outcome = recorded.name(epoch);
        if !self.has_agreed(epoch, operator).await? {
            let call = ReleaseCeremony::agreeCall {
                epoch_: epoch,
                index,
                outcome,
            };
            contracts::write(&self.provider, RELEASE_COMMITTEE, &call, U256::ZERO).await?;
        }
        let call = ReleaseCeremony::agreedCall { outcome };
        let agreed = contracts::read(&self.provider, RELEASE_COMMITTEE, &call).await?;
        let turn = Phase::Agree.blocks(epoch, self.epoch_blocks).start + u64::from(index) * TURN_BLOCKS;
        if agreed < U256::from(next.needed()) || next_block < turn {
            return Ok(false);
        }
        let call = ReleaseCeremony::concludeCall {
            epoch_: epoch,
            keys: recorded.keys,
            operators: recorded.operators,
            output: recorded.output,
        };
        match contracts::write(&self.provider, RELEASE_COMMITTEE, &call, U256::ZERO).await {
            Ok(_) => tracing::info!(epoch, "recorded how the release committee shares its key"),
            // Most often because another operator was first.
            Err(ProviderError::Reverted { reason, .. }) => {
                tracing::info!(epoch, reason, "what the release ceremony came to was not taken");
            }
            Err(error) => return Err(error.into()),
        }
        // The next step finds it recorded, and settles.
        Ok(false)
    }

    async fn has_agreed(&self, epoch: u64, operator: u32) -> Result<bool, StepError> {
        let blocks = Phase::Agree.blocks(epoch, self.epoch_blocks);
        let events = self.events(ReleaseCeremony::Agreed::SIGNATURE_HASH, blocks).await?;
        let mut agreed = events
            .iter()
            .filter_map(|event| event.decode::<ReleaseCeremony::Agreed>().ok());
        Ok(agreed.any(|agreed| agreed.epoch == epoch && agreed.operator == operator))
    }

    /// Posts what is not posted.
    async fn post(
        &self,
        epoch: u64,
        phase: Phase,
        index: (u32, u32),
        posts: Vec<(u32, bytes::Bytes)>,
    ) -> Result<(), StepError> {
        let posted = self.posts(epoch, phase).await?;
        let (index, operator) = index;
        for (seat, bytes) in posts {
            if posted.iter().any(|post| (post.operator, post.seat) == (operator, seat)) {
                continue;
            }
            let call = ReleaseCeremony::postCall {
                epoch_: epoch,
                phase: phase as u8,
                index,
                seat: U256::from(seat),
                bytes_: bytes.into(),
            };
            let mined = contracts::write(&self.provider, RELEASE_COMMITTEE, &call, U256::ZERO).await?;
            tracing::info!(
                epoch,
                ?phase,
                seat,
                block = mined.block,
                "posted for the release ceremony"
            );
        }
        Ok(())
    }

    /// What was posted in a phase, in the order of the chain.
    async fn posts(&self, epoch: u64, phase: Phase) -> Result<Vec<Post>, StepError> {
        let blocks = phase.blocks(epoch, self.epoch_blocks);
        let events = self.events(ReleaseCeremony::Posted::SIGNATURE_HASH, blocks).await?;
        let posted = events
            .iter()
            .filter_map(|event| event.decode::<ReleaseCeremony::Posted>().ok());
        let posted = posted.filter(|posted| posted.epoch == epoch && posted.phase == phase as u8);
        Ok(posted
            .map(|posted| Post {
                operator: posted.operator,
                seat: posted.seat,
                bytes: posted.post.0,
            })
            .collect())
    }

    async fn events(&self, topic: B256, blocks: Range<u64>) -> Result<Vec<Event>, StepError> {
        let filter = EventFilter {
            addresses: vec![RELEASE_COMMITTEE],
            topic0: vec![topic],
            from_block: blocks.start,
            to_block: Some(blocks.end - 1),
        };
        Ok(self.provider.events(filter).await?)
    }

    /// The service's committee of an epoch; nobody where none is fixed.
    async fn committee(&self, epoch: u64) -> Result<Committee, StepError> {
        let call = NetworkRegistry::committeeCall {
            service: RELEASE_SERVICE,
            atEpoch: epoch,
        };
        let members = match contracts::read(&self.provider, NETWORK_REGISTRY, &call).await {
            Ok(found) => found.members,
            Err(CallError::Provider(ProviderError::Reverted { .. })) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let own = members.iter().position(|member| member.account == self.account);
        Ok(Committee { members, own })
    }

    fn ceremony(&self, epoch: u64, previous: &[u8], next: &Committee) -> Result<Ceremony, StepError> {
        let previous = match previous {
            [] => None,
            output => Some(read_outcome(output).map_err(StepError::Sharing)?),
        };
        Ok(Ceremony::new(self.domain.chain_id, epoch, previous, &next.seated()))
    }

    async fn roster(&self, epoch: u64, previous: &[u8], next: &Committee) -> Result<Roster, StepError> {
        let enrolments = self.posts(epoch, Phase::Enrol).await?;
        self.ceremony(epoch, previous, next)?
            .roster(&enrolments)
            .map_err(|source| StepError::Ceremony { epoch, source })
    }

    /// Our seats as `member`.
    fn seats(&self, member: &NetworkRegistry::Member, begun: &Undertaking) -> Vec<Seat> {
        let seats = 0..member.endSeat - member.firstSeat;
        seats
            .map(|seat| Seat::new(member.operator, seat, &self.lasting, &begun.fresh))
            .collect()
    }
}
