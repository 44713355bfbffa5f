use super::*;
use crate::fixtures::{CHAIN_ID, GWEI, Wallet, transfer};
use alloy_consensus::{SignableTransaction as _, Transaction as _, TxEip1559, TxLegacy};
use alloy_primitives::{Signature, TxKind};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

const RICH: AccountFunds = AccountFunds {
    nonce: 0,
    balance_wei: U256::MAX,
};

fn pool(limits: PoolLimits) -> Pool {
    Pool::new(CHAIN_ID, limits)
}

fn encoded(wallet: &Wallet, transaction: TxEip1559) -> Bytes {
    wallet.sign(transaction).encoded_2718().into()
}

fn add(pool: &Pool, wallet: u64, transaction: TxEip1559, funds: AccountFunds) -> Result<B256, PoolError> {
    let raw = encoded(&Wallet::nth(wallet), transaction);
    pool.insert(pool.admit(&raw)?, funds, Origin::User)
}

fn with_fee(nonce: u64, fee: u128, tip: u128) -> TxEip1559 {
    TxEip1559 {
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: tip,
        ..transfer(nonce)
    }
}

/// What a proposer would take, as (wallet, nonce).
fn order(pool: &Pool, base_fee: u64, nonce: u64) -> Vec<(u64, u64)> {
    let wallets: Vec<_> = (0..8).map(|index| Wallet::nth(index).address()).collect();
    let mut selection = pool.select(base_fee, |_| nonce);
    let mut taken = Vec::new();
    while let Some(next) = selection.next_best() {
        let wallet = wallets
            .iter()
            .position(|address| *address == next.transaction.signer())
            .unwrap();
        taken.push((wallet as u64, next.transaction.nonce()));
        selection.accept();
    }
    taken
}

#[test]
fn each_refusal_says_what_wallets_expect() {
    let check = |transaction: TxEip1559, funds: AccountFunds, text: &str| {
        let refused = add(&pool(PoolLimits::default()), 0, transaction, funds).unwrap_err();
        assert!(refused.to_string().starts_with(text), "{refused}");
    };
    let used = AccountFunds { nonce: 5, ..RICH };
    let poor = AccountFunds {
        balance_wei: U256::from(5),
        ..RICH
    };
    check(transfer(4), used, "nonce too low: next nonce 5, tx nonce 4");
    check(transfer(5_000), used, "nonce too high");
    check(
        transfer(0),
        poor,
        "insufficient funds for gas * price + value: balance 5, tx cost 210000000000001",
    );
    check(
        TxEip1559 {
            gas_limit: 20_999,
            ..transfer(0)
        },
        RICH,
        "intrinsic gas too low: gas 20999, minimum needed 21000",
    );
    check(
        TxEip1559 {
            gas_limit: 36_000_001,
            ..transfer(0)
        },
        RICH,
        "exceeds block gas limit",
    );
    check(
        TxEip1559 {
            chain_id: 1,
            ..transfer(0)
        },
        RICH,
        "invalid chain id for signer: have 1 want 16602",
    );
    check(
        with_fee(0, GWEI, 2 * GWEI),
        RICH,
        "max priority fee per gas higher than max fee per gas",
    );
    check(with_fee(0, 0, 0), RICH, "transaction underpriced");
    let create = TxEip1559 {
        to: TxKind::Create,
        input: vec![0; 49_153].into(),
        gas_limit: 5_000_000,
        ..transfer(0)
    };
    check(create, RICH, "max initcode size exceeded: code size 49153, limit 49152");
    let large = TxEip1559 {
        input: vec![0; 131_072].into(),
        gas_limit: 5_000_000,
        ..transfer(0)
    };
    check(large, RICH, "oversized data");
}

#[test]
fn what_is_no_transaction_of_this_chain_is_refused() {
    let pool = pool(PoolLimits::default());
    assert!(matches!(pool.admit(&[]), Err(PoolError::Malformed { .. })));
    assert!(matches!(pool.admit(&[2, 0xc0]), Err(PoolError::Malformed { .. })));
    assert_eq!(pool.admit(&[3, 0xc0]), Err(PoolError::UnsupportedType));
    let unprotected = TxLegacy {
        chain_id: None,
        gas_price: GWEI,
        gas_limit: 21_000,
        ..TxLegacy::default()
    };
    let signed = unprotected.into_signed(Signature::test_signature());
    assert_eq!(
        pool.admit(&alloy_consensus::TxEnvelope::from(signed).encoded_2718()),
        Err(PoolError::Unprotected)
    );
}

#[test]
fn mutated_transactions_never_panic_the_pool() {
    let pool = pool(PoolLimits::default());
    let raw = Wallet::nth(0).transfer(0).to_vec();
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..5_000 {
        let mut mutated = raw.clone();
        let at = random.random_range(0..mutated.len());
        mutated[at] ^= 1 << random.random_range(0..8);
        if let Ok(transaction) = pool.admit(&mutated) {
            assert_eq!(transaction.encoded_2718(), mutated);
        }
    }
}

#[test]
fn a_transaction_that_needs_its_calldata_paid_counts_the_floor() {
    let pool = pool(PoolLimits::default());
    // 100 non-zero bytes are 400 tokens: 16 gas a byte to run, but 40 a byte at least.
    let input: Bytes = vec![1; 100].into();
    let refused = add(
        &pool,
        0,
        TxEip1559 {
            input: input.clone(),
            gas_limit: 24_999,
            ..transfer(0)
        },
        RICH,
    )
    .unwrap_err();
    assert_eq!(
        refused,
        PoolError::IntrinsicGas {
            gas: 24_999,
            minimum: 25_000
        }
    );
    add(
        &pool,
        0,
        TxEip1559 {
            input,
            gas_limit: 25_000,
            ..transfer(0)
        },
        RICH,
    )
    .unwrap();
}

#[test]
fn the_best_tip_goes_first_but_never_before_its_senders_earlier_ones() {
    let pool = pool(PoolLimits::default());
    add(&pool, 0, with_fee(1, 100 * GWEI, 9 * GWEI), RICH).unwrap();
    add(&pool, 0, with_fee(0, 100 * GWEI, GWEI), RICH).unwrap();
    add(&pool, 1, with_fee(0, 100 * GWEI, 5 * GWEI), RICH).unwrap();
    add(&pool, 2, with_fee(0, 100 * GWEI, 5 * GWEI), RICH).unwrap();
    assert_eq!(order(&pool, 7, 0), [(1, 0), (2, 0), (0, 0), (0, 1)]);
}

#[test]
fn a_gap_holds_what_follows_until_it_is_filled() {
    let pool = pool(PoolLimits::default());
    add(&pool, 0, transfer(1), RICH).unwrap();
    assert_eq!((order(&pool, 7, 0), pool.any_ready(7, |_| 0)), (vec![], false));
    assert_eq!(pool.next_nonce(&Wallet::nth(0).address(), 0), 0);
    add(&pool, 0, transfer(0), RICH).unwrap();
    assert_eq!(
        (order(&pool, 7, 0), pool.any_ready(7, |_| 0)),
        (vec![(0, 0), (0, 1)], true)
    );
    assert_eq!(pool.next_nonce(&Wallet::nth(0).address(), 0), 2);
}

#[test]
fn a_fee_below_the_base_fee_waits_for_a_cheaper_block() {
    let pool = pool(PoolLimits::default());
    add(&pool, 0, with_fee(0, 100, 0), RICH).unwrap();
    assert_eq!(order(&pool, 101, 0), []);
    assert_eq!(order(&pool, 100, 0), [(0, 0)]);
}

#[test]
fn a_replacement_must_pay_a_tenth_more_in_both_fees() {
    let pool = pool(PoolLimits::default());
    add(&pool, 0, with_fee(0, 1_000, 100), RICH).unwrap();
    for (fee, tip) in [(1_099, 200), (2_000, 109), (1_000, 100)] {
        let refused = add(
            &pool,
            0,
            TxEip1559 {
                value: U256::from(2),
                ..with_fee(0, fee, tip)
            },
            RICH,
        );
        assert_eq!(refused.unwrap_err(), PoolError::ReplacementUnderpriced);
    }
    let hash = add(&pool, 0, with_fee(0, 1_100, 110), RICH).unwrap();
    assert_eq!((pool.len(), pool.content()[0].transaction.tx_hash()), (1, &hash));
}

#[test]
fn the_same_transaction_twice_is_already_known() {
    let pool = pool(PoolLimits::default());
    add(&pool, 0, transfer(0), RICH).unwrap();
    assert_eq!(add(&pool, 0, transfer(0), RICH).unwrap_err(), PoolError::AlreadyKnown);
}

#[test]
fn a_sender_must_afford_all_its_waiting_transactions_together() {
    let cost = U256::from(21_000 * 10 * GWEI + 1);
    let pool = pool(PoolLimits::default());
    let funds = AccountFunds {
        nonce: 0,
        balance_wei: cost * U256::from(2),
    };
    add(&pool, 0, transfer(0), funds).unwrap();
    add(&pool, 0, transfer(1), funds).unwrap();
    let refused = add(&pool, 0, transfer(2), funds).unwrap_err();
    assert_eq!(
        refused,
        PoolError::InsufficientFunds {
            balance: U256::ZERO,
            cost
        }
    );
}

#[test]
fn a_full_pool_drops_the_lowest_fee_and_refuses_what_pays_no_more() {
    let pool = pool(PoolLimits {
        transactions_max: 3,
        ..PoolLimits::default()
    });
    for (wallet, fee) in [(0, 300), (1, 100), (2, 200)] {
        add(&pool, wallet, with_fee(0, fee, 1), RICH).unwrap();
    }
    assert_eq!(add(&pool, 3, with_fee(0, 100, 1), RICH).unwrap_err(), PoolError::Full);
    add(&pool, 3, with_fee(0, 101, 1), RICH).unwrap();
    assert_eq!(pool.len(), 3);
    let mut fees: Vec<_> = pool
        .content()
        .iter()
        .map(|pooled| pooled.transaction.max_fee_per_gas())
        .collect();
    fees.sort();
    assert_eq!(fees, [101, 200, 300]);
}

#[test]
fn a_final_block_takes_its_transactions_and_what_can_no_longer_run() {
    let pool = pool(PoolLimits::default());
    for nonce in 0..5 {
        add(&pool, 0, transfer(nonce), RICH).unwrap();
    }
    let included: Vec<_> = pool.content()[..2]
        .iter()
        .map(|pooled| pooled.transaction.clone())
        .collect();
    // After the block the account has money for two more.
    let balance_wei = U256::from(21_000 * 10 * GWEI + 1) * U256::from(2);
    pool.settle(&included, |_| AccountFunds { nonce: 2, balance_wei });
    assert_eq!(order(&pool, 7, 2), [(0, 2), (0, 3)]);
}

#[test]
fn users_transactions_are_told_once_in_batches_and_others_never() {
    let pool = pool(PoolLimits::default());
    let first = encoded(&Wallet::nth(0), transfer(0));
    add(&pool, 0, transfer(0), RICH).unwrap();
    add(&pool, 0, transfer(1), RICH).unwrap();
    let heard = pool.admit(&encoded(&Wallet::nth(1), transfer(0))).unwrap();
    pool.insert(heard, RICH, Origin::Validator).unwrap();
    assert_eq!(pool.take_untold(first.len() + 10), [first]);
    assert_eq!(pool.take_untold(1_000).len(), 1);
    assert_eq!(pool.take_untold(1_000).len(), 0);
}

/// `count` blocks with nothing of this pool in them.
fn empty_blocks(pool: &Pool, count: u64) {
    for _ in 0..count {
        pool.settle(&[], |_| RICH);
    }
}

#[test]
fn what_still_waits_some_blocks_later_is_told_again_a_few_times_and_then_no_more() {
    let pool = pool(PoolLimits::default());
    let mine = encoded(&Wallet::nth(0), transfer(0));
    add(&pool, 0, transfer(0), RICH).unwrap();
    let heard = pool.admit(&encoded(&Wallet::nth(1), transfer(0))).unwrap();
    pool.insert(heard, RICH, Origin::Validator).unwrap();
    empty_blocks(&pool, 1_000);
    assert_eq!(pool.take_told(1_000), [] as [Bytes; 0], "it was not told at all");
    assert_eq!(pool.take_untold(1_000), std::slice::from_ref(&mine));
    for again in 0..outbox::AGAIN_MAX {
        let pause = outbox::AGAIN_AFTER_BLOCKS << again;
        empty_blocks(&pool, pause - 1);
        assert_eq!(pool.take_told(1_000).len(), 0, "{again}");
        empty_blocks(&pool, 1);
        assert_eq!(pool.take_told(1_000), std::slice::from_ref(&mine), "{again}");
    }
    empty_blocks(&pool, 1_000);
    assert_eq!(pool.take_told(1_000).len(), 0);
    assert_eq!(pool.len(), 2);
}

#[test]
fn what_left_the_pool_is_not_told_again_and_the_oldest_come_first_as_far_as_there_is_room() {
    let pool = pool(PoolLimits::default());
    let all: Vec<_> = (0..4).map(|nonce| encoded(&Wallet::nth(0), transfer(nonce))).collect();
    for nonce in 0..4 {
        add(&pool, 0, transfer(nonce), RICH).unwrap();
        assert_eq!(pool.take_untold(1_000).len(), 1);
    }
    let first = pool.admit(&all[0]);
    let included = first.unwrap();
    pool.settle(&[included], |_| AccountFunds { nonce: 1, ..RICH });
    empty_blocks(&pool, outbox::AGAIN_AFTER_BLOCKS);
    let room = all[1].len() + all[2].len() + 2 * TRANSACTION_OVERHEAD_BYTES;
    assert_eq!(
        pool.take_told(all[1].len()),
        [] as [Bytes; 0],
        "its length has to fit, too"
    );
    assert_eq!(pool.take_told(room), all[1..3]);
    assert_eq!(pool.take_told(room), all[3..]);
    assert_eq!(pool.take_told(room).len(), 0);
}

/// Those that left are forgotten when there are too many, so that what is remembered is no more than twice what may wait.
#[test]
fn a_stream_of_transactions_that_leave_at_once_is_not_remembered() {
    let limits = PoolLimits {
        transactions_max: 5,
        ..PoolLimits::default()
    };
    let pool = pool(limits);
    let kept = add(&pool, 1, transfer(0), RICH).unwrap();
    for nonce in 0..200 {
        let hash = add(&pool, 0, transfer(nonce), RICH).unwrap();
        assert!(!pool.take_untold(1_000).is_empty());
        assert!(pool.remove(&hash));
        assert!(pool.state().outbox.remembered() <= 10);
    }
    empty_blocks(&pool, outbox::AGAIN_AFTER_BLOCKS);
    let again = pool.take_told(1_000);
    assert_eq!(again, [encoded(&Wallet::nth(1), transfer(0))]);
    assert!(pool.get(&kept).is_some());
}

/// What peers tell again is found by its hash, before its signature.
#[test]
fn what_waits_already_is_refused_among_others_that_do_not() {
    let pool = pool(PoolLimits::default());
    add(&pool, 0, transfer(0), RICH).unwrap();
    let batch = [0, 1, 0].map(|nonce| encoded(&Wallet::nth(0), transfer(nonce)));
    let admitted = pool.admit_all(&batch);
    let known = |index: usize| matches!(admitted[index], Err(PoolError::AlreadyKnown));
    assert!(known(0) && !known(1) && known(2), "{admitted:?}");
    assert_eq!(admitted[1].as_ref().unwrap().signer(), Wallet::nth(0).address());
}

/// Whatever comes and goes, in whatever order, the books balance and the limits hold.
#[test]
fn random_operations_keep_the_limits_and_leave_nothing_behind() {
    let limits = PoolLimits {
        transactions_max: 20,
        bytes_max: 3_000,
        nonce_window: 8,
        ..PoolLimits::default()
    };
    let pool = pool(limits.clone());
    let mut random = StdRng::seed_from_u64(4);
    let mut nonces = [0u64; 8];
    for _ in 0..1_500 {
        let wallet = random.random_range(0..8u64);
        let nonce = nonces[wallet as usize];
        if random.random_range(0..8) > 0 {
            let fee = random.random_range(100..1_000);
            let transaction = with_fee(nonce + random.random_range(0..9), fee, random.random_range(0..fee));
            let _ = add(&pool, wallet, transaction, AccountFunds { nonce, ..RICH });
        } else {
            let included: Vec<_> = pool
                .content()
                .iter()
                .take(4)
                .map(|pooled| pooled.transaction.clone())
                .collect();
            for transaction in &included {
                let index = (0..8)
                    .position(|index| Wallet::nth(index).address() == transaction.signer())
                    .unwrap();
                nonces[index] = nonces[index].max(transaction.nonce() + 1);
            }
            let wallets: Vec<_> = (0..8).map(|index| Wallet::nth(index).address()).collect();
            let nonce = |sender: &Address| nonces[wallets.iter().position(|address| address == sender).unwrap()];
            pool.settle(&included, |sender| AccountFunds {
                nonce: nonce(sender),
                ..RICH
            });
        }
        let content = pool.content();
        let bytes: usize = content.iter().map(|pooled| pooled.bytes).sum();
        assert!(content.len() <= limits.transactions_max && bytes <= limits.bytes_max);
        pool.state().waiting.check();
    }
    let all: Vec<_> = pool.content().iter().map(|pooled| pooled.transaction.clone()).collect();
    pool.settle(&all, |_| AccountFunds {
        nonce: u64::MAX,
        ..RICH
    });
    assert!(pool.is_empty());
    pool.state().waiting.check();
}

#[test]
fn who_follows_arrivals_is_told_of_those_that_left_again_and_of_the_last_ones_only() {
    let pool = pool(PoolLimits::default());
    let first = add(&pool, 0, transfer(0), RICH).unwrap();
    assert_eq!(pool.arrived_after(0), (vec![first], 1));
    let (second, third) = (
        add(&pool, 1, transfer(0), RICH).unwrap(),
        add(&pool, 2, transfer(0), RICH).unwrap(),
    );
    assert!(pool.remove(&second));
    assert_eq!(pool.arrived_after(1), (vec![second, third], 3));
    assert_eq!(pool.arrived_after(3), (vec![], 3));
    assert_eq!(pool.arrived(), 3);
    // One that is refused did not arrive.
    add(&pool, 0, transfer(0), RICH).unwrap_err();
    assert_eq!(pool.arrived(), 3);

    let earlier = pool.copy();
    let admitted = pool.admit(&encoded(&Wallet::nth(1), transfer(0))).unwrap();
    for _ in 0..RECENT_MAX {
        assert_eq!(pool.insert(admitted.clone(), RICH, Origin::User), Ok(second));
        assert!(pool.remove(&second));
    }
    let (known, arrived) = pool.arrived_after(0);
    assert_eq!((known.len(), arrived), (RECENT_MAX, 3 + RECENT_MAX as u64));
    // A chain that goes back does not tell of them again.
    pool.put_back(earlier);
    assert_eq!(pool.arrived_after(arrived), (vec![], arrived));
}
