//! A development chain with the network's contracts behind JSON-RPC, and nothing else: what `aloft up --dev` serves, quicker to build.
//!
//! A harness for client tests (`tests/clients/rpc`, `tests/clients/development`), not a network: nothing is agreed on, nothing is kept.
//!
//! `cargo run --release -p api --example devledger -- 127.0.0.1:8545`

use alloy_primitives::{B256, U256, hex};
use api::eth::{
    EthConfig,
    development::{DevelopmentConfig, Sealing, serve},
};
use chain::{Development, PoolLimits};
use contracts::{addresses::FAUCET, genesis_contracts};
use crypto::ecdsa::Secret;
use std::{
    future::pending,
    time::{SystemTime, UNIX_EPOCH},
};

/// Wei that each development account has: a million coins.
const FUNDS: u128 = 1_000_000_000_000_000_000_000_000;
/// Keys of the first four development accounts, which every tool knows; the first is [`FAUCET`]'s.
const KEYS: [[u8; 32]; 4] = [
    hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    hex!("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    hex!("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    hex!("7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(1).unwrap_or("127.0.0.1:8545".into()).parse()?;
    let keys: Vec<Secret> = KEYS.iter().filter_map(Secret::from_bytes).collect();
    assert_eq!(keys[0].address(), FAUCET);
    let genesis = evm::Genesis {
        chain_id: primitives::CHAIN_ID,
        timestamp: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        gas_limit: 60_000_000,
        prev_randao: B256::ZERO,
        allocations: keys.iter().map(|key| (key.address(), U256::from(FUNDS))).collect(),
        contracts: genesis_contracts(),
        calls: vec![],
    };
    let config = DevelopmentConfig {
        eth: EthConfig::alone(listen, "anvil/aloft-devledger"),
        keys,
        sealing: Sealing::Instant,
        ahead_s: 0,
    };
    let chain = serve(config, Development::begin(&genesis, PoolLimits::default())?).await?;
    println!("http://{}", chain.address());
    pending::<()>().await;
    Ok(())
}
