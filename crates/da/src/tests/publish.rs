//! Blobs of one account, published at once on the contracts themselves.

use super::{
    chain::{config, payer},
    evm_chain::{EvmChain, account},
    local::ask_local,
    network::guest,
    payload, public_blob,
};
use crate::{
    CodedBlob, Publisher, Record, Service,
    disperse::{DeliveryError, DisperseError, Progress},
    local,
    permit::{LIFETIME_BLOCKS, RENEWAL_BLOCKS},
    publish::PublishError,
    retrieve,
    service::Config,
    wire::WireError,
};
use commonware_runtime::{Clock, Runner as _, Spawner as _, Supervisor, deterministic};
use contracts::{
    Provider as _,
    abi::{DAEntrance, OperatorRegistry},
    addresses::{DA_ENTRANCE, OPERATOR_REGISTRY},
};
use futures::future::join_all;
use primitives::{Address, U256};
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

const OPERATORS: u32 = 4;
const WEI: u128 = 1 << 66;

struct Scene {
    context: deterministic::Context,
    chain: EvmChain,
    services: Vec<Service<deterministic::Context>>,
    publisher: Publisher<EvmChain, deterministic::Context>,
    ingest_bytes_per_s: Option<u64>,
}

impl Scene {
    /// Of the operators, the first `running` run.
    async fn new(context: deterministic::Context, running: u32) -> Self {
        Self::with(context, running, None).await
    }

    /// They take so many bytes a second.
    async fn with(context: deterministic::Context, running: u32, ingest_bytes_per_s: Option<u64>) -> Self {
        let endpoints: Vec<SocketAddr> = (0..OPERATORS).map(endpoint).collect();
        let chain = EvmChain::genesis(&endpoints, payer().address(), U256::from(WEI));
        chain.mine(1);
        let publisher = Publisher::new(&context, chain.clone(), guest(), 0);
        let mut scene = Self {
            context,
            chain,
            services: Vec::new(),
            publisher,
            ingest_bytes_per_s,
        };
        for operator in 0..running {
            scene.start(operator).await;
        }
        scene
    }

    async fn start(&mut self, operator: u32) {
        let own = self.chain.of(account(operator));
        let context = self.context.child("operator").with_attribute("index", operator);
        let config = Config {
            ingest_bytes_per_s: self.ingest_bytes_per_s,
            ..config(operator, endpoint(operator))
        };
        let service = Service::start(context, config, own).await;
        self.services.push(service.unwrap());
    }

    async fn height(&self) -> u64 {
        self.chain.height().await.unwrap()
    }

    async fn escrow(&self, payer: Address) -> u128 {
        let call = DAEntrance::escrowOfCall { payer };
        contracts::read(&self.chain, DA_ENTRANCE, &call).await.unwrap().balance
    }
}

fn endpoint(operator: u32) -> SocketAddr {
    ([10, 0, 0, operator as u8], 9000).into()
}

fn blobs() -> Vec<CodedBlob> {
    (0..6).map(|seed| public_blob(seed, 20_000)).collect()
}

/// Each pays its own fee, out of an escrow that is filled up as they come, and all are recorded by fewer transactions than there are blobs.
#[test]
fn blobs_that_are_ready_together_are_recorded_together() {
    deterministic::Runner::seeded(91).start(|context| async move {
        let scene = Scene::new(context, OPERATORS).await;
        let committee = scene.chain.committee().await;
        let blobs = blobs();
        let publish = blobs.iter().map(|blob| {
            let (publisher, context, committee) = (&scene.publisher, &scene.context, &committee);
            async move { publisher.publish(context, committee, blob, |_| {}).await.unwrap() }
        });
        let published = join_all(publish).await;
        let blocks: BTreeSet<_> = published.iter().map(|published| published.block).collect();
        assert!(blocks.len() < blobs.len(), "{blocks:?}");
        for (seed, blob) in (0..).zip(&blobs) {
            let record = Record::read(&scene.chain, &guest().domain, blob.head().root())
                .await
                .unwrap();
            let read = retrieve::retrieve(&scene.context, &guest(), &committee, &record, &[], |_| {}).await;
            assert_eq!(read.unwrap().coded(), payload(seed, 20_000));
        }
        // What was set aside and not charged is there: the fees fell with the blocks that passed.
        let paid: U256 = published.iter().map(|published| published.fee_wei).sum();
        let left = U256::from(scene.escrow(payer().address()).await);
        assert_eq!(scene.chain.balance(payer().address()) + left + paid, U256::from(WEI));
        assert!(left < paid, "{left} of {paid}");
        // The same again costs nothing, and says that it is there.
        let again = scene
            .publisher
            .publish(&scene.context, &committee, &blobs[0], |_| {})
            .await;
        assert!(matches!(again, Err(PublishError::Record(_))), "{again:?}");
        let left = U256::from(scene.escrow(payer().address()).await);
        assert_eq!(scene.chain.balance(payer().address()) + left + paid, U256::from(WEI));
    });
}

/// Also a coset that is added to a blob: nobody who publishes has to think of them.
#[test]
fn what_is_published_has_local_rows_soon_after() {
    deterministic::Runner::seeded(93).start(|context| async move {
        let scene = Scene::new(context, OPERATORS).await;
        let committee = scene.chain.committee().await;
        let blob = public_blob(7, 20_000);
        let head = blob.head().clone();
        let data = payload(7, 20_000);
        let mut rows = vec![0; head.shape().data_rows() as usize * head.row_bytes() as usize];
        rows[..data.len()].copy_from_slice(&data);
        let coset = CodedBlob::add_coset(&head, 3, rows).unwrap();
        for blob in [blob, coset] {
            let published = scene.publisher.publish(&scene.context, &committee, &blob, |_| {}).await;
            published.unwrap();
            scene.context.sleep(Duration::from_secs(2)).await;
            assert!(!blob.is_shared(), "nothing is on its way any more");
            let record = Record::of_header(blob.head().header());
            for row in local::local_rows(&blob) {
                let kept = ask_local(&scene.context, &committee, &record, row.group).await;
                assert_eq!(kept.as_ref(), Some(&row));
            }
        }
    });
}

/// A slow link: the rows take longer than a promise lasts.
#[test]
fn a_promise_is_made_again_while_rows_still_go_out() {
    deterministic::Runner::seeded(94).start(|context| async move {
        // 1.5 MB an operator, at 60 kB/s.
        let scene = Scene::with(context, OPERATORS, Some(60_000)).await;
        let committee = scene.chain.committee().await;
        let blob = public_blob(8, 2 << 20);
        let begun = scene.height().await;
        scene.context.child("blocks").spawn({
            let chain = scene.chain.clone();
            // 60 blocks a second: the first promise ends after 17 of them.
            move |context| async move {
                loop {
                    context.sleep(Duration::from_millis(500)).await;
                    chain.mine(30);
                }
            }
        });
        let published = scene.publisher.publish(&scene.context, &committee, &blob, |_| {}).await;
        let published = published.unwrap();
        assert!(
            published.block > begun + LIFETIME_BLOCKS + RENEWAL_BLOCKS,
            "in block {}",
            published.block
        );
        assert!(published.signers.len() >= 3);
    });
}

/// The registry takes any text for an endpoint.
#[test]
fn an_operator_that_registers_nonsense_is_away_and_nobody_else() {
    deterministic::Runner::seeded(95).start(|context| async move {
        let scene = Scene::new(context, OPERATORS).await;
        let nonsense = OperatorRegistry::setEndpointCall {
            endpoint: "nowhere at all".into(),
        };
        let own = scene.chain.of(account(3));
        let sent = contracts::write(&own, OPERATOR_REGISTRY, &nonsense, U256::ZERO).await;
        sent.unwrap();
        let committee = scene.chain.committee().await;
        assert_eq!((committee.len(), committee.operators()[3].endpoint), (4, None));
        let mut failures = 0;
        let count = |step: Progress<'_>| {
            if let Progress::Failed { operator, error } = step {
                let DeliveryError::Wire { source, .. } = error else {
                    panic!("{error}")
                };
                assert!(operator == 3 && matches!(source, WireError::Unreachable));
                failures += 1;
            }
        };
        let blob = public_blob(9, 20_000);
        let published = scene.publisher.publish(&scene.context, &committee, &blob, count).await;
        assert_eq!((published.unwrap().signers.len(), failures), (3, 1));
    });
}

#[test]
fn a_blob_that_finds_no_quorum_costs_the_others_nothing() {
    deterministic::Runner::seeded(92).start(|context| async move {
        let mut scene = Scene::new(context, 2).await;
        let committee = scene.chain.committee().await;
        let blob = public_blob(1, 20_000);
        let failed = scene.publisher.publish(&scene.context, &committee, &blob, |_| {}).await;
        let Err(PublishError::Disperse(error)) = failed else {
            panic!("{failed:?}")
        };
        assert!(
            matches!(*error, DisperseError::NoQuorum { rows_signed: 1536, .. }),
            "{error}"
        );
        scene.start(2).await;
        scene.start(3).await;
        let published = scene.publisher.publish(&scene.context, &committee, &blob, |_| {}).await;
        assert_eq!(published.unwrap().signers.len(), 3);
    });
}
