//! Two quorums of different operators under one entrance, on the contracts themselves.

use super::{
    chain::{config, partition, payer},
    evm_chain::{EvmChain, account},
    network::guest,
    payload, request, seeded,
};
use crate::{
    CodedBlob, Committee, CommitteeId, Privacy, Publisher, Record, Service,
    disperse::{self, DeliveryError, DisperseError},
    encode::Request,
    publish::PublishError,
    quorum::{self, Candidates, Lot},
    retrieve, sample,
    wire::Refusal,
};
use alloy_sol_types::SolCall;
use commonware_runtime::{Clock, Runner as _, Storage, Supervisor, deterministic};
use contracts::{
    DA_MIN_STAKE_WEI, DA_SEATS, DA_SERVICE, SERVICE_CREATION_WEI,
    abi::{DAEntrance, NetworkRegistry, OperatorRegistry},
    addresses::{DA_CHALLENGES, DA_ENTRANCE, FAUCET, NETWORK_REGISTRY, OPERATOR_REGISTRY},
};
use primitives::{Address, Epoch, U256};
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

const OPERATORS: u32 = 6;
/// Where operators listen at first.
const PORT: u16 = 9100;
const WEI: u128 = 1 << 67;
/// The service that becomes the second quorum.
const SECOND: u32 = 2;
const BLOB_BYTES: usize = 20_000;

fn endpoint(operator: u32, port: u16) -> SocketAddr {
    ([10, 0, 4, operator as u8], port).into()
}

struct Scene {
    context: deterministic::Context,
    chain: EvmChain,
    services: Vec<Option<Service<deterministic::Context>>>,
    ports: [u16; OPERATORS as usize],
    publisher: Publisher<EvmChain, deterministic::Context>,
    /// What was published, with the seed of its payload.
    records: Vec<(Record, u64)>,
}

impl Scene {
    /// Six operators of one quorum.
    async fn new(context: deterministic::Context) -> Self {
        let endpoints: Vec<SocketAddr> = (0..OPERATORS).map(|operator| endpoint(operator, PORT)).collect();
        let chain = EvmChain::genesis(&endpoints, payer().address(), U256::from(WEI));
        chain.fund(FAUCET, U256::from(2 * SERVICE_CREATION_WEI));
        chain.mine(1);
        let mut scene = Self {
            publisher: Publisher::new(&context, chain.clone(), guest(), 20),
            context,
            chain,
            services: Vec::new(),
            ports: [PORT; OPERATORS as usize],
            records: Vec::new(),
        };
        for operator in 0..OPERATORS {
            let service = scene.start(operator).await;
            scene.services.push(Some(service));
        }
        scene
    }

    async fn start(&self, operator: u32) -> Service<deterministic::Context> {
        let own = self.chain.of(account(operator));
        let listen = endpoint(operator, self.ports[operator as usize]);
        let context = self.context.child("operator").with_attribute("index", operator);
        let service = Service::start(context, config(operator, listen), own).await;
        service.unwrap()
    }

    /// Calls a contract on behalf of `from`.
    async fn write<C: SolCall + Sync>(&self, from: Address, to: Address, call: &C, wei: u128) {
        let sent = contracts::write(&self.chain.of(from), to, call, U256::from(wei)).await;
        sent.unwrap();
    }

    /// Half of the operators leave the quorum for one of their own, which is opened.
    async fn divide(&self) {
        let create = NetworkRegistry::createCall {
            kind: 1,
            allocation: 0,
            slasher: DA_CHALLENGES,
            seats: DA_SEATS,
            minStake: DA_MIN_STAKE_WEI,
        };
        self.write(FAUCET, NETWORK_REGISTRY, &create, SERVICE_CREATION_WEI)
            .await;
        for operator in OPERATORS / 2..OPERATORS {
            let leave = NetworkRegistry::optOutCall { service: DA_SERVICE };
            self.write(account(operator), NETWORK_REGISTRY, &leave, 0).await;
            let join = NetworkRegistry::optInCall {
                service: SECOND,
                displaced: 0,
            };
            self.write(account(operator), NETWORK_REGISTRY, &join, 0).await;
        }
        let activate = NetworkRegistry::activateCall { service: SECOND };
        self.write(FAUCET, NETWORK_REGISTRY, &activate, 0).await;
        let open = DAEntrance::openQuorumCall { service: SECOND };
        self.write(FAUCET, DA_ENTRANCE, &open, 0).await;
    }

    async fn begin_epoch(&self, epoch: u64) {
        self.chain.begin_epoch(epoch);
        self.context.sleep(Duration::from_secs(2)).await;
    }

    fn blob(&self, committee: &Committee, seed: u64) -> CodedBlob {
        let request = Request {
            committee: committee.id(),
            expiry_block: 1_000_000,
            ..request(Privacy::Public)
        };
        CodedBlob::encode(&mut seeded(seed), payload(seed, BLOB_BYTES), request).unwrap()
    }

    /// Publishes a payload to the quorum that it draws; returns which that is.
    async fn publish(&mut self, seed: u64) -> u32 {
        let lot = || Lot::of_payload(payer().address(), &payload(seed, BLOB_BYTES));
        let committee = quorum::committee_for(&self.chain, &guest().domain, lot).await.unwrap();
        let blob = self.blob(&committee, seed);
        let published = self.publisher.publish(&self.context, &committee, &blob, |_| {}).await;
        published.unwrap();
        self.records.push((Record::of_header(blob.head().header()), seed));
        committee.id().quorum
    }

    /// Reads and samples everything that was published, from who the chain's record says.
    async fn read_all(&mut self) {
        for (record, seed) in self.records.clone() {
            let record = Record::read(&self.chain, &guest().domain, record.root()).await.unwrap();
            let committee = Committee::read(&self.chain, record.committee()).await.unwrap();
            let read = retrieve::retrieve(&self.context, &guest(), &committee, &record, &[], |_| {}).await;
            assert_eq!(read.unwrap().coded(), payload(seed, BLOB_BYTES), "payload {seed}");
            let sampled = sample::ask(&mut self.context, &guest(), &committee, &record, &[], 26).await;
            assert!(sampled.unwrap().verdict.all_found(), "payload {seed}");
        }
    }

    fn blobs(&self, operator: u32) -> u64 {
        self.services[operator as usize].as_ref().unwrap().status().blobs
    }
}

#[test]
fn a_quorum_is_opened_while_the_other_is_read_and_written_and_then_each_keeps_its_own() {
    deterministic::Runner::seeded(91).start(|context| async move {
        let mut scene = Scene::new(context).await;
        assert_eq!(scene.publish(1).await, DA_SERVICE);
        scene.divide().await;
        // Until the second has a committee, the first keeps all, and all six operators with it.
        for epoch in 1..=2 {
            scene.begin_epoch(epoch).await;
            assert_eq!(scene.publish(1 + epoch).await, DA_SERVICE);
            scene.read_all().await;
        }
        scene.begin_epoch(3).await;
        let before = (scene.blobs(0), scene.blobs(5));
        assert_eq!(before, (3, 3));
        let mut drawn = Vec::new();
        for seed in 10..18 {
            drawn.push(scene.publish(seed).await);
            scene.read_all().await;
        }
        assert_eq!(
            BTreeSet::from_iter(drawn.clone()),
            BTreeSet::from([DA_SERVICE, SECOND]),
            "{drawn:?}"
        );
        let second = drawn.iter().filter(|quorum| **quorum == SECOND).count() as u64;
        let first = drawn.len() as u64 - second;
        scene.context.sleep(Duration::from_secs(2)).await;
        for operator in 0..OPERATORS {
            let own = if operator < OPERATORS / 2 { first } else { second };
            assert_eq!(scene.blobs(operator), 3 + own, "operator {operator}");
        }

        // One of each loses its disk, and has its rows again from those of its own quorum.
        for operator in [1, 4] {
            scene.services[operator].take().unwrap().stop();
            scene.context.sleep(Duration::from_millis(10)).await;
            let rows = partition(operator as u32);
            Storage::remove(&scene.context, &rows, None).await.unwrap();
            // A simulated port is not free again: it moves, and says so on chain.
            scene.ports[operator] += 1;
            let moved = OperatorRegistry::setEndpointCall {
                endpoint: endpoint(operator as u32, scene.ports[operator]).to_string(),
            };
            scene
                .write(account(operator as u32), OPERATOR_REGISTRY, &moved, 0)
                .await;
            let service = scene.start(operator as u32).await;
            for _ in 0..600 {
                if service.work().rows_repaired > 0 && service.missing_rows() == 0 {
                    break;
                }
                scene.context.sleep(Duration::from_millis(200)).await;
            }
            assert_eq!(service.missing_rows(), 0);
            assert_eq!(service.status().blobs, 3 + if operator < 3 { first } else { second });
            scene.services[operator] = Some(service);
        }
        scene.read_all().await;
    });
}

#[test]
fn a_blob_of_one_quorum_is_taken_and_signed_for_by_no_other() {
    deterministic::Runner::seeded(92).start(|context| async move {
        let scene = Scene::new(context).await;
        scene.divide().await;
        for epoch in 1..=3 {
            scene.begin_epoch(epoch).await;
        }
        let (first, second) = (scene.chain.committee().await, scene.chain.committee_of(SECOND).await);
        assert_eq!((first.len(), second.len()), (3, 3));
        let blob = scene.blob(&second, 5);
        let permit = scene.chain.permit(blob.head().header());
        let sent = disperse::disperse(&scene.context, &guest(), &first, &blob, &permit, |_| {}).await;
        assert!(matches!(sent, Err(DisperseError::WrongCommittee { .. })));
        // Operators of the first that are told they are the second's.
        let posing = first.at(second.id(), second.seed());
        let sent = disperse::disperse(&scene.context, &guest(), &posing, &blob, &permit, |_| {}).await;
        let Err(DisperseError::NoQuorum {
            failures,
            rows_signed: 0,
            ..
        }) = sent
        else {
            panic!("taken")
        };
        for failure in failures {
            let DeliveryError::Refused { source, .. } = failure else {
                panic!("{failure}")
            };
            assert_eq!(source, Refusal::NoSeat { current: Epoch(3) });
        }
        let unknown = CommitteeId {
            quorum: 7,
            epoch: Epoch(3),
        };
        let blob = scene.blob(&second.at(unknown, second.seed()), 6);
        let permit = scene.chain.permit(blob.head().header());
        let sent = disperse::disperse(
            &scene.context,
            &guest(),
            &second.at(unknown, second.seed()),
            &blob,
            &permit,
            |_| {},
        )
        .await;
        assert!(matches!(sent, Err(DisperseError::NoQuorum { rows_signed: 0, .. })));
    });
}

/// The operators of the second quorum are gone. Who publishes finds that out by itself, and the first keeps what the second should.
#[test]
fn a_payload_whose_quorum_is_dead_is_kept_by_the_next() {
    deterministic::Runner::seeded(93).start(|context| async move {
        let mut scene = Scene::new(context).await;
        scene.divide().await;
        for epoch in 1..=3 {
            scene.begin_epoch(epoch).await;
        }
        let lot = |seed| Lot::of_payload(payer().address(), &payload(seed, BLOB_BYTES));
        let drawn_by = |quorum| (20..).find(|seed| lot(*seed).order(&[DA_SERVICE, SECOND])[0] == quorum);
        let (theirs, ours) = (drawn_by(SECOND).unwrap(), drawn_by(DA_SERVICE).unwrap());
        for operator in OPERATORS / 2..OPERATORS {
            scene.services[operator as usize].take().unwrap().stop();
        }
        scene.context.sleep(Duration::from_millis(10)).await;

        let mut roots = Vec::new();
        for attempt in 0..2 {
            let drawn = Candidates::draw(&scene.chain, &guest().domain, || lot(theirs)).await;
            let (committee, candidates) = drawn.unwrap();
            assert_eq!(committee.id().quorum, SECOND);
            let mut blob = scene.blob(&committee, theirs);
            let publishing = scene
                .publisher
                .publish_to_any(&scene.context, committee, candidates, &mut blob, |_| {});
            match publishing.await {
                Ok(_) => assert_eq!(attempt, 0),
                // Sent again, it is the same blob, which the chain does not take twice.
                Err(PublishError::Record(_)) => assert_eq!(attempt, 1),
                Err(error) => panic!("{error}"),
            }
            assert_eq!(blob.head().header().params.committee.quorum, DA_SERVICE);
            roots.push(blob.head().root());
            if attempt == 0 {
                scene.records.push((Record::of_header(blob.head().header()), theirs));
            }
        }
        assert_eq!(roots[0], roots[1]);
        assert_eq!(scene.publish(ours).await, DA_SERVICE);
        scene.read_all().await;

        // With the first gone, too, the error is of the quorum that was tried last.
        for operator in 0..OPERATORS / 2 {
            scene.services[operator as usize].take().unwrap().stop();
        }
        scene.context.sleep(Duration::from_millis(10)).await;
        let drawn = Candidates::draw(&scene.chain, &guest().domain, || lot(theirs + 100)).await;
        let (committee, candidates) = drawn.unwrap();
        let (first, mut blob) = (committee.id(), scene.blob(&committee, theirs + 100));
        let publishing = scene
            .publisher
            .publish_to_any(&scene.context, committee, candidates, &mut blob, |_| {});
        assert!(publishing.await.unwrap_err().is_no_quorum());
        assert_ne!(blob.head().header().params.committee, first);
    });
}
