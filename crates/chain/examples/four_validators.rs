//! How many transfers a second four validators make final, in one process over loopback TCP.
//!
//! Signed transfers are given to the first validator, which tells the others; the clock runs from the first one given to the last one
//! final, so that every validator's recovery of senders, execution, state root, votes and disk writes count. Signing does not.
//! Then single transfers, one after another at odd moments and to each validator in turn: how long each takes to be final there.
//! `cargo run --release -p chain --example four_validators -- [transfers] [gas limit in millions]` prints one JSON object.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use chain::{
    Ledger, PoolLimits, Store, ValidatorKeys,
    consensus::{Config, FixedRoster, Pace, TcpConfig, start_on_tcp},
};
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _, tokio as runtime};
use crypto::ecdsa::Secret;
use std::{
    net::{SocketAddr, TcpListener},
    num::NonZeroU64,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::error::RecvError;

const CHAIN_ID: u64 = 16602;
const VALIDATORS: u8 = 4;
/// Each has at most as many transfers waiting as the pool's nonce window allows.
const SENDERS: u64 = 200;
/// Single transfers, whose finality is timed.
const SINGLES: u64 = 60;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>().expect("a number"));
    let transfers = arguments.next().unwrap_or(20_000);
    let gas_limit = arguments.next().unwrap_or(36) * 1_000_000;
    assert!(
        transfers.div_ceil(SENDERS) <= PoolLimits::default().nonce_window,
        "too many transfers of each sender"
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journals = runtime::Config::default().with_storage_directory(folder.path().join("journals"));
    let databases = folder.path().to_owned();
    runtime::Runner::new(journals).start(|context| async move {
        let secrets: Vec<Secret> = (0..SENDERS).map(secret).collect();
        let genesis = evm::Genesis {
            chain_id: CHAIN_ID,
            timestamp: 0,
            gas_limit,
            prev_randao: B256::ZERO,
            allocations: secrets
                .iter()
                .map(|secret| (secret.address(), U256::from(10u128.pow(24))))
                .collect(),
            contracts: Vec::new(),
            calls: Vec::new(),
        };
        let signed: Vec<Bytes> = (0..transfers)
            .map(|index| sign(&secrets[(index % SENDERS) as usize], index / SENDERS))
            .collect();
        let keys: Vec<_> = (1..=VALIDATORS)
            .map(|index| ValidatorKeys::from_seed(&[index; 32]))
            .collect();
        let validators: Vec<_> = keys.iter().map(|keys| (keys.validator(1), free_address())).collect();
        let committees = Arc::new(FixedRoster::new(&validators).expect("distinct keys"));
        let (mut ledgers, mut running) = (Vec::new(), Vec::new());
        for (index, keys) in keys.into_iter().enumerate() {
            let store = Store::open(databases.join(format!("{index}.redb"))).expect("a new file");
            let limits = PoolLimits {
                transactions_max: transfers as usize,
                ..PoolLimits::default()
            };
            let ledger = Ledger::open(&genesis, store, limits).expect("a new chain");
            let child = context.child("validator").with_attribute("index", index);
            let tcp = TcpConfig {
                listen: validators[index].1,
                namespace: b"four-validators".to_vec(),
            };
            let config = Config {
                keys,
                committees: committees.clone(),
                epoch_blocks: NonZeroU64::MAX,
                ledger: ledger.clone(),
                beneficiary: Address::repeat_byte(1),
                partition_prefix: format!("validator-{index}"),
                pace: Pace::default(),
                offences: None,
                certificates: Default::default(),
                beacon: None,
                floor: None,
            };
            running.push(start_on_tcp(child, config, tcp));
            ledgers.push(ledger);
        }
        let ledger = &ledgers[0];
        let mut finals = ledger.subscribe();
        // Connected and voting.
        finals.recv().await.expect("the validators run");
        let (began, first) = (Instant::now(), ledger.latest().header.number);
        let giver = ledger.clone();
        let giving = std::thread::spawn(move || {
            signed.iter().for_each(|raw| {
                giver.submit(raw).expect("a good transfer");
            })
        });
        let mut done = 0;
        while done < transfers {
            match finals.recv().await {
                Ok(block) => done += block.transactions.len() as u64,
                Err(RecvError::Lagged(_)) => panic!("the reader is never slow"),
                Err(RecvError::Closed) => panic!("the ledger is open"),
            }
        }
        let elapsed = began.elapsed();
        giving.join().expect("all were taken");
        let blocks = ledger.latest().header.number - first;
        let mut finality_ms = Vec::new();
        for index in 0..SINGLES {
            // Any moment between two blocks, the same ones in each run.
            context.sleep(Duration::from_millis(37 * index % 250)).await;
            let nonce = (transfers + SENDERS - 1 - index) / SENDERS;
            let (raw, validator) = (
                sign(&secrets[index as usize], nonce),
                &ledgers[index as usize % ledgers.len()],
            );
            let mut finals = validator.subscribe();
            let given = Instant::now();
            let hash = validator.submit(&raw).expect("a good transfer");
            while !finals
                .recv()
                .await
                .expect("the validators run")
                .transactions
                .iter()
                .any(|transaction| *transaction.tx_hash() == hash)
            {}
            finality_ms.push(given.elapsed().as_millis() as u64);
        }
        finality_ms.sort_unstable();
        let report = serde_json::json!({
            "validators": VALIDATORS,
            "transfers": transfers,
            "block_gas": gas_limit,
            "elapsed_s": round(elapsed),
            "final_transfers_per_s": (transfers as f64 / elapsed.as_secs_f64()).round(),
            "blocks": blocks,
            "finality_idle_p50_ms": finality_ms[finality_ms.len() / 2],
            "finality_idle_p95_ms": finality_ms[finality_ms.len() * 95 / 100],
        });
        println!("{report}");
    });
}

fn round(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0
}

fn secret(index: u64) -> Secret {
    Secret::from_bytes(&keccak256(index.to_be_bytes()).0).expect("a hash below the curve's order")
}

fn sign(secret: &Secret, nonce: u64) -> Bytes {
    let transfer = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 1_000_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = secret.sign(&transfer.signature_hash());
    let signature = Signature::from_raw_array(&signature).expect("a signature just made is one");
    TxEnvelope::from(transfer.into_signed(signature)).encoded_2718().into()
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket")
}
