//! Hold operators to what they signed: challenges on chain.
//!
//! [`challenge`] asks an operator for a piece of a blob, [`outcome`] waits for what it does, and takes its stake when it does nothing. What
//! that costs whom: docs/spec/economy.md#challenges.

use alloy_sol_types::SolEvent;
use contracts::{
    CallError, EventFilter, Mined, Provider, ProviderError,
    abi::{
        DAChallenges::{self, Answered, Disowned, Piece, Slashed},
        DAEntrance,
    },
    addresses::{DA_CHALLENGES, DA_ENTRANCE},
};
use da::{
    Committee, Domain, Record,
    committee::{CommitteeError, assign},
    retrieve::RecordError,
    sample,
};
use primitives::{Address, BlobRoot, Bytes, U256};
use std::time::Duration;

/// Pause between two looks at a challenge: two blocks.
const POLL: Duration = Duration::from_millis(500);
/// The deposit follows the base fee, which grows by an eighth a block at most: a quarter more holds for one block at least. What is too
/// much is the challenger's to withdraw.
const DEPOSIT_MARGIN_DIVISOR: u64 = 4;

/// A challenge that was made.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was asked for.
    pub piece: Piece,
    /// The operator's account.
    pub account: Address,
    /// Last block of its answer.
    pub deadline: u64,
    /// What the challenger put down, wei.
    pub deposit_wei: U256,
    /// Block of the challenge.
    pub block: u64,
}

/// What came of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The operator showed the piece: it keeps its stake and takes the deposit.
    Answered {
        /// Block of its answer.
        block: u64,
    },
    /// The row is another operator's: the deposit is lost.
    Disowned {
        /// Block of its answer.
        block: u64,
    },
    /// The operator answered wrongly, or not in time.
    Slashed {
        /// Block.
        block: u64,
        /// Whether it answered.
        answered: bool,
        /// What it lost, wei.
        lost_wei: U256,
        /// What of that is the challenger's, wei, in `StakeVault`; its deposit is in `DAChallenges`.
        rewarded_wei: U256,
    },
}

/// Why there is no challenge, or no outcome.
#[derive(Debug, thiserror::Error)]
pub enum ChallengeError {
    /// The chain has no record of the blob.
    #[error("read the blob's record")]
    Record(#[from] RecordError),
    /// There is no committee.
    #[error("read the committee")]
    Committee(#[from] CommitteeError),
    /// A call failed.
    #[error("ask the chain")]
    Call(#[from] CallError),
    /// A transaction failed, or events could not be read.
    #[error("use the chain")]
    Chain(#[from] ProviderError),
    /// The blob has no such row or piece.
    #[error("chunk {chunk} of row {row}: blob {root} has {rows} rows of {chunks} chunks")]
    NoSuchPiece {
        /// The blob.
        root: BlobRoot,
        /// Which row was asked for.
        row: u32,
        /// Which piece.
        chunk: u32,
        /// How many rows there are.
        rows: u32,
        /// How many pieces a row has.
        chunks: u32,
    },
    /// The node has no event of what the chain's state says.
    #[error("no event says what became of blob {root} on chain")]
    NoEvent {
        /// The blob.
        root: BlobRoot,
    },
}

/// Challenges an operator for one piece of a blob, and puts down the deposit.
///
/// Without `operator`, the one whose row it is: whoever names another loses the deposit.
///
/// # Errors
///
/// [`ChallengeError`]; a refusal of the contract says why (the operator did not sign or has nothing at stake, the blob expires too soon, the
/// piece is being asked for already).
pub async fn challenge(
    provider: &impl Provider,
    chain_id: u64,
    root: BlobRoot,
    piece: sample::Challenge,
    operator: Option<u32>,
) -> Result<Asked, ChallengeError> {
    let record = Record::read(provider, &Domain::of_chain(chain_id), root).await?;
    let committee = Committee::read(provider, record.committee()).await?;
    let certified_block = certified_block(provider, root).await?;
    let rows = record.shape().rows();
    let sample::Challenge { row, chunk } = piece;
    let chunks = sample::chunks(record.row_bytes());
    if !rows.contains(&row) || chunk >= chunks {
        return Err(ChallengeError::NoSuchPiece {
            root,
            row,
            chunk,
            rows: rows.end,
            chunks,
        });
    }
    let owner = || {
        let rows_of = assign(&committee, &root, record.shape());
        (0..)
            .zip(&rows_of)
            .find_map(|(index, own)| own.contains(&row).then_some(index))
    };
    let operator = operator.or_else(owner).expect("every row has an owner");
    let piece = Piece {
        root: root.0,
        row,
        chunk,
        operator,
    };
    let deposit = contracts::read(provider, DA_CHALLENGES, &DAChallenges::quoteDepositCall {}).await?;
    let call = DAChallenges::challengeCall {
        piece: piece.clone(),
        signersBitmap: signers(provider, root, certified_block).await?,
    };
    let value = deposit + deposit / U256::from(DEPOSIT_MARGIN_DIVISOR);
    let Mined { block, .. } = contracts::write(provider, DA_CHALLENGES, &call, value).await?;
    let call = DAChallenges::challengeOfCall { piece: piece.clone() };
    let entry = contracts::read(provider, DA_CHALLENGES, &call).await?;
    let account = committee
        .operators()
        .get(operator as usize)
        .map(|operator| operator.account);
    let window = contracts::read(provider, DA_CHALLENGES, &DAChallenges::windowBlocksCall {}).await?;
    Ok(Asked {
        piece,
        account: account.expect("the contract took the challenge, so there is such an operator"),
        // A quick operator has answered already, and then the entry is gone.
        deadline: block + window,
        deposit_wei: if entry.deposit.is_zero() {
            deposit
        } else {
            entry.deposit
        },
        block,
    })
}

/// Waits until a challenge is settled. When its window ends without an answer, takes what the operator loses.
///
/// # Errors
///
/// [`ChallengeError`]. The challenge goes on, and anybody may settle it later.
pub async fn outcome(provider: &impl Provider, asked: &Asked) -> Result<Outcome, ChallengeError> {
    loop {
        if let Some(outcome) = settled(provider, asked).await? {
            return Ok(outcome);
        }
        if provider.height().await? > asked.deadline {
            let call = DAChallenges::slashCall {
                piece: asked.piece.clone(),
            };
            match contracts::write(provider, DA_CHALLENGES, &call, U256::ZERO).await {
                // Somebody else was first: the next look finds the event.
                Ok(_) | Err(ProviderError::Reverted { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What the events since a challenge say of it; `None` while it waits.
async fn settled(provider: &impl Provider, asked: &Asked) -> Result<Option<Outcome>, ProviderError> {
    let filter = EventFilter {
        addresses: vec![DA_CHALLENGES],
        topic0: vec![
            Answered::SIGNATURE_HASH,
            Disowned::SIGNATURE_HASH,
            Slashed::SIGNATURE_HASH,
        ],
        from_block: asked.block,
        to_block: None,
    };
    let ours = |root, account, row, chunk| {
        (root, account, row, chunk) == (asked.piece.root, asked.account, asked.piece.row, asked.piece.chunk)
    };
    let events = provider.events(filter).await?;
    Ok(events.iter().find_map(|event| {
        let block = event.block;
        if let Ok(event) = event.decode::<Answered>() {
            ours(event.root, event.account, event.row, event.chunk).then_some(Outcome::Answered { block })
        } else if let Ok(event) = event.decode::<Disowned>() {
            ours(event.root, event.account, event.row, event.chunk).then_some(Outcome::Disowned { block })
        } else {
            let event = event.decode::<Slashed>().ok()?;
            ours(event.root, event.account, event.row, event.chunk).then_some(Outcome::Slashed {
                block,
                answered: event.answered,
                lost_wei: event.lost,
                rewarded_wei: event.rewarded,
            })
        }
    }))
}

/// Block that recorded a blob.
async fn certified_block(provider: &impl Provider, root: BlobRoot) -> Result<u64, CallError> {
    let blob = contracts::read(provider, DA_ENTRANCE, &DAEntrance::blobCall { root: root.0 }).await?;
    Ok(blob.certifiedBlock)
}

/// Who signed for a blob, as the event of its certificate says.
async fn signers(provider: &impl Provider, root: BlobRoot, block: u64) -> Result<Bytes, ChallengeError> {
    let filter = EventFilter {
        addresses: vec![DA_ENTRANCE],
        topic0: vec![DAEntrance::BlobCertified::SIGNATURE_HASH],
        from_block: block,
        to_block: Some(block),
    };
    let events = provider.events(filter).await?;
    let certificates = events
        .iter()
        .filter_map(|event| event.decode::<DAEntrance::BlobCertified>().ok());
    let found = certificates.into_iter().find(|event| event.root == root.0);
    found
        .map(|event| event.signersBitmap)
        .ok_or(ChallengeError::NoEvent { root })
}
