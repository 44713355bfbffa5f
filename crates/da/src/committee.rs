//! Who keeps the blobs of a quorum and an epoch, and which rows each of them owns.

use crate::{RowSet, Shape};
use alloy_sol_types::{SolCall, SolError};
use bytes::BufMut;
use commonware_codec::{Buf, Copying, DecodeExt, Error, FixedSize, Read, ReadExt, Write};
use commonware_cryptography::ed25519;
use contracts::{
    CallError, DA_SEATS, DA_SERVICE, Provider, ProviderError,
    abi::{NetworkRegistry, OperatorRegistry, RandomnessBeacon},
    addresses, assignment, typed_data,
};
use crypto::bls;
use primitives::{Address, B256, BlobRoot, Epoch};
use std::{fmt, net::SocketAddr, ops::Range, sync::Arc};

#[cfg(test)]
mod tests;

/// Most operators of a committee, and most of its seats: a seat owns at least five rows of a standard blob then, which keeps the chance
/// that a quorum draws no bad row of a blob that cannot be decoded below 2^-230 (notes: soundness of the combination check).
pub const MAX_OPERATORS: usize = DA_SEATS as usize;

/// What an epoch's shuffles are drawn from, the same for all quorums: `RandomnessBeacon.seedOf`.
///
/// The beacon's value of the first height of the epoch before, which nobody chose and nobody knew before that block was final. Where that came too
/// late, the seed of the last epoch that has one of its own; before there is any, what the network was dealt when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub B256);

/// Which committee: the operators of one quorum in one epoch.
///
/// Encoding: `quorum 4 | epoch 8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitteeId {
    /// The quorum: number of a service of `NetworkRegistry` that `DAEntrance` has opened ([`crate::quorum`]).
    pub quorum: u32,
    /// The epoch.
    pub epoch: Epoch,
}

impl CommitteeId {
    /// The committee of `epoch` of the quorum that a network begins with.
    pub fn first(epoch: Epoch) -> Self {
        let quorum = DA_SERVICE;
        Self { quorum, epoch }
    }
}

impl fmt::Display for CommitteeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {} of quorum {}", self.epoch, self.quorum)
    }
}

impl FixedSize for CommitteeId {
    const SIZE: usize = 4 + 8;
}

impl Write for CommitteeId {
    fn write(&self, buf: &mut impl BufMut) {
        self.quorum.write(buf);
        self.epoch.write(buf);
    }
}

impl Read for CommitteeId {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self {
            quorum: u32::read(buf)?,
            epoch: Epoch::read(buf)?,
        })
    }
}

/// One keeper of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Account that earns its fees.
    pub account: Address,
    /// Key that authenticates its streams; none when what it registered is no key. Nobody can talk to it then, and the others go on.
    pub stream_key: Option<ed25519::PublicKey>,
    /// Key that signs for its rows; its possession was proved on chain.
    pub bls_key: bls::PublicKey,
    /// Where it listens; none when what it registered is not `address:port`, for names are not resolved. As with its key, that is its own trouble.
    pub endpoint: Option<SocketAddr>,
    /// Its seats: rows are owned in proportion to them.
    pub seats: u32,
}

/// The operators of one quorum in one epoch, in the order of their seats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    id: CommitteeId,
    seed: Seed,
    /// Shared by the committees of epochs between which nothing changed.
    operators: Arc<[Operator]>,
    /// The first seat of each operator, then the count of all.
    first_seats: Arc<[u32]>,
}

/// Why there is no committee.
#[derive(Debug, thiserror::Error)]
pub enum CommitteeError {
    /// The chain did not answer.
    #[error("read the registry of operators")]
    Registry(#[source] Box<CallError>),
    /// The quorum has none in that epoch: it began later, or the epoch is after the next.
    #[error("there is no committee of {id}")]
    NotFixed {
        /// Which committee.
        id: CommitteeId,
    },
    /// The seed of the epoch's shuffles is still to come: the epoch has not begun.
    #[error("the seed of {id} has not come yet")]
    NoSeed {
        /// Which committee.
        id: CommitteeId,
    },
    /// No quorum has a committee now.
    #[error("none of {quorums} quorums keeps blobs now")]
    NoQuorum {
        /// How many there are.
        quorums: usize,
    },
    /// Nobody has a seat, or more than a committee holds.
    #[error("{count} operators: a committee has 1 to {MAX_OPERATORS}")]
    Size {
        /// How many have.
        count: usize,
    },
    /// An operator without a seat, or more seats than a committee has.
    #[error("seats of operator {operator}: each has one, and all together at most {DA_SEATS}")]
    Seats {
        /// Its index.
        operator: usize,
    },
    /// An operator's BLS key is not one.
    #[error("BLS key of operator {operator} is not a point of G1's subgroup")]
    BlsKey {
        /// Its index.
        operator: usize,
    },
}

impl Committee {
    /// The committee of `operators`, in the order of their indices.
    ///
    /// # Errors
    ///
    /// [`CommitteeError::Size`].
    pub fn new(id: CommitteeId, seed: Seed, operators: Vec<Operator>) -> Result<Self, CommitteeError> {
        let count = operators.len();
        if count == 0 || count > MAX_OPERATORS {
            return Err(CommitteeError::Size { count });
        }
        let mut first_seats = vec![0];
        let mut end = 0u32;
        for (index, operator) in operators.iter().enumerate() {
            end = (operator.seats > 0)
                .then(|| end.saturating_add(operator.seats))
                .filter(|end| *end <= DA_SEATS)
                .ok_or(CommitteeError::Seats { operator: index })?;
            first_seats.push(end);
        }
        Ok(Self {
            id,
            seed,
            operators: operators.into(),
            first_seats: first_seats.into(),
        })
    }

    /// Reads a committee from the chain: of the next epoch at the latest, for those after it are not fixed yet.
    ///
    /// # Errors
    ///
    /// [`CommitteeError`], naming the operator whose entry is wrong; [`CommitteeError::NotFixed`] when the quorum has no committee in that epoch,
    /// which does not change any more for the next epoch and those before; [`CommitteeError::NoSeed`] when it has one whose seed may still come, which
    /// is over when its epoch begins.
    pub async fn read(provider: &impl Provider, id: CommitteeId) -> Result<Self, CommitteeError> {
        let call = NetworkRegistry::committeeCall {
            service: id.quorum,
            atEpoch: id.epoch.0,
        };
        let members = match ask(provider, addresses::NETWORK_REGISTRY, &call).await {
            Err(CommitteeError::Registry(error)) if is_refused::<NetworkRegistry::NotFixed>(&error) => {
                return Err(CommitteeError::NotFixed { id });
            }
            answer => answer?.members,
        };
        let call = RandomnessBeacon::seedOfCall { epoch_: id.epoch.0 };
        let seed = match ask(provider, addresses::RANDOMNESS_BEACON, &call).await {
            Err(CommitteeError::Registry(error)) if is_refused::<RandomnessBeacon::SeedNotFixed>(&error) => {
                return Err(CommitteeError::NoSeed { id });
            }
            answer => Seed(answer?),
        };
        let call = OperatorRegistry::operatorsOfCall {
            operators: members.iter().map(|member| member.operator).collect(),
        };
        let entries = ask(provider, addresses::OPERATOR_REGISTRY, &call).await?;
        if entries.len() != members.len() {
            return Err(CommitteeError::Size { count: entries.len() });
        }
        let operators = (members.iter().zip(entries).enumerate())
            .map(|(operator, (member, entry))| {
                Ok(Operator {
                    account: entry.account,
                    // The registry proves the BLS key only. What else an operator registers must not keep others from reading the committee.
                    stream_key: ed25519::PublicKey::decode(Copying(&entry.streamKey.0)).ok(),
                    bls_key: bls_key(&entry.blsKey).ok_or(CommitteeError::BlsKey { operator })?,
                    endpoint: entry.endpoint.parse().ok(),
                    seats: (member.endSeat.checked_sub(member.firstSeat)).ok_or(CommitteeError::Seats { operator })?,
                })
            })
            .collect::<Result<_, CommitteeError>>()?;
        Self::new(id, seed, operators)
    }

    /// The same operators with the same seats, as another committee: its shuffles are others.
    pub fn at(&self, id: CommitteeId, seed: Seed) -> Self {
        Self {
            id,
            seed,
            ..self.clone()
        }
    }

    /// Whether `other` has the same operators with the same seats.
    pub fn has_members_of(&self, other: &Self) -> bool {
        self.operators == other.operators
    }

    /// Its quorum and epoch.
    pub fn id(&self) -> CommitteeId {
        self.id
    }

    /// What its shuffles are drawn from.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Its operators, in the order of their seats: an operator's index is its place here.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// Count of operators.
    pub fn len(&self) -> u32 {
        self.operators.len() as u32
    }

    /// Never true: a committee has an operator.
    pub fn is_empty(&self) -> bool {
        self.operators.is_empty()
    }

    /// Index of the operator with this stream key.
    pub fn index_of(&self, stream_key: &ed25519::PublicKey) -> Option<u32> {
        self.operators
            .iter()
            .position(|operator| operator.stream_key.as_ref() == Some(stream_key))
            .map(|index| index as u32)
    }

    /// The operator with this stream key.
    pub fn operator_of(&self, stream_key: &ed25519::PublicKey) -> Option<&Operator> {
        let index = self.index_of(stream_key)?;
        self.operators.get(index as usize)
    }

    /// The rows of `shape` that operator `index` owns of the blob `root`.
    ///
    /// # Panics
    ///
    /// When there is no such operator.
    pub fn rows_of(&self, index: u32, root: &BlobRoot, shape: Shape) -> RowSet {
        let shuffled = shuffle(self, root, shape);
        let range = self.places_of(index, shape);
        shuffled[range.start as usize..range.end as usize]
            .iter()
            .copied()
            .collect()
    }

    /// The operators in the order in which the rows of the blob `root` name them as owners, from the first row on: who does, before others,
    /// what one has to do for all. Each comes first with a chance of as much as it owns.
    pub fn turns(&self, root: &BlobRoot, shape: Shape) -> Vec<u32> {
        let mut owner_of = vec![0; shape.row_count() as usize];
        for (operator, rows) in (0..).zip(assign(self, root, shape)) {
            for row in rows {
                owner_of[(row - shape.first_row()) as usize] = operator;
            }
        }
        let mut named = vec![false; self.operators.len()];
        owner_of.retain(|operator| !std::mem::replace(&mut named[*operator as usize], true));
        owner_of
    }

    /// Count of rows that operator `index` owns of any blob of `shape`.
    ///
    /// # Panics
    ///
    /// When there is no such operator.
    pub fn row_count(&self, index: u32, shape: Shape) -> u32 {
        self.places_of(index, shape).len() as u32
    }

    /// The places of a shuffle that operator `index` owns.
    fn places_of(&self, index: u32, shape: Shape) -> Range<u32> {
        assert!(index < self.len(), "operator {index} of {}", self.len());
        let index = index as usize;
        let own = self.first_seats[index]..self.first_seats[index + 1];
        let all = self.first_seats[self.operators.len()];
        typed_data::seat_rows(own, all, shape.row_count())
    }
}

/// Whether a contract refused for the reason `R`.
fn is_refused<R: SolError>(error: &CallError) -> bool {
    match error {
        CallError::Provider(ProviderError::Reverted { data, .. }) => data.starts_with(&R::SELECTOR),
        _ => false,
    }
}

/// A view of a contract that committees are read from.
pub(crate) async fn ask<C: SolCall + Sync>(
    provider: &impl Provider,
    to: Address,
    call: &C,
) -> Result<C::Return, CommitteeError> {
    let answer = contracts::read(provider, to, call).await;
    answer.map_err(|error| CommitteeError::Registry(error.into()))
}

/// The rows of `shape` that each operator owns of the blob `root`: every row once, in proportion to seats.
///
/// The rows are fixed before the shuffle is known, so a disperser cannot aim them at operators.
pub fn assign(committee: &Committee, root: &BlobRoot, shape: Shape) -> Vec<Vec<u32>> {
    let shuffled = shuffle(committee, root, shape);
    (0..committee.len())
        .map(|index| {
            let range = committee.places_of(index, shape);
            shuffled[range.start as usize..range.end as usize].to_vec()
        })
        .collect()
}

/// The shuffle of the rows of `root`, as the contracts compute it for a dispute.
fn shuffle(committee: &Committee, root: &BlobRoot, shape: Shape) -> Vec<u32> {
    let mut rows = assignment::shuffle(
        assignment::seed(committee.seed.0, committee.id.epoch.0, root.0),
        shape.row_count(),
    );
    rows.iter_mut().for_each(|row| *row += shape.first_row());
    rows
}

/// The key that the registry holds as EIP-2537 encodes it: `0 (16) | x (48) | 0 (16) | y (48)`.
pub(crate) fn bls_key(encoded: &[u8]) -> Option<bls::PublicKey> {
    let x: [u8; 48] = encoded.get(16..64)?.try_into().ok()?;
    // A compressed point is x with three flags: compressed, infinity, and which of the two y it means.
    [0x80, 0xa0].into_iter().find_map(|flags| {
        let mut compressed = x;
        compressed[0] |= flags;
        bls::PublicKey::from_bytes(&compressed)
            .ok()
            .filter(|key| key.to_eip2537()[..] == *encoded)
    })
}
