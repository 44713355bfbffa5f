//! Carries what one chain sends to another.

use super::{
    evidence::{self, EvidenceError, mapping_slot, number_key},
    port::Port,
};
use alloy_sol_types::{SolEvent as _, SolValue as _};
use contracts::{
    CallError, EventFilter, ProviderError,
    abi::{
        ChainClient,
        Mailbox::{self, Message},
        ShardRegistry, ValidatorRegistry,
    },
    addresses::{CHAIN_CLIENT, MAILBOX, SHARD_REGISTRY, SHARD_VALIDATORS, VALIDATOR_REGISTRY},
    read, write,
};
use primitives::{Address, B256, U256, keccak256};

/// Blocks looked through for messages in one step.
const SCAN_BLOCKS: u64 = 10_000;
/// Messages delivered in one step: the states that prove them are kept for some minutes.
const DELIVERIES_MAX: usize = 64;
/// Messages that wait here; blocks with more are looked at when there is room.
const WAITING_MAX: usize = 4_096;

/// Why nothing more was carried in a step. The next step begins where this one ended.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// A chain did not do what was asked.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A chain's answer was not understood.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A proof cannot be put into a contract's words.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Headers that were shown.
    pub headers: usize,
    /// Messages that were delivered, refused by their receivers or not.
    pub delivered: usize,
    /// Messages that wait.
    pub waiting: usize,
}

/// A message on its way, and the block that sent it.
#[derive(Clone, Debug)]
struct Waiting {
    message: Message,
    block: u64,
}

/// Carries messages of one chain to another. Several may do so side by side: what another carried first is refused, and forgotten.
///
/// It keeps nothing: one that begins anew looks through the chain again, and asks the destination what it has.
#[derive(Debug)]
pub struct Relayer<S, D> {
    source: S,
    destination: D,
    /// Whether the source is the root chain, which also has to tell the shard of its validators.
    from_root: bool,
    next_block: u64,
    waiting: Vec<Waiting>,
}

impl<S: Port, D: Port> Relayer<S, D> {
    /// From a root chain to one of its shards.
    pub fn to_shard(root: S, shard: D) -> Self {
        Self::new(root, shard, true)
    }

    /// From a shard to its root chain.
    pub fn to_root(shard: S, root: D) -> Self {
        Self::new(shard, root, false)
    }

    fn new(source: S, destination: D, from_root: bool) -> Self {
        Self {
            source,
            destination,
            from_root,
            next_block: 0,
            waiting: Vec::new(),
        }
    }

    /// Counts what there is to do, and changes nothing on either chain: messages that wait, and an announcement that is due.
    ///
    /// # Errors
    ///
    /// [`RelayError`]; what was found by then is kept.
    pub async fn look(&mut self) -> Result<usize, RelayError> {
        self.scan().await?;
        self.forget_delivered().await?;
        let due = self.from_root && self.announcement_is_due().await?;
        Ok(self.waiting.len() + usize::from(due))
    }

    /// The block that sent the message that waits longest, as of the last look.
    pub fn oldest_block(&self) -> Option<u64> {
        self.waiting.iter().map(|waiting| waiting.block).min()
    }

    /// The last block that was looked through.
    pub fn looked_until(&self) -> Option<u64> {
        self.next_block.checked_sub(1)
    }

    /// Announces, looks for messages, shows a header if one is needed, and delivers what it proves.
    ///
    /// # Errors
    ///
    /// [`RelayError`]; what was done by then is done.
    pub async fn step(&mut self) -> Result<Relayed, RelayError> {
        if self.from_root {
            self.announce().await?;
        }
        self.scan().await?;
        self.forget_delivered().await?;
        let mut done = Relayed::default();
        if let Some(height) = self.waiting.iter().map(|waiting| waiting.block).max()
            && let Some(number) = self.show(height, &mut done).await?
        {
            self.deliver(number, &mut done).await?;
        }
        done.waiting = self.waiting.len();
        Ok(done)
    }

    /// Whether the next epoch's committee has not been announced.
    async fn announcement_is_due(&self) -> Result<bool, RelayError> {
        let chain = self.destination.chain_id();
        let epoch = read(&self.source, SHARD_REGISTRY, &ShardRegistry::epochCall {}).await?;
        let call = ShardRegistry::lastAnnouncedCall { chain };
        Ok(read(&self.source, SHARD_REGISTRY, &call).await? <= epoch)
    }

    /// Has the root chain announce the next epoch's committee, once an epoch.
    async fn announce(&self) -> Result<(), RelayError> {
        if !self.announcement_is_due().await? {
            return Ok(());
        }
        let chain = self.destination.chain_id();
        let call = ShardRegistry::announceCall { chain };
        match write(&self.source, SHARD_REGISTRY, &call, U256::ZERO).await {
            // Right after an epoch began its committees may not be closed yet: there is time until it ends.
            Ok(_) | Err(ProviderError::Reverted { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Collects what was sent since the last step.
    async fn scan(&mut self) -> Result<(), RelayError> {
        let height = self.source.height().await?;
        if self.next_block > height || self.waiting.len() >= WAITING_MAX {
            return Ok(());
        }
        let last = height.min(self.next_block + SCAN_BLOCKS);
        let filter = EventFilter {
            addresses: vec![MAILBOX],
            topic0: vec![Mailbox::MessageSent::SIGNATURE_HASH],
            from_block: self.next_block,
            to_block: Some(last),
        };
        for event in self.source.events(filter).await? {
            let block = event.block;
            let Ok(Mailbox::MessageSent { message, .. }) = event.decode() else {
                tracing::warn!(block, "the mailbox sent something that is no message");
                continue;
            };
            // A shard hands everything to the root chain.
            if !self.from_root || message.destination == self.destination.chain_id() {
                self.waiting.push(Waiting { message, block });
            }
        }
        self.next_block = last + 1;
        Ok(())
    }

    /// Forgets what the destination has, by whomever.
    async fn forget_delivered(&mut self) -> Result<(), RelayError> {
        let mut left = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            if self.next_nonce(&waiting.message).await? <= waiting.message.nonce {
                left.push(waiting);
            }
        }
        // Committees first: without them no later header is taken. Then each sender's in their order.
        left.sort_by_key(|waiting| (waiting.message.sender != SHARD_REGISTRY, waiting.message.nonce));
        self.waiting = left;
        Ok(())
    }

    async fn next_nonce(&self, message: &Message) -> Result<u64, CallError> {
        let call = Mailbox::nextNonceCall {
            origin: message.origin,
            destination: message.destination,
            sender: message.sender,
        };
        read(&self.destination, MAILBOX, &call).await
    }

    /// Shows the destination a header of block `height` or a later one; its number, or `None` while there is none to show.
    async fn show(&self, height: u64, done: &mut Relayed) -> Result<Option<u64>, RelayError> {
        let record = self.record();
        let epoch = read(&self.source, record, &ShardRegistry::epochCall {}).await?;
        let mut height = height;
        let call = ShardRegistry::recordedCommitteeCall { epoch };
        if read(&self.source, record, &call).await? == B256::ZERO {
            let call = ShardRegistry::recordCall { atEpoch: epoch };
            height = write(&self.source, record, &call, U256::ZERO).await?.block;
        }
        let Some(proof) = self.source.finality(height).await? else {
            return Ok(None);
        };
        let header = proof.summary.header();
        let (chain, number) = (self.source.chain_id(), header.number);
        let call = ChainClient::stateRootOfCall { chain, number };
        if read(&self.destination, CHAIN_CLIENT, &call).await? == header.state_root {
            return Ok(Some(number));
        }
        let slot = mapping_slot(number_key(proof.epoch));
        let recorded = self.source.prove(record, vec![slot], number).await?;
        let Some(slot) = recorded.slots.into_iter().next().filter(|slot| !slot.value.is_zero()) else {
            // The block is of an epoch before the one that is on record since: a later block will do.
            return Ok(None);
        };
        let call = ValidatorRegistry::committeeCall { atEpoch: proof.epoch };
        let registered = read(&self.source, VALIDATOR_REGISTRY, &call).await?;
        let call = ChainClient::verifyHeaderCall {
            chain,
            finality: evidence::finality(&proof, &registered)?,
            account: recorded.account,
            slot: slot.proof,
        };
        write(&self.destination, CHAIN_CLIENT, &call, U256::ZERO).await?;
        done.headers += 1;
        Ok(Some(number))
    }

    /// Where the source records its committees.
    fn record(&self) -> Address {
        if self.from_root {
            SHARD_REGISTRY
        } else {
            SHARD_VALIDATORS
        }
    }

    /// Delivers what block `number` proves.
    async fn deliver(&mut self, number: u64, done: &mut Relayed) -> Result<(), RelayError> {
        let mut left = Vec::new();
        let mut all = std::mem::take(&mut self.waiting).into_iter();
        while let Some(waiting) = all.next() {
            if done.delivered >= DELIVERIES_MAX || waiting.block > number {
                left.push(waiting);
                continue;
            }
            match self.deliver_one(&waiting.message, number).await {
                Ok(()) => done.delivered += 1,
                // Refused: another was first, or its turn comes later.
                Err(RelayError::Provider(ProviderError::Reverted { reason, .. })) => {
                    tracing::debug!(sender = %waiting.message.sender, nonce = waiting.message.nonce, reason, "a message was refused");
                    left.push(waiting);
                }
                Err(error) => {
                    left.push(waiting);
                    left.extend(all);
                    self.waiting = left;
                    return Err(error);
                }
            }
        }
        self.waiting = left;
        Ok(())
    }

    async fn deliver_one(&self, message: &Message, number: u64) -> Result<(), RelayError> {
        let name = (message.origin, message.destination, message.sender, message.nonce);
        let slot = mapping_slot(keccak256(name.abi_encode()));
        let proof = self.source.prove(MAILBOX, vec![slot], number).await?;
        let call = Mailbox::deliverCall {
            message: message.clone(),
            number,
            account: proof.account,
            slot: proof.slots.into_iter().flat_map(|slot| slot.proof).collect(),
        };
        write(&self.destination, MAILBOX, &call, U256::ZERO).await?;
        Ok(())
    }
}
