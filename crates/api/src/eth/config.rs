//! What a node says of its rules and of what it keeps: `eth_config` (EIP-7910) and `eth_capabilities`.

use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS,
    eip7840::BlobParams,
    eip7910::{EthConfig, EthForkConfig, SystemContract},
};
use alloy_primitives::{Address, B256, Bytes, U64};
use chain::Ledger;
use serde::Serialize;
use std::collections::BTreeMap;

/// Prague's precompiled contracts by the names of their EIPs, at the addresses 1 to 17.
const PRECOMPILES: [&str; 17] = [
    "ECREC",
    "SHA256",
    "RIPEMD160",
    "ID",
    "MODEXP",
    "BN254_ADD",
    "BN254_MUL",
    "BN254_PAIRING",
    "BLAKE2F",
    "KZG_POINT_EVALUATION",
    "BLS12_G1ADD",
    "BLS12_G1MSM",
    "BLS12_G2ADD",
    "BLS12_G2MSM",
    "BLS12_PAIRING_CHECK",
    "BLS12_MAP_FP_TO_G1",
    "BLS12_MAP_FP2_TO_G2",
];

/// The one fork of this chain: in force since the genesis block, with no room for blobs.
pub(crate) fn config(ledger: &Ledger) -> EthConfig {
    let precompiles = (1..)
        .zip(PRECOMPILES)
        .map(|(number, name)| (name.to_owned(), Address::with_last_byte(number)));
    EthConfig {
        current: EthForkConfig {
            activation_time: 0,
            blob_schedule: BlobParams {
                target_blob_count: 0,
                max_blob_count: 0,
                max_blobs_per_tx: 0,
                ..BlobParams::prague()
            },
            chain_id: ledger.chain_id(),
            fork_id: fork_id(ledger),
            precompiles: precompiles.collect(),
            system_contracts: BTreeMap::from([(SystemContract::HistoryStorage, HISTORY_STORAGE_ADDRESS)]),
        },
        next: None,
        last: None,
    }
}

/// EIP-6122's fork hash of a chain whose rules never changed: the CRC-32 of the genesis hash.
fn fork_id(ledger: &Ledger) -> Bytes {
    let genesis = ledger.genesis().hash_slow();
    Bytes::copy_from_slice(&crc32(genesis.as_slice()).to_be_bytes())
}

/// CRC-32 as in Ethernet (reflected polynomial 0xedb88320).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1))
        })
    })
}

/// What can be asked of this node, and from which block on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Capabilities {
    head: Head,
    state: Capability,
    tx: Capability,
    logs: Capability,
    receipts: Capability,
    blocks: Capability,
    stateproofs: Capability,
}

#[derive(Clone, Debug, Serialize)]
struct Head {
    number: U64,
    hash: B256,
}

/// One kind of data.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Capability {
    disabled: bool,
    oldest_block: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_strategy: Option<DeleteStrategy>,
}

/// How old data goes.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeleteStrategy {
    r#type: &'static str,
    retention_blocks: U64,
}

/// Blocks, receipts and logs are kept for ever from the first on that is here; states as the ledger was told.
pub(crate) fn capabilities(ledger: &Ledger) -> Capabilities {
    let latest = ledger.latest();
    let all = Capability {
        disabled: false,
        oldest_block: U64::from(ledger.first()),
        delete_strategy: None,
    };
    let window = match ledger.state_history() {
        chain::StateHistory::All => None,
        kept => Some(DeleteStrategy {
            r#type: "window",
            retention_blocks: U64::from(kept.blocks_max()),
        }),
    };
    let states = Capability {
        oldest_block: U64::from(ledger.oldest_state()),
        delete_strategy: window,
        ..all
    };
    Capabilities {
        head: Head {
            number: U64::from(latest.header.number),
            hash: latest.hash,
        },
        state: states,
        tx: all,
        logs: all,
        receipts: all,
        blocks: all,
        stateproofs: states,
    }
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn crc_32_is_that_of_its_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
