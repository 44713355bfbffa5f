//! Who votes in the epochs after a block, read from the few contracts of its state that say so, before the rest of the state is there.

use super::{After, ArrivalError, Network, others::Others};
use crate::validators::StateError;
use alloy_consensus::Header;
use chain::{
    MemoryDisk, Store,
    sync::{Arriving, Successor},
};
use contracts::{
    LOOKAHEAD_EPOCHS,
    addresses::{NETWORK_REGISTRY, OPERATOR_REGISTRY, VALIDATOR_REGISTRY},
};
use primitives::{Address, keccak256};
use tokio::task::block_in_place;

/// All contracts in which `ValidatorRegistry.committee` reads. If one were missing here the call would fail, as Solidity calls no account without code.
const NAMING: [Address; 3] = [VALIDATOR_REGISTRY, NETWORK_REGISTRY, OPERATOR_REGISTRY];

/// Writes down in `store` who votes in the epochs after the block with this header, whose state `others` have. A state that names nobody is none
/// that a node could begin with, which shows when all of it is here; until then it has no later block.
///
/// # Errors
///
/// [`ArrivalError`] as for any part of the state.
pub(super) async fn learn(
    store: &Store,
    network: &Network,
    header: &Header,
    others: &mut Others,
) -> Result<(), ArrivalError> {
    let naming = Store::in_memory(&MemoryDisk::new())?;
    for contract in NAMING {
        let arrival = naming.begin_arrival(network.genesis, header)?;
        let mut arriving = Arriving::only(naming.clone(), arrival, keccak256(contract));
        others.take(&mut arriving, 1).await?;
    }
    match block_in_place(|| read(&naming, network, header))? {
        Ok(successors) => Ok(store.put_successors(&successors)?),
        Err(error) => {
            tracing::warn!(%error, height = header.number, "the state does not say who votes next: no later one can take its place");
            Ok(())
        }
    }
}

/// The committees that are fixed after the block; [`StateError`] where the contracts do not say who they are.
fn read(
    naming: &Store,
    network: &Network,
    header: &Header,
) -> Result<Result<Vec<Successor>, StateError>, ArrivalError> {
    let after = After::new(header, naming.state()?, &[]);
    let reader = after.reader(network.chain_id);
    let last = header.number / network.epoch_blocks;
    let successors = (1..=LOOKAHEAD_EPOCHS).map(|ahead| {
        let epoch = last + ahead;
        reader.committee(epoch).map(|committee| Successor { epoch, committee })
    });
    Ok(successors.collect())
}
