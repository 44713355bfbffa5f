use super::{file::*, metrics::ShardMetrics};
use crate::layout::Layout;
use alloy_sol_types::SolValue as _;
use contracts::abi::ShardValidators::Validator;
use primitives::{Address, B256, Bytes, U256};
use std::fs;

fn layout(nodes: usize) -> (tempfile::TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open_or_create(folder.path(), Some(nodes)).unwrap();
    (folder, layout)
}

fn planned(layout: &Layout, chain: u64) -> ShardFile {
    ShardFile::plan(layout, chain, &ShardSettings::default(), 1_000).unwrap()
}

/// What the root chain would announce of these validators.
fn announcement(layout: &Layout) -> Bytes {
    let validators: Vec<Validator> = (0..)
        .zip(&layout.network.nodes)
        .map(|(operator, node)| Validator {
            operator,
            account: node.account,
            streamKey: B256::from_slice(&node.identity),
            endpoint: "127.0.0.1:1".into(),
            voteKeys: node
                .vote_keys
                .iter()
                .flat_map(|entry| entry.key.to_vec())
                .collect::<Vec<_>>()
                .into(),
        })
        .collect();
    let told = (3u64, B256::repeat_byte(1), B256::repeat_byte(2), validators);
    told.abi_encode_params().into()
}

/// Validators never exchange the first block: each builds it from the file, so all must build the same.
#[test]
fn every_validator_builds_the_same_first_block_from_the_file() {
    let (_folder, layout) = layout(2);
    let mut made = planned(&layout, 77);
    made.endowments.push(Endowment {
        account: Address::repeat_byte(9),
        wei: U256::from(5),
    });
    made.founding = Some(announcement(&layout));
    made.save(&layout.dir).unwrap();
    let opened = ShardFile::open(&layout.dir, 77).unwrap();
    assert_eq!(made, opened);
    let (header, state, _) = made.genesis(&layout.network).unwrap().build().unwrap();
    let (again, ..) = opened.genesis(&layout.network).unwrap().build().unwrap();
    assert_eq!(header.hash_slow(), again.hash_slow());
    assert_eq!(header.mix_hash, made.network);
    let balance = |account| state.account(&account).unwrap().balance;
    assert_eq!(balance(Address::repeat_byte(9)), U256::from(5));
    let mailbox = balance(contracts::addresses::MAILBOX);
    assert_eq!(mailbox + U256::from(5), contracts::SHARD_SUPPLY_WEI);
}

#[test]
fn a_shard_without_a_committee_has_no_first_block_yet() {
    let (_folder, layout) = layout(1);
    let mut shard = planned(&layout, 77);
    let error = shard.genesis(&layout.network).err().unwrap().to_string();
    assert!(error.contains("aloft shard add --chain 77"), "{error}");
    shard.founding = Some(vec![1, 2, 3].into());
    let error = shard.genesis(&layout.network).err().unwrap().to_string();
    assert!(error.contains("no announcement"), "{error}");
    shard.founding = Some(announcement(&layout));
    let account = Address::repeat_byte(1);
    shard.endowments.push(Endowment {
        account,
        wei: U256::MAX,
    });
    let error = shard.genesis(&layout.network).err().unwrap().to_string();
    assert!(error.contains("gives away more"), "{error}");
}

#[test]
fn no_two_shards_and_no_node_share_a_port() {
    let (_folder, layout) = layout(3);
    let mut ports = Vec::new();
    for chain in [77, 78] {
        let shard = planned(&layout, chain);
        shard.save(&layout.dir).unwrap();
        ports.extend(
            shard
                .nodes
                .iter()
                .flat_map(|node| [node.ports.rpc, node.ports.http, node.ports.p2p]),
        );
    }
    ports.extend(
        layout
            .network
            .nodes
            .iter()
            .flat_map(|node| [node.ports.rpc, node.ports.http, node.ports.p2p]),
    );
    let count = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!((ports.len(), count), (27, 27));
}

#[test]
fn a_file_that_is_not_a_shards_is_refused_by_name() {
    let (_folder, layout) = layout(1);
    planned(&layout, 77).save(&layout.dir).unwrap();
    let path = layout.dir.join("shards/77.json");
    let good = fs::read_to_string(&path).unwrap();
    assert!(matches!(
        ShardFile::open(&layout.dir, 78),
        Err(ShardFileError::Unknown { chain: 78, .. })
    ));
    let other_version = good.replace("\"version\": 1", "\"version\": 2");
    let other_chain = good.replace("\"chain_id\": 77", "\"chain_id\": 76");
    for text in ["", "{}", "[1]", &good[..good.len() / 2], &other_version, &other_chain] {
        fs::write(&path, text).unwrap();
        let error = ShardFile::all(&layout.dir).err().unwrap().to_string();
        assert!(error.contains("77.json is not a shard file of version 1"), "{error}");
    }
    fs::write(&path, " ".repeat(300 << 10)).unwrap();
    assert!(matches!(
        ShardFile::all(&layout.dir),
        Err(ShardFileError::TooLong { .. })
    ));
}

#[test]
fn numbers_that_no_shard_can_have_are_refused() {
    let (_folder, layout) = layout(2);
    let default = ShardSettings::default();
    let settings = [
        ShardSettings {
            gas_limit: 1_000_000,
            ..default.clone()
        },
        ShardSettings {
            validators: Some(0),
            ..default.clone()
        },
        ShardSettings {
            validators: Some(3),
            ..default.clone()
        },
        ShardSettings {
            epoch_blocks: std::num::NonZeroU64::new(7),
            ..default
        },
    ];
    for settings in settings {
        let refused = ShardFile::plan(&layout, 77, &settings, 0);
        assert!(matches!(refused, Err(ShardFileError::TooSmall { .. })), "{settings:?}");
    }
}

#[test]
fn a_shards_page_shows_both_ways_from_the_start() {
    let page = ShardMetrics::new(&api::eth::EthMetrics::default())
        .chain
        .page(3, "# TYPE engine_views counter\n# EOF\n");
    for line in [
        "aloft_pool_transactions 3\n",
        "aloft_shard_messages_delivered_total{way=\"ToShard\"} 0\n",
        "aloft_shard_messages_waiting{way=\"ToRoot\"} 0\n",
        "aloft_shard_offences_reported_total 0\n",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
    assert!(!page.contains("# EOF"), "the page goes on with what HTTP counts");
}
