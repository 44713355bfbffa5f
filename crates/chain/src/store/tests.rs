//! Keeps away: a node that comes back from a power cut with half a block, with a state that is not its block's, or not at all.

use super::*;
use crate::fixtures::{self, Wallet, ledger_on, propose};
use crate::ledger::LedgerError;
use crate::{Ledger, PoolLimits};
use alloy_primitives::{Address, keccak256};
use evm::{AccountDiff, Diff};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeMap;

/// Blocks that a run makes before the power may fail at any point.
const BLOCKS: u64 = 6;

/// Slices of the tables in a run: few enough that all of them come up, some twice.
const FEW_SLICES: usize = 4;

fn store_on(disk: &MemoryDisk) -> Result<Store, StoreError> {
    Store::in_memory_by_slices(disk, FEW_SLICES)
}

fn ledger_by_slices(disk: &MemoryDisk) -> Result<Ledger, LedgerError> {
    Ledger::open(&fixtures::genesis(), store_on(disk)?, PoolLimits::default())
}

/// Makes blocks until the disk fails; the hash of each that was said to be durable, by height.
fn run(disk: &MemoryDisk) -> (BTreeMap<u64, B256>, Result<(), LedgerError>) {
    let mut durable = BTreeMap::new();
    let outcome = (|| {
        let ledger = ledger_by_slices(disk)?;
        for nonce in 0..BLOCKS {
            ledger
                .submit(&Wallet::nth(0).transfer(nonce))
                .expect("the pool needs no disk");
            let block = propose(&ledger, &ledger.latest(), nonce as u8 * 50);
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
            let ledger = ledger_by_slices(&disk).unwrap_or_else(|error| panic!("cut {cut}, luck {luck}: {error:?}"));
            let latest = ledger.latest();
            let last = durable.last_key_value().map_or(0, |(height, _)| *height);
            // The block in flight may have made it, as after a commit whose confirmation was cut off.
            assert!(
                (last..=last + 1).contains(&latest.header.number),
                "cut {cut}, luck {luck}"
            );
            for (height, hash) in all.range(..=latest.header.number) {
                let block = ledger.by_number(*height).unwrap().unwrap();
                assert_eq!(block.hash, *hash);
                for (index, transaction) in block.transactions.iter().enumerate() {
                    let (found, place) = ledger.transaction(*transaction.tx_hash()).unwrap().unwrap();
                    assert_eq!((found.hash, place), (*hash, index));
                }
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

fn block_at(height: u64) -> Sealed {
    let header = alloy_consensus::Header {
        number: height,
        ..Default::default()
    };
    Sealed {
        hash: header.hash_slow(),
        header,
        beacon: Default::default(),
        transactions: vec![],
        receipts: vec![],
    }
}

fn rows(store: &Store) -> (u64, u64, u64) {
    use redb::ReadableTableMetadata as _;
    let read = store.database.begin_read().unwrap();
    (
        read.open_table(ACCOUNTS).unwrap().len().unwrap(),
        read.open_table(SLOTS).unwrap().len().unwrap(),
        read.open_table(CHANGES).unwrap().len().unwrap(),
    )
}

/// Random changes, wipes and removals among them, by stores of several numbers of slices, reopened at random: always the state that all
/// changes make; and after as many empty blocks as there are slices the tables alone say it.
#[test]
fn whatever_is_pending_the_state_is_that_of_all_changes() {
    for (seed, slices) in [(1, 1), (2, 3), (3, 4), (4, 64)] {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = MemoryDisk::new();
        let mut store = Store::in_memory_by_slices(&disk, slices).unwrap();
        let mut state = State::empty();
        for height in 0..80 {
            let mut diff = Diff::default();
            for _ in 0..random.random_range(0..6) {
                let address = Address::repeat_byte(random.random_range(0..8) * 32);
                let gone = random.random_range(0..6) == 0;
                let slot =
                    |random: &mut StdRng| U256::from(random.random_range(0..6u64)) << random.random_range(0..255);
                let slots = (0..random.random_range(0..5))
                    .map(|_| (slot(&mut random), U256::from(random.random_range(0..3u64))));
                let slots: BTreeMap<U256, U256> = slots.collect();
                let change = AccountDiff {
                    account: (!gone).then(|| Account::with_balance(U256::from(random.random::<u64>()))),
                    wiped: gone || random.random_range(0..5) == 0,
                    slots: if gone { BTreeMap::new() } else { slots },
                };
                diff.accounts.insert(address, change);
            }
            store.append(&block_at(height), &diff.hashed()).unwrap();
            state.apply(&diff);
            if random.random_range(0..9) == 0 {
                drop(store);
                store = Store::in_memory_by_slices(&disk, slices).unwrap();
            }
            assert_eq!(
                store.state().unwrap().root(),
                state.root(),
                "seed {seed}, height {height}"
            );
            assert!(
                rows(&store).2 <= slices as u64,
                "a record stays no longer than it takes to fold it"
            );
        }
        for height in 80..80 + slices as u64 {
            store.append(&block_at(height), &HashedDiff::default()).unwrap();
        }
        let write = store.database.begin_write().unwrap();
        write.open_table(CHANGES).unwrap().retain(|_, _| false).unwrap();
        write.commit().unwrap();
        assert_eq!(
            store.state().unwrap().root(),
            state.root(),
            "seed {seed}, from the tables"
        );
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
    let store = Store::in_memory_by_slices(&disk, 1).unwrap();
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
        store.append(&block_at(height), &diff.hashed()).unwrap();
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
    store.append(&block_at(4), &HashedDiff::default()).unwrap();
    assert_eq!(rows(&store), (1, 1, 1));
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
        .insert(META_FORMAT, (FORMAT + 1).to_be_bytes().as_slice())
        .unwrap();
    write.commit().unwrap();
    drop(store);
    let refused = Store::in_memory(&disk).err();
    assert!(matches!(refused, Some(StoreError::Format { found }) if found == FORMAT + 1));
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
        .insert(&[7; 32], &rows::account_bytes(&account))
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
    damage(&bytes, |damaged| drop(record::decode(damaged)));
    let account = Account::with_balance(U256::from(7));
    let code = Bytes::from_static(&[1, 2, 3]);
    let with_code = Account {
        code_hash: keccak256(&code),
        ..account
    };
    let change = |account: Option<Account>| AccountDiff {
        account,
        wiped: account.is_none(),
        slots: account.iter().map(|_| (U256::from(3), U256::MAX)).collect(),
    };
    let accounts = [None, Some(account), Some(with_code)].into_iter().map(change);
    let diff = Diff {
        accounts: (1..).map(Address::repeat_byte).zip(accounts).collect(),
        codes: [(with_code.code_hash, code)].into(),
    };
    let diff = diff.hashed();
    let bytes = change::encode(&diff);
    assert_eq!(change::decode(&bytes).unwrap(), diff);
    damage(&bytes, |damaged| drop(change::decode(damaged)));
}

/// Gives `read` 20,000 variants of `bytes`, each with another byte changed and some cut short.
fn damage(bytes: &[u8], read: impl Fn(&[u8])) {
    let mut random = StdRng::seed_from_u64(6);
    for _ in 0..20_000 {
        let mut damaged = bytes.to_vec();
        let at = random.random_range(0..damaged.len());
        damaged[at] = random.random();
        damaged.truncate(random.random_range(damaged.len() / 2..=damaged.len()));
        read(&damaged);
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
