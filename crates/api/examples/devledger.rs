//! One ledger in memory behind JSON-RPC, without consensus: seals a block as soon as a transaction waits.
//!
//! A harness for client tests (`tests/clients/rpc`), not a network: nothing is agreed on, nothing is kept.
//!
//! `cargo run --release -p api --example devledger -- 127.0.0.1:8545`

use alloy_primitives::{Address, B256, U256};
use api::eth::{EthConfig, EthMetrics, serve};
use chain::{Ledger, MemoryDisk, PoolLimits, Store};
use contracts::{addresses::FAUCET, genesis_contracts};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a transaction waits at least: long enough to be seen waiting, as in a network.
const WAIT: Duration = Duration::from_millis(5);
/// Wei that the first development account has: a million coins.
const FUNDS: u128 = 1_000_000_000_000_000_000_000_000;

fn now_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_secs()
}

/// Seals what waits.
fn seal(ledger: &Ledger) -> Result<(), chain::LedgerError> {
    let parent = ledger.latest();
    let timestamp = now_seconds().max(parent.header.timestamp);
    let block = ledger.propose(parent.hash, timestamp, Address::ZERO, B256::ZERO, &mut || false)?;
    ledger.finalize(block.hash)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(1).unwrap_or("127.0.0.1:8545".into()).parse()?;
    let genesis = evm::Genesis {
        chain_id: primitives::CHAIN_ID,
        timestamp: now_seconds(),
        gas_limit: 36_000_000,
        prev_randao: Default::default(),
        allocations: vec![(FAUCET, U256::from(FUNDS))],
        contracts: genesis_contracts(),
        calls: vec![],
    };
    let ledger = Ledger::open(
        &genesis,
        Store::in_memory(&MemoryDisk::default())?,
        PoolLimits::default(),
    )?;
    let config = EthConfig {
        listen,
        client_version: "aloft/devledger".into(),
        peer_count: 0,
        metrics: EthMetrics::default(),
    };
    let server = serve(config, ledger.clone()).await?;
    println!("http://{}", server.address());
    let mut arrivals = ledger.pool().arrivals();
    loop {
        arrivals.forget();
        while ledger.any_ready(&ledger.latest().hash) {
            seal(&ledger)?;
        }
        arrivals.changed().await;
        tokio::time::sleep(WAIT).await;
    }
}
