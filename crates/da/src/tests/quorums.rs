//! Two quorums of different operators under one entrance, on the contracts themselves.

use super::{
    chain::{config, partition, payer},
    evm_chain::{EvmChain, account},
    network::guest,
    payload, request, seeded,
};
use crate::{
    CodedBlob, Committee, CommitteeId, Permit, Privacy, Publisher, Record, Service,
    disperse::{self, DeliveryError, DisperseError},
    encode::Request,
    permit::{self, LIFETIME_BLOCKS},
    publish::{PublishError, Published},
    quorum::{self, Candidates, Lot},
    retrieve, sample,
    wire::Refusal,
};
use alloy_sol_types::SolCall;
use commonware_runtime::{Clock, Runner as _, Storage, Supervisor, deterministic};
use contracts::{
    DA_MIN_STAKE_WEI, DA_SEATS, DA_SERVICE, PRICE_PER_BYTE_BLOCK_WEI, Provider, ProviderError, SERVICE_CREATION_WEI,
    abi::{DAEntrance, NetworkRegistry, OperatorRegistry},
    addresses::{DA_CHALLENGES, DA_ENTRANCE, FAUCET, NETWORK_REGISTRY, OPERATOR_REGISTRY},
};
use futures::FutureExt;
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
                // Sent again, it is the same purchase, and nothing is sent or paid.
                Err(PublishError::Purchased { root }) => assert_eq!((attempt, root), (1, roots[0])),
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

/// What keeping a blob from a block on costs, wei.
fn fee(blob: &CodedBlob, block: u64) -> U256 {
    let price = U256::from(PRICE_PER_BYTE_BLOCK_WEI);
    permit::fee_wei(blob.head().header(), price, block)
}

impl Scene {
    /// Two quorums, of the first and of the last three operators, in an epoch in which both have a committee.
    async fn divided(context: deterministic::Context) -> Self {
        let scene = Self::new(context).await;
        scene.divide().await;
        for epoch in 1..=3 {
            scene.begin_epoch(epoch).await;
        }
        scene
    }

    /// Stops the operators of the second quorum.
    async fn stop_second(&mut self) {
        for operator in OPERATORS / 2..OPERATORS {
            self.services[operator as usize].take().unwrap().stop();
        }
        self.context.sleep(Duration::from_millis(10)).await;
    }

    /// Starts them again, with the rows that they had. A simulated port is not free again: they move, and say so on chain.
    async fn start_second(&mut self) {
        for operator in OPERATORS / 2..OPERATORS {
            self.ports[operator as usize] += 1;
            let moved = OperatorRegistry::setEndpointCall {
                endpoint: endpoint(operator, self.ports[operator as usize]).to_string(),
            };
            self.write(account(operator), OPERATOR_REGISTRY, &moved, 0).await;
            let service = self.start(operator).await;
            self.services[operator as usize] = Some(service);
        }
        self.context.sleep(Duration::from_secs(2)).await;
    }

    /// A payload that the second quorum is drawn for, and the first if that does not take it.
    fn seed_of_second(&self) -> u64 {
        let order = |seed| Lot::of_payload(payer().address(), &payload(seed, BLOB_BYTES)).order(&[DA_SERVICE, SECOND]);
        (20..).find(|seed| order(*seed)[0] == SECOND).unwrap()
    }

    /// Publishes a payload to whichever quorum takes it; the blob that it is then, or of which it is said that it is.
    async fn publish_to_any(
        &self,
        seed: u64,
        progress: impl FnMut(disperse::Progress<'_>),
    ) -> (CodedBlob, Result<Published, PublishError>) {
        let lot = || Lot::of_payload(payer().address(), &payload(seed, BLOB_BYTES));
        let drawn = Candidates::draw(&self.chain, &guest().domain, lot).await;
        let (committee, candidates) = drawn.unwrap();
        let mut blob = self.blob(&committee, seed);
        let publishing = self
            .publisher
            .publish_to_any(&self.context, committee, candidates, &mut blob, progress);
        let published = publishing.await;
        (blob, published)
    }

    /// What the payer has in escrow, wei.
    async fn escrow(&self) -> U256 {
        let call = DAEntrance::escrowOfCall {
            payer: payer().address(),
        };
        U256::from(contracts::read(&self.chain, DA_ENTRANCE, &call).await.unwrap().balance)
    }

    /// A promise for `blob` as its publisher makes it, and the certificate of its quorum, as whoever was shown the promise can have it.
    async fn kept_back(&self, blob: &CodedBlob) -> contracts::Request {
        let (domain, header) = (guest().domain, blob.head().header());
        let deadline = self.chain.height().await.unwrap() + LIFETIME_BLOCKS;
        let permit = Permit::sign(&payer(), &domain, header, Some(blob.purchase()), deadline);
        let committee = Committee::read(&self.chain, header.params.committee).await.unwrap();
        // Enough for both, so that only what is charged moves.
        self.publisher.fund(fee(blob, 0) * U256::from(4)).await.unwrap();
        let certificate = disperse::disperse(&self.context, &guest(), &committee, blob, &permit, |_| {}).await;
        certificate.unwrap().submission(&domain, &committee, &[permit])
    }
}

/// The answer was lost, and meanwhile the operators that did not take the payload are there again.
#[test]
fn a_payload_sent_again_when_its_first_quorum_is_back_is_found_and_not_paid_for_twice() {
    deterministic::Runner::seeded(94).start(|context| async move {
        let mut scene = Scene::divided(context).await;
        let seed = scene.seed_of_second();
        scene.stop_second().await;
        let (kept, published) = scene.publish_to_any(seed, |_| {}).await;
        published.unwrap();
        assert_eq!(kept.head().header().params.committee.quorum, DA_SERVICE);
        let escrow = scene.escrow().await;
        scene.start_second().await;
        let (again, published) = scene.publish_to_any(seed, |_| panic!("nothing is sent")).await;
        assert!(matches!(published, Err(PublishError::Purchased { root }) if root == kept.head().root()));
        assert_eq!(again.head().root(), kept.head().root());
        assert_eq!(scene.escrow().await, escrow);
        // Also in the next epoch, in which it would be another blob of either quorum.
        scene.begin_epoch(4).await;
        let (again, published) = scene.publish_to_any(seed, |_| panic!("nothing is sent")).await;
        assert!(matches!(published, Err(PublishError::Purchased { .. })));
        assert_eq!(
            (again.head().root(), scene.escrow().await),
            (kept.head().root(), escrow)
        );
    });
}

/// *Paid by two.* Operators of a quorum that is given up keep the rows and the promise, sign for them among themselves, and have that recorded beside the
/// certificate of the quorum that took the payload in the end.
#[test]
fn a_certificate_that_was_kept_back_is_not_charged_for_when_another_quorum_has_the_payload() {
    deterministic::Runner::seeded(95).start(|context| async move {
        let mut scene = Scene::divided(context).await;
        let seed = scene.seed_of_second();
        let second = scene.chain.committee_of(SECOND).await;
        let kept_back = scene.kept_back(&scene.blob(&second, seed)).await;
        scene.stop_second().await;
        let before = scene.escrow().await;
        let (blob, published) = scene.publish_to_any(seed, |_| {}).await;
        let published = published.unwrap();
        assert_eq!(blob.head().header().params.committee.quorum, DA_SERVICE);
        let fee = fee(&blob, published.block);
        assert_eq!(published.fee_wei, fee);
        let refused = scene.chain.send(kept_back).await;
        assert!(matches!(refused, Err(ProviderError::Reverted { .. })), "{refused:?}");
        assert_eq!(before - scene.escrow().await, fee);
        let root = blob.head().root();
        assert!(Record::read(&scene.chain, &guest().domain, root).await.is_ok());
    });
}

/// The same, and they are faster: their certificate is recorded while the rows are on their way to the next quorum. That one is not charged for.
#[test]
fn a_certificate_of_a_quorum_that_was_given_up_is_the_one_that_counts_when_it_comes_first() {
    deterministic::Runner::seeded(96).start(|context| async move {
        let mut scene = Scene::divided(context).await;
        let seed = scene.seed_of_second();
        let second = scene.chain.committee_of(SECOND).await;
        let theirs = scene.blob(&second, seed);
        let mut kept_back = Some(scene.kept_back(&theirs).await);
        scene.stop_second().await;
        let chain = scene.chain.clone();
        let mut charged = None;
        let (blob, published) = scene
            .publish_to_any(seed, |step| {
                // Only the first quorum's operators take anything.
                if matches!(step, disperse::Progress::Sent { .. })
                    && let Some(request) = kept_back.take()
                {
                    let sent = chain.send(request).now_or_never();
                    charged = Some(sent.expect("this chain has each block at once").unwrap());
                }
            })
            .await;
        assert!(charged.is_some());
        let root = theirs.head().root();
        assert!(
            matches!(published, Err(PublishError::Purchased { root: named }) if named == root),
            "{published:?}"
        );
        assert_eq!(blob.head().root(), root);
        let moved = theirs.moved_to(scene.chain.committee().await.id()).head().root();
        assert!(
            Record::read(&scene.chain, &guest().domain, moved).await.is_err(),
            "it is not recorded twice"
        );
    });
}
