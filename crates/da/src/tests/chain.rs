//! A simulated chain: a registry and a log of certified blobs. Verifies certificates as the contract does, in Rust.

use crate::{Certificate, Committee, DealtBeacon, Domain, Operator, certificate};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use commonware_cryptography::{Signer, ed25519};
use commonware_utils::sync::Mutex;
use contracts::{
    Event, EventFilter, Mined, Provider, ProviderError, Request,
    abi::{DAEntrance, GenesisOperatorRegistry},
    addresses, typed_data,
};
use crypto::bls;
use primitives::{Address, B256, BlobRoot, Bytes, CHAIN_ID, Digest, Epoch};
use std::{net::SocketAddr, sync::Arc};

pub(super) const BEACON: fn() -> DealtBeacon = || DealtBeacon(Digest::of(b"a dealt beacon"));

/// Keys of operator `index`.
pub(super) fn keys(index: u32) -> (ed25519::PrivateKey, bls::SecretKey) {
    (
        ed25519::PrivateKey::from_seed(100 + u64::from(index)),
        bls::SecretKey::from_seed(&[index as u8 + 1; 32]),
    )
}

#[derive(Clone)]
pub(super) struct SimChain(Arc<Mutex<State>>);

struct State {
    height: u64,
    endpoints: Vec<SocketAddr>,
    events: Vec<Event>,
}

impl SimChain {
    pub(super) fn new(endpoints: Vec<SocketAddr>) -> Self {
        Self(Arc::new(Mutex::new(State {
            height: 1,
            endpoints,
            events: Vec::new(),
        })))
    }

    pub(super) fn committee(&self) -> Committee {
        let operators = (0..)
            .zip(&self.0.lock().endpoints)
            .map(|(index, &endpoint)| {
                let (stream_key, bls_key) = keys(index);
                Operator {
                    account: Address::repeat_byte(index as u8 + 1),
                    stream_key: stream_key.public_key(),
                    bls_key: bls_key.public_key(),
                    endpoint,
                }
            })
            .collect();
        Committee::new(Epoch(0), BEACON(), operators).unwrap()
    }

    /// An operator moved.
    pub(super) fn set_endpoint(&self, index: u32, endpoint: SocketAddr) {
        let mut state = self.0.lock();
        state.endpoints[index as usize] = endpoint;
        let event = GenesisOperatorRegistry::EndpointChanged {
            index,
            endpoint: endpoint.to_string(),
        };
        state.log(addresses::OPERATOR_REGISTRY, &event);
    }

    /// Records a certificate, if it holds.
    pub(super) fn submit(&self, certificate: &Certificate) {
        certificate
            .verify(&Domain::of_chain(CHAIN_ID), &self.committee())
            .unwrap();
        let event = DAEntrance::BlobCertified {
            root: certificate.root().0,
            payer: Address::repeat_byte(9),
            header: certificate::on_chain(certificate.header()),
            signersBitmap: typed_data::signers_bitmap(certificate.signers().iter().copied(), 4),
        };
        self.0.lock().log(addresses::DA_ENTRANCE, &event);
    }

    /// Drops the coset `root` that was added to `base`.
    pub(super) fn drop_coset(&self, base: BlobRoot, root: BlobRoot, first_row: u32) {
        let event = DAEntrance::CosetDropped {
            base: base.0,
            root: root.0,
            firstRow: first_row,
        };
        self.0.lock().log(addresses::DA_ENTRANCE, &event);
    }

    /// Lets `blocks` blocks pass.
    pub(super) fn mine(&self, blocks: u64) {
        self.0.lock().height += blocks;
    }
}

impl State {
    /// Emits `event` in a block of its own.
    fn log(&mut self, address: Address, event: &impl SolEvent) {
        self.height += 1;
        let data = event.encode_log_data();
        let (topics, data) = (data.topics().to_vec(), data.data.clone());
        self.events.push(Event {
            address,
            topics,
            data,
            block: self.height,
            transaction: B256::ZERO,
            log_index: 0,
        });
    }
}

impl Provider for SimChain {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        assert_eq!(to, addresses::OPERATOR_REGISTRY);
        let selector: [u8; 4] = data[..4].try_into().unwrap();
        Ok(match selector {
            GenesisOperatorRegistry::epochCall::SELECTOR => 0u64.abi_encode().into(),
            GenesisOperatorRegistry::operatorsCall::SELECTOR => {
                let operators: Vec<_> = self
                    .committee()
                    .operators()
                    .iter()
                    .map(|operator| {
                        (
                            operator.account,
                            B256::from_slice(operator.stream_key.as_ref()),
                            Bytes::from(operator.bls_key.to_eip2537().to_vec()),
                            operator.endpoint.to_string(),
                        )
                    })
                    .collect();
                operators.abi_encode().into()
            }
            other => panic!("unexpected call {other:?}"),
        })
    }

    async fn send(&self, _: Request) -> Result<Mined, ProviderError> {
        panic!("an operator sent a transaction; its accounts have no funds")
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, ProviderError> {
        let blocks = filter.from_block..=filter.to_block.unwrap_or(u64::MAX);
        let state = self.0.lock();
        let selected = state.events.iter().filter(|event| {
            blocks.contains(&event.block)
                && filter.addresses.contains(&event.address)
                && filter.topic0.contains(&event.topics[0])
        });
        Ok(selected.cloned().collect())
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        Ok(self.0.lock().height)
    }
}
