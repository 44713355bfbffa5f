use super::*;
use api::eth::{self, EthConfig, EthMetrics, EthServer};
use chain::{Ledger, MemoryDisk, PoolLimits};

const EPOCH_BLOCKS: NonZeroU64 = NonZeroU64::new(8).unwrap();

fn genesis() -> Genesis {
    Genesis {
        chain_id: 7,
        timestamp: 1,
        gas_limit: 30_000_000,
        prev_randao: Default::default(),
        allocations: vec![(Address::repeat_byte(1), primitives::U256::from(1))],
        contracts: vec![],
        calls: vec![],
    }
}

/// A node with so many blocks, which began to keep checkpoints with the first.
async fn serve(blocks: u64) -> (Ledger, EthServer, String) {
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    let ledger = Ledger::open(&genesis(), store, PoolLimits::default()).unwrap();
    ledger.keep_checkpoints(EPOCH_BLOCKS);
    for time in 0..blocks {
        let parent = ledger.latest().hash;
        let block = ledger
            .propose(parent, 2 + time, Address::ZERO, B256::ZERO, &mut || false)
            .unwrap();
        ledger.finalize(block.hash).unwrap();
    }
    let config = EthConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        client_version: "test".into(),
        peer_count: 0,
        metrics: EthMetrics::default(),
        certificates: Default::default(),
        network: None,
    };
    let server = eth::serve(config, ledger.clone()).await.unwrap();
    let url = format!("http://{}", server.address());
    (ledger, server, url)
}

async fn arrive_at(checkpoint: CheckpointName, url: &str) -> (Store, ArrivalError) {
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    let sources = [url.to_owned()];
    let arrived = arrive(&store, &genesis(), EPOCH_BLOCKS, checkpoint, &sources).await;
    let error = arrived.expect_err("no certificate could be had");
    (store, error)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_no_longer_kept_is_told_with_those_that_are() {
    let (ledger, server, url) = serve(8 * 4).await;
    let name = |height| CheckpointName {
        height: Some(height),
        hash: ledger.by_number(height).unwrap().unwrap().hash,
    };
    let (store, error) = arrive_at(name(7), &url).await;
    assert!(matches!(error, ArrivalError::NotServed { .. }), "{error:?}");
    let text = error.to_string();
    for height in [7, 23, 31] {
        assert!(text.contains(&name(height).to_string()), "{text}");
    }
    assert!(text.contains("--checkpoint HEIGHT:HASH"), "{text}");
    // Nothing but that it was begun is there, and another can be begun.
    assert_eq!(store.height().unwrap(), None);
    assert_eq!(store.arrival().unwrap().unwrap().header.number, 7);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_nobody_knows_is_told_and_not_waited_for() {
    let (_, server, url) = serve(8).await;
    let unknown = CheckpointName {
        height: None,
        hash: B256::repeat_byte(9),
    };
    let (store, error) = arrive_at(unknown, &url).await;
    assert!(matches!(error, ArrivalError::NotServed { .. }), "{error:?}");
    assert_eq!(store.arrival().unwrap(), None);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_within_an_epoch_or_at_another_height_is_refused_before_anything_is_taken() {
    let (ledger, server, url) = serve(12).await;
    let hash = |height| ledger.by_number(height).unwrap().unwrap().hash;
    let within = CheckpointName {
        height: None,
        hash: hash(9),
    };
    let (store, error) = arrive_at(within, &url).await;
    assert!(matches!(error, ArrivalError::NotLast { height: 9, .. }), "{error:?}");
    assert_eq!(store.arrival().unwrap(), None);
    let elsewhere = CheckpointName {
        height: Some(8),
        hash: hash(7),
    };
    let (store, error) = arrive_at(elsewhere, &url).await;
    assert!(matches!(error, ArrivalError::Height { height: 7, .. }), "{error:?}");
    assert_eq!(store.arrival().unwrap(), None);
    server.stop().await;
}

/// The state is on this disk, although the block's certificate cannot be had: a genesis without contracts names no committee.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_comes_over_http_and_who_voted_is_read_from_it() {
    let (ledger, server, url) = serve(9).await;
    let [kept] = ledger.checkpoints().try_into().unwrap();
    let checkpoint = CheckpointName {
        height: Some(7),
        hash: kept.block.hash,
    };
    let (store, error) = arrive_at(checkpoint, &url).await;
    assert!(matches!(error, ArrivalError::Roster(_)), "{error:?}");
    assert_eq!(store.arrival().unwrap().unwrap().next, None);
    assert_eq!(store.state().unwrap().root(), kept.state.root());
    server.stop().await;
}

#[test]
fn the_hashes_before_the_next_block_are_found_by_their_heights() {
    let before = [B256::repeat_byte(6), B256::repeat_byte(5)];
    let hashes = Ancestors {
        height: 7,
        hash: B256::repeat_byte(7),
        before: &before,
    };
    for (number, byte) in [(7, 7), (6, 6), (5, 5)] {
        assert_eq!(hashes.block_hash(number), Some(B256::repeat_byte(byte)));
    }
    for number in [0, 4, 8] {
        assert_eq!(hashes.block_hash(number), None);
    }
}
