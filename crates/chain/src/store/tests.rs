//! Keeps away: a node that comes back from a power cut with half a block, with a state that is not its block's, or not at all.

use super::*;
use crate::fixtures::{self, Wallet, ledger_on, propose};
use crate::ledger::LedgerError;
use crate::{Ledger, PoolLimits};
use alloy_primitives::keccak256;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeMap;

/// Blocks that a run makes before the power may fail at any point.
const BLOCKS: u64 = 6;

/// Makes blocks until the disk fails; the hash of each that was said to be durable, by height.
fn run(disk: &MemoryDisk) -> (BTreeMap<u64, B256>, Result<(), LedgerError>) {
    let mut durable = BTreeMap::new();
    let outcome = (|| {
        let ledger = ledger_on(disk)?;
        for nonce in 0..BLOCKS {
            ledger
                .submit(&Wallet::nth(0).transfer(nonce))
                .expect("the pool needs no disk");
            let block = propose(&ledger, &ledger.latest(), 1);
            let block = ledger.finalize(block.hash)?;
            durable.insert(block.header.number, block.hash);
        }
        Ok(())
    })();
    (durable, outcome)
}

/// Cuts the power at every single write, resize and sync, three times with other luck for what was not synced.
#[test]
fn whenever_the_power_fails_every_durable_block_is_there_and_the_chain_goes_on() {
    let whole = MemoryDisk::new();
    let (all, outcome) = run(&whole);
    outcome.unwrap();
    assert_eq!(all.len() as u64, BLOCKS);
    let mut random = StdRng::seed_from_u64(5);
    for cut in 1..=whole.operations() {
        for luck in [0.0, 0.5, 1.0] {
            let disk = MemoryDisk::new();
            disk.crash_after(cut);
            let (durable, _) = run(&disk);
            disk.crash(|| random.random_bool(luck));
            let ledger = ledger_on(&disk).unwrap_or_else(|error| panic!("cut {cut}, luck {luck}: {error:?}"));
            let latest = ledger.latest();
            let last = durable.last_key_value().map_or(0, |(height, _)| *height);
            // The block in flight may have made it, as after a commit whose confirmation was cut off.
            assert!(
                (last..=last + 1).contains(&latest.header.number),
                "cut {cut}, luck {luck}"
            );
            for (height, hash) in all.range(..=latest.header.number) {
                assert_eq!(ledger.by_number(*height).unwrap().unwrap().hash, *hash);
            }
            let (_, state) = ledger.pending();
            assert_eq!(state.root(), latest.header.state_root);
            let nonce = state.account(&Wallet::nth(0).address()).unwrap().nonce;
            ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
            let next = propose(&ledger, &latest, 1);
            ledger.finalize(next.hash).unwrap();
        }
    }
}

#[test]
fn a_failed_write_leaves_the_ledger_as_it_was() {
    let disk = MemoryDisk::new();
    let ledger = ledger_on(&disk).unwrap();
    let block = propose(&ledger, &ledger.latest(), 1);
    disk.crash_after(1);
    assert!(matches!(
        ledger.finalize(block.hash),
        Err(LedgerError::Store(StoreError::Database(_)))
    ));
    assert_eq!(ledger.latest().header.number, 0);
}

#[test]
fn storage_and_code_come_back_and_a_wiped_account_keeps_nothing() {
    let disk = MemoryDisk::new();
    let store = Store::in_memory(&disk).unwrap();
    let code = Bytes::from_static(&[0x60, 0x00]);
    let account = Account {
        nonce: 1,
        balance: U256::from(5),
        code_hash: keccak256(&code),
    };
    let (kept, gone) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let slots: BTreeMap<U256, U256> = (0..5_000u64)
        .map(|slot| (U256::from(slot), U256::from(slot + 1)))
        .collect();
    let mut state = State::empty();
    let mut append = |height: u64, diff: Diff| {
        let header = alloy_consensus::Header {
            number: height,
            ..Default::default()
        };
        let block = Sealed {
            hash: header.hash_slow(),
            header,
            transactions: vec![],
            receipts: vec![],
        };
        store.append(&block, &diff).unwrap();
        state.apply(&diff);
        assert_eq!(store.state().unwrap().root(), state.root(), "height {height}");
    };
    let change = AccountDiff {
        account: Some(account),
        wiped: false,
        slots: slots.clone(),
    };
    let codes = BTreeMap::from([(account.code_hash, code.clone())]);
    append(
        0,
        Diff {
            accounts: [(kept, change.clone()), (gone, change)].into(),
            codes,
        },
    );
    let removed = AccountDiff {
        account: None,
        wiped: true,
        slots: BTreeMap::new(),
    };
    append(
        1,
        Diff {
            accounts: [(gone, removed)].into(),
            ..Diff::default()
        },
    );
    let fewer = [(U256::from(3), U256::ZERO), (U256::from(9), U256::from(7))].into();
    append(
        2,
        Diff {
            accounts: [(
                kept,
                AccountDiff {
                    account: Some(account),
                    wiped: false,
                    slots: fewer,
                },
            )]
            .into(),
            ..Diff::default()
        },
    );
    assert_eq!(store.state_len().unwrap(), (1, 4_999));
    let anew = AccountDiff {
        account: Some(account),
        wiped: true,
        slots: [(U256::from(1), U256::from(1))].into(),
    };
    append(
        3,
        Diff {
            accounts: [(kept, anew)].into(),
            ..Diff::default()
        },
    );
    assert_eq!(store.state_len().unwrap(), (1, 1));
    assert_eq!(store.state().unwrap().code(&account.code_hash).unwrap(), code);
}

#[test]
fn a_file_of_another_format_is_refused() {
    let disk = MemoryDisk::new();
    let store = Store::in_memory(&disk).unwrap();
    let write = store.database.begin_write().unwrap();
    write
        .open_table(META)
        .unwrap()
        .insert(META_FORMAT, 2u64.to_be_bytes().as_slice())
        .unwrap();
    write.commit().unwrap();
    drop(store);
    assert!(matches!(Store::in_memory(&disk), Err(StoreError::Format { found: 2 })));
}

#[test]
fn a_state_that_is_not_its_blocks_is_noticed() {
    let disk = MemoryDisk::new();
    drop(ledger_on(&disk).unwrap());
    let store = Store::in_memory(&disk).unwrap();
    let write = store.database.begin_write().unwrap();
    let account = Account {
        nonce: 0,
        balance: U256::from(1),
        code_hash: alloy_primitives::KECCAK256_EMPTY,
    };
    write
        .open_table(ACCOUNTS)
        .unwrap()
        .insert(&[7; 20], &account_bytes(&account))
        .unwrap();
    write.commit().unwrap();
    drop(store);
    assert!(matches!(
        ledger_on(&disk),
        Err(LedgerError::Store(StoreError::StateRoot { height: 0, .. }))
    ));
}

#[test]
fn a_file_on_a_real_disk_is_locked_while_open_and_good_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain.redb");
    let open = || Ledger::open(&fixtures::genesis(), Store::open(&path)?, PoolLimits::default());
    let ledger = open().unwrap();
    assert!(matches!(open(), Err(LedgerError::Store(StoreError::Database(_)))));
    let block = propose(&ledger, &ledger.latest(), 1);
    ledger.finalize(block.hash).unwrap();
    drop(ledger);
    assert_eq!(open().unwrap().latest().hash, block.hash);
}

#[test]
fn damaged_records_are_refused_and_never_panic() {
    let ledger = fixtures::ledger();
    for nonce in 0..3 {
        ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
    }
    let block = propose(&ledger, &ledger.latest(), 1);
    let bytes = record::encode(&block);
    assert_eq!(record::decode(&bytes).unwrap(), *block);
    let mut random = StdRng::seed_from_u64(6);
    for _ in 0..20_000 {
        let mut damaged = bytes.clone();
        let at = random.random_range(0..damaged.len());
        damaged[at] = random.random();
        damaged.truncate(random.random_range(damaged.len() / 2..=damaged.len()));
        let _ = record::decode(&damaged);
    }
}

/// Bits rot where nobody looks. A file that something else changed is refused when it is opened, by an error that tells it from a
/// full disk, or its change was in a place that means nothing.
#[test]
fn a_file_with_flipped_bits_is_refused_or_holds_the_chain_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain.redb");
    let open = || Ledger::open(&fixtures::genesis(), Store::open(&path)?, PoolLimits::default());
    let ledger = open().unwrap();
    for nonce in 0..BLOCKS {
        ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
        let block = propose(&ledger, &ledger.latest(), 1);
        ledger.finalize(block.hash).unwrap();
    }
    let latest = ledger.latest();
    drop(ledger);
    let sound = std::fs::read(&path).unwrap();
    let mut random = StdRng::seed_from_u64(11);
    let mut refused = 0;
    for flips in [1, 1, 1, 1, 8, 64, 512, 4096] {
        let mut rotten = sound.clone();
        for _ in 0..flips {
            rotten[random.random_range(0..sound.len())] ^= 1 << random.random_range(0..8);
        }
        std::fs::write(&path, rotten).unwrap();
        match open() {
            Ok(ledger) => assert_eq!(ledger.latest(), latest),
            Err(LedgerError::Store(error)) => {
                assert!(error.is_damage(), "{error:?}");
                refused += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(refused >= 2, "{refused}");
}
