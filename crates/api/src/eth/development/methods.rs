//! The methods, under the names that foundry's and hardhat's tools use. Amounts come as JSON numbers or hexadecimal strings.

use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::TransactionRequest;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use serde::Deserialize;
use serde_json::Value;

/// Every name below, for nodes that do not answer to it.
pub(super) const NAMES: [&str; 53] = [
    "anvil_autoImpersonateAccount",
    "anvil_dropTransaction",
    "anvil_dumpState",
    "anvil_getAutomine",
    "anvil_impersonateAccount",
    "anvil_increaseTime",
    "anvil_loadState",
    "anvil_metadata",
    "anvil_mine",
    "anvil_nodeInfo",
    "anvil_reset",
    "anvil_revert",
    "anvil_setAutomine",
    "anvil_setBalance",
    "anvil_setCode",
    "anvil_setCoinbase",
    "anvil_setIntervalMining",
    "anvil_setNextBlockBaseFeePerGas",
    "anvil_setNextBlockTimestamp",
    "anvil_setNonce",
    "anvil_setStorageAt",
    "anvil_setTime",
    "anvil_snapshot",
    "anvil_stopImpersonatingAccount",
    "eth_sendTransaction",
    "eth_sign",
    "eth_signTypedData_v4",
    "evm_increaseTime",
    "evm_mine",
    "evm_revert",
    "evm_setAutomine",
    "evm_setIntervalMining",
    "evm_setNextBlockTimestamp",
    "evm_setTime",
    "evm_snapshot",
    "hardhat_autoImpersonateAccount",
    "hardhat_dropTransaction",
    "hardhat_dumpState",
    "hardhat_getAutomine",
    "hardhat_impersonateAccount",
    "hardhat_loadState",
    "hardhat_metadata",
    "hardhat_mine",
    "hardhat_reset",
    "hardhat_setBalance",
    "hardhat_setCode",
    "hardhat_setCoinbase",
    "hardhat_setNextBlockBaseFeePerGas",
    "hardhat_setNonce",
    "hardhat_setPrevRandao",
    "hardhat_setStorageAt",
    "hardhat_stopImpersonatingAccount",
    "personal_sign",
];

/// What `evm_mine` may be told: hardhat gives a time, foundry's tools give options.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum MineOptions {
    /// The block's time.
    Timestamp(U64),
    /// Both may be left out.
    Options {
        /// The first block's time.
        timestamp: Option<U64>,
        /// How many blocks.
        blocks: Option<U64>,
    },
}

/// Changing the chain by hand.
#[rpc(server)]
pub(crate) trait Development {
    #[method(name = "evm_snapshot", aliases = ["anvil_snapshot"])]
    async fn snapshot(&self) -> RpcResult<U64>;
    #[method(name = "evm_revert", aliases = ["anvil_revert"])]
    async fn revert(&self, snapshot: U64) -> RpcResult<bool>;
    #[method(name = "anvil_reset", aliases = ["hardhat_reset"])]
    async fn reset(&self, options: Option<Value>) -> RpcResult<()>;
    #[method(name = "anvil_dumpState", aliases = ["hardhat_dumpState"])]
    async fn dump_state(&self) -> RpcResult<Bytes>;
    #[method(name = "anvil_loadState", aliases = ["hardhat_loadState"])]
    async fn load_state(&self, state: Bytes) -> RpcResult<bool>;

    #[method(name = "evm_mine")]
    async fn mine_one(&self, options: Option<MineOptions>) -> RpcResult<&'static str>;
    #[method(name = "anvil_mine", aliases = ["hardhat_mine"])]
    async fn mine(&self, blocks: Option<U64>, interval: Option<U64>) -> RpcResult<()>;
    #[method(name = "evm_setAutomine", aliases = ["anvil_setAutomine"])]
    async fn set_automine(&self, on: bool) -> RpcResult<()>;
    #[method(name = "anvil_getAutomine", aliases = ["hardhat_getAutomine"])]
    async fn automine(&self) -> RpcResult<bool>;
    #[method(name = "evm_setIntervalMining", aliases = ["anvil_setIntervalMining"])]
    async fn set_interval_mining(&self, seconds: U64) -> RpcResult<()>;

    #[method(name = "evm_increaseTime", aliases = ["anvil_increaseTime"])]
    async fn increase_time(&self, seconds: U64) -> RpcResult<i64>;
    #[method(name = "evm_setNextBlockTimestamp", aliases = ["anvil_setNextBlockTimestamp"])]
    async fn set_next_block_timestamp(&self, time: U64) -> RpcResult<()>;
    #[method(name = "evm_setTime", aliases = ["anvil_setTime"])]
    async fn set_time(&self, time: U64) -> RpcResult<u64>;
    #[method(name = "anvil_setNextBlockBaseFeePerGas", aliases = ["hardhat_setNextBlockBaseFeePerGas"])]
    async fn set_next_base_fee(&self, wei: U64) -> RpcResult<()>;
    #[method(name = "hardhat_setPrevRandao")]
    async fn set_prev_randao(&self, value: U256) -> RpcResult<()>;
    #[method(name = "anvil_setCoinbase", aliases = ["hardhat_setCoinbase"])]
    async fn set_coinbase(&self, address: Address) -> RpcResult<()>;

    #[method(name = "anvil_setBalance", aliases = ["hardhat_setBalance"])]
    async fn set_balance(&self, address: Address, wei: U256) -> RpcResult<()>;
    #[method(name = "anvil_setCode", aliases = ["hardhat_setCode"])]
    async fn set_code(&self, address: Address, code: Bytes) -> RpcResult<()>;
    #[method(name = "anvil_setNonce", aliases = ["hardhat_setNonce"])]
    async fn set_nonce(&self, address: Address, nonce: U64) -> RpcResult<()>;
    #[method(name = "anvil_setStorageAt", aliases = ["hardhat_setStorageAt"])]
    async fn set_storage_at(&self, address: Address, slot: U256, value: B256) -> RpcResult<bool>;

    #[method(name = "anvil_impersonateAccount", aliases = ["hardhat_impersonateAccount"])]
    async fn impersonate(&self, address: Address) -> RpcResult<()>;
    #[method(name = "anvil_stopImpersonatingAccount", aliases = ["hardhat_stopImpersonatingAccount"])]
    async fn stop_impersonating(&self, address: Address) -> RpcResult<bool>;
    #[method(name = "anvil_autoImpersonateAccount", aliases = ["hardhat_autoImpersonateAccount"])]
    async fn impersonate_anyone(&self, on: bool) -> RpcResult<()>;
    #[method(name = "anvil_dropTransaction", aliases = ["hardhat_dropTransaction"])]
    async fn drop_transaction(&self, hash: B256) -> RpcResult<Option<B256>>;

    #[method(name = "anvil_nodeInfo")]
    fn node_info(&self) -> RpcResult<Value>;
    #[method(name = "anvil_metadata", aliases = ["hardhat_metadata"])]
    fn metadata(&self) -> RpcResult<Value>;

    #[method(name = "eth_sendTransaction")]
    async fn send_transaction(&self, request: TransactionRequest) -> RpcResult<B256>;
    #[method(name = "eth_sign")]
    fn sign(&self, address: Address, message: Bytes) -> RpcResult<Bytes>;
    #[method(name = "eth_signTypedData_v4")]
    fn sign_typed_data(&self, address: Address, data: TypedData) -> RpcResult<Bytes>;
    #[method(name = "personal_sign")]
    fn personal_sign(&self, message: Bytes, address: Address) -> RpcResult<Bytes>;
}
