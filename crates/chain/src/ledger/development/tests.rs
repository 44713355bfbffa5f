use super::*;
use crate::fixtures::{Wallet, genesis, transfer};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use std::collections::BTreeSet;

fn chain() -> Development {
    Development::begin(&genesis(), PoolLimits::default()).unwrap()
}

fn terms(timestamp: u64) -> Terms {
    Terms {
        timestamp,
        beneficiary: Address::repeat_byte(1),
        prev_randao: B256::ZERO,
        base_fee: None,
    }
}

fn balance(amount: u64) -> AccountChange {
    AccountChange {
        balance: Some(U256::from(amount)),
        ..AccountChange::default()
    }
}

fn slot(key: u64, value: u64) -> AccountChange {
    AccountChange {
        slots: [(U256::from(key), U256::from(value))].into(),
        ..AccountChange::default()
    }
}

/// All that an interface can see of a chain, and what is stored.
#[derive(Debug, PartialEq)]
struct Seen {
    blocks: Vec<Arc<Sealed>>,
    roots: Vec<B256>,
    stored_root: B256,
    accounts: BTreeMap<Address, WholeAccount>,
    waiting: BTreeSet<B256>,
}

fn see(chain: &Development) -> Seen {
    let ledger = chain.ledger();
    let blocks = chain.image().unwrap().blocks;
    for block in &blocks {
        assert_eq!(ledger.by_hash(block.hash).unwrap().as_ref(), Some(block));
        for (index, transaction) in block.transactions.iter().enumerate() {
            let (found, at) = ledger.transaction(*transaction.tx_hash()).unwrap().unwrap();
            assert_eq!((found.hash, at), (block.hash, index));
        }
    }
    assert_eq!(ledger.latest().header.number, blocks.len() as u64 - 1);
    assert!(ledger.by_number(blocks.len() as u64).unwrap().is_none());
    let waiting = ledger.pool().content();
    Seen {
        roots: (0..blocks.len() as u64)
            .map(|number| ledger.state_at(number).unwrap().root())
            .collect(),
        stored_root: ledger.shared.store.state().unwrap().root(),
        blocks,
        accounts: chain.accounts(),
        waiting: waiting.iter().map(|pooled| *pooled.transaction.tx_hash()).collect(),
    }
}

/// Random operations, and after each a look at everything: a revert gives exactly what was seen at the snapshot, and what is stored
/// is always what is in memory.
#[test]
fn reverting_gives_back_exactly_the_chain_of_the_snapshot() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let chain = chain();
        let ledger = chain.ledger();
        let beginning = see(&chain);
        let mut snapshots: Vec<(u64, Seen)> = Vec::new();
        let mut forgotten = BTreeSet::new();
        for step in 0..120u64 {
            match random.random_range(0..10) {
                0..=2 => {
                    let wallet = Wallet::nth(random.random_range(0..4));
                    let (_, state) = ledger.pending();
                    let nonce = state.account(&wallet.address()).map_or(0, |account| account.nonce);
                    let next = ledger.pool().next_nonce(&wallet.address(), nonce);
                    // Refused where its account was left without funds, or has another of that nonce.
                    let _ = ledger.submit(&wallet.transfer(next + random.random_range(0..2)));
                }
                3 | 4 => drop(chain.seal(&terms(1_000 + step), random.random()).unwrap()),
                5 => {
                    let account = Wallet::nth(random.random_range(0..4)).address();
                    let change = match random.random_range(0..3) {
                        0 => balance(random.random_range(0..=1) * 1_000_000_000_000_000_000),
                        1 => slot(random.random_range(0..3), random.random_range(0..3)),
                        _ => AccountChange {
                            code: Some(Bytes::copy_from_slice(&[0; 4][..random.random_range(0..4)])),
                            wiped: random.random(),
                            ..AccountChange::default()
                        },
                    };
                    chain.change([(account, change)].into()).unwrap();
                }
                6 => {
                    let waiting = ledger.pool().content();
                    if let Some(pooled) = waiting.choose(&mut random) {
                        let hash = pooled.transaction.tx_hash();
                        assert!(chain.drop_transaction(hash) && !chain.drop_transaction(hash));
                    }
                }
                7 | 8 => snapshots.push((chain.snapshot().unwrap(), see(&chain))),
                _ if random.random_range(0..12) == 0 => {
                    chain.reset().unwrap();
                    forgotten.extend(snapshots.drain(..).map(|(number, _)| number));
                    assert_eq!(see(&chain), beginning, "seed {seed}, step {step}");
                }
                _ if !snapshots.is_empty() => {
                    let to = random.random_range(0..snapshots.len());
                    let mut later = snapshots.split_off(to);
                    assert!(chain.revert(later[0].0).unwrap());
                    forgotten.extend(later.iter().map(|(number, _)| *number));
                    assert_eq!(see(&chain), later.swap_remove(0).1, "seed {seed}, step {step}");
                }
                _ => {}
            }
            let seen = see(&chain);
            assert_eq!(seen.roots.last(), Some(&seen.stored_root), "seed {seed}, step {step}");
            assert!(
                chain
                    .snapshots()
                    .into_keys()
                    .eq(snapshots.iter().map(|(number, _)| *number))
            );
            if let Some(number) = forgotten.last() {
                assert!(!chain.revert(*number).unwrap(), "a number is never given twice");
            }
        }
    }
}

#[test]
fn an_account_changed_by_hand_is_what_the_next_block_begins_with() {
    let chain = chain();
    let (poor, contract) = (Wallet::nth(50), Address::repeat_byte(7));
    assert!(chain.ledger().submit(&poor.transfer(0)).is_err());
    // The code puts the first word of slot 5 into slot 6.
    let code = Bytes::from_static(&alloy_primitives::hex!("60055460065500"));
    let filled = AccountChange {
        code: Some(code.clone()),
        ..slot(5, 77)
    };
    let rich = balance(2_000_000_000_000_000_000);
    chain
        .change([(poor.address(), rich), (contract, filled)].into())
        .unwrap();
    let mut call = transfer(0);
    (call.to, call.gas_limit) = (contract.into(), 100_000);
    let raw = alloy_eips::eip2718::Encodable2718::encoded_2718(&poor.sign(call));
    chain.ledger().submit(&raw).unwrap();
    let block = chain.seal(&terms(1_005), false).unwrap().unwrap();
    assert!(block.receipts[0].status());
    let (_, state) = chain.ledger().pending();
    assert_eq!(state.storage(&contract, U256::from(6)), U256::from(77));
    assert_eq!(block.header.state_root, state.root());
    let whole = &chain.accounts()[&contract];
    assert_eq!(
        (&whole.code, whole.slots.len(), whole.balance),
        (&code, 2, U256::from(1))
    );
    chain
        .change([(contract, WholeAccount::default().into())].into())
        .unwrap();
    assert!(!chain.accounts().contains_key(&contract));
}

#[test]
fn one_can_send_in_the_name_of_a_contract() {
    let chain = chain();
    let contract = Address::repeat_byte(7);
    let funded = AccountChange {
        code: Some(Bytes::from_static(&[0])),
        ..balance(2_000_000_000_000_000_000)
    };
    chain.change([(contract, funded)].into()).unwrap();
    let unsigned = Wallet::nth(0).sign(transfer(0));
    let transaction = Transaction::new_unchecked(unsigned, contract);
    let hash = chain.submit_unsigned(transaction).unwrap();
    let block = chain.seal(&terms(1_005), false).unwrap().unwrap();
    assert_eq!(*block.transactions[0].tx_hash(), hash);
    assert_eq!(block.transactions[0].signer(), contract);
    // No validator would take that block.
    let other = crate::fixtures::ledger();
    assert!(other.verify(&crate::fixtures::ethereum(&block)).is_err());
}

#[test]
fn a_chain_goes_on_from_its_image() {
    let chain = chain();
    for nonce in 0..3 {
        chain.ledger().submit(&Wallet::nth(0).transfer(nonce)).unwrap();
        chain.seal(&terms(1_010 + nonce), false).unwrap().unwrap();
    }
    chain.change([(Address::repeat_byte(9), slot(1, 2))].into()).unwrap();
    let image = chain.image().unwrap();
    let again = Development::go_on(&image, PoolLimits::default()).unwrap();
    assert_eq!(again.image().unwrap(), image);
    assert_eq!(again.ledger().pending().1.root(), chain.ledger().pending().1.root());
    again.ledger().submit(&Wallet::nth(0).transfer(3)).unwrap();
    assert_eq!(again.seal(&terms(0), false).unwrap().unwrap().header.number, 4);
    again.reset().unwrap();
    assert_eq!(again.image().unwrap(), image);

    let broken = |change: &dyn Fn(&mut Vec<Arc<Sealed>>)| {
        let mut image = image.clone();
        change(&mut image.blocks);
        let refused = Development::go_on(&image, PoolLimits::default()).unwrap_err();
        assert!(matches!(refused, LedgerError::Image { .. }), "{refused:?}");
    };
    broken(&|blocks| blocks.clear());
    broken(&|blocks| drop(blocks.remove(0)));
    broken(&|blocks| drop(blocks.remove(1)));
    broken(&|blocks| {
        blocks[2] = Arc::new(Sealed {
            receipts: vec![],
            ..(*blocks[2]).clone()
        })
    });
    broken(&|blocks| {
        blocks[1] = Arc::new(Sealed {
            hash: B256::ZERO,
            ..(*blocks[1]).clone()
        })
    });
}

#[test]
fn a_block_of_nothing_is_made_only_when_told() {
    let chain = chain();
    assert!(chain.seal(&terms(5_000), false).unwrap().is_none());
    let block = chain.seal(&terms(5_000), true).unwrap().unwrap();
    assert_eq!((block.header.number, block.header.timestamp), (1, 5_000));
    assert_eq!(chain.seal(&terms(0), true).unwrap().unwrap().header.timestamp, 5_000);
    let fee = Terms {
        base_fee: Some(7),
        ..terms(0)
    };
    assert_eq!(
        chain.seal(&fee, true).unwrap().unwrap().header.base_fee_per_gas,
        Some(7)
    );
    chain.expect_timestamp(9_000);
    assert_eq!(chain.ledger().pending().0.timestamp, 9_000);
}

#[test]
fn snapshots_have_an_end() {
    let chain = chain();
    for _ in 0..SNAPSHOTS_MAX {
        chain.snapshot().unwrap();
    }
    assert!(matches!(chain.snapshot(), Err(LedgerError::Snapshots { .. })));
    assert!(chain.revert(1).unwrap() && !chain.revert(0).unwrap());
    chain.snapshot().unwrap();
}
