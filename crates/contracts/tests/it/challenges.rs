//! Challenges: an operator shows the piece it signed for, or pays.

use crate::{
    chain::{BEACON, Chain},
    entrance,
    keys::Operator,
    samples::{Blob, vectors},
};
use contracts::{
    CHALLENGE_WINDOW_BLOCKS as WINDOW, SLASH_WEI,
    abi::DAChallenges::{self, Piece},
    addresses::{DA_CHALLENGES, DA_ENTRANCE},
    assignment,
    typed_data::{operator_rows, signers_bitmap},
};
use primitives::{Address, Bytes, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CHALLENGER: Address = Address::repeat_byte(0xcc);
const STRANGER: Address = Address::repeat_byte(0xdd);
/// What the tests' operators put at stake: less than three times what one failure costs.
const BOND: u128 = SLASH_WEI / 2 * 5;

/// Four bonded operators that all signed for the blobs of the vectors, and who may challenge them.
pub struct Scene {
    pub chain: Chain,
    pub operators: Vec<Operator>,
    blobs: Vec<Blob>,
}

impl Scene {
    pub fn new() -> Self {
        let (mut chain, operators) = entrance::network(4);
        let blobs = vectors().blobs;
        for blob in &blobs {
            let fee = entrance::fee(&mut chain, &blob.header);
            let call = entrance::certificate(&blob.header, &operators, &[0, 1, 2, 3]);
            chain.pay(entrance::PAYER, DA_ENTRANCE, &call, fee).unwrap();
        }
        for account in [CHALLENGER, STRANGER] {
            chain.fund(account, U256::from(1000 * SLASH_WEI));
        }
        for (operator, index) in operators.iter().zip(0..) {
            chain.fund(operator.account, U256::from(100 * SLASH_WEI));
            let call = DAChallenges::bondCall { operator: index };
            chain
                .pay(operator.account, DA_CHALLENGES, &call, U256::from(BOND))
                .unwrap();
        }
        Self {
            chain,
            operators,
            blobs,
        }
    }

    /// Piece `number` of blob `blob`, asked of its owner and `others` operators on; and its sample.
    pub fn piece(&self, blob: usize, number: usize, others: u32) -> (Piece, Bytes) {
        let blob = &self.blobs[blob];
        let sampled = &blob.pieces[number];
        let seed = assignment::seed(BEACON, blob.header.epoch, blob.header.root);
        let shuffled = assignment::shuffle(seed, blob.header.rowCount);
        let place = shuffled.iter().position(|row| *row == sampled.row).expect("a row") as u32;
        let owner = (0..4)
            .find(|index| operator_rows(*index, 4, blob.header.rowCount).contains(&place))
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

    fn bond(&mut self, account: Address) -> DAChallenges::Bond {
        self.chain.view(DA_CHALLENGES, &DAChallenges::bondOfCall { account })
    }

    fn owed(&mut self, account: Address) -> U256 {
        self.chain.view(DA_CHALLENGES, &DAChallenges::balancesCall { account })
    }

    /// Coins nobody has any more.
    fn burnt(&self) -> U256 {
        self.chain.balance(Address::ZERO)
    }
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
            assert_eq!(scene.bond(account).open, 1);
            // At the last block of the window, by whoever has the sample.
            scene.chain.block += WINDOW;
            let from = if number == 0 { STRANGER } else { account };
            scene.answer(from, &piece, sample.clone()).unwrap();
            assert_eq!(scene.owed(account), before + deposit);
            let bond = scene.bond(account);
            assert_eq!((bond.held, bond.open), (BOND, 0));
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
    assert_eq!(scene.bond(account).held, BOND - SLASH_WEI);
    assert_eq!(scene.owed(CHALLENGER), deposit + U256::from(SLASH_WEI / 4));
    assert_eq!(scene.burnt(), U256::from(SLASH_WEI / 4 * 3));
    assert_eq!(scene.slash(STRANGER, &piece).err().unwrap(), "NotChallenged");

    // It may be asked again, and again lose, until there is nothing left.
    for left in [BOND - 2 * SLASH_WEI, 0] {
        scene.challenge(&piece).unwrap();
        scene.chain.block += WINDOW + 1;
        scene.slash(STRANGER, &piece).unwrap();
        assert_eq!(scene.bond(account).held, left);
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
        let held = scene.bond(account).held;
        scene.challenge(&piece).unwrap();
        let mut flipped = sample.to_vec();
        flipped[0] ^= 1;
        let wrong = if number == 2 { flipped.into() } else { wrong };
        assert_eq!(
            scene.answer(STRANGER, &piece, wrong.clone()).err().unwrap(),
            "WrongSample"
        );
        assert_eq!(scene.bond(account).held, held);
        // With too little gas for the proof, the right answer is no answer rather than a wrong one.
        for gas_limit in (150_000..400_000).step_by(12_500) {
            scene.chain.gas_limit = gas_limit;
            let refused = scene.answer(account, &piece, sample.clone());
            if refused.is_ok() {
                scene.chain.gas_limit = crate::chain::GAS_LIMIT;
                scene.challenge(&piece).unwrap();
            }
            assert_eq!(scene.bond(account).held, held, "{gas_limit} gas");
        }
        scene.chain.gas_limit = crate::chain::GAS_LIMIT;
        scene.answer(account, &piece, wrong).unwrap();
        assert_eq!(scene.bond(account).held, held - SLASH_WEI);
        assert_eq!(scene.bond(account).open, 0);
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
        assert_eq!(scene.bond(account).held, BOND);

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
    let fee = entrance::fee(&mut chain, &blob.header);
    let call = entrance::certificate(&blob.header, &operators, &[0, 1, 2]);
    chain.pay(entrance::PAYER, DA_ENTRANCE, &call, fee).unwrap();
    let bond = DAChallenges::bondCall { operator: 3 };
    chain
        .pay(entrance::PAYER, DA_CHALLENGES, &bond, U256::from(BOND))
        .unwrap();
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
fn a_bond_leaves_after_eight_windows_and_can_be_lost_until_then() {
    let mut scene = Scene::new();
    let (piece, sample) = scene.piece(0, 0, 0);
    let account = scene.account(&piece);
    let ask = |amount| DAChallenges::askBackCall { amount };
    let unbond = DAChallenges::unbondCall {};
    let refused = scene.chain.send(account, DA_CHALLENGES, &ask(BOND + 1)).err().unwrap();
    assert_eq!(refused, format!("InvalidAmount(amount: {}, held: {BOND})", BOND + 1));
    scene.chain.send(account, DA_CHALLENGES, &ask(BOND)).unwrap();
    let free = scene.chain.block + 8 * WINDOW;
    scene.chain.block = free - 1;
    let refused = scene.chain.send(account, DA_CHALLENGES, &unbond).err().unwrap();
    assert_eq!(refused, format!("NotYet(leavingBlock: {free})"));
    scene.challenge(&piece).unwrap();
    scene.chain.block = free;
    let refused = scene.chain.send(account, DA_CHALLENGES, &unbond).err().unwrap();
    assert_eq!(refused, "ChallengesOpen(open: 1)");
    scene.chain.block += WINDOW;
    scene.slash(STRANGER, &piece).unwrap();
    // What was leaving shrank with the bond.
    scene.chain.send(account, DA_CHALLENGES, &unbond).unwrap();
    assert_eq!(scene.owed(account), U256::from(BOND - SLASH_WEI));
    assert_eq!(scene.bond(account).held, 0);
    let before = scene.chain.balance(account);
    let call = DAChallenges::withdrawCall {};
    scene.chain.send(account, DA_CHALLENGES, &call).unwrap();
    assert_eq!(scene.chain.balance(account), before + U256::from(BOND - SLASH_WEI));
    assert_eq!(
        scene.chain.send(account, DA_CHALLENGES, &call).err().unwrap(),
        "NothingToWithdraw"
    );
    assert_eq!(scene.answer(account, &piece, sample).err().unwrap(), "NotChallenged");
}

/// Every wei that came in is a bond's, a deposit's, somebody's to withdraw, paid out, or burnt.
#[test]
fn random_calls_conserve_every_wei() {
    for seed in 0..4 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut scene = Scene::new();
        let operators: Vec<Address> = scene.operators.iter().map(|operator| operator.account).collect();
        let everybody = [&operators[..], &[CHALLENGER, STRANGER]].concat();
        let coins = |scene: &Scene| -> U256 {
            let all = everybody.iter().chain([&Address::ZERO, &DA_CHALLENGES]);
            all.map(|account| scene.chain.balance(*account)).sum()
        };
        let total = coins(&scene);
        let mut asked: Vec<(Piece, Bytes)> = Vec::new();
        for _ in 0..120 {
            let someone = everybody[rng.random_range(0..everybody.len())];
            let amount = rng.random_range(0..=2 * SLASH_WEI);
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
                7 => {
                    let operator = rng.random_range(0..5);
                    let call = DAChallenges::bondCall { operator };
                    let _ = scene.chain.pay(someone, DA_CHALLENGES, &call, U256::from(amount));
                }
                8 => {
                    let _ = scene
                        .chain
                        .send(someone, DA_CHALLENGES, &DAChallenges::askBackCall { amount });
                    let _ = scene.chain.send(someone, DA_CHALLENGES, &DAChallenges::unbondCall {});
                }
                _ => {
                    let _ = scene.chain.send(someone, DA_CHALLENGES, &DAChallenges::withdrawCall {});
                }
            }
            let mut deposits = U256::ZERO;
            let mut open = 0;
            asked.retain(|(piece, _)| {
                let call = DAChallenges::challengeOfCall { piece: piece.clone() };
                let entry = scene.chain.view(DA_CHALLENGES, &call);
                deposits += entry.deposit;
                open += u32::from(entry.challenger != Address::ZERO);
                entry.challenger != Address::ZERO
            });
            let bonds: Vec<_> = operators.iter().map(|account| scene.bond(*account)).collect();
            let held: u128 = bonds.iter().map(|bond| bond.held).sum();
            let owed: U256 = everybody.iter().map(|account| scene.owed(*account)).sum();
            assert_eq!(scene.chain.balance(DA_CHALLENGES), U256::from(held) + deposits + owed);
            assert_eq!(coins(&scene), total);
            assert_eq!(bonds.iter().map(|bond| bond.open).sum::<u32>(), open);
            assert!(bonds.iter().all(|bond| bond.leaving <= bond.held));
        }
    }
}
