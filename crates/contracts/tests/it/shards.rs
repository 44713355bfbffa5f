//! A root chain and its shards: who is told what of whose validators.

use crate::{
    chain::{BEACON, CHAIN_ID, Chain},
    keys::{Operator, sign},
    proofs::{self, Signers, header, mapping_slot},
};
use alloy_sol_types::SolValue;
use blst::min_pk::SecretKey;
use contracts::{
    Announcement, CONSENSUS_MIN_STAKE_WEI, EPOCH_BLOCKS, SERVICE_CREATION_WEI, SHARD_SUPPLY_WEI, ShardTerms,
    abi::{
        ChainClient as Client,
        Mailbox::{self, Message},
        NetworkRegistry as Networks, ShardRegistry as Registry, ShardSlasher as Slasher,
        ShardValidators::{self as Validators, Validator},
        StakeVault, ValidatorRegistry,
    },
    addresses::{
        CHAIN_CLIENT, FAUCET, MAILBOX, NETWORK_REGISTRY, SHARD_REGISTRY, SHARD_SLASHER, SHARD_VALIDATORS, STAKE_VAULT,
        VALIDATOR_REGISTRY,
    },
    shard_contracts, shard_founding_call,
};
use primitives::{Address, B256, Bytes, U256, keccak256};
use std::collections::BTreeMap;

pub const ROOT: u64 = CHAIN_ID;
pub const SHARD_A: u64 = 16_602_001;
pub const SHARD_B: u64 = 16_602_002;
/// Blocks of a shard's epochs.
const SHARD_EPOCH_BLOCKS: u64 = 100;
const FOUNDER: Address = Address::repeat_byte(0xf0);
const SYSTEM: Address = Address::repeat_byte(0xfe);
pub const RELAYER: Address = Address::repeat_byte(0xab);
/// Keys of each operator.
const SEATS: u8 = 4;

/// A root chain and two shards, with their validators.
pub struct World {
    pub chains: BTreeMap<u64, Chain>,
    pub operators: Vec<Operator>,
    /// Who signs for each chain.
    signers: BTreeMap<u64, Signers>,
}

fn network(chain: u64) -> B256 {
    if chain == ROOT {
        BEACON
    } else {
        keccak256(chain.to_be_bytes())
    }
}

fn secrets(operators: &[Operator]) -> Vec<SecretKey> {
    let secrets = operators
        .iter()
        .map(|operator| (0..SEATS).map(|seat| operator.vote_secret(seat)));
    secrets.flatten().collect()
}

impl World {
    /// All operators are in both shards, whose first committee is that of the root chain's third epoch; it is the second.
    pub fn new() -> Self {
        let operators: Vec<_> = (1..=4).map(Operator::new).collect();
        let founders: Vec<_> = operators
            .iter()
            .map(|operator| operator.founding_validator(SEATS))
            .collect();
        let mut root = Chain::founded(FAUCET, &founders);
        root.fund(FOUNDER, U256::from(4 * SERVICE_CREATION_WEI));
        for shard in [SHARD_A, SHARD_B] {
            let service = register(&mut root, shard).unwrap();
            for operator in &operators {
                let join = Networks::optInCall { service, displaced: 0 };
                root.send(operator.account, NETWORK_REGISTRY, &join).unwrap();
                let moved = Registry::setEndpointCall {
                    chain: shard,
                    endpoint: format!("127.0.0.1:{}", 8_000 + shard % 10),
                };
                root.send(operator.account, SHARD_REGISTRY, &moved).unwrap();
            }
            root.send(FOUNDER, SHARD_REGISTRY, &Registry::activateCall { chain: shard })
                .unwrap();
        }
        let signers = [ROOT, SHARD_A, SHARD_B].map(|chain| {
            let signers = Signers {
                chain,
                network: network(chain),
                secrets: secrets(&operators),
            };
            (chain, signers)
        });
        let mut world = Self {
            chains: [(ROOT, root)].into(),
            signers: signers.into(),
            operators,
        };
        world.next_epoch();
        world.next_epoch();
        for shard in [SHARD_A, SHARD_B] {
            let told = world.announce(shard).expect("a new shard has to be told");
            let Announcement {
                root_committee,
                committee,
                validators,
                ..
            } = read(&told);
            let terms = ShardTerms {
                root_chain: ROOT,
                root_epoch_blocks: EPOCH_BLOCKS,
                root_network: network(ROOT),
                root_committee,
                epoch_blocks: SHARD_EPOCH_BLOCKS,
                committee,
                validators,
            };
            let mut chain = Chain::empty();
            chain.id = shard;
            for contract in shard_contracts(&terms) {
                chain.construct(&contract);
            }
            chain.fund(MAILBOX, SHARD_SUPPLY_WEI);
            chain.set_up(shard_founding_call(&terms));
            chain.block = 1;
            world.chains.insert(shard, chain);
        }
        world
    }

    pub fn chain(&mut self, chain: u64) -> &mut Chain {
        self.chains.get_mut(&chain).unwrap()
    }

    pub fn root(&mut self) -> &mut Chain {
        self.chain(ROOT)
    }

    /// The root chain's next epoch, with its committees closed.
    pub fn next_epoch(&mut self) {
        let root = self.root();
        let epoch = root.block / EPOCH_BLOCKS + 1;
        // A service a block.
        for block in 0..4 {
            root.block = epoch * EPOCH_BLOCKS + block;
            root.send(SYSTEM, NETWORK_REGISTRY, &Networks::closeEpochCall {})
                .unwrap();
        }
    }

    /// Tells a shard of its next committee; the message, if there is one.
    pub fn announce(&mut self, shard: u64) -> Option<Message> {
        let call = Registry::announceCall { chain: shard };
        let sent = self.root().send(RELAYER, SHARD_REGISTRY, &call).unwrap();
        let told = sent.events::<Mailbox::MessageSent>().pop();
        assert_eq!(told.is_some(), sent.result);
        told.map(|event| event.message)
    }

    /// Epoch of a chain's next block.
    fn epoch(&mut self, chain: u64) -> u64 {
        let blocks = if chain == ROOT {
            EPOCH_BLOCKS
        } else {
            SHARD_EPOCH_BLOCKS
        };
        self.chain(chain).block / blocks
    }

    /// Makes the next block of `source`, and the call that shows it to another chain, signed by `signers`.
    pub fn header_by(&mut self, source: u64, signers: &Signers) -> (u64, Client::verifyHeaderCall) {
        let epoch = self.epoch(source);
        let record = if source == ROOT {
            SHARD_REGISTRY
        } else {
            SHARD_VALIDATORS
        };
        let chain = self.chain(source);
        let call = Registry::recordCall { atEpoch: epoch };
        chain.send(RELAYER, record, &call).unwrap();
        let number = chain.block;
        let slot = proofs::slot(chain, record, mapping_slot(B256::from(U256::from(epoch))));
        let header = header(number, slot.root, chain.time);
        let finality = signers.finalize(epoch, header, 0..signers.quorum());
        let call = Client::verifyHeaderCall {
            chain: source,
            finality,
            account: slot.account,
            slot: slot.slot,
        };
        (number, call)
    }

    /// Shows what `source` has now to `destination`.
    pub fn show(&mut self, source: u64, destination: u64) -> Result<u64, String> {
        let signers = self.signers[&source].clone();
        let (number, call) = self.header_by(source, &signers);
        self.take(source, destination, &call).map(|()| number)
    }

    /// Gives a header to `destination`, and begins another block of its chain.
    fn take(&mut self, source: u64, destination: u64, call: &Client::verifyHeaderCall) -> Result<(), String> {
        let shown = self.chain(destination).send(RELAYER, CHAIN_CLIENT, call);
        let source = self.chain(source);
        (source.block, source.time) = (source.block + 1, source.time + 1);
        shown.map(drop)
    }

    /// The call that delivers a message to `at`, out of what its last stop has now, which is shown.
    pub fn delivery(&mut self, message: &Message, at: u64) -> Result<Mailbox::deliverCall, String> {
        let source = if at == ROOT { message.origin } else { ROOT };
        let signers = self.signers[&source].clone();
        let (number, call) = self.header_by(source, &signers);
        let proof = proofs::slot(self.chain(source), MAILBOX, mapping_slot(id(message)));
        self.take(source, at, &call)?;
        Ok(Mailbox::deliverCall {
            message: message.clone(),
            number,
            account: proof.account,
            slot: proof.slot,
        })
    }

    /// Delivers a message to `at`; what happened to it there.
    pub fn deliver(&mut self, message: &Message, at: u64) -> Result<Delivered, String> {
        let call = self.delivery(message, at)?;
        self.submit(at, &call)
    }

    pub fn submit(&mut self, at: u64, call: &Mailbox::deliverCall) -> Result<Delivered, String> {
        let sent = self.chain(at).send(RELAYER, MAILBOX, call)?;
        Ok(Delivered {
            failed: !sent.events::<Mailbox::MessageFailed>().is_empty(),
            passed_on: sent.events::<Mailbox::MessageSent>().pop().map(|event| event.message),
            gas: sent.gas,
        })
    }
}

/// What became of a message.
#[derive(Debug)]
pub struct Delivered {
    pub failed: bool,
    /// What went out, because it is for another shard.
    pub passed_on: Option<Message>,
    pub gas: u64,
}

fn id(message: &Message) -> B256 {
    let Message {
        origin,
        destination,
        sender,
        nonce,
        ..
    } = message;
    keccak256((*origin, *destination, *sender, *nonce).abi_encode())
}

fn read(message: &Message) -> Announcement {
    Announcement::read(&message.data).expect("an announcement")
}

fn register(root: &mut Chain, shard: u64) -> Result<u32, String> {
    let call = Registry::registerCall {
        chain: shard,
        network: network(shard),
        blocks: SHARD_EPOCH_BLOCKS,
        seats: 16,
        minStake: CONSENSUS_MIN_STAKE_WEI,
    };
    root.pay(FOUNDER, SHARD_REGISTRY, &call, U256::from(SERVICE_CREATION_WEI))
        .map(|sent| sent.result)
}

fn validators(chain: &mut Chain, epoch: u64) -> Vec<Validator> {
    chain.view(SHARD_VALIDATORS, &Validators::committeeCall { atEpoch: epoch })
}

#[test]
fn a_shard_begins_with_the_committee_that_its_root_announced() {
    let mut world = World::new();
    let operators: Vec<_> = world
        .operators
        .iter()
        .map(|operator| (operator.account, operator.stream_key))
        .collect();
    for epoch in [0, 1] {
        let found = validators(world.chain(SHARD_A), epoch);
        let accounts: Vec<_> = found.iter().map(|entry| (entry.account, entry.streamKey)).collect();
        assert_eq!(accounts, operators);
        assert!(
            found
                .iter()
                .all(|entry| entry.endpoint == "127.0.0.1:8001" && entry.voteKeys.len() == 4 * 48)
        );
    }
    // The answer has the shape of the root chain's registry: a node asks both alike.
    let call = ValidatorRegistry::committeeCall { atEpoch: 1 };
    assert_eq!(world.chain(SHARD_A).view(VALIDATOR_REGISTRY, &call).len(), 4);
    let call = ValidatorRegistry::candidatesCall {};
    let candidates = world.chain(SHARD_A).view(VALIDATOR_REGISTRY, &call);
    assert!(candidates.len() == 4 && candidates.iter().all(|entry| entry.voteKeys.is_empty()));
    let later = Validators::committeeCall { atEpoch: 2 };
    let error = world
        .chain(SHARD_A)
        .send(RELAYER, SHARD_VALIDATORS, &later)
        .err()
        .unwrap();
    assert_eq!(error, "NotFixed(epoch: 2)");
    let found = Validators::foundCall {
        rootCommittee: B256::ZERO,
        digest: B256::ZERO,
        validators: vec![],
    };
    assert_eq!(
        world
            .chain(SHARD_A)
            .send(RELAYER, SHARD_VALIDATORS, &found)
            .err()
            .unwrap(),
        "NotGenesis"
    );
}

#[test]
fn a_chain_id_is_taken_once_and_a_shard_is_within_its_bounds() {
    let mut world = World::new();
    let root = world.root();
    let price = U256::from(SERVICE_CREATION_WEI);
    let good = Registry::registerCall {
        chain: 5,
        network: B256::ZERO,
        blocks: 8,
        seats: 60,
        minStake: 1,
    };
    for (chain, blocks, seats, reason) in [
        (0, 8, 60, "ChainTaken"),
        (ROOT, 8, 60, "ChainTaken"),
        (SHARD_A, 8, 60, "ChainTaken"),
        (5, 7, 60, "EpochTooShort"),
        (5, 8, 61, "TooManySeats"),
        (5, 8, 0, "InvalidSeats"),
    ] {
        let call = Registry::registerCall {
            chain,
            blocks,
            seats,
            ..good.clone()
        };
        let error = root.pay(FOUNDER, SHARD_REGISTRY, &call, price).err().unwrap();
        assert!(error.starts_with(reason), "{error}");
    }
    assert!(
        root.send(FOUNDER, SHARD_REGISTRY, &good)
            .err()
            .unwrap()
            .starts_with("WrongFee")
    );
    root.pay(FOUNDER, SHARD_REGISTRY, &good, price).unwrap();
    let activate = Registry::activateCall { chain: 5 };
    let error = root.send(RELAYER, SHARD_REGISTRY, &activate).err().unwrap();
    assert!(error.starts_with("NotTheFounder"), "{error}");
    let error = root
        .send(RELAYER, SHARD_REGISTRY, &Registry::drainCall { chain: SHARD_A })
        .err()
        .unwrap();
    assert!(error.starts_with("NotTheFounder"), "{error}");
    let announce = Registry::announceCall { chain: 6 };
    assert!(
        root.send(RELAYER, SHARD_REGISTRY, &announce)
            .err()
            .unwrap()
            .starts_with("UnknownChain")
    );
    let call = Registry::setEndpointCall {
        chain: SHARD_A,
        endpoint: "x".repeat(65),
    };
    let account = Operator::new(1).account;
    assert!(
        root.send(account, SHARD_REGISTRY, &call)
            .err()
            .unwrap()
            .starts_with("EndpointLength")
    );
    // Its service is none of the root chain's, and only the registry is its steward.
    let drain = Networks::drainCall { service: 2 };
    assert!(
        root.send(FOUNDER, NETWORK_REGISTRY, &drain)
            .err()
            .unwrap()
            .starts_with("NotTheSteward")
    );
    assert_eq!(root.view(SHARD_REGISTRY, &Registry::shardCountCall {}), U256::from(3));
}

/// One operator leaves both services: each side has to learn of the other's new committee, in order, and takes certificates of no other.
#[test]
fn committees_change_on_both_sides_and_each_is_told_by_a_message() {
    let mut world = World::new();
    let told = world.announce(SHARD_A);
    assert!(told.is_none(), "nothing changed");
    let first = Mailbox::nextNonceCall {
        origin: ROOT,
        destination: SHARD_A,
        sender: SHARD_REGISTRY,
    };
    assert_eq!(world.root().view(MAILBOX, &first), 1);

    let gone = world.operators[3].account;
    for service in [1, 2] {
        world
            .root()
            .send(gone, NETWORK_REGISTRY, &Networks::optOutCall { service })
            .unwrap();
    }
    // Closed in epoch 3 for epoch 5, announced in epoch 4.
    world.next_epoch();
    assert!(world.announce(SHARD_A).is_none());
    world.next_epoch();
    let before = world.signers[&SHARD_A].clone();
    let told = world.announce(SHARD_A).expect("the committees are others");
    assert_eq!((read(&told).root_epoch, told.nonce), (5, 1));
    // The first announcement was never delivered, and the shard began without it: still it comes first.
    let early = world.deliver(&told, SHARD_A).unwrap_err();
    assert!(early.starts_with("OutOfOrder"), "{early}");
    let first = Message {
        nonce: 0,
        ..told.clone()
    };
    let events = world.deliver(&first, SHARD_A).unwrap_err();
    assert!(events.starts_with("NotSent"), "another text under its number: {events}");
    let founding = world.founding_message();
    assert!(!world.deliver(&founding, SHARD_A).unwrap().failed);
    let delivered = world.deliver(&told, SHARD_A).unwrap();
    assert!(!delivered.failed);

    // It counts two epochs of the shard later.
    let shard_epoch = world.epoch(SHARD_A);
    for (ahead, count) in [(1, 4), (2, 3), (3, 3)] {
        world.chain(SHARD_A).block = (shard_epoch + ahead) * SHARD_EPOCH_BLOCKS;
        assert_eq!(
            validators(world.chain(SHARD_A), shard_epoch + ahead).len(),
            count,
            "{ahead} epochs on"
        );
    }
    // Twelve seats sign from now on, the root knows them, and the four of before would not do.
    let three = secrets(&world.operators[..3]);
    let after = Signers {
        secrets: three.clone(),
        ..before.clone()
    };
    let (_, call) = world.header_by(SHARD_A, &before);
    let error = world.root().send(RELAYER, CHAIN_CLIENT, &call).err().unwrap();
    assert!(error.starts_with("WrongCommittee"), "{error}");
    let (_, call) = world.header_by(SHARD_A, &after);
    world.root().send(RELAYER, CHAIN_CLIENT, &call).unwrap();
    // And the root's own next committee is taken by the shard, the one before it no more once its epoch began.
    world.next_epoch();
    let root_before = world.signers[&ROOT].clone();
    let root_after = Signers {
        secrets: three,
        ..root_before.clone()
    };
    let (_, call) = world.header_by(ROOT, &root_before);
    let error = world.chain(SHARD_A).send(RELAYER, CHAIN_CLIENT, &call).err().unwrap();
    assert!(error.starts_with("WrongCommittee"), "{error}");
    // Nor at all, later: its stake may be gone.
    world.chain(SHARD_A).time += EPOCH_BLOCKS / 2 + 1;
    let error = world.chain(SHARD_A).send(RELAYER, CHAIN_CLIENT, &call).err().unwrap();
    assert!(error.starts_with("UntrustedCommittee"), "{error}");
    let (_, call) = world.header_by(ROOT, &root_after);
    world.chain(SHARD_A).send(RELAYER, CHAIN_CLIENT, &call).unwrap();
}

impl World {
    /// The announcement that the first shard began with.
    fn founding_message(&mut self) -> Message {
        let committee = Registry::recordedCommitteeCall { epoch: 3 };
        let root_committee = self.root().view(SHARD_REGISTRY, &committee);
        let validators = validators(self.chain(SHARD_A), 0);
        let digest = keccak256(self.signers[&SHARD_A].keys());
        Message {
            origin: ROOT,
            destination: SHARD_A,
            nonce: 0,
            gasLimit: 8_000_000,
            sender: SHARD_REGISTRY,
            to: SHARD_VALIDATORS,
            value: U256::ZERO,
            data: (3u64, root_committee, digest, validators).abi_encode_params().into(),
        }
    }
}

/// Nobody sends coins to a shard that ends; what is there still comes home, for which both sides go on telling of their committees.
#[test]
fn a_drained_shard_takes_no_messages_but_committees_and_its_own_arrive() {
    let mut world = World::new();
    let pay = |destination| Mailbox::sendCall {
        destination,
        to: RELAYER,
        gasLimit: 50_000,
        data: Bytes::new(),
    };
    let five = U256::from(5);
    world.root().pay(FOUNDER, MAILBOX, &pay(SHARD_A), five).unwrap();
    let drain = Registry::drainCall { chain: SHARD_A };
    world.root().send(FOUNDER, SHARD_REGISTRY, &drain).unwrap();
    let error = world.root().pay(FOUNDER, MAILBOX, &pay(SHARD_A), five).err().unwrap();
    assert_eq!(error, format!("UnknownDestination(chain: {SHARD_A})"));
    let endow = Mailbox::endowCall { shard: SHARD_A };
    assert!(world.root().pay(FOUNDER, MAILBOX, &endow, five).is_err());
    world.root().pay(FOUNDER, MAILBOX, &pay(SHARD_B), five).unwrap();

    let shard = world.chain(SHARD_A);
    shard.fund(FOUNDER, five);
    let sent = shard.pay(FOUNDER, MAILBOX, &pay(ROOT), five).unwrap();
    let home = sent.events::<Mailbox::MessageSent>().pop().unwrap().message;
    assert!(!world.deliver(&home, ROOT).unwrap().failed);

    let leave = Networks::optOutCall { service: 1 };
    let gone = world.operators[3].account;
    world.root().send(gone, NETWORK_REGISTRY, &leave).unwrap();
    world.next_epoch();
    world.next_epoch();
    assert!(
        world.announce(SHARD_A).is_some(),
        "the root chain's committee is another"
    );
}

/// What a committee signs after its stake may be gone is worth nothing on the root chain, until it is announced anew.
#[test]
fn a_committee_is_trusted_as_long_as_its_stake_can_be_taken() {
    let mut world = World::new();
    world.show(SHARD_A, ROOT).unwrap();
    // Announced for epoch 3, and it is epoch 2.
    for _ in 0..4 {
        world.next_epoch();
        world.show(SHARD_A, ROOT).unwrap();
    }
    world.next_epoch();
    let error = world.show(SHARD_A, ROOT).unwrap_err();
    assert!(error.starts_with("UntrustedCommittee"), "{error}");
    assert!(world.announce(SHARD_A).is_none(), "the same committee again");
    world.show(SHARD_A, ROOT).unwrap();
}

#[test]
fn strangers_cannot_announce() {
    let mut world = World::new();
    let data: Bytes = (9u64, B256::ZERO, B256::ZERO, Vec::<Validator>::new())
        .abi_encode_params()
        .into();
    let direct = Validators::onMessageCall {
        origin: ROOT,
        sender: SHARD_REGISTRY,
        data: data.clone(),
    };
    let error = world
        .chain(SHARD_A)
        .send(RELAYER, SHARD_VALIDATORS, &direct)
        .err()
        .unwrap();
    assert!(error.starts_with("NotTheRoot"), "{error}");
    // By a message of another sender, from the root chain or from another shard: it arrives, and is refused.
    for origin in [ROOT, SHARD_B] {
        let send = Mailbox::sendCall {
            destination: SHARD_A,
            to: SHARD_VALIDATORS,
            gasLimit: 5_000_000,
            data: data.clone(),
        };
        let sent = world.chain(origin).send(RELAYER, MAILBOX, &send).unwrap();
        let message = sent.events::<Mailbox::MessageSent>().pop().unwrap().message;
        if origin != ROOT {
            world.deliver(&message, ROOT).unwrap();
        }
        assert!(world.deliver(&message, SHARD_A).unwrap().failed);
    }
    assert_eq!(validators(world.chain(SHARD_A), 1).len(), 4);
}

/// Signatures are only worth something while they can cost something.
#[test]
fn who_votes_twice_on_a_shard_loses_its_stake_on_the_root_chain() {
    let mut world = World::new();
    let (epoch, view) = (9u64, 7u64);
    let vote = |digest: u8, operator: &Operator, chain: u64| {
        let namespace = [
            b"aloft-chain",
            &chain.to_be_bytes()[..],
            network(chain).as_slice(),
            b"_FINALIZE",
        ]
        .concat();
        let digest = B256::repeat_byte(digest);
        let place = vec![epoch as u8, view as u8, 6];
        let message = [vec![namespace.len() as u8], namespace, place, digest.to_vec()].concat();
        Slasher::Vote {
            kind: 2,
            parentView: 6,
            digest,
            signature: sign(&operator.vote_secret(1), &message),
        }
    };
    world.next_epoch();
    let report = |first, second, chain, index| Slasher::reportCall {
        ballot: Slasher::Ballot {
            chain,
            rootEpoch: 3,
            index,
            seat: 1,
            epoch,
            view_: view,
        },
        first,
        second,
    };
    let guilty = Operator::new(2);
    let pair = |chain| (vote(1, &guilty, chain), vote(2, &guilty, chain));
    let root = world.root();
    // Votes of the other shard, of another operator, and one vote twice.
    let (first, second) = pair(SHARD_B);
    let error = root
        .send(RELAYER, SHARD_SLASHER, &report(first, second, SHARD_A, 1))
        .err()
        .unwrap();
    assert!(error.starts_with("WrongSignature"), "{error}");
    let (first, second) = pair(SHARD_A);
    let error = root
        .send(RELAYER, SHARD_SLASHER, &report(first.clone(), second, SHARD_A, 2))
        .err()
        .unwrap();
    assert!(error.starts_with("WrongSignature"), "{error}");
    let error = root
        .send(RELAYER, SHARD_SLASHER, &report(first.clone(), first, SHARD_A, 1))
        .err()
        .unwrap();
    assert_eq!(error, "NoConflict");
    let (first, second) = pair(SHARD_A);
    let call = report(first, second, SHARD_A, 1);
    root.send(RELAYER, SHARD_SLASHER, &call).unwrap();
    for operator in 0..4 {
        let left = root.view(STAKE_VAULT, &StakeVault::stakeOfCall { operator }).active;
        assert_eq!(left, if operator == 1 { 0 } else { CONSENSUS_MIN_STAKE_WEI });
    }
    let error = root.send(RELAYER, SHARD_SLASHER, &call).err().unwrap();
    assert!(error.starts_with("AlreadyPunished"), "{error}");
}

/// A committee of 60 seats by 60 operators is the largest that one account's code holds, and storing it is within the gas that it is sent with.
#[test]
fn the_largest_committee_is_stored_within_its_gas() {
    let entry = |operator: u32| Validator {
        operator,
        account: Address::repeat_byte(operator as u8),
        streamKey: B256::repeat_byte(operator as u8),
        endpoint: "[1111:2222:3333:4444:5555:6666:7777:8888]:65535".repeat(2)[..64].to_owned(),
        voteKeys: vec![operator as u8 + 1; 48].into(),
    };
    let mut world = World::new();
    let data = (4u64, B256::ZERO, B256::ZERO, (0..60).map(entry).collect::<Vec<_>>()).abi_encode_params();
    let shard = world.chain(SHARD_A);
    shard.gas_limit = 8_000_000;
    let call = Validators::onMessageCall {
        origin: ROOT,
        sender: SHARD_REGISTRY,
        data: data.into(),
    };
    let sent = shard.send(MAILBOX, SHARD_VALIDATORS, &call).unwrap();
    // The cost of the transaction and of its data is not the receiver's.
    assert!(sent.gas < 7_000_000, "{}", sent.gas);
    shard.gas_limit = crate::chain::GAS_LIMIT;
    shard.block = 2 * SHARD_EPOCH_BLOCKS;
    assert_eq!(validators(shard, 2).len(), 60);
    let too_many: Vec<_> = (0..66).map(entry).collect();
    let call = Validators::onMessageCall {
        origin: ROOT,
        sender: SHARD_REGISTRY,
        data: (5u64, B256::ZERO, B256::ZERO, too_many).abi_encode_params().into(),
    };
    let error = shard.send(MAILBOX, SHARD_VALIDATORS, &call).err().unwrap();
    assert!(error.starts_with("TooLong"), "{error}");
}
