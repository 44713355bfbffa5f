//! The stand-in for the chain: a fixed registry of operators, answered in each process from nothing but their number.

use alloy_sol_types::{SolCall, SolValue};
use commonware_cryptography::{Signer, ed25519};
use contracts::{Event, EventFilter, Mined, Provider, ProviderError, Request, abi::GenesisOperatorRegistry, addresses};
use crypto::bls;
use da::{Committee, DealtBeacon, Domain, Operator, disperse::Peer};
use primitives::{Address, B256, Bytes, CHAIN_ID, Digest, Epoch};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Where operators are until they have a port: discard.
const NOWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

/// Seed of the shuffles.
pub fn beacon() -> DealtBeacon {
    DealtBeacon(Digest::of(b"the beacon of a measurement"))
}

/// Keys of operator `index`.
pub fn keys(index: u32) -> (ed25519::PrivateKey, bls::SecretKey) {
    let seed = blake3::derive_key("aloft/da/measured operator", &index.to_be_bytes());
    (
        ed25519::PrivateKey::from_seed(1_000 + u64::from(index)),
        bls::SecretKey::from_seed(&seed),
    )
}

/// The disperser, which is no operator, or operator `index`.
pub fn peer(index: Option<u32>) -> Peer {
    Peer {
        stream_key: index.map_or_else(|| ed25519::PrivateKey::from_seed(1), |index| keys(index).0),
        domain: Domain::of_chain(CHAIN_ID),
    }
}

/// A committee of `count`, of which the first are at `endpoints`, the others nowhere.
pub fn committee(count: u32, endpoints: &[SocketAddr]) -> Committee {
    let operators = (0..count).map(|index| {
        let (stream_key, bls_key) = keys(index);
        Operator {
            account: Address::left_padding_from(&index.to_be_bytes()),
            stream_key: stream_key.public_key(),
            bls_key: bls_key.public_key(),
            endpoint: endpoints.get(index as usize).copied().unwrap_or(NOWHERE.into()),
        }
    });
    Committee::new(Epoch(0), beacon(), operators.collect()).expect("1 to 600 operators")
}

/// What an operator sees instead of a chain.
#[derive(Clone)]
pub struct FixedChain {
    operators: u32,
    /// Blocks that pass each time somebody asks for the height.
    blocks_per_look: u64,
    height: Arc<AtomicU64>,
}

impl FixedChain {
    /// A chain with `operators` operators and no event.
    pub fn new(operators: u32, blocks_per_look: u64) -> Self {
        Self {
            operators,
            blocks_per_look,
            height: Arc::new(AtomicU64::new(1)),
        }
    }
}

impl Provider for FixedChain {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        assert_eq!(
            to,
            addresses::OPERATOR_REGISTRY,
            "operators read nothing but the registry"
        );
        let selector: [u8; 4] = data[..4].try_into().expect("a call has a selector");
        Ok(match selector {
            GenesisOperatorRegistry::epochCall::SELECTOR => 0u64.abi_encode().into(),
            GenesisOperatorRegistry::operatorsCall::SELECTOR => {
                let committee = committee(self.operators, &[]);
                let entries = committee.operators().iter().map(|operator| {
                    (
                        operator.account,
                        B256::from_slice(operator.stream_key.as_ref()),
                        Bytes::from(operator.bls_key.to_eip2537().to_vec()),
                        operator.endpoint.to_string(),
                    )
                });
                entries.collect::<Vec<_>>().abi_encode().into()
            }
            other => panic!("no operator makes the call {other:?}"),
        })
    }

    async fn send(&self, _: Request) -> Result<Mined, ProviderError> {
        panic!("an operator sends no transaction")
    }

    async fn events(&self, _: EventFilter) -> Result<Vec<Event>, ProviderError> {
        Ok(Vec::new())
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        Ok(self.height.fetch_add(self.blocks_per_look, Ordering::Relaxed))
    }
}
