//! A root chain and a shard, each a ledger of its own, whose validators sign what a certificate needs; only the votes' network is missing.

use chain::{
    Block, Committee, FinalityProof, Ledger, MemoryDisk, PoolLimits, Store,
    consensus::{Certificates, Committees as _, Offence, SignedVote, VoteKind, namespace},
    finality::{Seats, finalize_message, quorum},
};
use client::Wallet;
use commonware_codec::Encode as _;
use contracts::{
    Announcement, Event, EventFilter, Founder, FoundingValidator, GenesisContract, Mined, Provider, ProviderError,
    Request, SERVICE_CREATION_WEI, SHARD_SUPPLY_WEI, SetupCall, ShardTerms, Terms, VoteKey,
    abi::{Mailbox, NetworkRegistry, ShardRegistry, StakeVault, ValidatorRegistry},
    addresses::{MAILBOX, NETWORK_REGISTRY, SHARD_REGISTRY, SHARD_SLASHER, STAKE_VAULT, VALIDATOR_REGISTRY},
    founding_calls, genesis_contracts_with, read, shard_contracts, shard_founding_call, write,
};
use crypto::bls;
use evm::{Genesis, GenesisCall};
use node::{
    LedgerProvider, LocalPort, NodeKeys, Port, Proved, Relayed, Relayer, StakedCommittees, finality, shard_report_calls,
};
use primitives::{Address, B256, Bytes, U256, keccak256};
use std::sync::Arc;

const ROOT: u64 = 16_602;
const SHARD: u64 = 16_602_001;
const ROOT_EPOCH_BLOCKS: u64 = 24;
const SHARD_EPOCH_BLOCKS: u64 = 8;
/// Keys of each validator.
const SEATS: usize = 4;
const GAS_LIMIT: u64 = 150_000_000;
/// Who carries messages, and who begins the shard.
const RELAYER_SEED: u8 = 0x70;
const ALICE_SEED: u8 = 0x71;
/// What the relayer has on the shard from its first block on.
const ENDOWMENT_COINS: u64 = 100;

fn coins(count: u64) -> U256 {
    U256::from(count) * U256::from(10).pow(U256::from(18))
}

fn wallet(seed: u8) -> Arc<Wallet> {
    Arc::new(Wallet::from_bytes(&[seed; 32]).unwrap())
}

/// A chain of one process, all of whose validators' keys are at hand.
#[derive(Clone)]
struct Simulated {
    ledger: Ledger,
    epoch_blocks: u64,
    keys: Arc<Vec<NodeKeys>>,
}

impl Simulated {
    fn new(genesis: &Genesis, epoch_blocks: u64, keys: &Arc<Vec<NodeKeys>>) -> Self {
        let store = Store::in_memory(&MemoryDisk::new()).unwrap();
        Self {
            ledger: Ledger::open(genesis, store, PoolLimits::default()).unwrap(),
            epoch_blocks,
            keys: keys.clone(),
        }
    }

    /// Makes the next block of what waits.
    fn seal(&self) {
        let parent = self.ledger.latest();
        let time = parent.header.timestamp + 1;
        let block = self
            .ledger
            .propose(parent.hash, time, Address::ZERO, B256::ZERO, &mut || false);
        self.ledger.finalize(block.unwrap().hash).unwrap();
    }

    /// The chain on behalf of an account.
    fn port(&self, wallet: Arc<Wallet>) -> Signed {
        let provider = LedgerProvider::new(self.ledger.clone(), wallet);
        Signed {
            chain: self.clone(),
            port: LocalPort::new(provider, Certificates::default()),
        }
    }

    fn committee(&self, epoch: u64) -> Committee {
        StakedCommittees::new(self.ledger.clone())
            .roster(epoch)
            .unwrap()
            .committee
    }

    fn namespace(&self) -> Vec<u8> {
        namespace(self.ledger.chain_id(), self.ledger.genesis().mix_hash)
    }

    /// The certificate of a block, by as many of its epoch's committee as are a quorum: the last ones.
    fn certify(&self, number: u64) -> Option<FinalityProof> {
        let header = self.ledger.by_number(number).unwrap()?.header.clone();
        let epoch = number / self.epoch_blocks;
        let committee = self.committee(epoch);
        // No contract looks into the place for which a block was made.
        let summary = Block::genesis(header, committee.first()).summary();
        let (view, parent_view) = (number + 1, number);
        let message = finalize_message(&self.namespace(), epoch, view, parent_view, &summary.digest());
        let keys: Vec<_> = committee
            .validators()
            .iter()
            .flat_map(|validator| &validator.vote_keys)
            .collect();
        let mut signers = Seats::none(keys.len());
        let mut signatures = Vec::new();
        for (seat, key) in keys.iter().enumerate().skip(keys.len() - quorum(keys.len())) {
            let secrets = self.keys.iter().flat_map(|keys| &keys.validator.votes);
            let mut own = secrets.filter(|secret| secret.public_key().to_bytes() == key.encode().as_ref());
            signatures.push(own.next().expect("its key is at hand").sign(&message));
            signers.insert(seat);
        }
        Some(FinalityProof {
            epoch,
            view,
            parent_view,
            signers,
            signature: bls::Signature::aggregate(&signatures).unwrap(),
            summary,
        })
    }
}

/// A chain whose next block comes as soon as this account sends something.
#[derive(Clone)]
struct Signed {
    chain: Simulated,
    port: LocalPort,
}

impl Port for Signed {
    fn chain_id(&self) -> u64 {
        self.chain.ledger.chain_id()
    }

    async fn finality(&self, height: u64) -> Result<Option<FinalityProof>, ProviderError> {
        Ok(self.chain.certify(height))
    }

    async fn prove(&self, contract: Address, slots: Vec<B256>, number: u64) -> Result<Proved, ProviderError> {
        self.port.prove(contract, slots, number).await
    }
}

impl Provider for Signed {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        self.port.call(to, data).await
    }

    async fn send(&self, request: Request) -> Result<Mined, ProviderError> {
        let sealing = async {
            loop {
                if self.chain.ledger.any_ready(&self.chain.ledger.latest().hash) {
                    self.chain.seal();
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            sent = self.port.send(request) => sent,
            () = sealing => unreachable!("it has no end"),
        }
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, ProviderError> {
        self.port.events(filter).await
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        self.port.height().await
    }
}

fn genesis_call(call: SetupCall) -> GenesisCall {
    let SetupCall { from, to, data, value } = call;
    GenesisCall { from, to, data, value }
}

fn genesis(
    chain_id: u64,
    allocations: Vec<(Address, U256)>,
    contracts: Vec<GenesisContract>,
    calls: Vec<SetupCall>,
) -> Genesis {
    Genesis {
        chain_id,
        timestamp: 1_000,
        gas_limit: GAS_LIMIT,
        prev_randao: B256::repeat_byte(chain_id as u8),
        allocations,
        contracts,
        calls: calls.into_iter().map(genesis_call).collect(),
    }
}

fn founder(keys: &NodeKeys) -> Founder {
    let account = keys.wallet.address();
    let vote_keys = keys.validator.votes[..SEATS].iter().map(|secret| VoteKey {
        key: secret.public_key().to_eip2537().into(),
        possession: secret.prove_possession(account).to_eip2537().into(),
    });
    Founder {
        account,
        stream_key: B256::from_slice(keys.validator.identity().as_ref()),
        bls_key: keys.availability.public_key().to_eip2537().into(),
        possession: keys.availability.prove_possession(account).to_eip2537().into(),
        endpoint: "127.0.0.1:1".into(),
        stake_wei: coins(100),
        validator: Some(FoundingValidator {
            endpoint: "127.0.0.1:2".into(),
            vote_keys: vote_keys.collect(),
        }),
    }
}

/// A root chain with four validators, and the shard that it made by transactions alone.
struct World {
    root: Simulated,
    shard: Simulated,
    down: Relayer<Signed, Signed>,
    up: Relayer<Signed, Signed>,
}

impl World {
    async fn new() -> Self {
        let keys: Arc<Vec<_>> = Arc::new((1..=4).map(|seed| NodeKeys::from_seed(&[seed; 32])).collect());
        let founders: Vec<_> = keys.iter().map(founder).collect();
        let accounts = founders.iter().map(|founder| founder.account);
        let rich = [RELAYER_SEED, ALICE_SEED].map(|seed| wallet(seed).address());
        let allocations = accounts.chain(rich).map(|account| (account, coins(10_000)));
        let terms = Terms {
            epoch_blocks: ROOT_EPOCH_BLOCKS,
            ..Terms::default()
        };
        let first = genesis(
            ROOT,
            allocations.collect(),
            genesis_contracts_with(&terms),
            founding_calls(&founders),
        );
        let root = Simulated::new(&first, ROOT_EPOCH_BLOCKS, &keys);

        let port = root.port(wallet(RELAYER_SEED));
        let network = B256::repeat_byte(SHARD as u8);
        let register = ShardRegistry::registerCall {
            chain: SHARD,
            network,
            blocks: SHARD_EPOCH_BLOCKS,
            seats: 16,
            minStake: contracts::CONSENSUS_MIN_STAKE_WEI,
        };
        let price = U256::from(SERVICE_CREATION_WEI);
        write(&port, SHARD_REGISTRY, &register, price).await.unwrap();
        for keys in root.keys.iter() {
            let own = port.with(&keys.wallet);
            let join = NetworkRegistry::optInCall {
                service: 2,
                displaced: 0,
            };
            write(&own, NETWORK_REGISTRY, &join, U256::ZERO).await.unwrap();
            let moved = ShardRegistry::setEndpointCall {
                chain: SHARD,
                endpoint: "127.0.0.1:3".into(),
            };
            write(&own, SHARD_REGISTRY, &moved, U256::ZERO).await.unwrap();
        }
        let activate = ShardRegistry::activateCall { chain: SHARD };
        write(&port, SHARD_REGISTRY, &activate, U256::ZERO).await.unwrap();
        let endow = Mailbox::endowCall { shard: SHARD };
        write(&port, MAILBOX, &endow, coins(ENDOWMENT_COINS)).await.unwrap();

        // Its committee is closed in the next epoch, for the epoch after the one that follows.
        while root.ledger.latest().header.number < 2 * ROOT_EPOCH_BLOCKS {
            root.seal();
        }
        let announce = ShardRegistry::announceCall { chain: SHARD };
        let mined = write(&port, SHARD_REGISTRY, &announce, U256::ZERO).await.unwrap();
        let filter = EventFilter {
            addresses: vec![MAILBOX],
            from_block: mined.block,
            ..EventFilter::default()
        };
        let [told] = &port.events(filter).await.unwrap()[..] else {
            panic!("one message")
        };
        let told: Mailbox::MessageSent = told.decode().unwrap();
        let Announcement {
            root_committee,
            committee,
            validators,
            ..
        } = Announcement::read(&told.message.data).unwrap();
        let terms = ShardTerms {
            root_chain: ROOT,
            root_epoch_blocks: ROOT_EPOCH_BLOCKS,
            root_network: root.ledger.genesis().mix_hash,
            root_committee,
            epoch_blocks: SHARD_EPOCH_BLOCKS,
            committee,
            validators,
        };
        let allocations = vec![
            (wallet(RELAYER_SEED).address(), coins(ENDOWMENT_COINS)),
            (MAILBOX, SHARD_SUPPLY_WEI - coins(ENDOWMENT_COINS)),
        ];
        let first = genesis(
            SHARD,
            allocations,
            shard_contracts(&terms),
            vec![shard_founding_call(&terms)],
        );
        assert_eq!(first.prev_randao, network);
        let shard = Simulated::new(&first, SHARD_EPOCH_BLOCKS, &keys);
        let ports = || (root.port(wallet(RELAYER_SEED)), shard.port(wallet(RELAYER_SEED)));
        let (down, up) = (ports(), ports());
        Self {
            down: Relayer::to_shard(down.0, down.1),
            up: Relayer::to_root(up.1, up.0),
            root,
            shard,
        }
    }

    /// A block of each chain, and what the relayers find then.
    async fn round(&mut self) -> [Relayed; 2] {
        self.root.seal();
        self.shard.seal();
        [self.down.step().await.unwrap(), self.up.step().await.unwrap()]
    }

    /// Rounds until nothing is on its way.
    async fn settle(&mut self) {
        for _ in 0..20 {
            if self.round().await.iter().all(|relayed| relayed.waiting == 0) {
                return;
            }
        }
        panic!("messages wait for ever");
    }
}

impl Signed {
    /// The same chain on behalf of another account.
    fn with(&self, wallet: &Wallet) -> Self {
        let secret = wallet.secret().to_bytes();
        self.chain.port(Arc::new(Wallet::from_bytes(&secret).unwrap()))
    }
}

async fn pay(from: &Signed, destination: u64, to: Address, value: U256) {
    let send = Mailbox::sendCall {
        destination,
        to,
        gasLimit: 50_000,
        data: Bytes::new(),
    };
    write(from, MAILBOX, &send, value).await.unwrap();
}

fn balance(chain: &Simulated, account: Address) -> U256 {
    let (_, state) = chain.ledger.pending();
    state.account(&account).map_or(U256::ZERO, |account| account.balance)
}

#[test]
fn a_certificate_of_a_ledger_verifies_and_its_words_name_the_same_seats() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
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
        let config = api::eth::EthConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            client_version: "test".into(),
            peer_count: 0,
            metrics: api::eth::EthMetrics::default(),
            certificates: Default::default(),
            network: None,
        };
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
