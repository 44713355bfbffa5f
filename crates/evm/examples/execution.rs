//! Transactions a second on one core: packing blocks (execution, receipts, state root) on a state of 100,000 accounts.
//!
//! Senders come recovered, as they do from the pool. Prints one JSON object; rates are per second of this thread's CPU time.
//!
//! `cargo run --release -p evm --example execution`

use alloy_consensus::{SignableTransaction, TxEip1559, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use contracts::{Terms, addresses::USDX, genesis_contracts_with};
use evm::{BlockContext, BlockHashes, Diff, Genesis, Packer, State, Transaction, execute};

const CHAIN: u64 = 16602;
const ACCOUNTS: u64 = 100_000;
const BLOCKS: u64 = 10;
const TRANSACTIONS_PER_BLOCK: u64 = 5_000;

sol! {
    function transfer(address to, uint256 amount) external returns (bool);
}

struct NoHashes;

impl BlockHashes for NoHashes {
    fn block_hash(&self, _: u64) -> Option<B256> {
        None
    }
}

/// CPU time of this thread, in seconds.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer, and this clock exists on Linux.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Memory this process holds, in bytes.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    pages
        .split(' ')
        .nth(1)
        .expect("second field")
        .parse::<u64>()
        .expect("a number")
        * 4096
}

fn account(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

/// A signed transaction whose signature nobody checks: its sender is already known.
fn transaction(sender: u64, nonce: u64, to: Address, value: u64, input: Bytes) -> Transaction {
    let unsigned = TxEip1559 {
        chain_id: CHAIN,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::from(value),
        input,
        ..TxEip1559::default()
    };
    let signature = Signature::new(U256::from(sender + 1), U256::from(nonce + 1), false);
    Recovered::new_unchecked(unsigned.into_signed(signature).into(), account(sender))
}

/// Packs the blocks; the transactions a CPU second.
fn pack(state: &mut State, parent: &mut alloy_consensus::Header, blocks: &[Vec<Transaction>]) -> (f64, f64) {
    let (mut packing, mut verifying, mut count) = (0.0, 0.0, 0);
    for transactions in blocks {
        let context = BlockContext::after(
            parent,
            parent.hash_slow(),
            parent.timestamp + 1,
            Address::ZERO,
            B256::ZERO,
        );
        let begin = cpu_seconds();
        let mut packer = Packer::new(state, context, CHAIN, &NoHashes);
        for transaction in transactions {
            packer.push(transaction).expect("every transaction is valid");
        }
        let executed = packer.finish();
        packing += cpu_seconds() - begin;
        assert!(executed.receipts.iter().all(|receipt| receipt.status()));
        count += executed.receipts.len();

        let senders: Vec<_> = transactions.iter().map(|transaction| transaction.signer()).collect();
        let body = alloy_consensus::BlockBody {
            transactions: transactions
                .iter()
                .map(|transaction| transaction.inner().clone())
                .collect(),
            ommers: vec![],
            withdrawals: Some(Default::default()),
        };
        let block = alloy_consensus::Block {
            header: executed.header.clone(),
            body,
        };
        let begin = cpu_seconds();
        execute(parent, state, &block, &senders, CHAIN, &NoHashes, &Default::default())
            .expect("what was packed is valid");
        verifying += cpu_seconds() - begin;
        (*state, *parent) = (executed.state, executed.header);
    }
    (count as f64 / packing, count as f64 / verifying)
}

fn main() {
    let before = resident_bytes();
    let funder = account(0);
    let genesis = Genesis {
        chain_id: CHAIN,
        timestamp: 0,
        gas_limit: 1_000_000_000,
        prev_randao: Default::default(),
        allocations: vec![(funder, U256::MAX >> 8)],
        contracts: genesis_contracts_with(&Terms {
            faucet: funder,
            ..Terms::default()
        }),
        calls: vec![],
    };
    let (mut parent, mut state, _) = genesis.build().expect("a valid genesis");
    let mut diff = Diff::default();
    for index in 1..ACCOUNTS {
        let account = evm::Account::with_balance(U256::from(10u64).pow(U256::from(24)));
        let change = evm::AccountDiff {
            account: Some(account),
            ..Default::default()
        };
        diff.accounts.insert(self::account(index), change);
    }
    let begin = cpu_seconds();
    state.apply(&diff);
    state.root();
    let load_seconds = cpu_seconds() - begin;
    drop(diff);
    let state_bytes = resident_bytes() - before;

    let mut random = 1u64;
    let mut dice = |sides: u64| {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (random >> 33) % sides
    };
    let mut nonces = vec![0; ACCOUNTS as usize];
    let mut next_nonce = |from: u64| {
        nonces[from as usize] += 1;
        nonces[from as usize] - 1
    };
    let pay_tokens = |from: u64, nonce, to: u64, amount: u64| {
        let call = transferCall {
            to: account(to),
            amount: U256::from(amount),
        };
        transaction(from, nonce, USDX, 0, call.abi_encode().into())
    };
    // The funder hands out tokens first, unmeasured, so that the measured transfers move balances that exist.
    let funding = (1..=TRANSACTIONS_PER_BLOCK)
        .map(|to| pay_tokens(0, next_nonce(0), to, 1_000_000))
        .collect();
    pack(&mut state, &mut parent, &[funding]);
    let mut blocks = |holders: u64, make: &dyn Fn(u64, u64, u64) -> Transaction| -> Vec<Vec<Transaction>> {
        let mut one = |_| {
            let (from, to) = (1 + dice(holders), 1 + dice(holders));
            make(from, next_nonce(from), to)
        };
        (0..BLOCKS)
            .map(|_| (0..TRANSACTIONS_PER_BLOCK).map(&mut one).collect())
            .collect()
    };
    let transfers = blocks(ACCOUNTS - 1, &|from, nonce, to| {
        transaction(from, nonce, account(to), 1, Bytes::new())
    });
    let tokens = blocks(TRANSACTIONS_PER_BLOCK, &|from, nonce, to| {
        pay_tokens(from, nonce, to, 1)
    });
    let (transfers_packed, transfers_verified) = pack(&mut state, &mut parent, &transfers);
    let (tokens_packed, tokens_verified) = pack(&mut state, &mut parent, &tokens);
    println!(
        "{{\"accounts\":{ACCOUNTS},\"transactions_per_block\":{TRANSACTIONS_PER_BLOCK},\
         \"transfers_packed_per_cpu_s\":{transfers_packed:.0},\"transfers_verified_per_cpu_s\":{transfers_verified:.0},\
         \"erc20_packed_per_cpu_s\":{tokens_packed:.0},\"erc20_verified_per_cpu_s\":{tokens_verified:.0},\
         \"accounts_loaded_per_cpu_s\":{:.0},\"state_bytes_per_account\":{}}}",
        ACCOUNTS as f64 / load_seconds,
        state_bytes / ACCOUNTS,
    );
}
