//! The shuffle of a blob's rows: the contracts' is the services', for less gas than a dispute can pay.

use crate::chain::Chain;
use alloy_sol_types::sol;
use contracts::{GenesisContract, assignment};
use primitives::{Address, B256, U256, keccak256};

sol!(
    RowAssignmentHarness,
    "../../contracts/artifacts/RowAssignmentHarness.json"
);

const HARNESS: Address = Address::repeat_byte(0x4a);
/// Gas that a shuffle may take: a twentieth of a block.
const GAS_MAX: u64 = 1_500_000;

fn chain() -> Chain {
    let mut chain = Chain::empty();
    chain.construct(&GenesisContract {
        name: "RowAssignmentHarness",
        address: HARNESS,
        init_code: RowAssignmentHarness::BYTECODE.clone(),
    });
    chain
}

fn on_chain(chain: &mut Chain, seed: B256, total: u32, from: u32) -> Vec<u32> {
    let call = RowAssignmentHarness::shuffleCall {
        seed_: seed,
        total: U256::from(total),
        from: U256::from(from),
    };
    chain.view(HARNESS, &call).iter().map(|row| row.to()).collect()
}

#[test]
fn the_chain_shuffles_rows_as_the_services_do() {
    let mut chain = chain();
    for (round, total) in [3072, 3072, 4096, 1024, 96, 5, 3, 2, 1, 0].into_iter().enumerate() {
        let (beacon, root) = (keccak256([round as u8]), keccak256([0x80 | round as u8]));
        let seed = assignment::seed(beacon, round as u64, root);
        let call = RowAssignmentHarness::seedCall {
            beacon,
            epoch: round as u64,
            root,
        };
        assert_eq!(chain.view(HARNESS, &call), seed);
        let expected = assignment::shuffle(seed, total);
        assert_eq!(on_chain(&mut chain, seed, total, 0), expected, "{total} rows");
        for from in [1, total / 3, total.saturating_sub(1), total] {
            let part = on_chain(&mut chain, seed, total, from);
            let from = from as usize;
            assert_eq!(part.get(from..), expected.get(from..), "{total} rows from place {from}");
        }
    }
}

/// Of 2,000 shuffles about one draws a word that must be skipped; this one does.
#[test]
fn words_that_would_favour_small_numbers_are_skipped_by_both() {
    let seed = keccak256(SKIPPING.to_be_bytes());
    assert!(skips(seed));
    assert_eq!(on_chain(&mut chain(), seed, 3072, 0), assignment::shuffle(seed, 3072));
}

/// The number whose hash is a seed that skips a word, found by trying.
const SKIPPING: u32 = 239;

/// Whether one of the first 3,071 words is at or above its bound's largest multiple.
fn skips(seed: B256) -> bool {
    (0u64..384)
        .flat_map(|counter| keccak256([seed.as_slice(), &U256::from(counter).to_be_bytes::<32>()].concat()).0)
        .collect::<Vec<_>>()
        .as_chunks::<4>()
        .0
        .iter()
        .zip((2..=3072u32).rev())
        .any(|(word, bound)| u32::from_be_bytes(*word) >= u32::MAX - u32::MAX % bound)
}

#[test]
fn a_shuffle_is_affordable() {
    let mut chain = chain();
    for (total, from) in [(3072u32, 0), (3072, 1536), (4096, 0)] {
        let call = RowAssignmentHarness::gasOfShuffleCall {
            seed_: keccak256([1]),
            total: U256::from(total),
            from: U256::from(from),
        };
        let gas: u64 = chain.view(HARNESS, &call).to();
        println!("{total} rows from place {from}: {gas} gas");
        assert!(gas < GAS_MAX, "{gas}");
    }
}
