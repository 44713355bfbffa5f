//! Committees that change: while rows are on their way, and while readers read.

use super::{
    chain::{SEED, config, keys},
    evm_chain::{EvmChain, STAKE_WEI, account},
    network::{Network, OPERATORS, guest},
    payload, request,
    scenarios::simulate,
    seeded,
};
use crate::{
    CodedBlob, Committee, CommitteeId, Privacy, Record, Seed, Service,
    disperse::{self, DeliveryError, DisperseError},
    encode::Request,
    retrieve,
    service::StartError,
    wire::Refusal,
};
use commonware_cryptography::Signer;
use commonware_runtime::{Clock, Runner as _, Supervisor, deterministic};
use contracts::{
    DA_SERVICE, JOINING_EPOCHS,
    abi::{NetworkRegistry, OperatorRegistry, StakeVault},
    addresses::{NETWORK_REGISTRY, OPERATOR_REGISTRY, STAKE_VAULT},
};
use futures::future::join;
use primitives::{Address, B256, Epoch, U256};
use std::{net::SocketAddr, time::Duration};

const EPOCH_BLOCKS: u64 = 100;

/// A public blob of `epoch`.
fn blob_of(epoch: u64, seed: u64, bytes: usize) -> CodedBlob {
    let request = Request {
        committee: CommitteeId::first(Epoch(epoch)),
        ..request(Privacy::Public)
    };
    CodedBlob::encode(&mut seeded(seed), payload(seed, bytes), request).unwrap()
}

impl Network {
    /// Starts all operators again, on a chain whose epochs end.
    async fn restart_with_epochs(&mut self) {
        self.chain.set_epoch_blocks(EPOCH_BLOCKS);
        for operator in 0..OPERATORS {
            self.kill(operator).await;
            self.restart(operator).await;
        }
    }

    /// The first block of `epoch`, and operators that know of it.
    async fn begin_epoch(&self, epoch: u64) {
        let height = epoch * EPOCH_BLOCKS;
        self.chain.mine(height - self.chain.height());
        self.context.sleep(Duration::from_secs(2)).await;
        for operator in 0..OPERATORS {
            if self.runs(operator) {
                assert_eq!(self.service(operator).status().epoch, Epoch(epoch));
            }
        }
    }

    async fn reads_as(&self, record: &Record, seed: u64, bytes: usize) {
        assert_eq!(self.read(record).await.unwrap().coded(), payload(seed, bytes));
    }
}

/// Rows go to the committee of the blob's epoch, and its certificate counts, though another committee has come meanwhile.
#[test]
fn a_committee_that_changes_while_rows_are_on_their_way_costs_no_certificate() {
    simulate(61, |mut network| async move {
        network.chain.set_members(1, &[(0, 1), (2, 3)]);
        // A megabyte and a half of rows takes seconds, the epoch ends after one.
        network.ingest_bytes_per_s = Some(100_000);
        network.restart_with_epochs().await;
        let first = blob_of(0, 61, 500_000);
        let committee = network.chain.committee();
        let dispersal = network.disperse(&committee, &first, |_| {});
        let change = async {
            network.context.sleep(Duration::from_secs(1)).await;
            network.begin_epoch(1).await;
        };
        let (certificate, ()) = join(dispersal, change).await;
        assert_eq!(network.chain.epoch(), Epoch(1));
        network.chain.submit(&certificate.unwrap());
        let record = Record::of_header(first.head().header());
        network.reads_as(&record, 61, 500_000).await;
        // Who has no seat any more keeps what it signed for, and repairs it.
        network
            .wait("all rows of the first blob are there", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).missing_rows() == 0)
            })
            .await;
        for operator in 0..OPERATORS {
            assert_eq!(network.service(operator).status().blobs, 1, "operator {operator}");
        }

        // The next blob is the new committee's alone, in proportion to its seats.
        let second = blob_of(1, 62, 100_000);
        let record = network.publish(&second).await.unwrap();
        network.reads_as(&record, 62, 100_000).await;
        network
            .wait("all rows of the second blob are there", |network| {
                [0, 2]
                    .iter()
                    .all(|operator| network.service(*operator).status().blobs == 2)
            })
            .await;
        for operator in [1, 3] {
            assert_eq!(network.service(operator).status().blobs, 1);
        }
        let rows = |index| {
            network
                .chain
                .committee()
                .rows_of(index, &second.head().root(), second.head().shape())
        };
        assert_eq!((rows(0).len(), rows(1).len()), (768, 2304));
    });
}

/// Each epoch has another seed, which may come late. Who was there all along and who started when it was there own the same rows, and until it is there
/// nobody takes the epoch's blobs.
#[test]
fn operators_agree_on_an_epochs_rows_however_late_its_seed_comes() {
    simulate(66, |mut network| async move {
        let seed = |byte| Some(Seed(B256::repeat_byte(byte)));
        network.chain.set_seed(1, seed(1));
        network.chain.set_seed(2, None);
        network.restart_with_epochs().await;
        network.begin_epoch(1).await;
        let mut records = vec![(network.publish(&blob_of(1, 66, 50_000)).await.unwrap(), 66)];

        let guessed = network.chain.committee().at(CommitteeId::first(Epoch(2)), SEED);
        let early = blob_of(2, 67, 50_000);
        let Err(DisperseError::NoQuorum { failures, .. }) = network.disperse(&guessed, &early, |_| {}).await else {
            panic!("taken by a seed that is nobody's")
        };
        assert_eq!(failures.len(), OPERATORS as usize);
        for failure in failures {
            let DeliveryError::Refused { source, .. } = failure else {
                panic!("{failure}")
            };
            assert_eq!(source, Refusal::NoSeat { current: Epoch(1) });
        }

        network.chain.set_seed(2, seed(2));
        network.kill(3).await;
        network.begin_epoch(2).await;
        network.restart(3).await;
        network.context.sleep(Duration::from_secs(2)).await;
        records.push((network.publish(&early).await.unwrap(), 67));
        network
            .wait("all have the rows that are theirs", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).status().blobs == 2)
            })
            .await;
        for operator in 0..OPERATORS {
            let service = network.service(operator);
            assert_eq!((service.missing_rows(), service.work().rows_repaired), (0, 0));
        }
        for (record, seed) in &records {
            network.reads_as(record, *seed, 50_000).await;
        }
        // The shuffles differ: the same root would have other owners.
        let rows = |epoch| {
            let committee = network.chain.committee_at(CommitteeId::first(Epoch(epoch)));
            committee.rows_of(0, &early.head().root(), early.head().shape())
        };
        assert_ne!(rows(1), rows(2));
    });
}

/// Two epochs after its own nobody takes a blob's rows any more: the chain would not record it.
#[test]
fn a_blob_of_an_epoch_long_past_or_not_begun_is_refused() {
    simulate(63, |mut network| async move {
        network.restart_with_epochs().await;
        network.begin_epoch(3).await;
        for (epoch, taken) in [(0, false), (1, true), (2, true), (3, true), (4, true), (5, false)] {
            let blob = blob_of(epoch, 70 + epoch, 10_000);
            let committee = network.chain.committee_at(CommitteeId::first(Epoch(epoch)));
            let outcome = network.disperse(&committee, &blob, |_| {}).await;
            match outcome {
                Ok(_) => assert!(taken, "epoch {epoch}"),
                Err(DisperseError::NoQuorum { failures, .. }) => {
                    assert!(!taken, "epoch {epoch}");
                    for failure in failures {
                        let DeliveryError::Refused { source, .. } = failure else {
                            panic!("{failure}")
                        };
                        assert_eq!(source, Refusal::NoSeat { current: Epoch(3) });
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
}

/// One operator joins with three times the others' stake, another leaves and is gone; whoever reads sees nothing of it.
#[test]
fn an_operator_joins_and_another_leaves_while_readers_read() {
    simulate(64, |mut network| async move {
        network.chain.set_members(1, &[(0, 1), (1, 1), (2, 1)]);
        network.chain.set_members(3, &[(0, 1), (1, 1), (2, 1), (3, 3)]);
        network.chain.set_members(5, &[(3, 3), (1, 2), (2, 1)]);
        network.restart_with_epochs().await;
        let mut records: Vec<(Record, u64)> = Vec::new();
        for epoch in 1..=6 {
            network.begin_epoch(epoch).await;
            let blob = blob_of(epoch, epoch, 50_000);
            records.push((network.publish(&blob).await.unwrap(), epoch));
            for (record, seed) in &records {
                network.reads_as(record, *seed, 50_000).await;
            }
            network
                .wait("rows arrive", |network| network.service(3).missing_rows() == 0)
                .await;
            let blobs = network.service(3).status().blobs;
            assert_eq!(blobs, epoch.saturating_sub(2), "in epoch {epoch}");
        }
        // It left two epochs ago, and is switched off: what it kept is still read, from the others.
        assert_eq!(network.service(0).status().blobs, 4);
        network.kill(0).await;
        for (record, seed) in &records {
            network.reads_as(record, *seed, 50_000).await;
        }
        // Restarted, an operator without a seat goes on serving what it has.
        network.restart(0).await;
        network.kill(1).await;
        for (record, seed) in &records[..2] {
            network.reads_as(record, *seed, 50_000).await;
        }
    });
}

/// The contracts' own word on who sits when: an operator registers, puts its stake down and opts in, has rows two epochs after that counts,
/// and none two epochs after it opted out, while what it signed for is read.
#[test]
fn stake_brings_rows_and_leaving_ends_them_on_the_contracts_themselves() {
    deterministic::Runner::seeded(65).start(|context| async move {
        let endpoints: Vec<SocketAddr> = (0..4).map(|operator| ([10, 0, 0, operator], 9000).into()).collect();
        let rich = Address::repeat_byte(0xcc);
        let chain = EvmChain::genesis(&endpoints[..3], rich, U256::from(100 * STAKE_WEI));
        chain.mine(1);
        let start = async |operator: u32| {
            let config = config(operator, endpoints[operator as usize]);
            let context = context.child("operator").with_attribute("index", operator);
            Service::start(context, config, chain.of(account(operator))).await
        };
        let mut services = Vec::new();
        for operator in 0..3 {
            services.push(start(operator).await.unwrap());
        }
        assert!(matches!(start(3).await, Err(StartError::NotAnOperator { .. })));

        // The fourth has twice the others' stake.
        let joining = chain.of(account(3));
        chain.fund(account(3), U256::from(10 * STAKE_WEI));
        let (stream_key, bls_key) = keys(3);
        let register = OperatorRegistry::registerCall {
            streamKey: B256::from_slice(stream_key.public_key().as_ref()),
            blsKey: bls_key.public_key().to_eip2537().into(),
            possession: bls_key.prove_possession(account(3)).to_eip2537().into(),
            endpoint: endpoints[3].to_string(),
        };
        contracts::write(&joining, OPERATOR_REGISTRY, &register, U256::ZERO)
            .await
            .unwrap();
        let deposit = StakeVault::depositCall { operator: 3 };
        contracts::write(&joining, STAKE_VAULT, &deposit, U256::from(2 * STAKE_WEI))
            .await
            .unwrap();
        services.push(start(3).await.unwrap());

        let opt_in = NetworkRegistry::optInCall {
            service: DA_SERVICE,
            displaced: 0,
        };
        let opt_out = NetworkRegistry::optOutCall { service: DA_SERVICE };
        let mut records: Vec<(Record, u64)> = Vec::new();
        let mut kept = Vec::new();
        for epoch in 1..=JOINING_EPOCHS + 8 {
            chain.begin_epoch(epoch);
            if epoch == JOINING_EPOCHS {
                let sent = contracts::write(&joining, NETWORK_REGISTRY, &opt_in, U256::ZERO).await;
                sent.unwrap();
            }
            if epoch == JOINING_EPOCHS + 4 {
                let sent = contracts::write(&joining, NETWORK_REGISTRY, &opt_out, U256::ZERO).await;
                sent.unwrap();
            }
            context.sleep(Duration::from_secs(2)).await;
            let committee = chain.committee().await;
            assert_eq!(committee.id(), CommitteeId::first(Epoch(epoch)));
            let request = Request {
                committee: CommitteeId::first(Epoch(epoch)),
                expiry_block: 1_000_000,
                ..request(Privacy::Public)
            };
            let blob = CodedBlob::encode(&mut seeded(epoch), payload(epoch, 20_000), request).unwrap();
            let permit = chain.permit(blob.head().header());
            let certificate = disperse::disperse(&context, &guest(), &committee, &blob, &permit, |_| {})
                .await
                .unwrap();
            chain.submit(&certificate).await;
            records.push((Record::of_header(blob.head().header()), epoch));
            context.sleep(Duration::from_secs(3)).await;
            for (record, seed) in &records {
                let committee = Committee::read(&chain, record.committee()).await.unwrap();
                let read = retrieve::retrieve(&context, &guest(), &committee, record, &[], |_| {}).await;
                assert_eq!(
                    read.unwrap().coded(),
                    payload(*seed, 20_000),
                    "of epoch {seed}, in {epoch}"
                );
            }
            let seats: Vec<u32> = committee.operators().iter().map(|operator| operator.seats).collect();
            kept.push((seats, services[3].status().blobs));
        }
        let equal = (vec![200, 200, 200], 0);
        assert!(kept[..6].iter().all(|kept| *kept == equal), "{kept:?}");
        // Opted in after epoch 4 was closed: epoch 5's closing gives it seats from epoch 7 on; fewer than a third for two fifths of the stake.
        for (place, blobs) in (6..10).zip(1..) {
            assert_eq!(kept[place], (vec![134, 134, 133, 199], blobs));
        }
        // Opted out after epoch 8 was closed. What it signed for it keeps.
        assert!(
            kept[10..].iter().all(|kept| *kept == (vec![200, 200, 200], 4)),
            "{kept:?}"
        );
    });
}
