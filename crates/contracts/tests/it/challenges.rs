//! Challenges: an operator shows the piece it signed for, or pays.

use crate::{
    chain::{BEACON, Chain},
    entrance,
    keys::{Operator, STAKE_WEI},
    samples::{Blob, vectors},
};
use contracts::{
    CHALLENGE_WINDOW_BLOCKS as WINDOW, DA_SEATS, EPOCH_BLOCKS, SLASH_WEI, SLASH_WINDOW_EPOCHS, Terms, UNBONDING_EPOCHS,
    abi::{
        DAChallenges::{self, Piece},
        NetworkRegistry, StakeVault,
    },
    addresses::{DA_CHALLENGES, DA_ENTRANCE, NETWORK_REGISTRY, STAKE_VAULT},
    assignment, genesis_contracts_with,
    typed_data::{seat_rows, signers_bitmap},
};
use primitives::{Address, Bytes, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CHALLENGER: Address = Address::repeat_byte(0xcc);
const STRANGER: Address = Address::repeat_byte(0xdd);
/// What the tests' operators put at stake: less than three times what one failure costs.
const BOND: u128 = STAKE_WEI;

/// Four bonded operators that all signed for the blobs of the vectors, and who may challenge them.
pub struct Scene {
    pub chain: Chain,
    pub operators: Vec<Operator>,
    blobs: Vec<Blob>,
}

impl Scene {
    pub fn new() -> Self {
        let (scene, ()) = Self::with(|chain, operators, blobs| {
            for blob in blobs {
                let call = entrance::certificate(&blob.header, operators, &[0, 1, 2, 3]);
                chain.send(entrance::PAYER, DA_ENTRANCE, &call).unwrap();
            }
        });
        scene
    }

    /// With blobs that `certify` certified.
    pub fn with<T>(certify: impl FnOnce(&mut Chain, &mut Vec<Operator>, &mut Vec<Blob>) -> T) -> (Self, T) {
        let (mut chain, mut operators) = entrance::network(4);
        let mut blobs = vectors().blobs;
        let certified = certify(&mut chain, &mut operators, &mut blobs);
        for account in [CHALLENGER, STRANGER] {
            chain.fund(account, U256::from(1000 * SLASH_WEI));
        }
        for operator in &operators {
            chain.fund(operator.account, U256::from(100 * SLASH_WEI));
        }
        let scene = Self {
            chain,
            operators,
            blobs,
        };
        (scene, certified)
    }

    /// Piece `number` of blob `blob`, asked of its owner and `others` operators on; and its sample.
    pub fn piece(&self, blob: usize, number: usize, others: u32) -> (Piece, Bytes) {
        let blob = &self.blobs[blob];
        let sampled = &blob.pieces[number];
        let seed = assignment::seed(BEACON, blob.header.epoch, blob.header.root);
        let shuffled = assignment::shuffle(seed, blob.header.rowCount);
        let place = shuffled.iter().position(|row| *row == sampled.row).expect("a row") as u32;
        let owner = (0..4)
            .find(|index| seat_rows(seats(*index), DA_SEATS, blob.header.rowCount).contains(&place))
            .expect("every row has an owner");
        let piece = Piece {
            root: blob.header.root,
            row: sampled.row,
            chunk: sampled.chunk,
            operator: (owner + others) % 4,
        };
        (piece, sampled.sample.clone())
    }

    fn account(&self, piece: &Piece) -> Address {
        self.operators[piece.operator as usize].account
    }

    fn deposit(&mut self) -> U256 {
        self.chain.view(DA_CHALLENGES, &DAChallenges::quoteDepositCall {})
    }

    pub fn challenge(&mut self, piece: &Piece) -> Result<u64, String> {
        let deposit = self.deposit();
        let call = challenge(piece, &[0, 1, 2, 3]);
        self.chain
            .pay(CHALLENGER, DA_CHALLENGES, &call, deposit)
            .map(|sent| sent.gas)
    }

    pub fn answer(&mut self, from: Address, piece: &Piece, sample: Bytes) -> Result<u64, String> {
        let call = DAChallenges::answerCall {
            piece: piece.clone(),
            sample,
        };
        self.chain.send(from, DA_CHALLENGES, &call).map(|sent| sent.gas)
    }

    pub fn disown(&mut self, from: Address, piece: &Piece) -> Result<u64, String> {
        let call = DAChallenges::disownCall { piece: piece.clone() };
        self.chain.send(from, DA_CHALLENGES, &call).map(|sent| sent.gas)
    }

    fn slash(&mut self, from: Address, piece: &Piece) -> Result<u64, String> {
        let call = DAChallenges::slashCall { piece: piece.clone() };
        self.chain.send(from, DA_CHALLENGES, &call).map(|sent| sent.gas)
    }

    fn stake(&mut self, piece: &Piece) -> StakeVault::Stake {
        let operator = piece.operator;
        self.chain.view(STAKE_VAULT, &StakeVault::stakeOfCall { operator })
    }

    /// What counts of an operator's stake.
    fn active(&mut self, piece: &Piece) -> u128 {
        self.stake(piece).active
    }

    fn owed(&mut self, account: Address) -> U256 {
        self.chain.view(DA_CHALLENGES, &DAChallenges::balancesCall { account })
    }

    /// What an account earned by challenges.
    fn rewarded(&mut self, account: Address) -> U256 {
        self.chain.view(STAKE_VAULT, &StakeVault::balancesCall { account })
    }

    /// Coins nobody has any more.
    fn burnt(&self) -> U256 {
        self.chain.balance(Address::ZERO)
    }
}

/// Seats of one of four operators with equal stake.
fn seats(index: u32) -> std::ops::Range<u32> {
    index * DA_SEATS / 4..(index + 1) * DA_SEATS / 4
}

fn challenge(piece: &Piece, signers: &[u32]) -> DAChallenges::challengeCall {
    DAChallenges::challengeCall {
        piece: piece.clone(),
        signersBitmap: signers_bitmap(signers.iter().copied(), 4),
    }
}

#[test]
fn an_operator_that_answers_in_time_keeps_its_bond_and_earns_the_deposit() {
    let mut scene = Scene::new();
    let deposit = scene.deposit();
    for blob in 0..scene.blobs.len() {
        for number in 0..scene.blobs[blob].pieces.len() {
            let (piece, sample) = scene.piece(blob, number, 0);
            let account = scene.account(&piece);
            let before = scene.owed(account);
            scene.challenge(&piece).unwrap();
            // At the last block of the window, by whoever has the sample.
            scene.chain.block += WINDOW;
            let from = if number == 0 { STRANGER } else { account };
            scene.answer(from, &piece, sample.clone()).unwrap();
            assert_eq!(scene.owed(account), before + deposit);
            assert_eq!(scene.active(&piece), BOND);
            assert_eq!(scene.answer(account, &piece, sample).err().unwrap(), "NotChallenged");
        }
    }
    assert_eq!(scene.burnt(), U256::ZERO);
}

#[test]
fn an_operator_that_says_nothing_is_slashed_when_the_window_is_over() {
    let mut scene = Scene::new();
    let deposit = scene.deposit();
    let (piece, sample) = scene.piece(1, 0, 0);
    let account = scene.account(&piece);
    scene.challenge(&piece).unwrap();
    let deadline = scene.chain.block + WINDOW;
    scene.chain.block = deadline;
    assert_eq!(
        scene.slash(STRANGER, &piece).err().unwrap(),
        format!("TooEarly(deadline: {deadline})")
    );
    scene.chain.block += 1;
    for late in [scene.answer(account, &piece, sample), scene.disown(account, &piece)] {
        assert_eq!(late.err().unwrap(), format!("TooLate(deadline: {deadline})"));
    }
    scene.slash(STRANGER, &piece).unwrap();
    assert_eq!(scene.active(&piece), BOND - SLASH_WEI);
    assert_eq!(scene.owed(CHALLENGER), deposit);
    assert_eq!(scene.rewarded(CHALLENGER), U256::from(SLASH_WEI / 4));
    assert_eq!(scene.burnt(), U256::from(SLASH_WEI / 4 * 3));
    assert_eq!(scene.slash(STRANGER, &piece).err().unwrap(), "NotChallenged");

    // It may be asked again, and again lose, until there is nothing left.
    for left in [BOND - 2 * SLASH_WEI, 0] {
        scene.challenge(&piece).unwrap();
        scene.chain.block += WINDOW + 1;
        scene.slash(STRANGER, &piece).unwrap();
        assert_eq!(scene.active(&piece), left);
    }
    assert_eq!(
        scene.challenge(&piece).err().unwrap(),
        format!("NotBonded(account: {account})")
    );
}

#[test]
fn an_operator_that_shows_a_wrong_chunk_is_slashed_at_once_and_nobody_can_do_that_to_it() {
    let mut scene = Scene::new();
    for (number, wrong) in [(0, Bytes::new()), (1, Bytes::from(vec![7; 1456])), (2, Bytes::new())] {
        let (piece, sample) = scene.piece(2, number, 0);
        let account = scene.account(&piece);
        let held = scene.active(&piece);
        scene.challenge(&piece).unwrap();
        let mut flipped = sample.to_vec();
        flipped[0] ^= 1;
        let wrong = if number == 2 { flipped.into() } else { wrong };
        assert_eq!(
            scene.answer(STRANGER, &piece, wrong.clone()).err().unwrap(),
            "WrongSample"
        );
        assert_eq!(scene.active(&piece), held);
        // With too little gas for the proof, the right answer is no answer rather than a wrong one.
        for gas_limit in (150_000..400_000).step_by(12_500) {
            scene.chain.gas_limit = gas_limit;
            let refused = scene.answer(account, &piece, sample.clone());
            if refused.is_ok() {
                scene.chain.gas_limit = crate::chain::GAS_LIMIT;
                scene.challenge(&piece).unwrap();
            }
            assert_eq!(scene.active(&piece), held, "{gas_limit} gas");
        }
        scene.chain.gas_limit = crate::chain::GAS_LIMIT;
        scene.answer(account, &piece, wrong).unwrap();
        assert_eq!(scene.active(&piece), held - SLASH_WEI);
        let call = DAChallenges::challengeOfCall { piece };
        assert_eq!(scene.chain.view(DA_CHALLENGES, &call).challenger, Address::ZERO);
    }
}

#[test]
fn an_operator_accused_of_anothers_row_takes_the_deposit() {
    let mut scene = Scene::new();
    let deposit = scene.deposit();
    for (blob, others) in [(0, 1), (1, 2), (3, 3)] {
        let (piece, _) = scene.piece(blob, 0, others);
        let account = scene.account(&piece);
        let before = scene.owed(account);
        scene.challenge(&piece).unwrap();
        scene.disown(account, &piece).unwrap();
        assert_eq!(scene.owed(account), before + deposit);
        assert_eq!(scene.active(&piece), BOND);

        let (own, sample) = scene.piece(blob, 0, 0);
        let account = scene.account(&own);
        scene.challenge(&own).unwrap();
        let refused = scene.disown(account, &own).err().unwrap();
        assert_eq!(refused, format!("OwnRow(row: {})", own.row));
        scene.answer(account, &own, sample).unwrap();
    }
}

#[test]
fn a_challenge_names_a_piece_that_the_operator_signed_for_and_must_still_have() {
    let mut scene = Scene::new();
    let deposit = scene.deposit();
    let (good, _) = scene.piece(0, 0, 0);
    let expiry = scene.blobs[0].header.expiryBlock;
    let with = |change: &dyn Fn(&mut Piece)| {
        let mut piece = good.clone();
        change(&mut piece);
        piece
    };
    let root = primitives::B256::repeat_byte(9);
    for (piece, signers, reason) in [
        (
            with(&|piece| piece.root = root),
            &[0, 1, 2, 3][..],
            format!("NotCertified(root: {root})"),
        ),
        (
            with(&|piece| piece.row = 3072),
            &[0, 1, 2, 3],
            "NoSuchPiece(row: 3072, chunk: 0)".into(),
        ),
        (
            with(&|piece| piece.chunk = 1),
            &[0, 1, 2, 3],
            format!("NoSuchPiece(row: {}, chunk: 1)", good.row),
        ),
        (
            good.clone(),
            &[0, 1, 2],
            format!("NotASigner(operator: {})", good.operator),
        ),
        (
            with(&|piece| piece.operator = 4),
            &[0, 1, 2, 3],
            "NotASigner(operator: 4)".into(),
        ),
        (
            with(&|piece| piece.operator = 8),
            &[0, 1, 2, 3],
            "NotASigner(operator: 8)".into(),
        ),
    ] {
        let refused = scene
            .chain
            .pay(CHALLENGER, DA_CHALLENGES, &challenge(&piece, signers), deposit);
        assert_eq!(refused.err().unwrap(), reason);
    }
    let short = deposit - U256::from(1);
    let refused = scene
        .chain
        .pay(CHALLENGER, DA_CHALLENGES, &challenge(&good, &[0, 1, 2, 3]), short);
    assert_eq!(
        refused.err().unwrap(),
        format!("DepositTooLow(sent: {short}, deposit: {deposit})")
    );
    scene.challenge(&good).unwrap();
    assert_eq!(scene.challenge(&good).err().unwrap(), "AlreadyChallenged");
    // The same piece may be asked of another operator, so that a challenge of the wrong one hides nothing.
    scene
        .challenge(&with(&|piece| piece.operator = (piece.operator + 1) % 4))
        .unwrap();

    scene.chain.block = expiry - WINDOW + 1;
    let (other, _) = scene.piece(0, 1, 0);
    assert_eq!(
        scene.challenge(&other).err().unwrap(),
        format!("Expired(expiryBlock: {expiry})")
    );
    scene.chain.block -= 1;
    scene.challenge(&other).unwrap();
}

/// A blob is certified by three of four; the fourth never said that it has anything.
#[test]
fn an_operator_that_did_not_sign_cannot_be_challenged() {
    let (mut chain, operators) = entrance::network(4);
    let blob = &vectors().blobs[0];
    let call = entrance::certificate(&blob.header, &operators, &[0, 1, 2]);
    chain.send(entrance::PAYER, DA_ENTRANCE, &call).unwrap();
    let piece = Piece {
        root: blob.header.root,
        row: 0,
        chunk: 0,
        operator: 3,
    };
    for signers in [&[0, 1, 2][..], &[0, 1, 2, 3]] {
        let refused = chain.pay(
            entrance::PAYER,
            DA_CHALLENGES,
            &challenge(&piece, signers),
            U256::from(SLASH_WEI),
        );
        assert_eq!(refused.err().unwrap(), "NotASigner(operator: 3)");
    }
}

#[test]
fn stake_that_leaves_can_be_lost_until_it_has_left() {
    let mut scene = Scene::new();
    let (piece, sample) = scene.piece(0, 0, 0);
    let (account, operator) = (scene.account(&piece), piece.operator);
    let ask = StakeVault::askBackCall { operator, amount: BOND };
    let due = scene.chain.send(account, STAKE_VAULT, &ask).unwrap().result;
    assert_eq!(due, UNBONDING_EPOCHS);
    let free = StakeVault::releaseCall {
        operator,
        releaseEpoch: due,
    };
    // The last block in which a challenge ends a whole epoch before the stake has left.
    let last = (due - 1) * EPOCH_BLOCKS - WINDOW - 1;
    scene.chain.block = last + 1;
    let refused = scene.challenge(&piece).err().unwrap();
    assert_eq!(refused, format!("NotBonded(account: {account})"));
    scene.chain.block = last;
    scene.challenge(&piece).unwrap();
    scene.chain.block = last + WINDOW;
    assert_eq!(
        scene.slash(STRANGER, &piece).err().unwrap(),
        format!("TooEarly(deadline: {})", last + WINDOW)
    );
    // However long nobody comes in that epoch, the operator cannot have its stake before.
    scene.chain.block = due * EPOCH_BLOCKS - 1;
    let refused = scene.chain.send(account, STAKE_VAULT, &free).err().unwrap();
    assert_eq!(refused, format!("NotYet(releaseEpoch: {due})"));
    scene.slash(STRANGER, &piece).unwrap();
    assert_eq!(scene.burnt(), U256::from(SLASH_WEI / 4 * 3));
    assert_eq!(scene.answer(account, &piece, sample).err().unwrap(), "NotChallenged");
    scene.chain.block += 1;
    let taken = scene.chain.send(account, STAKE_VAULT, &free).unwrap().result;
    assert_eq!(taken, U256::from(BOND - SLASH_WEI));
}

/// The trap: a challenged operator asks everything back at once, leaves the service, and waits. Each of its steps is possible, and none is in time.
#[test]
fn a_challenge_outlives_every_way_to_leave_with_the_stake() {
    for slashed_at in [WINDOW + 1, 4 * EPOCH_BLOCKS - 1] {
        let mut scene = Scene::new();
        let (piece, _) = scene.piece(0, 0, 0);
        let (account, operator) = (scene.account(&piece), piece.operator);
        scene.chain.block = EPOCH_BLOCKS;
        scene.challenge(&piece).unwrap();
        let ask = StakeVault::askBackCall { operator, amount: BOND };
        let due = scene.chain.send(account, STAKE_VAULT, &ask).unwrap().result;
        let out = NetworkRegistry::optOutCall { service: 0 };
        scene.chain.send(account, NETWORK_REGISTRY, &out).unwrap();
        let free = StakeVault::releaseCall {
            operator,
            releaseEpoch: due,
        };
        // The first block after the window, and the last in which the vault still punishes.
        scene.chain.block = EPOCH_BLOCKS + slashed_at;
        let refused = scene.chain.send(account, STAKE_VAULT, &free).err().unwrap();
        assert_eq!(refused, format!("NotYet(releaseEpoch: {due})"));
        scene.slash(STRANGER, &piece).unwrap();
        scene.chain.block = due * EPOCH_BLOCKS;
        let taken = scene.chain.send(account, STAKE_VAULT, &free).unwrap().result;
        assert_eq!(taken, U256::from(BOND - SLASH_WEI), "slashed after {slashed_at} blocks");
    }
}

/// A window that leaves no epoch to settle what nobody answered would make every challenge void.
#[test]
fn the_window_ends_an_epoch_before_offences_are_out_of_reach() {
    assert_eq!(contracts::challenge_window(EPOCH_BLOCKS), WINDOW);
    for epoch_blocks in [1, 7, 599, 600, EPOCH_BLOCKS] {
        let terms = Terms {
            epoch_blocks,
            ..Terms::default()
        };
        let made = genesis_contracts_with(&terms);
        let mut chain = Chain::empty();
        for contract in &made {
            chain.construct(contract);
        }
        let window = chain.view(DA_CHALLENGES, &DAChallenges::windowBlocksCall {});
        // Asked in the last block of an epoch, over before the last epoch of the vault's window.
        assert!(window > 0 && window.div_ceil(epoch_blocks) < SLASH_WINDOW_EPOCHS);
    }
    const { assert!(UNBONDING_EPOCHS > SLASH_WINDOW_EPOCHS) };
}

/// A deadline that lies two epochs before the stake is free leaves time to take it.
#[test]
fn stake_that_leaves_shrinks_with_a_lost_challenge() {
    let mut scene = Scene::new();
    let (piece, _) = scene.piece(0, 0, 0);
    let (account, operator) = (scene.account(&piece), piece.operator);
    let half = BOND / 2;
    let ask = StakeVault::askBackCall { operator, amount: half };
    let due = scene.chain.send(account, STAKE_VAULT, &ask).unwrap().result;
    scene.challenge(&piece).unwrap();
    scene.chain.block += WINDOW + 1;
    scene.slash(STRANGER, &piece).unwrap();
    let stake = scene.stake(&piece);
    assert_eq!(
        (stake.active, stake.leaving),
        ((BOND - SLASH_WEI) / 2, (BOND - SLASH_WEI) / 2)
    );
    scene.chain.block = due * EPOCH_BLOCKS;
    let free = StakeVault::releaseCall {
        operator,
        releaseEpoch: due,
    };
    let taken = scene.chain.send(account, STAKE_VAULT, &free).unwrap().result;
    assert_eq!(taken, U256::from(half - SLASH_WEI / 2));
}

/// Nobody settles a challenge for so long that the offence is outside the vault's window: the deposit is the challenger's all the same.
#[test]
fn a_challenge_that_nobody_settled_in_time_costs_nothing_but_ends() {
    let mut scene = Scene::new();
    let deposit = scene.deposit();
    let (piece, _) = scene.piece(0, 0, 0);
    scene.challenge(&piece).unwrap();
    scene.chain.block += 5 * EPOCH_BLOCKS;
    scene.slash(STRANGER, &piece).unwrap();
    assert_eq!(scene.active(&piece), BOND);
    assert_eq!(scene.owed(CHALLENGER), deposit);
}

/// Leaving the service does not end what was signed for, while the stake is still there.
#[test]
fn an_operator_that_left_the_service_answers_for_what_it_signed() {
    let mut scene = Scene::new();
    let (piece, _) = scene.piece(0, 0, 0);
    let account = scene.account(&piece);
    let out = NetworkRegistry::optOutCall { service: 0 };
    scene.chain.send(account, NETWORK_REGISTRY, &out).unwrap();
    scene.chain.block = UNBONDING_EPOCHS * EPOCH_BLOCKS;
    scene.challenge(&piece).unwrap();
    scene.chain.block += WINDOW + 1;
    scene.slash(STRANGER, &piece).unwrap();
    assert_eq!(scene.active(&piece), BOND - SLASH_WEI);
    let refused = scene.challenge(&piece).err().unwrap();
    assert_eq!(refused, format!("NotBonded(account: {account})"));
}

/// Every wei that came in is at stake, a deposit's, somebody's to withdraw, paid out, or burnt.
#[test]
fn random_calls_conserve_every_wei() {
    for seed in 0..4 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut scene = Scene::new();
        let operators: Vec<Address> = scene.operators.iter().map(|operator| operator.account).collect();
        let everybody = [&operators[..], &[CHALLENGER, STRANGER]].concat();
        let coins = |scene: &Scene| -> U256 {
            let all = everybody.iter().chain([&Address::ZERO, &DA_CHALLENGES, &STAKE_VAULT]);
            all.map(|account| scene.chain.balance(*account)).sum()
        };
        let total = coins(&scene);
        let mut asked: Vec<(Piece, Bytes)> = Vec::new();
        for _ in 0..120 {
            let someone = everybody[rng.random_range(0..everybody.len())];
            scene.chain.block += rng.random_range(0..WINDOW / 2);
            match rng.random_range(0..10) {
                0..=2 => {
                    let (piece, sample) =
                        scene.piece(rng.random_range(0..4), rng.random_range(0..3), rng.random_range(0..2));
                    let value = scene.deposit() + U256::from(rng.random_range(0..3u8));
                    let call = challenge(&piece, &[0, 1, 2, 3]);
                    if scene.chain.pay(someone, DA_CHALLENGES, &call, value).is_ok() {
                        asked.push((piece, sample));
                    }
                }
                kind @ 3..=6 if !asked.is_empty() => {
                    let (piece, sample) = asked[rng.random_range(0..asked.len())].clone();
                    let account = scene.account(&piece);
                    let _ = match kind {
                        3 => scene.answer(account, &piece, sample),
                        4 => scene.answer(someone, &piece, Bytes::new()),
                        5 => scene.disown(someone, &piece),
                        _ => scene.slash(someone, &piece),
                    };
                }
                _ => {
                    let _ = scene.chain.send(someone, DA_CHALLENGES, &DAChallenges::withdrawCall {});
                    let _ = scene.chain.send(someone, STAKE_VAULT, &StakeVault::withdrawCall {});
                }
            }
            let mut deposits = U256::ZERO;
            asked.retain(|(piece, _)| {
                let call = DAChallenges::challengeOfCall { piece: piece.clone() };
                let entry = scene.chain.view(DA_CHALLENGES, &call);
                deposits += entry.deposit;
                entry.challenger != Address::ZERO
            });
            let staked: u128 = (0..4)
                .map(|operator| {
                    let call = StakeVault::stakeOfCall { operator };
                    scene.chain.view(STAKE_VAULT, &call).active
                })
                .sum();
            let owed: U256 = everybody.iter().map(|account| scene.owed(*account)).sum();
            let rewarded: U256 = everybody.iter().map(|account| scene.rewarded(*account)).sum();
            assert_eq!(scene.chain.balance(DA_CHALLENGES), deposits + owed);
            assert_eq!(scene.chain.balance(STAKE_VAULT), U256::from(staked) + rewarded);
            assert_eq!(coins(&scene), total);
        }
    }
}
