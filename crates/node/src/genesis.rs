//! The first block of a local network: its contracts, its operators, its funded accounts.

use crate::{
    keys::development_wallets,
    layout::{LayoutError, NetworkFile, NodeEntry, Ports},
};
use alloy_sol_types::SolCall;
use contracts::{
    Founder, FoundingValidator, ReleaseKey, SetupCall, Terms, VoteKey, abi, addresses, founding_calls,
    genesis_contracts_with, releasing_calls,
};
use crypto::bls;
use evm::{Genesis, GenesisCall};
use primitives::{B256, Bytes, U256};

/// Gas limit of a block. Fees hold blocks at half of it: 23,809 transfers a second at a block every 150 ms.
pub const GAS_LIMIT: u64 = 150_000_000;

/// Native coins of each development account and of each operator, in whole coins of 10^18 wei.
const COINS: u64 = 10_000;

/// What each node puts at stake of its coins in genesis: a hundred challenges that it does not answer.
const STAKE_COINS: u64 = 100;

/// Test tokens of each development account, in millionths: a million USDX.
const USDX_EACH: u64 = 1_000_000_000_000;

/// A node's entry in the network file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// A key in the entry is not one.
    #[error("{node} in network.json holds no valid {key}")]
    Key {
        /// The node.
        node: String,
        /// Which key.
        key: &'static str,
    },
    /// The folder.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// The genesis block of a network: the same for every node that has the same `network.json`.
///
/// # Errors
///
/// [`GenesisError`], naming the entry at fault.
pub fn genesis(network: &NetworkFile) -> Result<Genesis, GenesisError> {
    let developers: Vec<_> = development_wallets().iter().map(client::Wallet::address).collect();
    let coins = U256::from(COINS) * coin();
    let operators = network.nodes.iter().map(|node| node.account);
    let allocations = developers
        .iter()
        .copied()
        .chain(operators)
        .map(|account| (account, coins))
        .collect();

    let founders: Vec<Founder> = network.nodes.iter().map(founder).collect::<Result<_, _>>()?;
    let mut calls: Vec<GenesisCall> = founding_calls(&founders).into_iter().map(genesis_call).collect();
    if network.release_key() == ReleaseKey::Generated {
        calls.extend(releasing_calls(&founders).into_iter().map(genesis_call));
    } else if let Some(keys) = &network.dealt_release_committee {
        let appoint = abi::DealtReleaseCommittee::appointCall {
            keys: keys.clone(),
            streamKeys: founders.iter().map(|founder| founder.stream_key).collect(),
        };
        calls.push(call(addresses::FAUCET, addresses::RELEASE_COMMITTEE, appoint));
    }
    for developer in developers.iter().filter(|account| **account != addresses::FAUCET) {
        let transfer = abi::USDX::transferCall {
            to: *developer,
            value: U256::from(USDX_EACH),
        };
        calls.push(call(addresses::FAUCET, addresses::USDX, transfer));
    }
    Ok(Genesis {
        chain_id: network.chain_id,
        timestamp: network.genesis_time,
        gas_limit: GAS_LIMIT,
        prev_randao: network.dealt_beacon.0,
        allocations,
        contracts: genesis_contracts_with(&Terms {
            epoch_blocks: network.epoch_blocks.get(),
            release_key: network.release_key(),
            ..Terms::default()
        }),
        calls,
    })
}

/// What a node has from the first block on.
fn founder(node: &NodeEntry) -> Result<Founder, GenesisError> {
    let refused = |key| GenesisError::Key {
        node: node.name.clone(),
        key,
    };
    let bls_key = |bytes: &Bytes| {
        let bytes = bytes.as_ref().try_into().ok()?;
        Some(bls::PublicKey::from_bytes(bytes).ok()?.to_eip2537().into())
    };
    let signature = |bytes: &Bytes| {
        let bytes = bytes.as_ref().try_into().ok()?;
        Some(bls::Signature::from_bytes(bytes).ok()?.to_eip2537().into())
    };
    let vote_keys = node.vote_keys.iter().map(|entry| {
        Some(VoteKey {
            key: bls_key(&entry.key)?,
            possession: signature(&entry.possession)?,
        })
    });
    let identity = node.identity().ok_or_else(|| refused("identity"))?;
    Ok(Founder {
        account: node.account,
        stream_key: B256::from_slice(identity.as_ref()),
        bls_key: bls_key(&node.availability_key).ok_or_else(|| refused("availability key"))?,
        possession: signature(&node.availability_possession).ok_or_else(|| refused("proof of possession"))?,
        endpoint: Ports::loopback(node.ports.da).to_string(),
        stake_wei: U256::from(STAKE_COINS) * coin(),
        validator: Some(FoundingValidator {
            endpoint: Ports::loopback(node.ports.p2p).to_string(),
            vote_keys: vote_keys.collect::<Option<_>>().ok_or_else(|| refused("vote key"))?,
        }),
    })
}

/// 10^18 wei.
fn coin() -> U256 {
    U256::from(10).pow(U256::from(18))
}

fn genesis_call(call: SetupCall) -> GenesisCall {
    let SetupCall { from, to, data, value } = call;
    GenesisCall { from, to, data, value }
}

fn call(from: primitives::Address, to: primitives::Address, call: impl SolCall) -> GenesisCall {
    GenesisCall {
        from,
        to,
        data: call.abi_encode().into(),
        value: U256::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    /// Nodes never exchange the genesis block: each builds it, so all must build the same.
    #[test]
    fn every_node_builds_the_same_first_block_from_the_network_file() {
        let folder = tempfile::tempdir().unwrap();
        let made = Layout::open_or_create(folder.path(), Some(2)).unwrap();
        let opened = Layout::open(folder.path()).unwrap();
        let (header, state, _) = genesis(&made.network).unwrap().build().unwrap();
        let (again, ..) = genesis(&opened.network).unwrap().build().unwrap();
        assert_eq!(header.hash_slow(), again.hash_slow());
        assert_eq!(header.state_root, state.root());
        assert!(
            state
                .account(&addresses::OPERATOR_REGISTRY)
                .is_some_and(|account| account.code_hash != B256::ZERO)
        );
    }

    #[test]
    fn where_members_make_the_release_key_the_founders_are_its_committee() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create_with(folder.path(), Some(4), None, ReleaseKey::Generated).unwrap();
        let genesis = genesis(&layout.network).unwrap();
        let name = |contract: &contracts::GenesisContract| contract.address == addresses::RELEASE_COMMITTEE;
        let found = genesis.contracts.iter().find(|contract| name(contract)).unwrap();
        assert_eq!(found.name, "ReleaseCeremony");
        // Each call of genesis has to succeed.
        genesis.build().unwrap();
    }

    #[test]
    fn a_network_file_with_a_broken_key_names_the_node() {
        let folder = tempfile::tempdir().unwrap();
        let mut layout = Layout::open_or_create(folder.path(), Some(2)).unwrap();
        layout.network.nodes[1].availability_key = vec![0; 48].into();
        let error = genesis(&layout.network).err().unwrap();
        assert_eq!(
            error.to_string(),
            "node-1 in network.json holds no valid availability key"
        );
    }
}
