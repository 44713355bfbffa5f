use super::*;
use crate::{layout::Layout, validators::StakedCommittees};
use api::eth::{self, EthConfig, EthServer};
use chain::{Ledger, MemoryDisk, PoolLimits, store::arrival::Position};

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
    serve_chain(&genesis(), blocks).await
}

async fn serve_chain(genesis: &Genesis, blocks: u64) -> (Ledger, EthServer, String) {
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    let ledger = Ledger::open(genesis, store, PoolLimits::default()).unwrap();
    ledger.keep_checkpoints(EPOCH_BLOCKS);
    for _ in 0..blocks {
        let parent = ledger.latest();
        let time = parent.header.timestamp + 1;
        let block = ledger
            .propose(parent.hash, time, Address::ZERO, B256::ZERO, &mut || false)
            .unwrap();
        ledger.finalize(block.hash).unwrap();
    }
    let config = EthConfig::alone(([127, 0, 0, 1], 0).into(), "test");
    let server = eth::serve(config, ledger.clone()).await.unwrap();
    let url = format!("http://{}", server.address());
    (ledger, server, url)
}

async fn arrive_at(checkpoint: CheckpointName, url: &str) -> (Store, ArrivalError) {
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    let sources = [url.to_owned()];
    let arrived = arrive(
        &store,
        &genesis(),
        EPOCH_BLOCKS,
        checkpoint,
        &sources,
        &Progress::default(),
    )
    .await;
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

/// Of a network with all its contracts: so that no contract is missing which says who votes.
#[tokio::test(flavor = "multi_thread")]
async fn who_votes_in_the_next_two_epochs_is_known_before_the_rest_of_the_state_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut layout = Layout::open_or_create(folder.path(), Some(3)).unwrap();
    layout.network.epoch_blocks = EPOCH_BLOCKS;
    let genesis = crate::genesis::genesis(&layout.network).unwrap();
    let (ledger, server, url) = serve_chain(&genesis, 8).await;
    let [kept] = ledger.checkpoints().try_into().unwrap();
    let (header, hash) = (&kept.block.header, kept.block.hash);
    let network = Network {
        chain_id: genesis.chain_id,
        genesis: ledger.genesis().hash_slow(),
        epoch_blocks: EPOCH_BLOCKS,
        namespace: Vec::new(),
    };
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    store.begin_arrival(network.genesis, header).unwrap();
    let mut others = Others::new(CheckpointName { height: None, hash }, &[url], Progress::default());
    successors::learn(&store, &network, header, &mut others).await.unwrap();

    let known = store.successors().unwrap();
    let epochs: Vec<u64> = known.iter().map(|successor| successor.epoch).collect();
    assert_eq!(epochs, [1, 2]);
    for successor in known {
        let expected = StakedCommittees::new(ledger.clone()).read_in(&ledger.pending(), successor.epoch);
        let expected = expected.unwrap().committee;
        assert_eq!(expected.validators().len(), 3);
        assert_eq!(successor.committee.validators(), expected.validators());
    }
    assert_eq!(store.arrival().unwrap().unwrap().next, Some(Position::START));
    assert_eq!(store.state().unwrap().root(), State::empty().root());
    // Whoever has no certificates has no later block either.
    assert_eq!(others.later(&network, &store.successors().unwrap()).await, None);
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
