//! The lottery: rows that win are paid once, to who owns and shows them, and the draws find their difficulty.

use crate::{
    beacon::{PROTOCOL, conclude, key, record},
    challenges::Scene,
};
use contracts::{
    EPOCH_BLOCKS,
    abi::{
        DAEntrance,
        DALottery::{self, Draw, Ticket},
        RandomnessBeacon,
    },
    addresses::{DA_ENTRANCE, DA_LOTTERY, RANDOMNESS_BEACON},
    typed_data::signers_bitmap,
};
use primitives::{Address, B256, Bytes, U256, keccak256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FUNDER: Address = crate::entrance::PAYER;
const DRAW_BLOCKS: u64 = 240;
const MAX_WINS: u32 = 16;
/// Easiest target that a draw can come to.
const MAX_TARGET: U256 = U256::from_limbs([0, 0, 0, 1 << 51]);
/// A target that every row of one chunk is below: no draw comes to it, so tests write it into the contract's storage.
const ALL_WIN: U256 = U256::MAX;
/// Slots of the contract's storage: the last draw's number and wins, and its target.
const DRAW_SLOT: u64 = 2;
const TARGET_SLOT: u64 = 3;

/// Sets the draw that paid last: what would take weeks of draws to come to.
pub fn set_draw(scene: &mut Scene, number: u64, wins: u32, target: U256) {
    let packed = U256::from(number) | U256::from(wins) << 64;
    scene.chain.set_storage(DA_LOTTERY, DRAW_SLOT, packed);
    scene.chain.set_storage(DA_LOTTERY, TARGET_SLOT, target);
}

fn draw(scene: &mut Scene) -> Draw {
    scene.chain.view(DA_LOTTERY, &DALottery::currentDrawCall {})
}

fn pool(scene: &mut Scene) -> U256 {
    scene.chain.view(DA_LOTTERY, &DALottery::poolCall {})
}

/// What comes in: in the pool, and of fees.
fn start(scene: &mut Scene) -> U256 {
    let account = DA_LOTTERY;
    let fees = scene.chain.view(DA_ENTRANCE, &DAEntrance::balancesCall { account });
    assert!(!fees.is_zero(), "of blobs that were certified");
    assert_eq!(pool(scene), fees + U256::from(1_000_000));
    pool(scene)
}

fn owed(scene: &mut Scene, account: Address) -> U256 {
    scene.chain.view(DA_LOTTERY, &DALottery::balancesCall { account })
}

fn fund(scene: &mut Scene, wei: u64) {
    let call = DALottery::fundCall {};
    scene.chain.pay(FUNDER, DA_LOTTERY, &call, U256::from(wei)).unwrap();
}

/// The ticket of piece `number` of the blob with rows of one chunk, of its owner or an operator after it; and its sample.
fn ticket(scene: &Scene, number: usize, others: u32) -> (Ticket, Bytes) {
    let (piece, sample) = scene.piece(0, number, others);
    let ticket = Ticket {
        root: piece.root,
        row: piece.row,
        operator: piece.operator,
    };
    (ticket, sample)
}

fn claim(scene: &mut Scene, ticket: &Ticket, signers: &[u32], sample: Bytes) -> Result<U256, String> {
    let call = DALottery::claimCall {
        ticket: ticket.clone(),
        signersBitmap: signers_bitmap(signers.iter().copied(), 4),
        sample,
    };
    scene.chain.send(FUNDER, DA_LOTTERY, &call).map(|sent| sent.result)
}

/// Gas of a ticket's payment.
pub fn gas_of_claim() -> u64 {
    let mut scene = scene();
    let (ticket, sample) = ticket(&scene, 0, 0);
    let call = DALottery::claimCall {
        ticket,
        signersBitmap: signers_bitmap(ALL.iter().copied(), 4),
        sample,
    };
    scene.chain.send(FUNDER, DA_LOTTERY, &call).unwrap().gas
}

const ALL: &[u32] = &[0, 1, 2, 3];

/// Four operators, a pool, and a draw that every row wins.
fn scene() -> Scene {
    let mut scene = Scene::new();
    fund(&mut scene, 1_000_000);
    scene.chain.block = 10 * DRAW_BLOCKS + 7;
    set_draw(&mut scene, 10, 0, ALL_WIN);
    scene
}

#[test]
fn a_row_that_wins_is_paid_a_part_of_the_pool_once() {
    let mut scene = scene();
    let before = start(&mut scene);
    let (first, sample) = ticket(&scene, 0, 0);
    let account = scene.operators[first.operator as usize].account;
    let prize = claim(&mut scene, &first, ALL, sample.clone()).unwrap();
    assert_eq!(prize, before / U256::from(256));
    assert_eq!((owed(&mut scene, account), pool(&mut scene)), (prize, before - prize));
    // The entrance's part of the fees was taken over with the first prize.
    assert_eq!(scene.chain.balance(DA_LOTTERY), before);
    assert_eq!(draw(&mut scene).wins, 1);
    assert_eq!(claim(&mut scene, &first, ALL, sample).err().unwrap(), "AlreadyPaid");

    let before = scene.chain.balance(account);
    let call = DALottery::withdrawCall {};
    scene.chain.send(account, DA_LOTTERY, &call).unwrap();
    assert_eq!(scene.chain.balance(account), before + prize);
    let again = scene.chain.send(account, DA_LOTTERY, &call);
    assert_eq!(again.err().unwrap(), "NothingToWithdraw");
}

#[test]
fn only_the_owner_of_a_row_wins_with_it_and_only_by_showing_it() {
    let mut scene = scene();
    let before = pool(&mut scene);
    let (good, sample) = ticket(&scene, 1, 0);
    let (stolen, _) = ticket(&scene, 1, 1);
    let refused = claim(&mut scene, &stolen, ALL, sample.clone()).err().unwrap();
    assert_eq!(refused, format!("NotOwnRow(row: {})", good.row));
    let mut wrong = sample.to_vec();
    wrong[9] ^= 1;
    assert_eq!(
        claim(&mut scene, &good, ALL, wrong.into()).err().unwrap(),
        "WrongSample"
    );
    let refused = claim(&mut scene, &good, &[0, 1, 2], sample.clone()).err().unwrap();
    assert_eq!(refused, format!("NotASigner(operator: {})", good.operator));
    let nowhere = Ticket {
        row: 3072,
        ..good.clone()
    };
    let refused = claim(&mut scene, &nowhere, ALL, sample.clone()).err().unwrap();
    assert_eq!(refused, "NoSuchRow(row: 3072)");
    let unknown = Ticket {
        root: B256::ZERO,
        ..good.clone()
    };
    let refused = claim(&mut scene, &unknown, ALL, sample.clone()).err().unwrap();
    assert_eq!(refused, format!("NotInDraw(root: {})", B256::ZERO));
    assert_eq!(pool(&mut scene), before, "nothing was paid");
    claim(&mut scene, &good, ALL, sample).unwrap();
}

#[test]
fn a_ticket_is_the_hash_of_seed_row_and_account() {
    let mut scene = scene();
    let (good, sample) = ticket(&scene, 0, 0);
    let seed = scene.chain.view(DA_LOTTERY, &DALottery::seedCall {});
    let account = scene.operators[good.operator as usize].account;
    let word = |address: Address| B256::left_padding_from(address.as_slice());
    let row = B256::from(U256::from(good.row));
    let hash = keccak256([seed, good.root, row, word(account)].concat());
    let target = U256::from_be_bytes(hash.0);
    set_draw(&mut scene, 10, 0, target);
    let refused = claim(&mut scene, &good, ALL, sample.clone()).err().unwrap();
    assert_eq!(refused, format!("NotWinning(ticket: {hash}, target: {target})"));
    set_draw(&mut scene, 10, 0, target + U256::from(1));
    claim(&mut scene, &good, ALL, sample).unwrap();
}

/// Where the beacon has a key, the proposer of the block before a draw chooses nothing: the draw waits for the value.
#[test]
fn a_draws_seed_is_the_beacons_value_of_the_height_before_it() {
    let mut scene = scene();
    scene.chain.block = EPOCH_BLOCKS - 1;
    let made = conclude(0, key(), vec![1; 2_000].into());
    scene.chain.send(PROTOCOL, RANDOMNESS_BEACON, &made).unwrap();
    let (good, sample) = ticket(&scene, 0, 0);
    let last = 10 * DRAW_BLOCKS - 1;
    scene.chain.block = last + 8;
    let refused = claim(&mut scene, &good, ALL, sample.clone()).err().unwrap();
    assert_eq!(refused, format!("NoValue(height: {last})"));
    let mut next = EPOCH_BLOCKS;
    while next <= last {
        let count = (last + 1 - next).min(100);
        scene
            .chain
            .send(PROTOCOL, RANDOMNESS_BEACON, &record(next, count))
            .unwrap();
        next += count;
    }
    let expected = scene
        .chain
        .view(RANDOMNESS_BEACON, &RandomnessBeacon::valueOfCall { height: last });
    assert_eq!(scene.chain.view(DA_LOTTERY, &DALottery::seedCall {}), expected);
    claim(&mut scene, &good, ALL, sample).unwrap();
}

#[test]
fn a_blob_takes_part_from_the_next_draw_on_until_it_expires() {
    let mut scene = Scene::new();
    let (good, sample) = ticket(&scene, 0, 0);
    let refused = claim(&mut scene, &good, ALL, sample.clone()).err().unwrap();
    assert_eq!(
        refused,
        format!("NotInDraw(root: {})", good.root),
        "the first draw has no seed"
    );
    for (block, fits) in [(1_000_000, true), (1_000_001, false)] {
        scene.chain.block = block;
        set_draw(&mut scene, block / DRAW_BLOCKS, 0, ALL_WIN);
        let outcome = claim(&mut scene, &good, ALL, sample.clone());
        assert_eq!(outcome.is_ok(), fits, "block {block}");
    }
}

#[test]
fn a_draw_pays_at_most_sixteen_tickets() {
    let mut scene = scene();
    set_draw(&mut scene, 10, MAX_WINS - 1, ALL_WIN);
    let tickets = [0, 1].map(|number| ticket(&scene, number, 0));
    claim(&mut scene, &tickets[0].0, ALL, tickets[0].1.clone()).unwrap();
    let refused = claim(&mut scene, &tickets[1].0, ALL, tickets[1].1.clone())
        .err()
        .unwrap();
    assert_eq!(refused, "DrawFull(draw: 10)");
}

#[test]
fn draws_become_harder_when_many_win_and_easier_when_few_do() {
    let mut scene = Scene::new();
    let start = U256::from(1) << 230;
    let grown = |steps: u32| (0..steps).fold(start, |target, _| target + target / U256::from(4));
    for (wins, later, expected) in [
        (5, 1, start / U256::from(2)),
        (4, 1, start),
        (3, 1, grown(1)),
        (0, 1, grown(1)),
        (4, 3, grown(2)),
        (0, 17, grown(17)),
        (0, 1_000, grown(17)),
    ] {
        set_draw(&mut scene, 10, wins, start);
        scene.chain.block = (10 + later) * DRAW_BLOCKS;
        let now = draw(&mut scene);
        assert_eq!((now.number, now.wins, now.target), (10 + later, 0, expected));
    }
    set_draw(&mut scene, 10, 0, MAX_TARGET);
    assert_eq!(draw(&mut scene).target, MAX_TARGET);
    let least = U256::from(1) << 200;
    set_draw(&mut scene, 10, 16, least);
    scene.chain.block = 11 * DRAW_BLOCKS;
    assert_eq!(draw(&mut scene).target, least);
}

/// What came in is in the pool, somebody's to withdraw, or paid out.
#[test]
fn random_claims_conserve_every_wei() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut scene = scene();
    let accounts: Vec<Address> = scene.operators.iter().map(|operator| operator.account).collect();
    let mut paid_in = start(&mut scene);
    let mut paid_out = U256::ZERO;
    for step in 0..60u64 {
        scene.chain.block = (10 + step / 6) * DRAW_BLOCKS + rng.random_range(0..DRAW_BLOCKS);
        let last = draw(&mut scene);
        set_draw(&mut scene, last.number, last.wins, ALL_WIN);
        let (ticket, sample) = ticket(&scene, rng.random_range(0..3), rng.random_range(0..2));
        let _ = claim(&mut scene, &ticket, ALL, sample);
        let now = draw(&mut scene);
        set_draw(&mut scene, now.number, now.wins, MAX_TARGET);
        let wei = rng.random_range(0..10_000);
        fund(&mut scene, wei);
        paid_in += U256::from(wei);
        let lucky = accounts[rng.random_range(0..accounts.len())];
        if let Ok(sent) = scene.chain.send(lucky, DA_LOTTERY, &DALottery::withdrawCall {}) {
            paid_out += sent.result;
        }
        let owed: U256 = accounts.iter().map(|account| owed(&mut scene, *account)).sum();
        let account = DA_LOTTERY;
        let fees = scene.chain.view(DA_ENTRANCE, &DAEntrance::balancesCall { account });
        let held = scene.chain.balance(DA_LOTTERY) + fees;
        assert_eq!(held, pool(&mut scene) + owed);
        assert_eq!(held + paid_out, paid_in);
    }
    assert!(!paid_out.is_zero(), "somebody won");
}
