//! A root chain and a shard, each a ledger of its own, whose validators sign what a certificate needs; only the votes' network is missing, but in
//! [`live`], where the shard's validators run.

mod live;
mod world;

use chain::{
    consensus::{Offence, SignedVote, VoteKind},
    finality::finalize_message,
};
use contracts::{
    abi::{Mailbox, NetworkRegistry, StakeVault, ValidatorRegistry},
    addresses::{MAILBOX, NETWORK_REGISTRY, SHARD_REGISTRY, SHARD_SLASHER, STAKE_VAULT, VALIDATOR_REGISTRY},
    read, write,
};
use node::{Port, Relayed, Relayer, finality, shard_report_calls};
use primitives::{Address, B256, U256, keccak256};
use world::{
    ALICE_SEED, ENDOWMENT_COINS, RELAYER_SEED, ROOT, ROOT_EPOCH_BLOCKS, SHARD, Simulated, World, balance, coins, pay,
    wallet,
};

/// Runs a test to its end on this thread.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.unwrap().block_on(test);
}

#[test]
fn a_certificate_of_a_ledger_verifies_and_its_words_name_the_same_seats() {
    run(async {
        let world = World::new().await;
        for chain in [&world.root, &world.shard] {
            chain.seal();
            let number = chain.ledger.latest().header.number;
            let proof = chain.certify(number).unwrap();
            let epoch = number / chain.epoch_blocks;
            proof.verify(&chain.namespace(), &chain.committee(epoch)).unwrap();
            let port = chain.port(wallet(RELAYER_SEED));
            let call = ValidatorRegistry::committeeCall { atEpoch: epoch };
            let registered = read(&port, VALIDATOR_REGISTRY, &call).await.unwrap();
            let words = finality(&proof, &registered).unwrap();
            let signed: u32 = words.signers.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!((words.keys.len(), signed), (16 * 128, 11));
            assert!((0..16).all(|seat| (words.signers[seat / 8] >> (seat % 8) & 1 == 1) == (seat >= 5)));
            // Nobody's keys are no committee.
            assert!(finality(&proof, &[]).is_err());
        }
    });
}

/// Value goes there and back, committees change on both sides, and everything goes on, with nothing but what proofs carry.
#[test]
fn messages_and_committees_travel_between_a_root_chain_and_a_shard() {
    run(async {
        let mut world = World::new().await;
        let alice = wallet(ALICE_SEED).address();
        let (here, there) = (
            world.root.port(wallet(ALICE_SEED)),
            world.shard.port(wallet(ALICE_SEED)),
        );
        for number in 1..=3 {
            pay(&here, SHARD, alice, coins(number)).await;
        }
        world.settle().await;
        assert_eq!(balance(&world.shard, alice), coins(6));
        let before = balance(&world.root, alice);
        pay(&there, ROOT, alice, coins(2)).await;
        world.settle().await;
        assert_eq!(balance(&world.root, alice) - before, coins(2));
        let locked = Mailbox::lockedForCall { chain: SHARD };
        let locked = || read(&here, MAILBOX, &locked);
        assert_eq!(locked().await.unwrap(), coins(ENDOWMENT_COINS + 4));
        // Everything was delivered once: another relayer that begins anew finds nothing to do.
        let ports = (
            world.root.port(wallet(ALICE_SEED)),
            world.shard.port(wallet(ALICE_SEED)),
        );
        let mut another = Relayer::to_shard(ports.0, ports.1);
        assert_eq!(another.step().await.unwrap(), Relayed::default());

        // The last validator leaves both services.
        let leaving = world.root.port(wallet(RELAYER_SEED)).with(&world.root.keys[3].wallet);
        for service in [1, 2] {
            let leave = NetworkRegistry::optOutCall { service };
            write(&leaving, NETWORK_REGISTRY, &leave, U256::ZERO).await.unwrap();
        }
        let left = world.root.ledger.latest().header.number / ROOT_EPOCH_BLOCKS;
        let (mut of_root, mut of_shard) = (None, None);
        while world.root.ledger.latest().header.number / ROOT_EPOCH_BLOCKS < left + 6 {
            world.round().await;
            let (root, shard) = (&world.root, &world.shard);
            let seats = |chain: &Simulated| {
                let epoch = chain.ledger.latest().header.number / chain.epoch_blocks;
                (chain.committee(epoch).votes(), epoch)
            };
            let (root, shard) = (seats(root), seats(shard));
            if root.0 == 12 {
                of_root.get_or_insert(root.1);
            }
            if shard.0 == 12 {
                of_shard.get_or_insert(shard.1);
            }
        }
        assert_eq!(of_root, Some(left + 3), "closed in the next epoch, for two later");
        assert!(of_shard.is_some(), "the shard was never told");
        // And with the new committees on both sides value goes both ways.
        let before = (balance(&world.shard, alice), balance(&world.root, alice));
        pay(&here, SHARD, Address::repeat_byte(9), coins(1)).await;
        pay(&there, ROOT, Address::repeat_byte(8), coins(3)).await;
        world.settle().await;
        assert_eq!(balance(&world.shard, Address::repeat_byte(9)), coins(1));
        assert_eq!(balance(&world.root, Address::repeat_byte(8)), coins(3));
        assert!(balance(&world.shard, alice) < before.0 && balance(&world.root, alice) < before.1);
        assert_eq!(locked().await.unwrap(), coins(ENDOWMENT_COINS + 2));
    });
}

/// What a shard's validator does twice is told to the root chain, where its stake is, in the words of `ShardSlasher`.
#[test]
fn who_votes_twice_on_a_shard_loses_its_stake_on_the_root_chain() {
    run(async {
        let world = World::new().await;
        // The first committee's own epoch comes.
        while world.root.ledger.latest().header.number < 3 * ROOT_EPOCH_BLOCKS {
            world.root.seal();
        }
        for _ in 0..3 {
            world.shard.seal();
        }
        let (operator, seat, view) = (2, 1, 9);
        let keys = &world.shard.keys[operator];
        let sign = |number| {
            let digest = world.shard.certify(number).unwrap().summary.digest();
            let message = finalize_message(&world.shard.namespace(), 0, view, view - 1, &digest);
            SignedVote {
                kind: VoteKind::Finalize,
                parent_view: view - 1,
                digest: digest.as_ref().try_into().unwrap(),
                signature: keys.validator.votes[seat].sign(&message),
            }
        };
        let offence = Offence {
            validator: keys.validator.identity(),
            seat,
            epoch: 0,
            view,
            votes: [sign(1), sign(2)],
        };
        let root = world.root.port(wallet(ALICE_SEED));
        let stake = async || {
            let call = StakeVault::stakeOfCall {
                operator: operator as u32,
            };
            read(&root, STAKE_VAULT, &call).await.unwrap().active
        };
        assert!(stake().await > 0);
        // A seat that its vote key is not: refused. Then the seat that it is.
        for (offence, taken) in [
            (
                Offence {
                    seat: 0,
                    ..offence.clone()
                },
                false,
            ),
            (offence.clone(), true),
            (offence, false),
        ] {
            let calls = shard_report_calls(&root, SHARD, &offence).await.unwrap();
            assert_eq!(calls.len(), 1, "one epoch has a committee");
            let sent = write(&root, SHARD_SLASHER, &calls[0], U256::ZERO).await;
            assert_eq!(sent.is_ok(), taken, "{sent:?}");
            assert_eq!(stake().await > 0, !taken && offence.seat == 0, "{sent:?}");
        }
    });
}

/// Over JSON-RPC a proof has the same nodes, and a chain without certificates says so.
#[test]
fn a_remote_chain_gives_the_same_proofs() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        let number = world.root.ledger.latest().header.number;
        let config = api::eth::EthConfig::alone(([127, 0, 0, 1], 0).into(), "test");
        let server = api::eth::serve(config, world.root.ledger.clone()).await.unwrap();
        let rpc = client::Rpc::new(&format!("http://{}", server.address()));
        let remote = client::HttpProvider::connect(rpc, wallet(ALICE_SEED)).await.unwrap();
        let local = world.root.port(wallet(ALICE_SEED));
        assert_eq!(Port::chain_id(&remote), ROOT);
        let second = keccak256([U256::from(2).to_be_bytes::<32>(), [0; 32]].concat());
        let slots = vec![second, B256::repeat_byte(1)];
        let found = remote.prove(SHARD_REGISTRY, slots.clone(), number).await.unwrap();
        assert_eq!(found, local.prove(SHARD_REGISTRY, slots, number).await.unwrap());
        assert!(!found.slots[0].value.is_zero() && found.slots[1].value.is_zero());
        assert_eq!(remote.finality(number).await.unwrap(), None);
        assert!(remote.prove(SHARD_REGISTRY, vec![], number + 9).await.is_err());
        server.stop().await;
    });
}
