//! Operators that collect, on the contracts themselves, what promises cost that were not kept.

use super::{
    chain::{config, payer},
    evm_chain::{EvmChain, account},
    network::guest,
    payload, request, seeded,
};
use crate::{
    CodedBlob, Committee, Privacy, Service,
    certificate::on_chain,
    disperse::Dispersal,
    encode::Request,
    permit::{LIFETIME_BLOCKS, PERMIT_BLOCKS},
    service::{LAPSE_GAS, LAPSE_GAS_PER_MEMBER},
};
use alloy_sol_types::SolEvent;
use commonware_runtime::{Clock, Runner as _, Supervisor, deterministic};
use contracts::{EventFilter, PRICE_PER_BYTE_BLOCK_WEI, Provider as _, abi::DAEntrance, addresses::DA_ENTRANCE};
use primitives::{Address, U256};
use std::{net::SocketAddr, time::Duration};

const OPERATORS: u32 = 4;
/// Blocks that an operator has for its turn.
const TURN_BLOCKS: u64 = 20;

fn blob(committee: &Committee, seed: u64) -> CodedBlob {
    let request = Request {
        committee: committee.id(),
        expiry_block: 1_000_000,
        ..request(Privacy::Public)
    };
    CodedBlob::encode(&mut seeded(seed), payload(seed, 20_000), request).unwrap()
}

/// Who collects what the blob's payer promised, in order.
fn turns(committee: &Committee, blob: &CodedBlob) -> Vec<u32> {
    committee.turns(&blob.head().root(), blob.head().shape())
}

struct Scene {
    context: deterministic::Context,
    chain: EvmChain,
    services: Vec<Service<deterministic::Context>>,
}

impl Scene {
    /// Operators of which those that `collects` names collect, at this price of gas.
    async fn new(context: deterministic::Context, collects: impl Fn(u32) -> bool, gas_price_wei: u64) -> Self {
        let endpoint = |operator: u32| SocketAddr::from(([10, 0, 5, operator as u8], 9200));
        let endpoints: Vec<SocketAddr> = (0..OPERATORS).map(endpoint).collect();
        let chain = EvmChain::genesis(&endpoints, Address::repeat_byte(0x99), U256::from(1u128 << 66));
        chain.mine(1);
        let mut services = Vec::new();
        for operator in 0..OPERATORS {
            let own = chain.of(account(operator));
            let context = context.child("operator").with_attribute("index", operator);
            let mut service = Service::start(
                context.child("service"),
                config(operator, endpoint(operator)),
                own.clone(),
            )
            .await
            .unwrap();
            if collects(operator) {
                service.collect_lapsed(context.child("lapses"), own, U256::from(gas_price_wei));
            }
            services.push(service);
        }
        Self {
            context,
            chain,
            services,
        }
    }

    /// Hands out a blob, and never has it certified.
    async fn withhold(&self, committee: &Committee, blob: &CodedBlob) {
        let permit = self.chain.permit(blob.head().header());
        let mut dispersal = Dispersal::begin(&self.context, &guest(), committee, blob, &permit).unwrap();
        dispersal.stored(|_| {}).await.unwrap();
        self.wait().await;
    }

    /// Time for every operator to look at the chain, and to do what it finds.
    async fn wait(&self) {
        self.context.sleep(Duration::from_secs(3)).await;
    }

    async fn lapses(&self) -> Vec<DAEntrance::PermitLapsed> {
        let filter = EventFilter {
            addresses: vec![DA_ENTRANCE],
            topic0: vec![DAEntrance::PermitLapsed::SIGNATURE_HASH],
            ..EventFilter::default()
        };
        let events = self.chain.events(filter).await.unwrap();
        events.iter().map(|event| event.decode().unwrap()).collect()
    }

    fn collected(&self) -> Vec<u64> {
        let works = self.services.iter().map(Service::work);
        works.map(|work| work.lapses_collected).collect()
    }
}

#[test]
fn a_promise_that_was_not_kept_is_collected_once_by_whose_turn_it_is() {
    deterministic::Runner::seeded(95).start(|context| async move {
        let scene = Scene::new(context, |_| true, 1).await;
        let mut expected = vec![0; OPERATORS as usize];
        let mut charged = U256::ZERO;
        for seed in 0..6 {
            let committee = scene.chain.committee().await;
            let blob = blob(&committee, seed);
            scene.withhold(&committee, &blob).await;
            let (root, shape) = (blob.head().root(), blob.head().shape());
            expected[turns(&committee, &blob)[0] as usize] += 1;
            let bytes = u64::from(shape.row_count()) * u64::from(blob.head().row_bytes());
            let fee = U256::from(bytes * PERMIT_BLOCKS) * U256::from(PRICE_PER_BYTE_BLOCK_WEI);
            scene.chain.mine(LIFETIME_BLOCKS);
            scene.wait().await;
            assert_eq!(scene.lapses().await.len(), seed as usize, "it may still be kept");
            scene.chain.mine(2);
            scene.wait().await;
            let lapses = scene.lapses().await;
            let last = lapses.last().unwrap();
            assert_eq!((last.root, last.payer, last.charged), (root.0, payer().address(), fee));
            charged += fee;
            // Nobody sends it again when the others' turns come.
            scene.chain.mine(TURN_BLOCKS * u64::from(OPERATORS));
            scene.wait().await;
            assert_eq!(scene.lapses().await.len(), seed as usize + 1);
        }
        assert_eq!(scene.collected(), expected);
        assert!(expected.iter().filter(|count| **count > 0).count() > 1, "{expected:?}");
        for operator in 0..OPERATORS {
            let account = account(operator);
            let call = DAEntrance::balancesCall { account };
            let earned = contracts::read(&scene.chain, DA_ENTRANCE, &call).await.unwrap();
            assert_eq!(earned, charged / U256::from(4));
        }
    });
}

#[test]
fn who_is_next_collects_when_the_one_before_does_not_and_nobody_where_gas_costs_more() {
    deterministic::Runner::seeded(97).start(|context| async move {
        // Half of them do not collect.
        let scene = Scene::new(context, |operator| operator % 2 == 1, 1).await;
        let committee = scene.chain.committee().await;
        let blobs = (3..).map(|seed| blob(&committee, seed));
        let blob = { blobs }
            .find(|blob| turns(&committee, blob)[0].is_multiple_of(2))
            .unwrap();
        scene.withhold(&committee, &blob).await;
        let turns = turns(&committee, &blob);
        let turn = turns.iter().position(|operator| operator % 2 == 1).unwrap() as u64;
        scene.chain.mine(LIFETIME_BLOCKS + turn * TURN_BLOCKS);
        scene.wait().await;
        assert_eq!(scene.lapses().await.len(), 0);
        scene.chain.mine(2);
        scene.wait().await;
        assert_eq!(scene.lapses().await.len(), 1);
        assert_eq!(scene.collected()[turns[turn as usize] as usize], 1);
    });
    deterministic::Runner::seeded(98).start(|context| async move {
        // The fee of the smallest rows is 47 million wei for each block's price of 100: 4.7e10 in all.
        let fee = 393_216 * PERMIT_BLOCKS * PRICE_PER_BYTE_BLOCK_WEI;
        let gas = LAPSE_GAS + u64::from(OPERATORS) * LAPSE_GAS_PER_MEMBER;
        let scene = Scene::new(context, |_| true, fee.div_ceil(gas)).await;
        let committee = scene.chain.committee().await;
        let blob = blob(&committee, 4);
        scene.withhold(&committee, &blob).await;
        let permit = scene.chain.permit(blob.head().header());
        scene.chain.mine(LIFETIME_BLOCKS + 10 * TURN_BLOCKS);
        scene.wait().await;
        assert_eq!(scene.lapses().await.len(), 0);
        // What was reckoned with is what it takes, first balances and all.
        let call = DAEntrance::lapseCall {
            header: on_chain(blob.head().header()),
            permit: permit.on_chain(),
        };
        let sent = contracts::write(&scene.chain, DA_ENTRANCE, &call, U256::ZERO).await;
        let used = sent.unwrap().gas_used;
        println!("lapse: {used} gas of {gas}");
        assert!(used <= gas && used > gas * 2 / 3, "{used} of {gas}");
    });
}
