//! Follow the chain: which blobs are certified, which expired, which epoch it is, who moved.

use super::{ChainView, Promise, Shared, epochs::Epochs, mend::Mender, repair};
use crate::{
    Committee, CommitteeId, Runtime, committee::CommitteeError, permit::PERMIT_BLOCKS, quorum::MAX_QUORUMS,
    record::Record, store::StoreError,
};
use alloy_sol_types::SolEvent;
use contracts::{
    DA_SERVICE, EventFilter, Provider, ProviderError,
    abi::{DAEntrance, OperatorRegistry},
    addresses,
};
use primitives::{Address, BlobRoot, Epoch, U256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Blocks whose events are asked for at a time: providers bound their answers.
const PAGE_BLOCKS: u64 = 1_000;
/// Longest wait between two attempts at one repair.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// The task that follows the chain.
pub(super) struct Follower<E: Runtime, P: Provider> {
    shared: Arc<Shared<E>>,
    provider: P,
    next_block: u64,
    /// The quorums that there are.
    quorums: BTreeSet<u32>,
    /// Whether an operator moved since committees were read.
    moved: bool,
    /// Whether blobs on disk that came without a promise were looked for.
    reconciled: bool,
    /// When to try again what could not be repaired, and how long was waited before.
    retry: BTreeMap<BlobRoot, (SystemTime, Duration)>,
    mender: Mender,
}

impl<E: Runtime, P: Provider> Follower<E, P> {
    pub(super) fn new(shared: Arc<Shared<E>>, provider: P) -> Self {
        Self {
            shared,
            provider,
            next_block: 0,
            // Others by the events of their openings.
            quorums: BTreeSet::from([DA_SERVICE]),
            moved: false,
            reconciled: false,
            retry: BTreeMap::new(),
            mender: Mender::default(),
        }
    }

    /// Looks at the chain again and again.
    pub(super) async fn run(mut self, context: E) {
        let poll = Duration::from_millis(self.shared.config.poll_ms);
        loop {
            match self.catch_up().await {
                Ok(()) => {
                    if let Err(error) = self.prune().await {
                        tracing::warn!(?error, "delete expired rows");
                    }
                    self.repair(&context).await;
                    self.mender.step(&context, &self.shared).await;
                }
                Err(error) => tracing::debug!(?error, "follow the chain"),
            }
            context.sleep(poll).await;
        }
    }

    /// Reads the events of the blocks since the last time.
    async fn catch_up(&mut self) -> Result<(), ProviderError> {
        let height = self.provider.height().await?;
        while self.next_block <= height {
            let to = height.min(self.next_block.saturating_add(PAGE_BLOCKS - 1));
            let filter = EventFilter {
                addresses: vec![self.shared.config.peer.domain.entrance, addresses::OPERATOR_REGISTRY],
                topic0: vec![
                    DAEntrance::BlobCertified::SIGNATURE_HASH,
                    DAEntrance::CosetDropped::SIGNATURE_HASH,
                    DAEntrance::QuorumOpened::SIGNATURE_HASH,
                    DAEntrance::PermitLapsed::SIGNATURE_HASH,
                    OperatorRegistry::EndpointChanged::SIGNATURE_HASH,
                ],
                from_block: self.next_block,
                to_block: Some(to),
            };
            let events = self.provider.events(filter).await?;
            // One after the other: a coset may be dropped and added again.
            let mut dropped = Vec::new();
            self.moved |= events.iter().any(|event| event.address == addresses::OPERATOR_REGISTRY);
            {
                let mut chain = self.shared.chain.lock();
                for event in &events {
                    if let Some(record) = Record::of_event(event) {
                        dropped.retain(|root| *root != record.root());
                        chain.unpaid.release(&record.root());
                        chain.certified.insert(record.root(), record);
                    } else if let Ok(event) = event.decode::<DAEntrance::CosetDropped>() {
                        chain.certified.remove(&BlobRoot(event.root));
                        dropped.push(BlobRoot(event.root));
                    } else if let Ok(event) = event.decode::<DAEntrance::PermitLapsed>() {
                        if let Some(lapses) = self.shared.lapses.lock().as_mut() {
                            lapses.collected(&BlobRoot(event.root));
                        }
                    } else if let Ok(event) = event.decode::<DAEntrance::QuorumOpened>()
                        && self.quorums.len() < MAX_QUORUMS
                    {
                        self.quorums.insert(event.quorum);
                    }
                }
                let ChainView { height, certified, .. } = &mut *chain;
                *height = to;
                certified.retain(|_, record| record.expiry_block() >= to);
            }
            for root in dropped {
                tracing::info!(%root, "delete rows that were dropped");
                if let Err(error) = self.shared.store.remove(root).await {
                    tracing::warn!(?error, "delete rows that were dropped");
                }
            }
            self.next_block = to + 1;
        }
        self.shared.chain.lock().height = height;
        self.follow_epochs(height).await;
        Ok(())
    }

    /// Reads the committees that are needed and not known: of every quorum in the epochs whose blobs are taken, and all that have blobs. All of
    /// them again when an operator moved.
    async fn follow_epochs(&mut self, height: u64) {
        let current = Epoch(height / self.shared.epoch_blocks);
        let open = Epochs::open(current).flat_map(|epoch| {
            let quorums = self.quorums.iter();
            quorums.map(move |&quorum| CommitteeId { quorum, epoch })
        });
        let mut needed: BTreeSet<CommitteeId> = open.collect();
        needed.extend(self.shared.chain.lock().certified.values().map(Record::committee));
        let stored = self.shared.store.blobs();
        needed.extend(stored.iter().map(|(head, _)| head.header().params.committee));
        let mut unknown = self.shared.epochs.lock().advance(current, &needed);
        let again = std::mem::take(&mut self.moved);
        if again {
            unknown = needed.into_iter().collect();
        }
        for id in unknown {
            match Committee::read(&self.provider, id).await {
                Ok(committee) => self.shared.epochs.lock().insert(committee),
                Err(CommitteeError::NotFixed { id }) => self.shared.epochs.lock().note_none(id),
                // It comes within a few blocks; at the next look all the same, if an operator moved.
                Err(CommitteeError::NoSeed { id }) => tracing::trace!(%id, "its seed has not come yet"),
                Err(error) => {
                    tracing::warn!(%id, ?error, "read a committee");
                    // What is known of it may be out of date: all are read again at the next look.
                    self.moved |= again;
                }
            }
        }
    }

    /// Deletes blobs that expired, and those that were not certified in time.
    async fn prune(&mut self) -> Result<(), StoreError> {
        let height = self.shared.height();
        let blobs = self.shared.store.blobs();
        if !std::mem::replace(&mut self.reconciled, true) {
            self.reconcile(height);
        }
        let expired = (blobs.iter())
            .filter(|(head, _)| head.header().params.expiry_block < height)
            .map(|(head, _)| (head.root(), "it expired"));
        let over = self.shared.chain.lock().unpaid.over(height);
        over.iter().for_each(|root| self.note_lapse(*root));
        let over = over.into_iter().map(|root| (root, "it was not certified in time"));
        for (root, why) in expired.chain(over) {
            tracing::info!(%root, why, "delete the rows of a blob");
            self.shared.store.remove(root).await?;
            self.shared.chain.lock().unpaid.release(&root);
        }
        Ok(())
    }

    /// Whoever collects promises that were not kept needs the header and the permit, which go with the rows.
    fn note_lapse(&self, root: BlobRoot) {
        let (Some(head), Some(permit)) = (self.shared.store.head(root), self.shared.store.permit(root)) else {
            return;
        };
        let header = head.header();
        let Some((committee, Some(index))) = self.shared.seat(header.params.committee) else {
            return;
        };
        if let Some(lapses) = self.shared.lapses.lock().as_mut() {
            lapses.note(header, permit, (&committee, index));
        }
    }

    /// Blobs on disk that are neither certified nor promised, by a permit that did not survive: they are kept as long as any promise lasts.
    fn reconcile(&self, height: u64) {
        let mut chain = self.shared.chain.lock();
        for (head, bytes) in self.shared.store.blobs() {
            let root = head.root();
            if chain.certified.contains_key(&root) || chain.unpaid.contains(&root) {
                continue;
            }
            let promise = Promise {
                payer: Address::ZERO,
                fee_wei: U256::ZERO,
                bytes,
                deadline: height + PERMIT_BLOCKS,
            };
            chain.unpaid.hold(root, promise);
        }
    }

    /// Repairs what is missing, one blob after the other: a repair holds the blob in memory.
    async fn repair(&mut self, context: &E) {
        let missing = self.shared.missing();
        self.retry
            .retain(|root, _| missing.iter().any(|(record, _)| record.root() == *root));
        for (record, rows) in missing {
            let root = record.root();
            let now = context.current();
            let (due, waited) = self.retry.get(&root).copied().unwrap_or((now, Duration::ZERO));
            if due > now {
                continue;
            }
            match repair::repair(context, &self.shared, &record).await {
                Ok(()) => {
                    tracing::info!(%root, rows, "repaired");
                    self.retry.remove(&root);
                }
                Err(error) => {
                    let wait = (waited * 2).clamp(Duration::from_secs(1), MAX_RETRY);
                    tracing::debug!(%root, ?error, ?wait, "not repaired");
                    self.retry.insert(root, (context.current() + wait, wait));
                }
            }
        }
    }
}
