//! Messages and value among three chains.

use crate::{
    chain::Chain,
    shards::{RELAYER, ROOT, SHARD_A, SHARD_B, World},
};
use alloy_sol_types::SolCall;
use contracts::{
    GenesisContract, SHARD_SUPPLY_WEI,
    abi::Mailbox::{self, Message},
    addresses::MAILBOX,
};
use primitives::{Address, Bytes, U256};
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha20Rng;

alloy_sol_types::sol!(MessageReceiver, "../../contracts/artifacts/MessageReceiver.json");

const ALICE: Address = Address::repeat_byte(0xa1);
const BOB: Address = Address::repeat_byte(0xb0);
/// A receiver that does as it is told, on every chain.
const RECEIVER: Address = Address::repeat_byte(0x4e);
const GAS: u32 = 200_000;
const DAY_S: u64 = 86_400;

const ACCEPT: u8 = 0;
const REVERT: u8 = 1;
const BURN: u8 = 2;
const REENTER: u8 = 3;
const BOMB: u8 = 4;
const REPLY: u8 = 5;

fn world() -> World {
    let mut world = World::new();
    for chain in world.chains.values_mut() {
        chain.construct(&GenesisContract {
            name: "MessageReceiver",
            address: RECEIVER,
            init_code: MessageReceiver::BYTECODE.clone(),
        });
    }
    world.root().fund(ALICE, U256::from(1_000_000));
    world
}

fn send(chain: &mut Chain, from: Address, to: (u64, Address), value: u64, data: Vec<u8>) -> Result<Message, String> {
    let call = Mailbox::sendCall {
        destination: to.0,
        to: to.1,
        gasLimit: GAS,
        data: data.into(),
    };
    let sent = chain.pay(from, MAILBOX, &call, U256::from(value))?;
    Ok(sent.events::<Mailbox::MessageSent>().pop().expect("it says so").message)
}

fn locked(world: &mut World, shard: u64) -> U256 {
    world.root().view(MAILBOX, &Mailbox::lockedForCall { chain: shard })
}

/// Coins that a shard's accounts have, wei.
fn issued(world: &World, shard: u64) -> U256 {
    SHARD_SUPPLY_WEI - world.chains[&shard].balance(MAILBOX)
}

fn taken(chain: &mut Chain) -> U256 {
    chain.view(RECEIVER, &MessageReceiver::takenCall {})
}

/// What sending and delivering cost.
pub fn gas() -> Vec<(&'static str, u64)> {
    let mut world = world();
    let mut rows = Vec::new();
    for (sending, delivering) in [
        (
            "`Mailbox.send` of value, a sender's first",
            "`Mailbox.deliver` of value, a sender's first, to a new account",
        ),
        ("`Mailbox.send` of value, later", "`Mailbox.deliver` of value, later"),
    ] {
        let call = Mailbox::sendCall {
            destination: SHARD_A,
            to: BOB,
            gasLimit: GAS,
            data: Bytes::new(),
        };
        let sent = world.root().pay(ALICE, MAILBOX, &call, U256::from(1)).unwrap();
        rows.push((sending, sent.gas));
        let message = sent.events::<Mailbox::MessageSent>().pop().expect("it says so").message;
        rows.push((delivering, world.deliver(&message, SHARD_A).unwrap().gas));
    }
    rows
}

#[test]
fn value_goes_to_a_shard_and_comes_back_and_is_never_in_two_places() {
    let mut world = world();
    let there = send(world.root(), ALICE, (SHARD_A, BOB), 700, vec![]).unwrap();
    assert_eq!(
        (world.root().balance(MAILBOX), locked(&mut world, SHARD_A)),
        (U256::from(700), U256::from(700))
    );
    assert!(!world.deliver(&there, SHARD_A).unwrap().failed);
    assert_eq!(
        (world.chain(SHARD_A).balance(BOB), issued(&world, SHARD_A)),
        (U256::from(700), U256::from(700))
    );

    let back = send(world.chain(SHARD_A), BOB, (ROOT, ALICE), 300, vec![]).unwrap();
    assert_eq!(issued(&world, SHARD_A), U256::from(400));
    assert!(!world.deliver(&back, ROOT).unwrap().failed);
    assert_eq!(
        (world.root().balance(MAILBOX), locked(&mut world, SHARD_A)),
        (U256::from(400), U256::from(400))
    );
    assert_eq!(world.root().balance(ALICE), U256::from(1_000_000 - 400));
}

#[test]
fn a_message_from_shard_to_shard_goes_through_the_root_chain() {
    let mut world = world();
    let there = send(world.root(), ALICE, (SHARD_A, BOB), 500, vec![]).unwrap();
    world.deliver(&there, SHARD_A).unwrap();
    let across = send(world.chain(SHARD_A), BOB, (SHARD_B, RECEIVER), 200, vec![ACCEPT, 1, 2]).unwrap();
    // Not past the root chain.
    let error = world.deliver(&across, SHARD_B).unwrap_err();
    assert!(
        error.starts_with("NotSent") || error.starts_with("InvalidProof") || error.starts_with("InvalidRlp"),
        "{error}"
    );
    let passed = world.deliver(&across, ROOT).unwrap();
    assert_eq!(passed.passed_on, Some(across.clone()));
    assert_eq!(
        (locked(&mut world, SHARD_A), locked(&mut world, SHARD_B)),
        (U256::from(300), U256::from(200))
    );
    assert!(!world.deliver(&across, SHARD_B).unwrap().failed);
    let chain = world.chain(SHARD_B);
    assert_eq!(
        (chain.balance(RECEIVER), taken(chain)),
        (U256::from(200), U256::from(1))
    );
    assert_eq!(chain.view(RECEIVER, &MessageReceiver::originCall {}), SHARD_A);
    assert_eq!(chain.view(RECEIVER, &MessageReceiver::senderCall {}), BOB);
    // A shard takes only what is for it.
    let other = send(world.root(), ALICE, (SHARD_B, BOB), 1, vec![]).unwrap();
    assert!(world.deliver(&other, SHARD_A).unwrap_err().starts_with("WrongWay"));
}

#[test]
fn messages_of_a_sender_arrive_in_order_and_once_each() {
    let mut world = world();
    let mut messages: Vec<_> = (0..3)
        .map(|number| send(world.root(), ALICE, (SHARD_A, RECEIVER), number, vec![ACCEPT]).unwrap())
        .collect();
    // Another sender's do not wait for these.
    world.root().fund(BOB, U256::from(10));
    let others = send(world.root(), BOB, (SHARD_A, BOB), 10, vec![]).unwrap();
    assert_eq!((messages[2].nonce, others.nonce), (2, 0));
    for late in [2, 1] {
        let error = world.deliver(&messages[late], SHARD_A).unwrap_err();
        assert_eq!(error, format!("OutOfOrder(nonce: {late}, next: 0)"));
    }
    world.deliver(&others, SHARD_A).unwrap();
    for message in &messages {
        assert!(!world.deliver(message, SHARD_A).unwrap().failed);
        assert!(world.deliver(message, SHARD_A).unwrap_err().starts_with("OutOfOrder"));
    }
    assert_eq!(taken(world.chain(SHARD_A)), U256::from(3));
    // Nothing of it may be another than was sent.
    let fourth = send(world.root(), ALICE, (SHARD_A, BOB), 5, vec![ACCEPT]).unwrap();
    let genuine = world.delivery(&fourth, SHARD_A).unwrap();
    messages = vec![
        Message {
            value: U256::from(6),
            ..fourth.clone()
        },
        Message {
            to: ALICE,
            ..fourth.clone()
        },
        Message {
            gasLimit: GAS - 1,
            ..fourth.clone()
        },
        Message {
            data: vec![ACCEPT, 0].into(),
            ..fourth.clone()
        },
    ];
    for message in messages {
        let call = Mailbox::deliverCall {
            message,
            ..genuine.clone()
        };
        assert!(world.submit(SHARD_A, &call).unwrap_err().starts_with("NotSent"));
    }
    for message in [
        Message {
            sender: BOB,
            ..fourth.clone()
        },
        Message {
            nonce: 4,
            ..fourth.clone()
        },
        Message {
            origin: SHARD_B,
            ..fourth.clone()
        },
    ] {
        let call = Mailbox::deliverCall {
            message,
            ..genuine.clone()
        };
        assert!(world.submit(SHARD_A, &call).is_err());
    }
    let call = Mailbox::deliverCall {
        number: genuine.number + 1,
        ..genuine.clone()
    };
    assert!(world.submit(SHARD_A, &call).unwrap_err().starts_with("UnknownHeader"));
    world.submit(SHARD_A, &genuine).unwrap();
}

#[test]
fn a_delivery_with_any_byte_of_its_proof_changed_is_refused() {
    let mut world = world();
    let message = send(world.root(), ALICE, (SHARD_A, BOB), 5, vec![]).unwrap();
    let genuine = world.delivery(&message, SHARD_A).unwrap();
    let mut random = ChaCha20Rng::seed_from_u64(4);
    for round in 0..600 {
        let mut call = genuine.clone();
        let nodes = if round % 2 == 0 {
            &mut call.account
        } else {
            &mut call.slot
        };
        let node = random.random_range(0..nodes.len());
        let mut bytes = nodes[node].to_vec();
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..3) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes.truncate(at),
            _ => bytes.insert(at, random.random()),
        }
        nodes[node] = Bytes::from(bytes);
        assert!(world.submit(SHARD_A, &call).is_err(), "round {round}");
    }
    world.submit(SHARD_A, &genuine).unwrap();
}

/// A shard whose validators are all corrupt can write what it likes into its state: what was locked for it is what it can take.
#[test]
fn a_shard_that_claims_more_than_was_locked_gets_nothing() {
    let mut world = world();
    for (shard, value) in [(SHARD_A, 100), (SHARD_B, 900)] {
        let there = send(world.root(), ALICE, (shard, BOB), value, vec![]).unwrap();
        world.deliver(&there, shard).unwrap();
    }
    // Coins out of nothing.
    world.chain(SHARD_A).fund(ALICE, U256::from(101));
    let claim = send(world.chain(SHARD_A), ALICE, (ROOT, ALICE), 101, vec![]).unwrap();
    let error = world.deliver(&claim, ROOT).unwrap_err();
    assert_eq!(error, format!("NotLocked(chain: {SHARD_A}, value: 101, locked: 100)"));
    // Nor by way of another shard.
    let claim = send(world.chain(SHARD_A), BOB, (SHARD_B, ALICE), 100, vec![]).unwrap();
    world.deliver(&claim, ROOT).unwrap();
    world.chain(SHARD_A).fund(BOB, U256::from(1));
    let claim = send(world.chain(SHARD_A), BOB, (SHARD_B, ALICE), 1, vec![]).unwrap();
    assert!(world.deliver(&claim, ROOT).unwrap_err().starts_with("NotLocked"));
    assert_eq!(
        (locked(&mut world, SHARD_A), locked(&mut world, SHARD_B)),
        (U256::ZERO, U256::from(1_000))
    );
}

/// Coins of a shard's first block are locked beforehand, so that they can leave it.
#[test]
fn an_endowment_can_be_taken_out_by_whom_the_first_block_gives_it() {
    let mut world = world();
    let endow = Mailbox::endowCall { shard: SHARD_A };
    world.root().pay(ALICE, MAILBOX, &endow, U256::from(30)).unwrap();
    world.chain(SHARD_A).fund(BOB, U256::from(30));
    let out = send(world.chain(SHARD_A), BOB, (ROOT, BOB), 30, vec![]).unwrap();
    assert!(!world.deliver(&out, ROOT).unwrap().failed);
    assert_eq!(
        (world.root().balance(BOB), locked(&mut world, SHARD_A)),
        (U256::from(30), U256::ZERO)
    );
    let nowhere = Mailbox::endowCall { shard: 99 };
    assert!(
        world
            .root()
            .send(ALICE, MAILBOX, &nowhere)
            .unwrap_err()
            .starts_with("UnknownDestination")
    );
    assert!(
        world
            .chain(SHARD_A)
            .send(ALICE, MAILBOX, &endow)
            .unwrap_err()
            .starts_with("UnknownDestination")
    );
}

#[test]
fn a_receiver_that_fails_holds_up_nothing_and_its_value_goes_back_after_a_day() {
    for what in [REVERT, BURN, BOMB] {
        let mut world = world();
        let bad = send(world.root(), ALICE, (SHARD_A, RECEIVER), 50, vec![what]).unwrap();
        let good = send(world.root(), ALICE, (SHARD_A, RECEIVER), 7, vec![ACCEPT]).unwrap();
        let delivered = world.deliver(&bad, SHARD_A).unwrap();
        assert!(delivered.failed);
        // What it burns is what its sender gave it, whatever it returns.
        assert!(delivered.gas < 600_000, "{} gas for {what}", delivered.gas);
        assert!(!world.deliver(&good, SHARD_A).unwrap().failed);

        let chain = world.chain(SHARD_A);
        let (retry, refund) = (
            Mailbox::retryCall { message: bad.clone() },
            Mailbox::refundCall { message: bad.clone() },
        );
        assert!(
            chain
                .send(BOB, MAILBOX, &retry)
                .unwrap_err()
                .starts_with("StillFailing")
        );
        assert!(chain.send(BOB, MAILBOX, &refund).unwrap_err().starts_with("TooEarly"));
        let forged = Mailbox::refundCall {
            message: Message {
                value: U256::from(51),
                ..bad.clone()
            },
        };
        assert!(chain.send(BOB, MAILBOX, &forged).unwrap_err().starts_with("NotFailed"));
        chain.time += DAY_S;
        let sent = chain.send(BOB, MAILBOX, &refund).unwrap();
        let back = sent.events::<Mailbox::MessageSent>().pop().unwrap().message;
        assert_eq!((back.to, back.value, back.destination), (ALICE, U256::from(50), ROOT));
        assert!(chain.send(BOB, MAILBOX, &refund).unwrap_err().starts_with("NotFailed"));
        assert!(chain.send(BOB, MAILBOX, &retry).unwrap_err().starts_with("NotFailed"));
        let before = world.root().balance(ALICE);
        assert!(!world.deliver(&back, ROOT).unwrap().failed);
        assert_eq!(world.root().balance(ALICE) - before, U256::from(50));
        assert_eq!(
            (locked(&mut world, SHARD_A), issued(&world, SHARD_A)),
            (U256::from(7), U256::from(7))
        );
    }
}

#[test]
fn a_failed_message_is_delivered_by_trying_again_and_only_once() {
    let mut world = world();
    let bad = send(world.root(), ALICE, (SHARD_A, RECEIVER), 50, vec![REVERT]).unwrap();
    assert!(world.deliver(&bad, SHARD_A).unwrap().failed);
    let chain = world.chain(SHARD_A);
    chain.send(BOB, RECEIVER, &MessageReceiver::relentCall {}).unwrap();
    let retry = Mailbox::retryCall { message: bad };
    chain.send(BOB, MAILBOX, &retry).unwrap();
    assert_eq!((chain.balance(RECEIVER), taken(chain)), (U256::from(50), U256::from(1)));
    assert!(chain.send(BOB, MAILBOX, &retry).unwrap_err().starts_with("NotFailed"));
}

/// Who delivers cannot make a message fail by giving it less gas than its sender asked for.
#[test]
fn a_delivery_with_too_little_gas_is_refused_and_not_failed() {
    let mut world = world();
    let message = send(world.root(), ALICE, (SHARD_A, RECEIVER), 1, vec![BURN]).unwrap();
    let call = world.delivery(&message, SHARD_A).unwrap();
    for gas in [300_000, 400_000, 440_000] {
        world.chain(SHARD_A).gas_limit = gas;
        match world.submit(SHARD_A, &call) {
            Err(error) => assert!(error == "GasTooLow" || error.starts_with("OutOfGas"), "{error}"),
            Ok(delivered) => panic!("{delivered:?} with {gas}"),
        }
    }
    world.chain(SHARD_A).gas_limit = crate::chain::GAS_LIMIT;
    assert!(world.submit(SHARD_A, &call).unwrap().failed);
}

#[test]
fn a_receiver_cannot_deliver_from_within_a_delivery_but_may_answer() {
    let mut world = world();
    let next = Message {
        origin: ROOT,
        destination: SHARD_A,
        nonce: 1,
        gasLimit: GAS,
        sender: ALICE,
        to: RECEIVER,
        value: U256::ZERO,
        data: vec![ACCEPT].into(),
    };
    let inner = Mailbox::retryCall { message: next }.abi_encode();
    let first = send(
        world.root(),
        ALICE,
        (SHARD_A, RECEIVER),
        3,
        [vec![REENTER], inner].concat(),
    )
    .unwrap();
    assert!(world.deliver(&first, SHARD_A).unwrap().failed);
    assert_eq!(taken(world.chain(SHARD_A)), U256::ZERO);

    let ask = send(world.root(), ALICE, (SHARD_A, RECEIVER), 9, vec![REPLY]).unwrap();
    let call = world.delivery(&ask, SHARD_A).unwrap();
    let sent = world.chain(SHARD_A).send(RELAYER, MAILBOX, &call).unwrap();
    let answer = sent.events::<Mailbox::MessageSent>().pop().expect("it answers").message;
    assert_eq!(
        (answer.sender, answer.to, answer.value),
        (RECEIVER, ALICE, U256::from(9))
    );
    let before = world.root().balance(ALICE);
    assert!(!world.deliver(&answer, ROOT).unwrap().failed);
    assert_eq!(world.root().balance(ALICE) - before, U256::from(9));
}

#[test]
fn messages_to_nowhere_are_not_taken_and_those_a_shard_lets_out_come_back() {
    let mut world = world();
    for (from, to) in [(ROOT, ROOT), (ROOT, 99), (SHARD_A, SHARD_A)] {
        let error = send(world.chain(from), BOB, (to, BOB), 0, vec![]).unwrap_err();
        assert!(error.starts_with("UnknownDestination"), "{error}");
    }
    let there = send(world.root(), ALICE, (SHARD_A, BOB), 40, vec![]).unwrap();
    world.deliver(&there, SHARD_A).unwrap();
    let lost = send(world.chain(SHARD_A), BOB, (99, BOB), 40, vec![]).unwrap();
    let delivered = world.deliver(&lost, ROOT).unwrap();
    assert!(delivered.failed && delivered.passed_on.is_none());
    world.root().time += DAY_S;
    let refund = Mailbox::refundCall { message: lost.clone() };
    let retry = Mailbox::retryCall { message: lost };
    assert!(
        world
            .root()
            .send(BOB, MAILBOX, &retry)
            .unwrap_err()
            .starts_with("StillFailing")
    );
    let sent = world.root().send(BOB, MAILBOX, &refund).unwrap();
    let back = sent.events::<Mailbox::MessageSent>().pop().unwrap().message;
    world.deliver(&back, SHARD_A).unwrap();
    assert_eq!(world.chain(SHARD_A).balance(BOB), U256::from(40));
    assert_eq!(locked(&mut world, SHARD_A), U256::from(40));

    let call = Mailbox::sendCall {
        destination: SHARD_A,
        to: BOB,
        gasLimit: 10_000_001,
        data: Bytes::new(),
    };
    assert!(
        world
            .root()
            .send(ALICE, MAILBOX, &call)
            .unwrap_err()
            .starts_with("TooMuchGas")
    );
    let call = Mailbox::sendCall {
        gasLimit: 0,
        data: vec![0; 65_537].into(),
        ..call
    };
    assert!(
        world
            .root()
            .send(ALICE, MAILBOX, &call)
            .unwrap_err()
            .starts_with("TooLong")
    );
}

/// To the wei: whatever is sent where, delivered or refused, tried again or sent back, no coin is made or lost.
#[test]
fn no_coin_is_made_or_lost_among_three_chains() {
    const TOTAL: u64 = 1_000_000;
    let chains = [ROOT, SHARD_A, SHARD_B];
    for seed in 0..2 {
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let mut world = world();
        // On its way, with where it stops next; failed, with where.
        let mut moving: Vec<(Message, u64)> = Vec::new();
        let mut failed: Vec<(Message, u64)> = Vec::new();
        for _ in 0..60 {
            match random.random_range(0..10) {
                0..4 => {
                    let from = *chains.choose(&mut random).unwrap();
                    let to = *chains.choose(&mut random).unwrap();
                    let sender = *[ALICE, BOB].choose(&mut random).unwrap();
                    let receiver = *[ALICE, BOB, RECEIVER].choose(&mut random).unwrap();
                    let has: u64 = world.chain(from).balance(sender).to();
                    let what = *[ACCEPT, REVERT, REPLY].choose(&mut random).unwrap();
                    let value = random.random_range(0..=has);
                    if let Ok(message) = send(world.chain(from), sender, (to, receiver), value, vec![what]) {
                        moving.push((message, if from == ROOT { to } else { ROOT }));
                    }
                }
                4..9 if !moving.is_empty() => {
                    let index = random.random_range(0..moving.len());
                    let (message, at) = moving[index].clone();
                    let Ok(call) = world.delivery(&message, at) else {
                        panic!("a header is refused")
                    };
                    let Ok(sent) = world.chain(at).send(RELAYER, MAILBOX, &call) else {
                        continue;
                    };
                    moving.remove(index);
                    for event in sent.events::<Mailbox::MessageSent>() {
                        // Passed on, or an answer.
                        let next = if event.message.origin == ROOT || at == ROOT {
                            event.message.destination
                        } else {
                            ROOT
                        };
                        moving.push((event.message, next));
                    }
                    if !sent.events::<Mailbox::MessageFailed>().is_empty() {
                        failed.push((message, at));
                    }
                }
                _ if !failed.is_empty() => {
                    let index = random.random_range(0..failed.len());
                    let (message, at) = failed[index].clone();
                    world.chain(at).time += DAY_S;
                    let refund = Mailbox::refundCall { message };
                    if let Ok(sent) = world.chain(at).send(BOB, MAILBOX, &refund) {
                        failed.remove(index);
                        let back = sent.events::<Mailbox::MessageSent>().pop().unwrap().message;
                        let next = if at == ROOT { back.destination } else { ROOT };
                        moving.push((back, next));
                    }
                }
                _ => {}
            }
            let held = |chain: u64| -> U256 {
                let chain = &world.chains[&chain];
                [ALICE, BOB, RECEIVER]
                    .into_iter()
                    .map(|account| chain.balance(account))
                    .sum()
            };
            let waiting: U256 = moving.iter().chain(&failed).map(|(message, _)| message.value).sum();
            let everywhere = chains.into_iter().map(held).sum::<U256>() + waiting;
            assert_eq!(everywhere, U256::from(TOTAL));
            let at_root: U256 = failed
                .iter()
                .filter(|(_, at)| *at == ROOT)
                .map(|(message, _)| message.value)
                .sum();
            let box_at_root = world.root().balance(MAILBOX);
            let all_locked = locked(&mut world, SHARD_A) + locked(&mut world, SHARD_B);
            assert_eq!(box_at_root, all_locked + at_root);
        }
        assert!(world.root().balance(ALICE) < U256::from(TOTAL), "something moved");
    }
}
