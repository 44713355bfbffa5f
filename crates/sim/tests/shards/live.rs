//! The shard's validators as they run, one of them twice.

use super::world::{RELAYER_SEED, ROOT_EPOCH_BLOCKS, SHARD, SHARD_EPOCH_BLOCKS, World, wallet};
use contracts::{abi::StakeVault, addresses::STAKE_VAULT, read};
use evm::Genesis;
use node::report_shard_offence;
use sim::chain::{Event, Network};
use std::num::NonZeroU64;

/// A machine of which there are two with the same keys, as when a backup is started beside it, proposes two blocks when its turn comes, and votes for
/// both. The others see it, and the root chain takes its stake by their report; nobody else loses any.
#[test]
fn a_validator_of_a_shard_that_runs_twice_loses_its_stake_on_the_root_chain() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new());
    // The epoch of the root chain comes that has the shard's first committee.
    while world.root.ledger.latest().header.number < 3 * ROOT_EPOCH_BLOCKS {
        world.root.seal();
    }
    let twin = 2;
    let keys = world.root.keys.iter().map(|keys| keys.validator.clone()).collect();
    let epoch_blocks = NonZeroU64::new(SHARD_EPOCH_BLOCKS).unwrap();
    // Simulated clocks begin with 1970.
    let genesis = Genesis {
        timestamp: 0,
        ..world.shard_genesis.clone()
    };
    let outcome = Network::new(90)
        .shard(genesis, keys, epoch_blocks)
        .twin(twin)
        // The others cut it off, so it does not follow.
        .at_height(14, Event::Crash(twin))
        .run(20, 120_000);
    assert!(outcome.heights.iter().all(|height| *height >= 20), "\n{}", outcome.log);
    let guilty = world.root.keys[twin].validator.identity();
    assert!(!outcome.offences.is_empty(), "\n{}", outcome.log);
    assert!(outcome.offences.iter().all(|offence| offence.validator == guilty));

    runtime.block_on(async {
        let root = world.root.port(wallet(RELAYER_SEED));
        let stakes = async || {
            let mut stakes = Vec::new();
            for operator in 0..4 {
                let call = StakeVault::stakeOfCall { operator };
                stakes.push(read(&root, STAKE_VAULT, &call).await.unwrap().active);
            }
            stakes
        };
        let before = stakes().await;
        let mut taken = 0;
        for offence in &outcome.offences {
            let block = report_shard_offence(&root, SHARD, offence).await.unwrap();
            taken += usize::from(block.is_some());
        }
        // Whoever reports the same again is refused.
        let again = report_shard_offence(&root, SHARD, &outcome.offences[0]).await.unwrap();
        assert_eq!(again, None);
        assert!(taken >= 1);
        let mut after = before.clone();
        after[twin] = 0;
        assert!(before[twin] > 0);
        assert_eq!(stakes().await, after);
    });
}
