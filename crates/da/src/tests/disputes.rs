//! Challenges on the contracts themselves: who has its rows keeps its stake, who has not loses it.

use super::{
    chain::config,
    evm_chain::{EvmChain, STAKE_WEI, account},
    network::guest,
    public_blob,
};
use crate::{
    CodedBlob, Service, disperse,
    header::TOTAL_ROWS,
    sample::{Prover, chunks},
};
use alloy_sol_types::SolEvent;
use commonware_codec::Encode;
use commonware_runtime::{Clock, Runner as _, Supervisor, deterministic};
use contracts::{
    CHALLENGE_WINDOW_BLOCKS, EventFilter, Provider, SLASH_WEI,
    abi::{
        DAChallenges::{self, Piece},
        DAEntrance, DALottery, StakeVault,
    },
    addresses::{DA_CHALLENGES, DA_ENTRANCE, DA_LOTTERY, STAKE_VAULT},
};
use primitives::{Address, U256};
use std::{net::SocketAddr, time::Duration};

const OPERATORS: u32 = 4;
const CHALLENGER: Address = Address::repeat_byte(0xcc);

/// Four operators with stake that hold one blob.
struct Scene {
    context: deterministic::Context,
    chain: EvmChain,
    services: Vec<Option<Service<deterministic::Context>>>,
    blob: CodedBlob,
}

impl Scene {
    async fn new(context: deterministic::Context) -> Self {
        let endpoints: Vec<SocketAddr> = (0..OPERATORS)
            .map(|operator| ([10, 0, 0, operator as u8], 9000).into())
            .collect();
        let chain = EvmChain::genesis(&endpoints, CHALLENGER, U256::from(1000 * SLASH_WEI));
        chain.mine(1);
        let mut services = Vec::new();
        for (operator, listen) in (0..).zip(endpoints) {
            let own = chain.of(account(operator));
            let context = context.child("operator").with_attribute("index", operator);
            services.push(Some(
                Service::start(context, config(operator, listen), own).await.unwrap(),
            ));
        }
        let blob = public_blob(1, 1_500_000);
        let committee = chain.committee().await;
        let permit = chain.permit(blob.head().header());
        let certificate = disperse::disperse(&context, &guest(), &committee, &blob, &permit, |_| {})
            .await
            .unwrap();
        // The last operator's rows may still be on their way: only who signed can be challenged.
        chain.submit(&certificate).await;
        Self {
            context,
            chain,
            services,
            blob,
        }
    }

    /// A signer of the blob, and one of its rows.
    async fn signer_and_row(&self) -> (u32, u32) {
        let committee = self.chain.committee().await;
        let bitmap = self.bitmap().await;
        let signer = (0..OPERATORS).find(|operator| bitmap[0] >> operator & 1 == 1).unwrap();
        let rows = committee.rows_of(signer, &self.blob.head().root(), self.blob.head().shape());
        (signer, rows.iter().nth(17).unwrap())
    }

    async fn bitmap(&self) -> primitives::Bytes {
        let filter = EventFilter {
            addresses: vec![DA_ENTRANCE],
            topic0: vec![DAEntrance::BlobCertified::SIGNATURE_HASH],
            ..EventFilter::default()
        };
        let events = self.chain.events(filter).await.unwrap();
        events[0].decode::<DAEntrance::BlobCertified>().unwrap().signersBitmap
    }

    async fn challenge(&self, operator: u32, row: u32) -> Piece {
        let piece = Piece {
            root: self.blob.head().root().0,
            row,
            chunk: chunks(self.blob.head().row_bytes()) - 1,
            operator,
        };
        let call = DAChallenges::challengeCall {
            piece: piece.clone(),
            signersBitmap: self.bitmap().await,
        };
        let deposit = U256::from(SLASH_WEI);
        contracts::write(&self.chain, DA_CHALLENGES, &call, deposit)
            .await
            .unwrap();
        piece
    }

    /// Whether the challenge of `piece` still waits after `seconds`.
    async fn waits(&self, piece: &Piece, seconds: u64) -> bool {
        self.context.sleep(Duration::from_secs(seconds)).await;
        let call = DAChallenges::challengeOfCall { piece: piece.clone() };
        let entry = contracts::read(&self.chain, DA_CHALLENGES, &call).await.unwrap();
        entry.challenger != Address::ZERO
    }

    async fn held(&self, operator: u32) -> u128 {
        let call = StakeVault::stakeOfCall { operator };
        contracts::read(&self.chain, STAKE_VAULT, &call).await.unwrap().active
    }

    /// What an account earned by challenges.
    async fn rewarded(&self, account: Address) -> U256 {
        let call = StakeVault::balancesCall { account };
        contracts::read(&self.chain, STAKE_VAULT, &call).await.unwrap()
    }

    async fn owed(&self, account: Address) -> U256 {
        let call = DAChallenges::balancesCall { account };
        contracts::read(&self.chain, DA_CHALLENGES, &call).await.unwrap()
    }

    async fn deposit(&self) -> U256 {
        let call = DAChallenges::quoteDepositCall {};
        contracts::read(&self.chain, DA_CHALLENGES, &call).await.unwrap()
    }

    fn stop(&mut self, operator: u32) {
        self.services[operator as usize].take().unwrap().stop();
    }
}

#[test]
fn an_operator_answers_for_its_rows_and_disowns_those_of_others() {
    deterministic::Runner::seeded(31).start(|context| async move {
        let scene = Scene::new(context).await;
        let (signer, row) = scene.signer_and_row().await;
        let deposit = scene.deposit().await;
        let committee = scene.chain.committee().await;
        let owned = committee.rows_of(signer, &scene.blob.head().root(), scene.blob.head().shape());
        let foreign = (0..TOTAL_ROWS).find(|row| !owned.contains(*row)).unwrap();
        for (asked, row) in [(1u64, row), (2, foreign)] {
            let piece = scene.challenge(signer, row).await;
            assert!(!scene.waits(&piece, 5).await, "row {row}");
            assert_eq!(scene.owed(account(signer)).await, deposit * U256::from(asked));
            assert_eq!(scene.held(signer).await, STAKE_WEI);
        }
        assert_eq!(scene.services[signer as usize].as_ref().unwrap().disputes(), 0);
    });
}

#[test]
fn an_operator_that_is_gone_for_a_window_loses_its_stake() {
    deterministic::Runner::seeded(32).start(|context| async move {
        let mut scene = Scene::new(context).await;
        let (signer, row) = scene.signer_and_row().await;
        scene.stop(signer);
        let piece = scene.challenge(signer, row).await;
        assert!(scene.waits(&piece, 60).await);
        scene.chain.mine(CHALLENGE_WINDOW_BLOCKS + 1);
        let call = DAChallenges::slashCall { piece };
        contracts::write(&scene.chain, DA_CHALLENGES, &call, U256::ZERO)
            .await
            .unwrap();
        assert_eq!(scene.held(signer).await, STAKE_WEI - SLASH_WEI);
        // The change of the first coin sent, and the deposit; a quarter of what was lost.
        assert_eq!(scene.owed(CHALLENGER).await, U256::from(SLASH_WEI));
        assert_eq!(scene.rewarded(CHALLENGER).await, U256::from(SLASH_WEI / 4));
        assert_eq!(scene.chain.balance(Address::ZERO), U256::from(SLASH_WEI / 4 * 3));
    });
}

#[test]
fn an_operator_that_makes_up_a_chunk_loses_its_stake_at_once() {
    deterministic::Runner::seeded(33).start(|context| async move {
        let mut scene = Scene::new(context).await;
        let (signer, row) = scene.signer_and_row().await;
        scene.stop(signer);
        let piece = scene.challenge(signer, row).await;
        // All but the last bit of the chunk is right.
        let prover = Prover::new(scene.blob.head().clone());
        let mut sample = prover.prove(scene.blob.row(row).row(), piece.chunk).unwrap();
        let mut chunk = sample.chunk.to_vec();
        *chunk.last_mut().unwrap() ^= 1;
        sample.chunk = chunk.into();
        let call = DAChallenges::answerCall {
            piece,
            sample: sample.encode().into(),
        };
        let own = scene.chain.of(account(signer));
        contracts::write(&own, DA_CHALLENGES, &call, U256::ZERO).await.unwrap();
        assert_eq!(scene.held(signer).await, STAKE_WEI - SLASH_WEI);
        assert_eq!(scene.owed(account(signer)).await, U256::ZERO);
    });
}

/// The draw's target is written into the contract, so that some rows of a small blob win.
#[test]
fn an_operator_that_plays_is_paid_for_its_rows_that_win() {
    deterministic::Runner::seeded(34).start(|context| async move {
        let mut scene = Scene::new(context).await;
        let (signer, _) = scene.signer_and_row().await;
        contracts::write(&scene.chain, DA_LOTTERY, &DALottery::fundCall {}, U256::from(SLASH_WEI))
            .await
            .unwrap();
        // With the lottery's part of the blob's fee.
        let pool = contracts::read(&scene.chain, DA_LOTTERY, &DALottery::poolCall {})
            .await
            .unwrap();
        assert!(pool > U256::from(SLASH_WEI));
        // Of 768 rows of two pieces each about six win.
        let (number, target) = (10, U256::MAX / U256::from(256));
        scene.chain.set_storage(DA_LOTTERY, 2, U256::from(number));
        scene.chain.set_storage(DA_LOTTERY, 3, target);
        scene.chain.mine(number * 240);
        let provider = scene.chain.of(account(signer));
        let context = scene.context.child("play");
        let service = scene.services[signer as usize].as_mut().unwrap();
        service.play(context, provider, U256::from(1));
        scene.context.sleep(Duration::from_secs(10)).await;

        let draw = contracts::read(&scene.chain, DA_LOTTERY, &DALottery::currentDrawCall {})
            .await
            .unwrap();
        assert!((1..=16).contains(&draw.wins), "{draw:?}");
        let call = DALottery::balancesCall {
            account: account(signer),
        };
        let paid = contracts::read(&scene.chain, DA_LOTTERY, &call).await.unwrap();
        let left = contracts::read(&scene.chain, DA_LOTTERY, &DALottery::poolCall {})
            .await
            .unwrap();
        let prize = |pool: U256| pool / U256::from(256);
        let expected = (0..draw.wins).fold(pool, |pool, _| pool - prize(pool));
        assert_eq!((left, paid), (expected, pool - expected));
    });
}
