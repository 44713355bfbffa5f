//! A root chain and a shard, each a ledger of its own, and what carries between them.

use chain::{
    Block, Committee, FinalityProof, Ledger, MemoryDisk, PoolLimits, Store,
    consensus::{Certificates, Committees as _, namespace},
    finality::{Seats, finalize_message, quorum},
};
use client::Wallet;
use commonware_codec::Encode as _;
use contracts::{
    Announcement, Event, EventFilter, Founder, FoundingValidator, GenesisContract, Mined, Provider, ProviderError,
    Request, SERVICE_CREATION_WEI, SHARD_SUPPLY_WEI, SetupCall, ShardTerms, Terms, VoteKey,
    abi::{Mailbox, NetworkRegistry, ShardRegistry},
    addresses::{MAILBOX, NETWORK_REGISTRY, SHARD_REGISTRY},
    founding_calls, genesis_contracts_with, shard_contracts, shard_founding_call, write,
};
use crypto::bls;
use evm::{Genesis, GenesisCall};
use node::{LedgerProvider, LocalPort, NodeKeys, Port, Proved, Relayed, Relayer, StakedCommittees};
use primitives::{Address, B256, Bytes, U256};
use std::sync::Arc;

pub(super) const ROOT: u64 = 16_602;
pub(super) const SHARD: u64 = 16_602_001;
pub(super) const ROOT_EPOCH_BLOCKS: u64 = 24;
pub(super) const SHARD_EPOCH_BLOCKS: u64 = 8;
/// Keys of each validator.
pub(super) const SEATS: usize = 4;
pub(super) const GAS_LIMIT: u64 = 150_000_000;
/// Who carries messages, and who begins the shard.
pub(super) const RELAYER_SEED: u8 = 0x70;
pub(super) const ALICE_SEED: u8 = 0x71;
/// What the relayer has on the shard from its first block on.
pub(super) const ENDOWMENT_COINS: u64 = 100;

pub(super) fn coins(count: u64) -> U256 {
    U256::from(count) * U256::from(10).pow(U256::from(18))
}

pub(super) fn wallet(seed: u8) -> Arc<Wallet> {
    Arc::new(Wallet::from_bytes(&[seed; 32]).unwrap())
}

/// A chain of one process, all of whose validators' keys are at hand.
#[derive(Clone)]
pub(super) struct Simulated {
    pub(super) ledger: Ledger,
    pub(super) epoch_blocks: u64,
    pub(super) keys: Arc<Vec<NodeKeys>>,
}

impl Simulated {
    pub(super) fn new(genesis: &Genesis, epoch_blocks: u64, keys: &Arc<Vec<NodeKeys>>) -> Self {
        let store = Store::in_memory(&MemoryDisk::new()).unwrap();
        Self {
            ledger: Ledger::open(genesis, store, PoolLimits::default()).unwrap(),
            epoch_blocks,
            keys: keys.clone(),
        }
    }

    /// Makes the next block of what waits.
    pub(super) fn seal(&self) {
        let parent = self.ledger.latest();
        let time = parent.header.timestamp + 1;
        let block = self
            .ledger
            .propose(parent.hash, time, Address::ZERO, B256::ZERO, &mut || false);
        self.ledger.finalize(block.unwrap().hash).unwrap();
    }

    /// The chain on behalf of an account.
    pub(super) fn port(&self, wallet: Arc<Wallet>) -> Signed {
        let provider = LedgerProvider::new(self.ledger.clone(), wallet);
        Signed {
            chain: self.clone(),
            port: LocalPort::new(provider, Certificates::default()),
        }
    }

    pub(super) fn committee(&self, epoch: u64) -> Committee {
        StakedCommittees::new(self.ledger.clone())
            .roster(epoch)
            .unwrap()
            .committee
    }

    pub(super) fn namespace(&self) -> Vec<u8> {
        namespace(self.ledger.chain_id(), self.ledger.genesis().mix_hash)
    }

    /// The certificate of a block, by as many of its epoch's committee as are a quorum: the last ones.
    pub(super) fn certify(&self, number: u64) -> Option<FinalityProof> {
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
pub(super) struct Signed {
    pub(super) chain: Simulated,
    pub(super) port: LocalPort,
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

pub(super) fn genesis_call(call: SetupCall) -> GenesisCall {
    let SetupCall { from, to, data, value } = call;
    GenesisCall { from, to, data, value }
}

pub(super) fn genesis(
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

pub(super) fn founder(keys: &NodeKeys) -> Founder {
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
pub(super) struct World {
    pub(super) root: Simulated,
    pub(super) shard: Simulated,
    /// How the shard begins.
    pub(super) shard_genesis: Genesis,
    pub(super) down: Relayer<Signed, Signed>,
    pub(super) up: Relayer<Signed, Signed>,
}

impl World {
    pub(super) async fn new() -> Self {
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
            shard_genesis: first,
        }
    }

    /// A block of each chain, and what the relayers find then.
    pub(super) async fn round(&mut self) -> [Relayed; 2] {
        self.root.seal();
        self.shard.seal();
        [self.down.step().await.unwrap(), self.up.step().await.unwrap()]
    }

    /// Rounds until nothing is on its way.
    pub(super) async fn settle(&mut self) {
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
    pub(super) fn with(&self, wallet: &Wallet) -> Self {
        let secret = wallet.secret().to_bytes();
        self.chain.port(Arc::new(Wallet::from_bytes(&secret).unwrap()))
    }
}

pub(super) async fn pay(from: &Signed, destination: u64, to: Address, value: U256) {
    let send = Mailbox::sendCall {
        destination,
        to,
        gasLimit: 50_000,
        data: Bytes::new(),
    };
    write(from, MAILBOX, &send, value).await.unwrap();
}

pub(super) fn balance(chain: &Simulated, account: Address) -> U256 {
    let (_, state) = chain.ledger.pending();
    state.account(&account).map_or(U256::ZERO, |account| account.balance)
}
