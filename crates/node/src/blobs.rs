//! Payloads of rollups and of 0G's clients, published and read by this node on their behalf: its wallet pays, its key dials.
//!
//! They are not encrypted: whoever derives a rollup's state must be able to read its batches, and no key travels with them.

use crate::{layout::Ports, provider::LedgerProvider};
use api::{
    alt_da,
    blobs::{Blobs, FindError, Gateway, Memory, Payload, Publication, PublishError, Published, ReadError, Room, cause},
    disperser::{self, Disperser, RequestKey},
    http,
};
use commonware_runtime::{Clock, Spawner, Supervisor as _, tokio::Context};
use contracts::{Provider, abi::DAEntrance, read};
use da::{
    CodedBlob, Committee, CommitteeId, Domain, Meta, Payer as _, Privacy, Publisher, Purchase, Record, VerifiedHead,
    disperse::Peer,
    encode,
    header::Secrecy,
    permit::LIFETIME_BLOCKS,
    quorum::{Candidates, Lot},
    retrieve::{self, Blob, RetrieveError},
};
use futures::channel::oneshot;
use primitives::{Address, BlobRoot, Epoch};
use std::{
    collections::VecDeque,
    error::Error,
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// How long a payload is kept, in blocks of a quarter second: 30 days, what 0G's disperser keeps and more than any rollup's window
/// for challenges and proofs.
pub const RETENTION_BLOCKS: u64 = 30 * 24 * 3600 * 4;

/// Expiry is rounded up to a multiple of this: five minutes. A payload that is sent again within them, because an answer was lost,
/// is the same blob, which is found on chain and not paid for twice.
const EXPIRY_STEP_BLOCKS: u64 = 5 * 60 * 4;

/// How long rows may still go out to slow operators after the certificate; then these are left to repair.
const BEHIND_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause between two looks at whether rows still go out.
const BEHIND_POLL: Duration = Duration::from_millis(100);

/// Payloads like the one at hand that a deposit into escrow covers beyond what is needed, so that few payloads wait for one.
pub const SPARE_PAYLOADS: u32 = 15;

/// Heads of blobs that were read by parts lately, so that the next part does not fetch them again: 20 KB each.
const HEADS_MAX: usize = 64;

/// Connections open at a time to each of the foreign interfaces.
const CONNECTIONS_MAX: usize = 64;

/// This node's access to the network, as the foreign interfaces use it.
pub struct NetworkBlobs {
    /// Parent of all tasks.
    pub context: Context,
    /// The chain, as the account that pays.
    pub provider: LedgerProvider,
    /// Key and chain of the streams to operators.
    pub peer: Peer,
    /// Who has payloads certified and pays for them.
    pub publisher: Arc<Publisher<LedgerProvider, Context>>,
    /// Heads that were fetched.
    pub heads: Heads,
    /// Height of the chain when this process began: nothing was promised by it before.
    pub began_block: u64,
}

/// Checked heads of blobs, the newest last.
#[derive(Default)]
pub struct Heads(Mutex<VecDeque<VerifiedHead>>);

impl Heads {
    fn find(&self, root: BlobRoot) -> Option<VerifiedHead> {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heads.iter().find(|head| head.root() == root).cloned()
    }

    fn keep(&self, head: &VerifiedHead) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.len() == HEADS_MAX {
            heads.pop_front();
        }
        heads.push_back(head.clone());
    }
}

impl NetworkBlobs {
    /// What all interfaces of a node share: its memory for payloads, and the slot in which small ones wait.
    pub fn gateway(self) -> Gateway<Self> {
        Gateway::new(self, Memory::new(Memory::DEFAULT_BYTES), Gateway::<Self>::SLOT)
    }

    /// Who keeps a blob, and its head.
    async fn head(&self, blob: Published) -> Result<(Committee, VerifiedHead), ReadError> {
        let root = blob.root;
        let committee = Committee::read(&self.provider, blob.committee)
            .await
            .map_err(|error| unavailable(root, error))?;
        if let Some(head) = self.heads.find(root) {
            return Ok((committee, head));
        }
        let record = Record::read(&self.provider, &self.peer.domain, root)
            .await
            .map_err(|error| unavailable(root, error))?;
        match retrieve::fetch_head(&self.context, &self.peer, &committee, &record).await {
            Ok(head) => {
                self.heads.keep(&head);
                Ok((committee, head))
            }
            Err(error) => Err(self.not_read(blob, error).await),
        }
    }

    /// Why nobody has a blob: its time may be over. Asked only then, because operators delete when they come to it.
    async fn not_read(&self, blob: Published, error: RetrieveError) -> ReadError {
        let Published { root, expiry_block, .. } = blob;
        if self.provider.height().await.is_ok_and(|height| height > expiry_block) {
            return ReadError::Expired { root, expiry_block };
        }
        unavailable(root, error)
    }
}

fn unavailable(root: BlobRoot, source: impl Into<Box<dyn Error + Send + Sync>>) -> ReadError {
    let source = cause(source);
    ReadError::Unavailable { root, source }
}

fn public(head: &VerifiedHead) -> Result<(), ReadError> {
    match head.header().params.secrecy {
        Secrecy::Public => Ok(()),
        Secrecy::Sealed { .. } => Err(ReadError::Sealed { root: head.root() }),
    }
}

impl Blobs for NetworkBlobs {
    fn chain_id(&self) -> u64 {
        self.peer.domain.chain_id
    }

    fn payer(&self) -> Address {
        self.provider.account()
    }

    async fn publish(&self, payload: Payload) -> Result<Publication, PublishError> {
        let Payload {
            bytes,
            media_type,
            room,
        } = payload;
        let lot = || Lot::of_payload(self.provider.account(), &bytes);
        let (committee, candidates) = Candidates::draw(&self.provider, &self.peer.domain, lot)
            .await
            .map_err(|error| failed("read the committee", error))?;
        let height = self
            .provider
            .height()
            .await
            .map_err(|error| failed("read the height of the chain", error))?;
        let meta = Meta {
            name: String::new(),
            content_type: media_type.into_owned(),
        };
        let request = encode::Request {
            owner: self.provider.account(),
            committee: committee.id(),
            expiry_block: expiry_block(height),
            meta: meta.to_bytes().map_err(|error| failed("name the payload", error))?,
            privacy: Privacy::Public,
        };
        let mut rng = self.context.child("coding");
        // The room goes along: the bytes are in memory until this ends, even when nobody waits for it any more.
        let coding = move || (CodedBlob::encode(&mut rng, bytes, request), room);
        let (blob, room) = tokio::task::spawn_blocking(coding)
            .await
            .map_err(|error| failed("code the payload", error))?;
        let blob = blob.map_err(|error| failed("code the payload", error))?;
        let (root, purchase) = (blob.head().root(), candidates.purchase(&blob));

        let (ended, end) = oneshot::channel();
        let outgoing = Outgoing {
            provider: self.provider.clone(),
            peer: self.peer.clone(),
            publisher: self.publisher.clone(),
            committee,
            candidates,
            blob,
            room,
        };
        self.context
            .child("publication")
            .spawn(move |context| outgoing.run(context, ended));
        let outcome = async { end.await.unwrap_or_else(|_| Err(failed("publish", "the node stopped"))) };
        Ok(Publication {
            root,
            purchase,
            outcome: Box::pin(outcome),
        })
    }

    async fn find(&self, root: BlobRoot) -> Result<Option<Published>, FindError> {
        find(&self.provider, &self.peer.domain, root).await
    }

    async fn purchased(&self, payer: Address, purchase: Purchase) -> Result<Option<BlobRoot>, FindError> {
        let call = DAEntrance::purchasedCall {
            payer,
            purchase: purchase.0.0,
        };
        let root = read(&self.provider, self.peer.domain.entrance, &call).await;
        let root = root.map_err(|source| FindError::Purchase {
            payer,
            source: source.into(),
        })?;
        Ok((!root.is_zero()).then_some(BlobRoot(root)))
    }

    async fn is_settled(&self) -> Result<bool, FindError> {
        let height = self.provider.height().await;
        let height = height.map_err(|source| FindError::Height { source })?;
        Ok(height > self.began_block + LIFETIME_BLOCKS)
    }

    async fn read(&self, blob: Published) -> Result<Vec<u8>, ReadError> {
        let root = blob.root;
        let committee = Committee::read(&self.provider, blob.committee)
            .await
            .map_err(|error| unavailable(root, error))?;
        let record = Record::read(&self.provider, &self.peer.domain, root)
            .await
            .map_err(|error| unavailable(root, error))?;
        let added = record
            .read_added(&self.provider, &self.peer.domain)
            .await
            .map_err(|error| unavailable(root, error))?;
        let retrieved = match da::retrieve(&self.context, &self.peer, &committee, &record, &added, |_| {}).await {
            Ok(retrieved) => retrieved,
            Err(error) => return Err(self.not_read(blob, error).await),
        };
        if !matches!(retrieved.params().secrecy, Secrecy::Public) {
            return Err(ReadError::Sealed { root });
        }
        retrieved.open(None).map_err(|error| unavailable(root, error))
    }

    async fn read_range(&self, blob: Published, range: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let (committee, head) = self.head(blob).await?;
        public(&head)?;
        let added = Record::of_header(head.header())
            .read_added(&self.provider, &self.peer.domain)
            .await
            .map_err(|error| unavailable(blob.root, error))?;
        match retrieve::read_coded(
            &self.context,
            &self.peer,
            &committee,
            Blob::new(&head, &added),
            range,
            |_| {},
        )
        .await
        {
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(self.not_read(blob, error).await),
        }
    }

    async fn meta(&self, blob: Published) -> Result<Option<Meta>, ReadError> {
        let (_, head) = self.head(blob).await?;
        public(&head)?;
        Ok(Meta::from_bytes(&head.header().params.meta))
    }
}

/// The block after which a payload sent at `height` may be deleted.
fn expiry_block(height: u64) -> u64 {
    (height + RETENTION_BLOCKS).next_multiple_of(EXPIRY_STEP_BLOCKS)
}

fn failed(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> PublishError {
    let source = cause(source);
    PublishError::Failed { what, source }
}

async fn find(provider: &impl Provider, domain: &Domain, root: BlobRoot) -> Result<Option<Published>, FindError> {
    let blob = read(provider, domain.entrance, &DAEntrance::blobCall { root: root.0 })
        .await
        .map_err(|source| FindError::Blob {
            root,
            source: source.into(),
        })?;
    Ok((blob.certifiedBlock != 0).then_some(Published {
        root,
        committee: CommitteeId {
            quorum: blob.quorum,
            epoch: Epoch(blob.epoch),
        },
        certified_block: blob.certifiedBlock,
        expiry_block: blob.expiryBlock,
        length: blob.length,
    }))
}

/// One payload on its way to the operators and the chain.
struct Outgoing {
    provider: LedgerProvider,
    peer: Peer,
    publisher: Arc<Publisher<LedgerProvider, Context>>,
    committee: Committee,
    /// Who may keep it if the committee does not.
    candidates: Candidates,
    blob: CodedBlob,
    room: Room,
}

impl Outgoing {
    /// Tells `ended` as soon as the certificate is final, and ends when no row is in memory any more: until then the room is taken.
    async fn run(mut self, context: Context, ended: oneshot::Sender<Result<Published, PublishError>>) {
        let published = self.publish(&context).await;
        let _ = ended.send(published);
        let Self { blob, room, .. } = self;
        let begun = context.current();
        while blob.is_shared() && context.current().duration_since(begun).unwrap_or_default() < BEHIND_TIMEOUT {
            context.sleep(BEHIND_POLL).await;
        }
        // Deliveries are this task's children: those that still stand are ended with it.
        drop(room);
    }

    async fn publish(&mut self, context: &Context) -> Result<Published, PublishError> {
        let (provider, domain) = (&self.provider, &self.peer.domain);
        let find = async |root| {
            find(provider, domain, root)
                .await
                .map_err(|error| failed("look for the certificate", error))
        };
        if let Some(published) = find(self.blob.head().root()).await? {
            return Ok(published);
        }
        let sent = self
            .publisher
            .publish_to_any(
                context,
                self.committee.clone(),
                self.candidates.clone(),
                &mut self.blob,
                |_| {},
            )
            .await;
        let root = self.blob.head().root();
        if let Err(error) = &sent
            && error.is_no_quorum()
        {
            let source = cause(error.clone());
            return Err(PublishError::NoQuorum { root, source });
        }
        // Also after an error: the same payload may have been recorded for another client, or this one's answer be late.
        match (find(root).await?, sent) {
            (Some(published), _) => Ok(published),
            (None, Err(error)) => Err(failed("publish", error)),
            (None, Ok(recorded)) => {
                let text = format!(
                    "transaction {} is final and the blob is not recorded",
                    recorded.transaction
                );
                Err(failed("record the certificate", text))
            }
        }
    }
}

/// The servers that rollups and 0G's clients talk to.
pub struct Interop {
    stop: watch::Sender<()>,
    servers: Vec<JoinHandle<()>>,
}

impl Interop {
    /// Listens on those of `ports` that the network's file names; the disperser's request ids are tagged with `request_key`.
    ///
    /// # Errors
    ///
    /// What the system says, with what was tried, when a port is taken.
    pub async fn start(
        gateway: Gateway<NetworkBlobs>,
        ports: Ports,
        request_key: RequestKey,
    ) -> Result<Self, (&'static str, u16, io::Error)> {
        let (stop, stopped) = watch::channel(());
        let stopped = || {
            let mut stopped = stopped.clone();
            // An error is the other end dropped, which is to stop, too.
            async move { drop(stopped.changed().await) }
        };
        let mut servers = Vec::new();
        if let Some(port) = ports.alt_da {
            let listener = bind("listen for rollups on", port).await?;
            let server = http::serve(listener, alt_da::router(gateway.clone()), CONNECTIONS_MAX, stopped());
            servers.push(tokio::spawn(async {
                if let Err(error) = server.await {
                    tracing::error!(%error, "the alt-DA server ended");
                }
            }));
        }
        if let Some(port) = ports.disperser {
            let listener = bind("listen for gRPC on", port).await?;
            let server = disperser::serve(
                listener,
                Disperser::new(gateway, request_key),
                CONNECTIONS_MAX,
                stopped(),
            );
            servers.push(tokio::spawn(async {
                if let Err(error) = server.await {
                    tracing::error!(%error, "the disperser ended");
                }
            }));
        }
        Ok(Self { stop, servers })
    }

    /// Takes no more connections, and resolves when open requests have been answered.
    pub async fn stop(mut self) {
        let _ = self.stop.send(());
        futures::future::join_all(self.servers.iter_mut()).await;
    }
}

impl Drop for Interop {
    /// Requests that did not end in time are cut off: what they publish was not acknowledged.
    fn drop(&mut self) {
        self.servers.iter().for_each(|server| server.abort());
    }
}

async fn bind(what: &'static str, port: u16) -> Result<TcpListener, (&'static str, u16, io::Error)> {
    TcpListener::bind(Ports::loopback(port))
        .await
        .map_err(|error| (what, port, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batcher that was not answered sends the batch again; it should not pay for it again.
    #[test]
    fn a_payload_sent_again_soon_expires_with_the_first_and_is_kept_for_thirty_days() {
        for height in [0, 1, 1_199, 1_200, 123_456_789] {
            let expiry = expiry_block(height);
            assert!((RETENTION_BLOCKS..RETENTION_BLOCKS + EXPIRY_STEP_BLOCKS).contains(&(expiry - height)));
            assert_eq!(expiry % EXPIRY_STEP_BLOCKS, 0);
        }
        assert_eq!(expiry_block(1), expiry_block(EXPIRY_STEP_BLOCKS));
        const { assert!(RETENTION_BLOCKS + EXPIRY_STEP_BLOCKS < da::service::MAX_RETENTION_BLOCKS) };
    }
}
