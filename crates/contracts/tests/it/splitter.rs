//! Revenue splitters: every unit that arrives belongs to one leg, and reaches nobody else.

use crate::{chain::Chain, tree::Tree};
use contracts::{
    abi::{
        ContributionBook, RevenueSplitter as Splitter,
        SplitterFactory::{self as Factory, Leg},
        USDX,
    },
    addresses::{self, CONTRIBUTION_BOOK, SPLITTER_FACTORY},
};
use primitives::{Address, B256, U256};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

const BUYER: Address = Address::repeat_byte(0xb0);
pub const COMPUTE: Address = Address::repeat_byte(0xc0);
const STORAGE: Address = Address::repeat_byte(0xc1);
const TRAINER: Address = Address::repeat_byte(0xc2);
const PUBLISHER: Address = Address::repeat_byte(0xda);
const SOMEBODY: Address = Address::repeat_byte(0x55);
const MODEL: B256 = B256::repeat_byte(0x0d);
const WEIGHT_ONE: u64 = 1_000_000_000_000;

fn leg(account: Address, bps: u16, kind: u8) -> Leg {
    Leg { account, bps, kind }
}

fn legs() -> Vec<Leg> {
    vec![
        leg(COMPUTE, 5880, 0),
        leg(STORAGE, 490, 1),
        leg(TRAINER, 1372, 2),
        leg(PUBLISHER, 2258, 3),
    ]
}

pub struct Scene {
    pub chain: Chain,
    pub splitter: Address,
    pub contributors: Vec<(Address, u64)>,
    pub tree: Tree,
}

impl Scene {
    pub fn new(weights: &[u64]) -> Self {
        let mut chain = Chain::genesis(BUYER, &[]);
        let create = Factory::createCall {
            modelRoot: MODEL,
            legs: legs(),
        };
        let splitter = chain.send(SOMEBODY, SPLITTER_FACTORY, &create).unwrap().result;
        let contributors: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(i, &weight)| (Address::repeat_byte(i as u8 + 1), weight))
            .collect();
        let tree = Tree::new(&contributors);
        Self {
            chain,
            splitter,
            contributors,
            tree,
        }
    }

    pub fn publish(&mut self) {
        let call = ContributionBook::publishCall {
            modelRoot: MODEL,
            weightsRoot: self.tree.root(),
            reportHash: B256::repeat_byte(3),
            totalWeight: WEIGHT_ONE,
        };
        self.chain.send(PUBLISHER, CONTRIBUTION_BOOK, &call).unwrap();
    }

    pub fn pay(&mut self, amount: u64) {
        let call = USDX::transferCall {
            to: self.splitter,
            value: U256::from(amount),
        };
        self.chain.send(BUYER, addresses::USDX, &call).unwrap();
    }

    fn sync(&mut self) -> u64 {
        self.chain
            .send(SOMEBODY, self.splitter, &Splitter::syncCall { token: addresses::USDX })
            .unwrap()
            .result
            .to()
    }

    fn claim(&mut self, account: Address) -> u64 {
        let call = Splitter::claimCall {
            token: addresses::USDX,
            account,
        };
        self.chain.send(SOMEBODY, self.splitter, &call).unwrap().result.to()
    }

    fn claim_data(&mut self, index: usize) -> Result<u64, String> {
        let (account, weight) = self.contributors[index];
        let call = Splitter::claimDataCall {
            token: addresses::USDX,
            account,
            weight: U256::from(weight),
            proof: self.tree.proof(index),
        };
        self.chain
            .send(SOMEBODY, self.splitter, &call)
            .map(|sent| sent.result.to())
    }

    fn usdx(&mut self, account: Address) -> u64 {
        self.chain.view(addresses::USDX, &USDX::balanceOfCall { account }).to()
    }

    fn view<C: alloy_sol_types::SolCall<Return = U256>>(&mut self, call: C) -> u64 {
        self.chain.view(self.splitter, &call).to()
    }
}

/// The split that the project's notes measured on a real EVM: 37,770 units of 5880, 490, 1372 and 2258 hundredths of a percent.
#[test]
fn a_payment_is_split_to_the_last_unit() {
    let mut scene = Scene::new(&[WEIGHT_ONE / 2, WEIGHT_ONE / 2]);
    scene.publish();
    scene.pay(37_770);
    let token = addresses::USDX;
    assert_eq!(scene.view(Splitter::unsyncedCall { token }), 37_770);
    assert_eq!(
        scene.view(Splitter::claimableCall {
            token,
            account: COMPUTE
        }),
        22_208
    );
    assert_eq!(scene.sync(), 37_770);
    assert_eq!(scene.sync(), 0);
    let credited = [COMPUTE, STORAGE, TRAINER].map(|account| scene.view(Splitter::creditedCall { token, account }));
    assert_eq!(credited, [22_208, 1_850, 5_182]);
    assert_eq!(
        scene.view(Splitter::dataCreditedCall { token }),
        37_770 - 22_208 - 1_850 - 5_182
    );

    assert_eq!(scene.claim(COMPUTE), 22_208);
    assert_eq!(scene.claim(COMPUTE), 0);
    assert_eq!(scene.claim(SOMEBODY), 0);
    assert_eq!(
        scene.claim(PUBLISHER),
        0,
        "the publisher divides the data leg; it does not own it"
    );
    let (account, weight) = scene.contributors[0];
    let claimable = Splitter::claimableDataCall {
        token,
        account,
        weight: U256::from(weight),
    };
    assert_eq!(scene.view(claimable), 4_265);
    assert_eq!(scene.claim_data(0).unwrap(), 4_265);
    assert_eq!(scene.claim_data(0).unwrap(), 0);
    assert_eq!((scene.usdx(COMPUTE), scene.usdx(account)), (22_208, 4_265));
}

#[test]
fn a_splitters_address_follows_from_its_model_and_legs() {
    let mut scene = Scene::new(&[WEIGHT_ONE]);
    let predicted = scene.chain.view(
        SPLITTER_FACTORY,
        &Factory::predictCall {
            modelRoot: MODEL,
            legs: legs(),
        },
    );
    assert_eq!(predicted, scene.splitter);
    let create = Factory::createCall {
        modelRoot: MODEL,
        legs: legs(),
    };
    let again = scene.chain.send(BUYER, SPLITTER_FACTORY, &create).unwrap();
    assert_eq!(again.result, scene.splitter);
    assert!(again.events::<Factory::SplitterCreated>().is_empty());
    let found = scene.chain.view(scene.splitter, &Splitter::legsCall {});
    assert_eq!(found.len(), 4);
    for (found, expected) in found.iter().zip(legs()) {
        assert_eq!(
            (found.account, found.bps, found.kind),
            (expected.account, expected.bps, expected.kind)
        );
    }
    assert_eq!(scene.chain.view(scene.splitter, &Splitter::modelRootCall {}), MODEL);

    let other = Factory::createCall {
        modelRoot: B256::ZERO,
        legs: legs(),
    };
    let sent = scene.chain.send(BUYER, SPLITTER_FACTORY, &other).unwrap();
    assert_ne!(sent.result, scene.splitter);
    assert_eq!(sent.events::<Factory::SplitterCreated>()[0].splitter, sent.result);
}

#[test]
fn legs_that_do_not_make_a_whole_are_refused() {
    let mut chain = Chain::genesis(BUYER, &[]);
    let data = |bps| leg(PUBLISHER, bps, 3);
    for (legs, reason) in [
        (vec![], "LegCount(count: 0)".to_string()),
        (vec![data(625); 17], "LegCount(count: 17)".into()),
        (
            vec![leg(Address::ZERO, 5000, 0), data(5000)],
            "InvalidLeg(index: 0)".into(),
        ),
        (vec![data(10_000), leg(COMPUTE, 0, 0)], "InvalidLeg(index: 1)".into()),
        (vec![leg(COMPUTE, 5000, 0), data(4999)], "InvalidSum(bps: 9999)".into()),
        (
            vec![leg(COMPUTE, 65_535, 0), data(10_000)],
            "InvalidSum(bps: 75535)".into(),
        ),
        (vec![leg(COMPUTE, 10_000, 0)], "DataLegCount(count: 0)".into()),
        (vec![data(5000), data(5000)], "DataLegCount(count: 2)".into()),
    ] {
        let call = Factory::createCall { modelRoot: MODEL, legs };
        assert_eq!(chain.send(SOMEBODY, SPLITTER_FACTORY, &call).err().unwrap(), reason);
    }
}

#[test]
fn only_a_leaf_of_the_book_is_paid() {
    let mut scene = Scene::new(&[WEIGHT_ONE / 4 * 3, WEIGHT_ONE / 4]);
    scene.pay(10_000);
    assert!(
        scene.claim_data(0).unwrap_err().starts_with("InvalidWeight"),
        "nothing is published yet"
    );
    // Weights under another name do not count.
    let call = ContributionBook::publishCall {
        modelRoot: MODEL,
        weightsRoot: scene.tree.root(),
        reportHash: B256::repeat_byte(3),
        totalWeight: WEIGHT_ONE,
    };
    scene.chain.send(SOMEBODY, CONTRIBUTION_BOOK, &call).unwrap();
    assert!(scene.claim_data(0).unwrap_err().starts_with("InvalidWeight"));
    scene.publish();
    let honest = scene.contributors.clone();
    scene.contributors[1].1 = WEIGHT_ONE;
    assert!(scene.claim_data(1).unwrap_err().starts_with("InvalidWeight"));
    scene.contributors = honest;
    assert_eq!(scene.claim_data(1).unwrap(), 564);
    assert_eq!(scene.claim_data(0).unwrap(), 1_693);
}

/// The chain cannot see that a publisher's leaves sum to more than a whole; the other legs' money is out of their reach all the same.
#[test]
fn weights_above_a_whole_take_nothing_from_other_legs() {
    let mut scene = Scene::new(&[WEIGHT_ONE, WEIGHT_ONE]);
    scene.publish();
    scene.pay(10_000);
    assert_eq!(scene.claim_data(0).unwrap(), 2_258);
    assert_eq!(
        scene.claim_data(1).unwrap_err(),
        "DataCreditExceeded(owed: 2258, left: 0)"
    );
    assert_eq!(
        (scene.claim(COMPUTE), scene.claim(STORAGE), scene.claim(TRAINER)),
        (5_880, 490, 1_372)
    );
}

#[test]
fn what_arrives_is_what_is_paid_plus_what_is_held() {
    for seed in 0..6 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Random weights that sum to a whole.
        let count = rng.random_range(1..=8usize);
        let mut cuts: Vec<u64> = (1..count).map(|_| rng.random_range(0..=WEIGHT_ONE)).collect();
        cuts.extend([0, WEIGHT_ONE]);
        cuts.sort_unstable();
        let mut weights: Vec<u64> = cuts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        weights.shuffle(&mut rng);
        let mut scene = Scene::new(&weights);
        scene.publish();
        let token = addresses::USDX;
        let plain = [COMPUTE, STORAGE, TRAINER];
        let mut arrived = 0u64;
        for _ in 0..40 {
            match rng.random_range(0..5) {
                0 | 1 => {
                    let amount = rng.random_range(0..100_000);
                    scene.pay(amount);
                    arrived += amount;
                }
                2 => _ = scene.sync(),
                3 => {
                    let account = plain[rng.random_range(0..3)];
                    let promised = scene.view(Splitter::claimableCall { token, account });
                    assert_eq!(scene.claim(account), promised);
                }
                _ => {
                    let index = rng.random_range(0..count);
                    let (account, weight) = scene.contributors[index];
                    let promised = scene.view(Splitter::claimableDataCall {
                        token,
                        account,
                        weight: U256::from(weight),
                    });
                    assert_eq!(scene.claim_data(index).unwrap(), promised);
                }
            }
            let credited: u64 = plain
                .map(|account| scene.view(Splitter::creditedCall { token, account }))
                .iter()
                .sum();
            let data = scene.view(Splitter::dataCreditedCall { token });
            assert_eq!(credited + data + scene.view(Splitter::unsyncedCall { token }), arrived);
            let contributors: Vec<Address> = scene.contributors.iter().map(|(account, _)| *account).collect();
            let paid: u64 = plain
                .iter()
                .chain(&contributors)
                .map(|&account| scene.usdx(account))
                .sum();
            assert_eq!(scene.usdx(scene.splitter) + paid, arrived);
        }
        // When all have claimed, less than a unit a contributor is left.
        for account in plain {
            scene.claim(account);
        }
        for index in 0..count {
            scene.claim_data(index).unwrap();
        }
        assert!(scene.usdx(scene.splitter) < count as u64);
    }
}
