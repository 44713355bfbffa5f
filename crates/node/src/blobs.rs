//! Payloads of rollups and of 0G's clients, published and read by this node on their behalf: its wallet pays, its key dials.
//!
//! They are not encrypted: whoever derives a rollup's state must be able to read its batches, and no key travels with them.

use crate::{layout::Ports, provider::LedgerProvider};
use api::{
    alt_da,
    blobs::{Blobs, Cause, FindError, Gateway, Memory, Payload, Publication, PublishError, Published, ReadError, Room},
    disperser::{self, Disperser},
    http,
};
use client::catalogue;
use commonware_runtime::{Clock, Spawner, Supervisor as _, tokio::Context};
use contracts::{Provider, abi::DAEntrance, read};
use da::{
    CodedBlob, Committee, DealtBeacon, Domain, Meta, Privacy, Record,
    disperse::{DisperseError, Peer},
    encode,
    header::{DATA_ROWS, Secrecy},
};
use futures::channel::oneshot;
use primitives::{BlobRoot, Epoch};
use std::{io, time::Duration};
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
    /// Seed of the epoch's shuffles.
    pub beacon: DealtBeacon,
}

impl Blobs for NetworkBlobs {
    fn chain_id(&self) -> u64 {
        self.peer.domain.chain_id
    }

    async fn publish(&self, payload: Payload) -> Result<Publication, PublishError> {
        let Payload { bytes, room } = payload;
        let committee = Committee::read(&self.provider, self.beacon)
            .await
            .map_err(|error| failed("read the committee", error))?;
        let height = self
            .provider
            .height()
            .await
            .map_err(|error| failed("read the height of the chain", error))?;
        let meta = Meta {
            name: String::new(),
            content_type: "application/octet-stream".into(),
        };
        let request = encode::Request {
            owner: self.provider.account(),
            epoch: committee.epoch(),
            expiry_block: expiry_block(height),
            meta: meta.to_bytes().expect("a content type of 24 bytes fits"),
            privacy: Privacy::Public,
        };
        let mut rng = self.context.child("coding");
        // The room goes along: the bytes are in memory until this ends, even when nobody waits for it any more.
        let coding = move || (CodedBlob::encode(&mut rng, bytes, request), room);
        let (blob, room) = tokio::task::spawn_blocking(coding)
            .await
            .map_err(|error| failed("code the payload", error))?;
        let blob = blob.map_err(|error| failed("code the payload", error))?;
        let root = blob.head().root();

        let (ended, end) = oneshot::channel();
        let publisher = Publisher {
            provider: self.provider.clone(),
            peer: self.peer.clone(),
            committee,
            blob,
            room,
        };
        self.context
            .child("publication")
            .spawn(move |context| publisher.run(context, ended));
        let outcome = async {
            end.await
                .unwrap_or_else(|_| Err(failed("publish", Cause::from("the node stopped"))))
        };
        Ok(Publication {
            root,
            outcome: Box::pin(outcome),
        })
    }

    async fn find(&self, root: BlobRoot) -> Result<Option<Published>, FindError> {
        find(&self.provider, &self.peer.domain, root).await
    }

    async fn read(&self, blob: Published) -> Result<Vec<u8>, ReadError> {
        let (root, expiry_block) = (blob.root, blob.expiry_block);
        let unavailable = |source: Cause| ReadError::Unavailable { root, source };
        let committee = Committee::read(&self.provider, self.beacon)
            .await
            .map_err(|error| unavailable(error.into()))?;
        let record = Record::read(&self.provider, &self.peer.domain, root)
            .await
            .map_err(|error| unavailable(error.into()))?;
        let added = record
            .read_added(&self.provider, &self.peer.domain)
            .await
            .map_err(|error| unavailable(error.into()))?;
        let retrieved = match da::retrieve(&self.context, &self.peer, &committee, &record, &added, |_| {}).await {
            Ok(retrieved) => retrieved,
            // Tried even so, because operators delete when they come to it.
            Err(_) if self.provider.height().await.is_ok_and(|height| height > expiry_block) => {
                return Err(ReadError::Expired { root, expiry_block });
            }
            Err(error) => return Err(unavailable(error.into())),
        };
        if !matches!(retrieved.params().secrecy, Secrecy::Public) {
            return Err(ReadError::Sealed { root });
        }
        retrieved.open(None).map_err(|error| unavailable(error.into()))
    }
}

/// The block after which a payload sent at `height` may be deleted.
fn expiry_block(height: u64) -> u64 {
    (height + RETENTION_BLOCKS).next_multiple_of(EXPIRY_STEP_BLOCKS)
}

fn failed(what: &'static str, source: impl Into<Cause>) -> PublishError {
    let source = source.into();
    PublishError::Failed { what, source }
}

async fn find(provider: &impl Provider, domain: &Domain, root: BlobRoot) -> Result<Option<Published>, FindError> {
    let blob = read(provider, domain.entrance, &DAEntrance::blobCall { root: root.0 })
        .await
        .map_err(|source| FindError {
            root,
            source: source.into(),
        })?;
    Ok((blob.certifiedBlock != 0).then_some(Published {
        root,
        epoch: Epoch(blob.epoch),
        certified_block: blob.certifiedBlock,
        expiry_block: blob.expiryBlock,
        length: blob.length,
    }))
}

/// One payload on its way to the operators and the chain.
struct Publisher {
    provider: LedgerProvider,
    peer: Peer,
    committee: Committee,
    blob: CodedBlob,
    room: Room,
}

impl Publisher {
    /// Tells `ended` as soon as the certificate is final, and ends when no row is in memory any more: until then the room is taken.
    async fn run(self, context: Context, ended: oneshot::Sender<Result<Published, PublishError>>) {
        let published = self.publish(&context).await;
        let _ = ended.send(published);
        let Self { blob, room, .. } = self;
        // One row of each half: a delivery that still goes on shares their memory.
        let rows = [0, DATA_ROWS].map(|row| blob.row(row).bytes().clone());
        drop(blob);
        let begun = context.current();
        while !rows.iter().all(|row| row.is_unique())
            && context.current().duration_since(begun).unwrap_or_default() < BEHIND_TIMEOUT
        {
            context.sleep(BEHIND_POLL).await;
        }
        // Deliveries are this task's children: those that still stand are ended with it.
        drop(room);
    }

    async fn publish(&self, context: &Context) -> Result<Published, PublishError> {
        let (domain, root) = (&self.peer.domain, self.blob.head().root());
        let find = async || {
            find(&self.provider, domain, root)
                .await
                .map_err(|error| failed("look for the certificate", error))
        };
        if let Some(published) = find().await? {
            return Ok(published);
        }
        let certificate = da::disperse(context, &self.peer, &self.committee, &self.blob, |_| {})
            .await
            .map_err(|error| match error {
                DisperseError::NoQuorum { .. } => PublishError::NoQuorum {
                    root,
                    source: error.into(),
                },
                error => failed("send the rows", error),
            })?;
        let height = self
            .provider
            .height()
            .await
            .map_err(|error| failed("read the height of the chain", error))?;
        let params = &certificate.header().params;
        let blocks = params.expiry_block.saturating_sub(height);
        let cost = catalogue::cost(&self.provider, params.shape, params.length, blocks)
            .await
            .map_err(|error| failed("ask the price", error))?;
        let submission = certificate.submission(domain, &self.committee, cost.fee_wei);
        let sent = self.provider.send(submission).await;
        // Also after an error: the same payload may have been recorded for another client, or this one's answer be late.
        match (find().await?, sent) {
            (Some(published), _) => Ok(published),
            (None, Err(error)) => Err(failed("record the certificate", error)),
            (None, Ok(mined)) => {
                let text = format!("transaction {} is final and the blob is not recorded", mined.hash);
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
    /// Listens on those of `ports` that the network's file names.
    ///
    /// # Errors
    ///
    /// What the system says, with what was tried, when a port is taken.
    pub async fn start(blobs: NetworkBlobs, ports: Ports) -> Result<Self, (&'static str, u16, io::Error)> {
        let gateway = Gateway::new(blobs, Memory::new(Memory::DEFAULT_BYTES));
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
            let server = disperser::serve(listener, Disperser::new(gateway), CONNECTIONS_MAX, stopped());
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
