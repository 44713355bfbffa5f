//! Publish blobs on behalf of one account: promise to pay, hand out the rows, have them signed for, record them on chain.
//!
//! Blobs that are ready while a certificate is being signed and recorded are certified together by the next one, so a stream of blobs costs
//! a signature and a transaction a round, not a blob, and a lone one waits for nobody.

use crate::{
    CodedBlob, Committee, CommitteeId, Domain, Header, Permit, Purchase, Runtime,
    certificate::MAX_BATCH,
    disperse::{self, Dispersal, DisperseError, Peer, Progress},
    local,
    permit::{self, LIFETIME_BLOCKS, RENEWAL_BLOCKS, fee_wei},
    quorum::Candidates,
    wire::Streams,
};
use alloy_sol_types::SolCall;
use commonware_utils::sync::Mutex;
use contracts::{CallError, Provider, ProviderError, Request, abi::DAEntrance};
use futures::{
    channel::oneshot,
    future::{Either, select},
};
use primitives::{Address, B256, BlobRoot, Epoch, U256};
use std::{pin::pin, sync::Arc, time::Duration};

/// Pause between two looks at whether a promise is about to end: twenty blocks of four a second.
const RENEWAL_POLL: Duration = Duration::from_secs(5);

/// Quorums that one blob is offered to, one after the other: with two that are dead the third has it within a minute.
pub const QUORUM_TRIES: u32 = 3;

/// A provider whose account can promise to pay.
pub trait Payer: Provider {
    /// The account.
    fn account(&self) -> Address;

    /// Its promise to pay for the blob of `header`, if it is certified by block `deadline` and it did not pay for another of `purchase`.
    fn promise(&self, domain: &Domain, header: &Header, purchase: Option<Purchase>, deadline: u64) -> Permit;
}

/// A blob that is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// What was paid for it, wei.
    pub fee_wei: U256,
    /// Its part of the transaction's gas.
    pub gas_used: u64,
    /// Operators that had signed, by index.
    pub signers: Vec<u32>,
    /// Transaction that recorded it.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
}

/// Why a blob was not published.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublishError {
    /// Too few operators took its rows or signed.
    #[error(transparent)]
    Disperse(Arc<DisperseError>),
    /// The chain did not say what the payer has in escrow, or what a byte costs.
    #[error("ask the chain for the price and the escrow")]
    Chain(#[source] Arc<CallError>),
    /// Money could not be set aside.
    #[error("put {wei} wei in escrow")]
    Deposit {
        /// How much was to be.
        wei: U256,
        /// Why not.
        source: ProviderError,
    },
    /// The certificate was not recorded.
    #[error("record the certificate")]
    Record(#[source] ProviderError),
    /// The payload is on chain already, in another quorum or of another epoch, and paid for.
    #[error("the payload is paid for as blob {root}")]
    Purchased {
        /// The blob that it is.
        root: BlobRoot,
    },
    /// Who was recording it for all was stopped.
    #[error("publishing was stopped")]
    Stopped,
}

impl PublishError {
    /// Whether too few operators took the blob or signed for it, which those of another quorum may.
    pub fn is_no_quorum(&self) -> bool {
        matches!(self, Self::Disperse(error) if matches!(**error, DisperseError::NoQuorum { .. }))
    }
}

/// A blob that operators have, waiting to be signed for.
struct Ready {
    root: BlobRoot,
    committee: CommitteeId,
    dispersal: Dispersal,
    permit: Permit,
    answer: oneshot::Sender<Result<Published, PublishError>>,
}

/// Publishes blobs on behalf of one account. To be shared: only blobs of one publisher are certified together, and travel on the streams of those
/// before.
pub struct Publisher<P: Payer, E: Runtime> {
    provider: P,
    peer: Peer,
    /// To operators, between blobs.
    streams: Streams<E>,
    /// Blobs like the one at hand that a deposit covers, beyond what is needed.
    spare_blobs: u32,
    /// What is promised and not paid yet, wei; held while the chain is asked what is there.
    promised_wei: futures::lock::Mutex<U256>,
    ready: Mutex<Vec<Ready>>,
    /// Held by who certifies what is ready.
    round: futures::lock::Mutex<()>,
}

impl<P: Payer, E: Runtime> Publisher<P, E> {
    /// Publishes as `peer`, pays out of the escrow of `provider`'s account, and fills that up for `spare_blobs` blobs more than needed. A child of
    /// `context` closes streams that nobody uses.
    pub fn new(context: &E, provider: P, peer: Peer, spare_blobs: u32) -> Self {
        Self {
            provider,
            peer,
            streams: Streams::new(context),
            spare_blobs,
            promised_wei: futures::lock::Mutex::new(U256::ZERO),
            ready: Mutex::default(),
            round: futures::lock::Mutex::new(()),
        }
    }

    /// Hands out `blob` to `committee` and records it. Rows that slow operators have not taken by then go on to them as children of `context`, and
    /// so do [local rows](crate::local): the blob [is shared](CodedBlob::is_shared) for as long.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. Whoever publishes the same blob again sends only rows that operators lack; a promise that was made and not needed costs
    /// what disks cost that waited.
    pub async fn publish(
        &self,
        context: &E,
        committee: &Committee,
        blob: &CodedBlob,
        progress: impl FnMut(Progress<'_>),
    ) -> Result<Published, PublishError> {
        self.publish_for(None, context, committee, blob, progress).await
    }

    /// As [`publish`](Self::publish), on promises of `purchase`.
    async fn publish_for(
        &self,
        purchase: Option<Purchase>,
        context: &E,
        committee: &Committee,
        blob: &CodedBlob,
        progress: impl FnMut(Progress<'_>),
    ) -> Result<Published, PublishError> {
        let header = blob.head().header();
        let price = self.price().await?;
        let height = self.provider.height().await.map_err(CallError::from)?;
        let fee = fee_wei(header, price, height);
        self.set_aside(fee, fee * U256::from(self.spare_blobs)).await?;
        let domain = &self.peer.domain;
        let permit = self
            .provider
            .promise(domain, header, purchase, height + LIFETIME_BLOCKS);
        let published = self.disperse(context, committee, blob, permit, progress).await;
        *self.promised_wei.lock().await -= fee;
        let mut published = published?;
        let (peer, streams) = (self.peer.clone(), self.streams.clone());
        let (keepers, coded) = (committee.clone(), blob.clone());
        context.child("local_rows").spawn(move |context| async move {
            // Nobody was promised them, so nobody is told who did not take them.
            let rows = local::local_rows(&coded);
            for failure in local::disperse(&context, &peer, &streams, &keepers, &coded, &rows).await {
                tracing::debug!(?failure, "local rows not taken");
            }
        });
        published.fee_wei = fee_wei(header, price, published.block);
        Ok(published)
    }

    /// As [`publish`](Self::publish), and to the next of `candidates` when too few of `committee` take the blob: its quorum is full, refuses, or is not
    /// there. At most [`QUORUM_TRIES`] quorums are tried; `blob` is then the one that was published, or tried last.
    ///
    /// All promises are of one [`Purchase`] where there is more than one quorum: the fee is paid to one of them, also when another keeps the blob in
    /// the end, and when the same blob is sent again later.
    ///
    /// # Errors
    ///
    /// [`PublishError`] of the last try. Of each quorum that took rows and did not sign for them the promise may be charged for, as of any that
    /// is not kept. [`PublishError::Purchased`] when it is on chain under another root, which `blob` has then.
    pub async fn publish_to_any(
        &self,
        context: &E,
        mut committee: Committee,
        mut candidates: Candidates,
        blob: &mut CodedBlob,
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<Published, PublishError> {
        let purchase = candidates.purchase(blob);
        let mut tries = 1;
        loop {
            if let Some(root) = self.purchased(purchase, blob).await? {
                return Err(PublishError::Purchased { root });
            }
            let sent = blob.head().root();
            let published = self.publish_for(purchase, context, &committee, blob, &mut progress);
            let error = match published.await {
                Err(error) if error.is_no_quorum() && tries < QUORUM_TRIES => error,
                // Who has the promise that a quorum before this one was made may have had that one's certificate recorded meanwhile.
                published => match self.purchased(purchase, blob).await? {
                    Some(root) if root != sent => return Err(PublishError::Purchased { root }),
                    _ => return published,
                },
            };
            let next = candidates.next(&self.provider, &self.peer.domain).await;
            let Ok(Some(next)) = next.inspect_err(|error| tracing::debug!(?error, "look for another quorum")) else {
                return Err(error);
            };
            let (root, from, to) = (blob.head().root(), committee.id(), next.id());
            tracing::info!(%root, %from, %to, ?error, "too few operators took a blob: another quorum is tried");
            *blob = blob.clone().moved_to(to);
            (committee, tries) = (next, tries + 1);
        }
    }

    /// The blob that the chain has of `purchase`, which `blob` then is; none when there is none yet.
    async fn purchased(
        &self,
        purchase: Option<Purchase>,
        blob: &mut CodedBlob,
    ) -> Result<Option<BlobRoot>, PublishError> {
        if purchase.is_none() {
            return Ok(None);
        }
        let entrance = self.peer.domain.entrance;
        let call = DAEntrance::purchasedCall {
            payer: self.provider.account(),
            purchase: permit::word(purchase),
        };
        let root = contracts::read(&self.provider, entrance, &call).await?;
        if root.is_zero() {
            return Ok(None);
        }
        let root = BlobRoot(root);
        if blob.head().root() != root {
            let record = contracts::read(&self.provider, entrance, &DAEntrance::blobCall { root: root.0 }).await?;
            *blob = blob.clone().moved_to(CommitteeId {
                quorum: record.quorum,
                epoch: Epoch(record.epoch),
            });
        }
        Ok(Some(root))
    }

    /// Makes sure that the escrow covers promises of `wei` beside those that are open.
    ///
    /// # Errors
    ///
    /// [`PublishError::Chain`] and [`PublishError::Deposit`].
    pub async fn fund(&self, wei: U256) -> Result<(), PublishError> {
        self.set_aside(wei, U256::ZERO).await?;
        *self.promised_wei.lock().await -= wei;
        Ok(())
    }

    async fn price(&self) -> Result<U256, PublishError> {
        let call = DAEntrance::pricePerByteBlockCall {};
        Ok(contracts::read(&self.provider, self.peer.domain.entrance, &call).await?)
    }

    /// Counts `wei` as promised, with the escrow filled up for it; when that must be, with `spare` more.
    async fn set_aside(&self, wei: U256, spare: U256) -> Result<(), PublishError> {
        // One after the other: two that look at the same money would both count on it.
        let mut promised = self.promised_wei.lock().await;
        let (entrance, payer) = (self.peer.domain.entrance, self.provider.account());
        let escrow = contracts::read(&self.provider, entrance, &DAEntrance::escrowOfCall { payer }).await?;
        let there = U256::from(escrow.balance.saturating_sub(escrow.leaving));
        let needed = *promised + wei;
        if there < needed {
            let deposit = Request {
                to: Some(entrance),
                value: needed - there + spare,
                data: DAEntrance::depositCall { payer }.abi_encode().into(),
            };
            let wei = deposit.value;
            let deposited = self.provider.send(deposit).await;
            deposited.map_err(|source| PublishError::Deposit { wei, source })?;
        }
        *promised = needed;
        Ok(())
    }

    async fn disperse(
        &self,
        context: &E,
        committee: &Committee,
        blob: &CodedBlob,
        permit: Permit,
        progress: impl FnMut(Progress<'_>),
    ) -> Result<Published, PublishError> {
        let mut dispersal = Dispersal::begin_on(context, &self.peer, &self.streams, committee, blob, &permit)?;
        let permit = self
            .stored(context, committee, blob, &mut dispersal, permit, progress)
            .await?;
        let (answer, mut answered) = oneshot::channel();
        let root = blob.head().root();
        self.ready.lock().push(Ready {
            root,
            committee: committee.id(),
            dispersal,
            permit,
            answer,
        });
        let _round = self.round.lock().await;
        // Whoever had the round before may have taken this blob along.
        if let Ok(Some(published)) = answered.try_recv() {
            return published;
        }
        let batch = self.take(root, committee.id());
        if !batch.is_empty() {
            self.certify(committee, batch).await;
        }
        answered.await.unwrap_or(Err(PublishError::Stopped))
    }

    /// Waits until operators that own a quorum of the rows have them, and promises again when `permit` is about to end before that; returns the
    /// promise that counts.
    async fn stored(
        &self,
        context: &E,
        committee: &Committee,
        blob: &CodedBlob,
        dispersal: &mut Dispersal,
        mut permit: Permit,
        progress: impl FnMut(Progress<'_>),
    ) -> Result<Permit, DisperseError> {
        let mut storing = pin!(dispersal.stored(progress));
        loop {
            if let Either::Left((stored, _)) = select(storing.as_mut(), pin!(context.sleep(RENEWAL_POLL))).await {
                return stored.map(|()| permit);
            }
            // Of a chain that does not answer now more is heard at the next look.
            let height = self.provider.height().await.unwrap_or(0);
            if height + RENEWAL_BLOCKS >= permit.deadline {
                let deadline = height + LIFETIME_BLOCKS;
                let (domain, header) = (&self.peer.domain, blob.head().header());
                permit = self.provider.promise(domain, header, permit.purchase, deadline);
                disperse::renew(context, &self.peer, committee, blob.head(), &permit);
            }
        }
    }

    /// Blobs of `committee` that are ready, the blob `first` at the beginning; none when that was taken by one who was stopped.
    fn take(&self, first: BlobRoot, committee: CommitteeId) -> Vec<Ready> {
        let mut ready = self.ready.lock();
        let Some(place) = ready.iter().position(|ready| ready.root == first) else {
            return Vec::new();
        };
        let mut batch = vec![ready.remove(place)];
        let others = std::mem::take(&mut *ready);
        for other in others {
            // The same blob twice would be one too many for the chain.
            let fits = other.committee == committee && batch.iter().all(|taken| taken.root != other.root);
            match fits && batch.len() < MAX_BATCH {
                true => batch.push(other),
                false => ready.push(other),
            }
        }
        batch
    }

    /// Has `batch` signed for and recorded, and tells who waits for it.
    async fn certify(&self, committee: &Committee, batch: Vec<Ready>) {
        let mut answers = Vec::with_capacity(batch.len());
        let mut dispersals = Vec::with_capacity(batch.len());
        let mut permits = Vec::with_capacity(batch.len());
        for ready in batch {
            answers.push(ready.answer);
            dispersals.push(ready.dispersal);
            permits.push(ready.permit);
        }
        let blobs = answers.len() as u64;
        let recorded = async {
            let certificate = disperse::certify(&self.peer, dispersals, |_| {}).await?;
            let submission = certificate.submission(&self.peer.domain, committee, &permits);
            let mined = self.provider.send(submission).await.map_err(PublishError::Record)?;
            Ok::<_, PublishError>((certificate, mined))
        };
        let recorded = recorded.await;
        for answer in answers {
            let published = recorded.as_ref().map(|(certificate, mined)| Published {
                fee_wei: U256::ZERO,
                gas_used: mined.gas_used / blobs,
                signers: certificate.signers().to_vec(),
                transaction: mined.hash,
                block: mined.block,
            });
            // Nobody may be waiting any more.
            let _ = answer.send(published.map_err(Clone::clone));
        }
    }
}

impl From<CallError> for PublishError {
    fn from(error: CallError) -> Self {
        Self::Chain(Arc::new(error))
    }
}

impl From<DisperseError> for PublishError {
    fn from(error: DisperseError) -> Self {
        Self::Disperse(Arc::new(error))
    }
}
