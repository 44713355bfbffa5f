//! Contract work: a pair that tokens are swapped in, and blocks of 100 million gas that development chains execute.

use crate::{
    development::DevelopmentProcess,
    load::Client,
    workload::{SENDERS, Signed, Workload},
};
use alloy_sol_types::{SolCall, SolValue as _, sol};
use primitives::{Address, Bytes, U256};
use serde_json::json;
use std::{net::SocketAddr, path::Path, time::Instant};

/// Gas of the blocks that are executed.
const BLOCK_GAS: u64 = 100_000_000;
/// Least part of it that a block has used in the end.
const BLOCK_GAS_MIN: u64 = 90_000_000;
/// Blocks of each kind, of which the median counts.
const BLOCKS: usize = 5;
/// Gas of a transaction of heavy work: ten fill a block.
const HEAVY_GAS: u64 = 10_000_000;
/// Words that one of them writes: 22,400 gas each.
const WORDS: u64 = 440;
/// Rounds of precompiles that one of them asks for: 134,000 gas each.
const ROUNDS: u64 = 70;
/// Most gas of a swap: a trader's first writes words that were zero.
const SWAP_GAS: u64 = 200_000;
/// Senders of a block's swaps.
const TRADERS: u64 = 100;
/// Gas of what comes before.
const SETUP_GAS: u64 = 5_000_000;
/// Millionths that a swap gives.
const SWAPPED: u64 = 10;
/// Millionths in a pair, of each token.
const LIQUIDITY: u64 = 50_000_000;

sol! {
    function approve(address spender, uint256 amount) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
    function sync() external;
    function swap(uint256 amount, address to) external returns (uint256 given);
    function write(uint256 first, uint256 count) external;
    function compute(uint256 count) external;
}

/// Creation code of a contract of the workspace's, with what its constructor takes.
fn creation(artifact: &str, arguments: &[u8]) -> Vec<u8> {
    let artifact: serde_json::Value = serde_json::from_str(artifact).expect("an artifact is JSON");
    let code: Bytes = artifact["bytecode"]
        .as_str()
        .expect("an artifact has code")
        .parse()
        .expect("code is hexadecimal");
    [&code, arguments].concat()
}

const TOKEN: &str = include_str!("../../../../contracts/artifacts/USDX.json");
const PAIR: &str = include_str!("../../../../contracts/artifacts/MeasuredPair.json");
const WORK: &str = include_str!("../../../../contracts/artifacts/MeasuredWork.json");

/// Who sends what next.
pub struct Script<'a> {
    workload: &'a Workload,
    nonces: Vec<u64>,
}

impl<'a> Script<'a> {
    /// Nobody has sent anything.
    pub fn new(workload: &'a Workload) -> Self {
        Self {
            workload,
            nonces: vec![0; SENDERS as usize],
        }
    }

    /// The next transaction of `sender`.
    pub fn next(&mut self, sender: u64, to: Option<Address>, gas: u64, input: Vec<u8>) -> Signed {
        let nonce = &mut self.nonces[sender as usize];
        *nonce += 1;
        self.workload.call(sender, *nonce - 1, to, gas, input)
    }

    /// Where the next contract that `sender` creates will be.
    fn address_of_next(&self, sender: u64) -> Address {
        self.workload.sender(sender).create(self.nonces[sender as usize])
    }

    /// What makes a pair: with tokens of its own unless `token` is there, which all senders have then; and `traders` that may swap. Each list's
    /// transactions need those before.
    pub fn pair(&mut self, token: Option<Address>, traders: u64) -> (Address, Vec<Vec<Signed>>) {
        let mut created = Vec::new();
        let mut make_token = |script: &mut Self, holder: Address| {
            let at = script.address_of_next(0);
            let supply = U256::from(LIQUIDITY) * U256::from(1_000_000);
            let code = creation(TOKEN, &(holder, supply).abi_encode());
            created.push(script.next(0, None, SETUP_GAS, code));
            at
        };
        let deployer = self.workload.sender(0);
        let first = token.unwrap_or_else(|| make_token(self, deployer));
        let second = make_token(self, deployer);
        let pair = self.address_of_next(0);
        created.push(self.next(0, None, SETUP_GAS, creation(PAIR, &(first, second).abi_encode())));
        let amount = U256::from(LIQUIDITY);
        for token in [first, second] {
            created.push(self.next(
                0,
                Some(token),
                SETUP_GAS,
                transferCall { to: pair, amount }.abi_encode(),
            ));
        }
        created.push(self.next(0, Some(pair), SETUP_GAS, syncCall {}.abi_encode()));
        let mut funded = Vec::new();
        if token.is_none() {
            for trader in 1..traders {
                let to = self.workload.sender(trader);
                funded.push(self.next(0, Some(first), 100_000, transferCall { to, amount }.abi_encode()));
            }
        }
        let approved = (0..traders).map(|trader| {
            let call = approveCall {
                spender: pair,
                amount: U256::MAX,
            };
            self.next(trader, Some(first), 100_000, call.abi_encode())
        });
        let approved = approved.collect();
        (pair, vec![created, funded, approved])
    }

    /// `count` swaps, of `traders` senders in turn.
    pub fn swaps(&mut self, pair: Address, traders: u64, count: u64) -> Vec<Signed> {
        let swap = |index: u64| {
            let call = swapCall {
                amount: U256::from(SWAPPED),
                to: self.workload.sender(index % traders),
            };
            self.next(index % traders, Some(pair), SWAP_GAS, call.abi_encode())
        };
        (0..count).map(swap).collect()
    }
}

/// What a block is full of.
#[derive(Clone, Copy)]
enum Kind {
    Storage,
    Precompiles,
    Swaps,
}

/// Milliseconds that a block of 100 million gas takes on our development chain and on anvil, by kind, and the least ratio of the two.
pub fn measure(anvil: Option<&Path>, workload: &Workload, set: &mut crate::Set<'_>) {
    let mut ratios = Vec::new();
    for (name, kind) in [
        ("storage", Kind::Storage),
        ("precompiles", Kind::Precompiles),
        ("swaps", Kind::Swaps),
    ] {
        eprintln!("blocks of 100 million gas: {name}");
        let ours = block_ms(DevelopmentProcess::aloft(), workload, kind);
        set(&format!("contracts_{name}_block_ms"), json!(ours));
        if let Some(program) = anvil {
            let theirs = block_ms(DevelopmentProcess::anvil_on_demand(program), workload, kind);
            set(&format!("contracts_{name}_block_anvil_ms"), json!(theirs));
            ratios.push(theirs / ours);
        }
    }
    if let Some(least) = ratios.into_iter().min_by(f64::total_cmp) {
        set("contracts_vs_anvil", json!(least));
    }
}

fn block_ms(process: DevelopmentProcess, workload: &Workload, kind: Kind) -> f64 {
    assert!(crate::load::fund(&process.address, workload), "it takes balances");
    let mut chain = Chain::new(process.address);
    let mut script = Script::new(workload);
    chain.call("evm_setAutomine", json!([false]));
    // Whom transactions call, and how many a block has.
    let (target, count) = match kind {
        Kind::Swaps => {
            let (pair, steps) = script.pair(None, TRADERS);
            for step in steps {
                chain.block_of(&step);
            }
            chain.block_of(&script.swaps(pair, TRADERS, TRADERS));
            // Words that a first swap writes are there now.
            let (_, gas) = chain.block_of(&script.swaps(pair, TRADERS, TRADERS));
            (pair, (BLOCK_GAS - SWAP_GAS) * TRADERS / gas)
        }
        Kind::Storage | Kind::Precompiles => {
            let at = script.address_of_next(0);
            chain.block_of(&[script.next(0, None, SETUP_GAS, creation(WORK, &[]))]);
            (at, BLOCK_GAS / HEAVY_GAS)
        }
    };
    let mut times: Vec<f64> = (0..BLOCKS as u64)
        .map(|block| {
            let mut heavy = |input: &dyn Fn(u64) -> Vec<u8>| {
                (0..count)
                    .map(|place| script.next(place, Some(target), HEAVY_GAS, input(place)))
                    .collect()
            };
            let work: Vec<_> = match kind {
                Kind::Storage => heavy(&|place| {
                    let first = U256::from((block * count + place) * WORDS);
                    let count = U256::from(WORDS);
                    writeCall { first, count }.abi_encode()
                }),
                Kind::Precompiles => heavy(&|_| {
                    let count = U256::from(ROUNDS);
                    computeCall { count }.abi_encode()
                }),
                Kind::Swaps => script.swaps(target, TRADERS, count),
            };
            let (ms, gas) = chain.block_of(&work);
            // No block is quite full: what counts is the time for each gas.
            assert!(gas >= BLOCK_GAS_MIN, "a block of {gas} gas");
            ms * BLOCK_GAS as f64 / gas as f64
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    (times[BLOCKS / 2] * 100.0).round() / 100.0
}

/// A development chain that makes blocks when it is told to.
struct Chain(Client);

impl Chain {
    fn new(address: SocketAddr) -> Self {
        Self(Client::connect(address).expect("connect to a node"))
    }

    fn call(&mut self, method: &str, parameters: serde_json::Value) -> serde_json::Value {
        self.0.call(method, parameters)
    }

    /// Makes a block of all of `transactions`: how long that took, milliseconds, and the gas that it used.
    fn block_of(&mut self, transactions: &[Signed]) -> (f64, u64) {
        for signed in transactions {
            let raw = format!("0x{}", primitives::hex::encode(&signed.raw));
            let taken = self.call("eth_sendRawTransaction", json!([raw]));
            assert!(taken.is_string(), "a transaction is taken");
        }
        let begun = Instant::now();
        self.call("evm_mine", json!([]));
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        let block = self.call("eth_getBlockByNumber", json!(["latest", false]));
        let made = block["transactions"].as_array().map_or(0, Vec::len);
        assert_eq!(made, transactions.len(), "all are in the block");
        let receipts = self.call("eth_getBlockReceipts", json!(["latest"]));
        let failed = receipts
            .as_array()
            .expect("receipts")
            .iter()
            .find(|receipt| receipt["status"] != "0x1");
        assert!(failed.is_none(), "a transaction failed: {failed:?}");
        let gas = block["gasUsed"]
            .as_str()
            .and_then(|gas| u64::from_str_radix(&gas[2..], 16).ok());
        (ms, gas.expect("a block says its gas"))
    }
}
