//! A simulated chain: a registry, one quorum and a log of certified blobs. Verifies certificates as the contract does, in Rust.

use crate::{
    Certificate, Committee, CommitteeId, Domain, Header, Operator, Permit, Seed, certificate, disperse::Peer,
    permit::LIFETIME_BLOCKS, service::Config,
};
use alloy_sol_types::{SolCall, SolError, SolEvent, SolValue};
use commonware_cryptography::{Signer, ed25519};
use commonware_utils::sync::Mutex;
use contracts::{
    DA_SERVICE, Event, EventFilter, Mined, Provider, ProviderError, Request,
    abi::{DAEntrance, NetworkRegistry, OperatorRegistry, RandomnessBeacon},
    addresses, typed_data,
};
use crypto::{bls, ecdsa};
use primitives::{Address, B256, BlobRoot, Bytes, CHAIN_ID, Epoch, MIB};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

/// Seed of the epochs to which a test gives none, and what the contracts were dealt.
pub(super) const SEED: Seed = Seed(B256::repeat_byte(0xde));

/// Keys of operator `index`.
pub(super) fn keys(index: u32) -> (ed25519::PrivateKey, bls::SecretKey) {
    (
        ed25519::PrivateKey::from_seed(100 + u64::from(index)),
        bls::SecretKey::from_seed(&[index as u8 + 1; 32]),
    )
}

/// What operator `index` runs with.
pub(super) fn config(index: u32, listen: SocketAddr) -> Config {
    let (stream_key, bls_key) = keys(index);
    Config {
        listen,
        peer: Peer {
            stream_key,
            domain: Domain::of_chain(CHAIN_ID),
        },
        bls_key,
        partition: partition(index),
        capacity_bytes: 64 * MIB,
        unpaid_bytes_max: 16 * MIB,
        ingest_bytes_per_s: None,
        poll_ms: 200,
    }
}

/// Folder of an operator's rows.
pub(super) fn partition(operator: u32) -> String {
    format!("rows-{operator}")
}

#[derive(Clone)]
pub(super) struct SimChain(Arc<Mutex<State>>);

struct State {
    height: u64,
    epoch_blocks: u64,
    /// Of every operator that is registered, by number.
    endpoints: Vec<SocketAddr>,
    /// Number and seats of each member, from an epoch on.
    committees: BTreeMap<u64, Vec<(u32, u32)>>,
    /// Of epochs that have one of their own; none: it has not come yet.
    seeds: BTreeMap<u64, Option<Seed>>,
    events: Vec<Event>,
    /// What accounts have in escrow, wei; others have nothing.
    escrows: BTreeMap<Address, u128>,
}

/// Wei a byte and block.
pub(super) const PRICE: u64 = 3;

/// Who pays for the tests' blobs, out of a full escrow.
pub(super) fn payer() -> ecdsa::Secret {
    ecdsa::Secret::from_bytes(&[0x77; 32]).unwrap()
}

impl SimChain {
    /// One epoch that does not end in any test that does not ask for it, in which all have a seat.
    pub(super) fn new(endpoints: Vec<SocketAddr>) -> Self {
        let all = (0..endpoints.len() as u32).map(|number| (number, 1)).collect();
        Self(Arc::new(Mutex::new(State {
            height: 1,
            epoch_blocks: 1 << 32,
            endpoints,
            committees: BTreeMap::from([(0, all)]),
            seeds: BTreeMap::new(),
            events: Vec::new(),
            escrows: BTreeMap::from([(payer().address(), u128::MAX)]),
        })))
    }

    pub(super) fn height(&self) -> u64 {
        self.0.lock().height
    }

    pub(super) fn set_epoch_blocks(&self, blocks: u64) {
        self.0.lock().epoch_blocks = blocks;
    }

    /// From `epoch` on these have so many seats.
    pub(super) fn set_members(&self, epoch: u64, members: &[(u32, u32)]) {
        self.0.lock().committees.insert(epoch, members.to_vec());
    }

    /// What the shuffles of `epoch` are drawn from; none: it has not come yet.
    pub(super) fn set_seed(&self, epoch: u64, seed: Option<Seed>) {
        self.0.lock().seeds.insert(epoch, seed);
    }

    pub(super) fn epoch(&self) -> Epoch {
        let state = self.0.lock();
        Epoch(state.height / state.epoch_blocks)
    }

    /// The present committee.
    pub(super) fn committee(&self) -> Committee {
        self.committee_at(CommitteeId::first(self.epoch()))
    }

    pub(super) fn committee_at(&self, id: CommitteeId) -> Committee {
        let state = self.0.lock();
        let (_, members) = state.committees.range(..=id.epoch.0).next_back().unwrap();
        let operators = members
            .iter()
            .map(|&(index, seats)| {
                let (stream_key, bls_key) = keys(index);
                Operator {
                    account: Address::repeat_byte(index as u8 + 1),
                    stream_key: Some(stream_key.public_key()),
                    bls_key: bls_key.public_key(),
                    endpoint: Some(state.endpoints[index as usize]),
                    seats,
                }
            })
            .collect();
        Committee::new(id, state.seed_of(id.epoch).unwrap(), operators).unwrap()
    }

    /// An operator moved.
    pub(super) fn set_endpoint(&self, index: u32, endpoint: SocketAddr) {
        let mut state = self.0.lock();
        state.endpoints[index as usize] = endpoint;
        let event = OperatorRegistry::EndpointChanged {
            operator: index,
            endpoint: endpoint.to_string(),
        };
        state.log(addresses::OPERATOR_REGISTRY, &event);
    }

    /// What `payer` has in escrow from now on, wei.
    pub(super) fn set_escrow(&self, payer: Address, wei: u128) {
        self.0.lock().escrows.insert(payer, wei);
    }

    /// A promise of [`payer`] to pay for the blob of `header`.
    pub(super) fn permit(&self, header: &Header) -> Permit {
        let deadline = self.height() + LIFETIME_BLOCKS;
        Permit::sign(&payer(), &Domain::of_chain(CHAIN_ID), header, None, deadline)
    }

    /// Records a certificate, if it holds.
    pub(super) fn submit(&self, certificate: &Certificate) {
        let headers = certificate.headers();
        let committee = self.committee_at(headers[0].params.committee);
        certificate.verify(&Domain::of_chain(CHAIN_ID), &committee).unwrap();
        let (now, epoch) = (self.epoch(), committee.id().epoch);
        for header in headers {
            assert!(epoch <= now && epoch.0 + contracts::GRACE_EPOCHS >= now.0 || header.params.base.is_some());
            let event = DAEntrance::BlobCertified {
                root: header.root().0,
                payer: payer().address(),
                header: certificate::on_chain(header),
                signersBitmap: typed_data::signers_bitmap(certificate.signers().iter().copied(), committee.len()),
            };
            self.0.lock().log(addresses::DA_ENTRANCE, &event);
        }
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
    fn seed_of(&self, epoch: Epoch) -> Option<Seed> {
        self.seeds.get(&epoch.0).copied().unwrap_or(Some(SEED))
    }

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
        use addresses::{DA_ENTRANCE, NETWORK_REGISTRY, OPERATOR_REGISTRY, RANDOMNESS_BEACON};
        assert!([OPERATOR_REGISTRY, NETWORK_REGISTRY, RANDOMNESS_BEACON, DA_ENTRANCE].contains(&to));
        let selector: [u8; 4] = data[..4].try_into().unwrap();
        let entry = |number: u32| {
            let (stream_key, bls_key) = keys(number);
            OperatorRegistry::Operator {
                account: Address::repeat_byte(number as u8 + 1),
                streamKey: B256::from_slice(stream_key.public_key().as_ref()),
                blsKey: Bytes::from(bls_key.public_key().to_eip2537().to_vec()),
                endpoint: self.0.lock().endpoints[number as usize].to_string(),
                commissionBps: 0,
                commissionEpoch: 0,
                nextCommissionBps: 0,
                jailedUntil: 0,
            }
        };
        Ok(match selector {
            NetworkRegistry::epochCall::SELECTOR => self.epoch().0.abi_encode().into(),
            NetworkRegistry::epochBlocksCall::SELECTOR => self.0.lock().epoch_blocks.abi_encode().into(),
            NetworkRegistry::committeeCall::SELECTOR => {
                let call = NetworkRegistry::committeeCall::abi_decode(&data).unwrap();
                assert!(call.atEpoch <= self.epoch().0 + 1, "a committee that is not fixed yet");
                let state = self.0.lock();
                let (_, members) = state.committees.range(..=call.atEpoch).next_back().unwrap();
                let mut seats = 0;
                let members = members.iter().map(|&(operator, own)| {
                    seats += own;
                    NetworkRegistry::Member {
                        operator,
                        firstSeat: seats - own,
                        endSeat: seats,
                        account: Address::repeat_byte(operator as u8 + 1),
                    }
                });
                let members = members.collect();
                NetworkRegistry::committeeCall::abi_encode_returns(&NetworkRegistry::committeeReturn { seats, members })
                    .into()
            }
            RandomnessBeacon::seedOfCall::SELECTOR => {
                let call = RandomnessBeacon::seedOfCall::abi_decode(&data).unwrap();
                match self.0.lock().seed_of(Epoch(call.epoch_)) {
                    Some(seed) => seed.0.abi_encode().into(),
                    None => {
                        let refusal = RandomnessBeacon::SeedNotFixed { epoch: call.epoch_ };
                        return Err(ProviderError::reverted(refusal.abi_encode().into()));
                    }
                }
            }
            DAEntrance::quorumsCall::SELECTOR => vec![DA_SERVICE].abi_encode().into(),
            DAEntrance::isOpenCall::SELECTOR => true.abi_encode().into(),
            DAEntrance::pricePerByteBlockCall::SELECTOR => PRICE.abi_encode().into(),
            DAEntrance::escrowOfCall::SELECTOR => {
                let call = DAEntrance::escrowOfCall::abi_decode(&data).unwrap();
                let escrow = DAEntrance::Escrow {
                    balance: self.0.lock().escrows.get(&call.payer).copied().unwrap_or_default(),
                    leaving: 0,
                    freeBlock: 0,
                };
                escrow.abi_encode().into()
            }
            OperatorRegistry::numberOfKeyCall::SELECTOR => {
                let call = OperatorRegistry::numberOfKeyCall::abi_decode(&data).unwrap();
                let count = self.0.lock().endpoints.len() as u32;
                let known = |number: &u32| keys(*number).0.public_key().as_ref() == call.streamKey.as_slice();
                match (0..count).find(known) {
                    Some(number) => number.abi_encode().into(),
                    None => return Err(ProviderError::reverted(Bytes::new())),
                }
            }
            OperatorRegistry::operatorOfCall::SELECTOR => {
                let call = OperatorRegistry::operatorOfCall::abi_decode(&data).unwrap();
                entry(call.operator).abi_encode().into()
            }
            OperatorRegistry::operatorsOfCall::SELECTOR => {
                let call = OperatorRegistry::operatorsOfCall::abi_decode(&data).unwrap();
                let entries: Vec<_> = call.operators.into_iter().map(entry).collect();
                entries.abi_encode().into()
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
