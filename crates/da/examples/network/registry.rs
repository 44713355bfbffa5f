//! The stand-in for the chain: a fixed registry of operators, answered in each process from nothing but their number.

use alloy_sol_types::{SolCall, SolValue};
use commonware_cryptography::{Signer, ed25519};
use contracts::{
    Event, EventFilter, Mined, Provider, ProviderError, Request,
    abi::{DAEntrance, NetworkRegistry, OperatorRegistry, RandomnessBeacon},
    addresses,
};
use crypto::{bls, ecdsa};
use da::{Committee, CommitteeId, Domain, Header, Operator, Permit, Seed, disperse::Peer, permit::LIFETIME_BLOCKS};
use primitives::{Address, B256, Bytes, CHAIN_ID, Epoch};
use std::{net::SocketAddr, sync::Arc, time::Instant};

/// Where operators are until they have a port: discard.
const NOWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 9);

/// Seed of the shuffles.
const SEED: Seed = Seed(B256::repeat_byte(0x5e));

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
            stream_key: Some(stream_key.public_key()),
            bls_key: bls_key.public_key(),
            endpoint: Some(endpoints.get(index as usize).copied().unwrap_or(NOWHERE.into())),
            seats: 1,
        }
    });
    Committee::new(CommitteeId::first(Epoch(0)), SEED, operators.collect()).expect("1 to 600 operators")
}

/// A promise to pay for the blob of `header`, of an account that has enough, at any height that operators see.
pub fn permit(header: &Header, height: u64) -> Permit {
    let payer = ecdsa::Secret::from_bytes(&[1; 32]).expect("a small number is a key");
    Permit::sign(&payer, &peer(None).domain, header, None, height + LIFETIME_BLOCKS)
}

/// What an operator sees instead of a chain.
#[derive(Clone)]
pub struct FixedChain {
    /// Made once: to make the keys of so many operators takes longer than to look at a blob.
    committee: Arc<Committee>,
    blocks_per_s: u64,
    began: Instant,
}

impl FixedChain {
    /// A chain with `operators` operators and no event, on which `blocks_per_s` blocks pass in a second.
    pub fn new(operators: u32, blocks_per_s: u64) -> Self {
        Self {
            committee: Arc::new(committee(operators, &[])),
            blocks_per_s,
            began: Instant::now(),
        }
    }
}

impl Provider for FixedChain {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        use addresses::{DA_ENTRANCE, NETWORK_REGISTRY, OPERATOR_REGISTRY, RANDOMNESS_BEACON};
        assert!(
            [OPERATOR_REGISTRY, NETWORK_REGISTRY, RANDOMNESS_BEACON, DA_ENTRANCE].contains(&to),
            "operators read nothing but who they are and who has paid"
        );
        let committee = &self.committee;
        let entry = |index: u32| {
            let operator = &committee.operators()[index as usize];
            OperatorRegistry::Operator {
                account: operator.account,
                streamKey: B256::from_slice(operator.stream_key.as_ref().expect("set above").as_ref()),
                blsKey: Bytes::from(operator.bls_key.to_eip2537().to_vec()),
                endpoint: operator.endpoint.expect("set above").to_string(),
                commissionBps: 0,
                commissionEpoch: 0,
                nextCommissionBps: 0,
                jailedUntil: 0,
            }
        };
        let selector: [u8; 4] = data[..4].try_into().expect("a call has a selector");
        Ok(match selector {
            NetworkRegistry::epochCall::SELECTOR => 0u64.abi_encode().into(),
            NetworkRegistry::epochBlocksCall::SELECTOR => u64::MAX.abi_encode().into(),
            NetworkRegistry::committeeCall::SELECTOR => {
                let seated = (0..).zip(committee.operators());
                let members = seated.map(|(index, operator)| NetworkRegistry::Member {
                    operator: index,
                    firstSeat: index,
                    endSeat: index + 1,
                    account: operator.account,
                });
                NetworkRegistry::committeeCall::abi_encode_returns(&NetworkRegistry::committeeReturn {
                    seats: committee.operators().len() as u32,
                    members: members.collect(),
                })
                .into()
            }
            RandomnessBeacon::seedOfCall::SELECTOR => SEED.0.abi_encode().into(),
            DAEntrance::quorumsCall::SELECTOR => vec![0u32].abi_encode().into(),
            DAEntrance::isOpenCall::SELECTOR => true.abi_encode().into(),
            DAEntrance::pricePerByteBlockCall::SELECTOR => 1u64.abi_encode().into(),
            DAEntrance::escrowOfCall::SELECTOR => {
                let rich = DAEntrance::Escrow {
                    balance: u128::MAX,
                    leaving: 0,
                    freeBlock: 0,
                };
                rich.abi_encode().into()
            }
            OperatorRegistry::numberOfKeyCall::SELECTOR => {
                let call = OperatorRegistry::numberOfKeyCall::abi_decode(&data).expect("a key");
                let known = |operator: &Operator| {
                    let key = operator.stream_key.as_ref();
                    key.is_some_and(|key| key.as_ref() == call.streamKey.as_slice())
                };
                let number = committee.operators().iter().position(known).expect("a known key");
                (number as u32).abi_encode().into()
            }
            OperatorRegistry::operatorOfCall::SELECTOR => {
                let call = OperatorRegistry::operatorOfCall::abi_decode(&data).expect("a number");
                entry(call.operator).abi_encode().into()
            }
            OperatorRegistry::operatorsOfCall::SELECTOR => {
                let call = OperatorRegistry::operatorsOfCall::abi_decode(&data).expect("numbers");
                let entries: Vec<_> = call.operators.into_iter().map(entry).collect();
                entries.abi_encode().into()
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
        let blocks = self.began.elapsed().as_secs_f64() * self.blocks_per_s as f64;
        Ok(1 + blocks as u64)
    }
}
