//! A [`Blobs`] that keeps payloads in memory under the network's names, and does what a test tells it to.

use super::*;
use primitives::Digest;
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

pub(crate) const CHAIN_ID: u64 = primitives::CHAIN_ID;
pub(crate) const EPOCH: Epoch = Epoch(3);

/// What becomes of the next publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Certified,
    NoQuorum,
    Failed,
}

/// Payloads by name, with what the chain would say of them.
#[derive(Clone)]
pub(crate) struct Shelf(Arc<Inner>);

/// What the chain says, and the payload until it is lost.
struct Kept {
    published: Published,
    bytes: Option<Vec<u8>>,
}

struct Inner {
    fate: Mutex<Fate>,
    kept: Mutex<HashMap<BlobRoot, Kept>>,
    height: AtomicU64,
    /// When set, publications wait for [`Shelf::release`].
    held: Mutex<Option<Arc<Notify>>>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            fate: Mutex::new(Fate::Certified),
            kept: Mutex::default(),
            height: AtomicU64::new(100),
            held: Mutex::default(),
        }))
    }

    pub(crate) fn gateway(&self) -> Gateway<Self> {
        Gateway::new(self.clone(), Memory::new(Memory::DEFAULT_BYTES))
    }

    pub(crate) fn decide(&self, fate: Fate) {
        *self.0.fate.lock().unwrap() = fate;
    }

    /// Publications wait from now on.
    pub(crate) fn hold(&self) {
        *self.0.held.lock().unwrap() = Some(Arc::default());
    }

    /// The publication that waits goes on, or the next one does not wait.
    pub(crate) fn release(&self) {
        if let Some(held) = &*self.0.held.lock().unwrap() {
            held.notify_one();
        }
    }

    /// The rows of a blob are gone; its certificate stays.
    pub(crate) fn lose(&self, root: BlobRoot) {
        self.0.kept.lock().unwrap().get_mut(&root).unwrap().bytes = None;
    }

    pub(crate) fn rise_to(&self, height: u64) {
        self.0.height.store(height, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.kept.lock().unwrap().len()
    }
}

impl Blobs for Shelf {
    fn chain_id(&self) -> u64 {
        CHAIN_ID
    }

    async fn publish(&self, payload: Payload) -> Result<Publication, PublishError> {
        let root = BlobRoot(Digest::of(&payload.bytes).0);
        let (shelf, fate) = (self.clone(), *self.0.fate.lock().unwrap());
        let held = self.0.held.lock().unwrap().clone();
        let outcome = async move {
            if let Some(held) = held {
                held.notified().await;
            }
            let source = Cause::from("as the test said");
            match fate {
                Fate::NoQuorum => return Err(PublishError::NoQuorum { root, source }),
                Fate::Failed => {
                    return Err(PublishError::Failed {
                        what: "pay the fee",
                        source,
                    });
                }
                Fate::Certified => {}
            }
            let height = shelf.0.height.load(Ordering::Relaxed);
            let published = Published {
                root,
                epoch: EPOCH,
                certified_block: height,
                expiry_block: height + 1000,
                length: payload.bytes.len() as u64,
            };
            let bytes = Some(payload.bytes);
            let mut kept = shelf.0.kept.lock().unwrap();
            Ok(kept.entry(root).or_insert(Kept { published, bytes }).published)
        };
        // The work goes on when nobody waits for it.
        let task = tokio::spawn(outcome);
        let outcome = Box::pin(async move { task.await.unwrap() });
        Ok(Publication { root, outcome })
    }

    async fn find(&self, root: BlobRoot) -> Result<Option<Published>, FindError> {
        Ok(self.0.kept.lock().unwrap().get(&root).map(|kept| kept.published))
    }

    async fn read(&self, blob: Published) -> Result<Vec<u8>, ReadError> {
        let (root, expiry_block) = (blob.root, blob.expiry_block);
        if let Some(Kept { bytes: Some(bytes), .. }) = self.0.kept.lock().unwrap().get(&root) {
            return Ok(bytes.clone());
        }
        if self.0.height.load(Ordering::Relaxed) > expiry_block {
            return Err(ReadError::Expired { root, expiry_block });
        }
        let source = "too few rows".into();
        Err(ReadError::Unavailable { root, source })
    }
}

#[tokio::test]
async fn a_payload_waits_for_memory_and_is_told_to_come_back_when_none_comes_free() {
    let memory = Memory {
        patience: Duration::from_millis(1),
        ..Memory::new(300 * MIB)
    };
    let first = memory.to_publish(PAYLOAD_BYTES_MAX).await.unwrap();
    let second = memory.to_publish(PAYLOAD_BYTES_MAX).await.unwrap();
    assert_eq!(memory.to_publish(PAYLOAD_BYTES_MAX).await.unwrap_err(), Busy);
    drop(first);
    let mut third = memory.to_publish(PAYLOAD_BYTES_MAX).await.unwrap();
    // A payload that turns out to be small leaves the rest to others.
    third.fit(1000);
    let fourth = memory.to_publish(PAYLOAD_BYTES_MAX).await.unwrap();
    drop((second, third, fourth));
    assert_eq!(memory.free.available_permits(), memory.kib as usize);
}

#[tokio::test]
async fn a_blob_larger_than_all_the_memory_is_read_alone_and_not_refused_for_ever() {
    let memory = Memory::new(MIB);
    let alone = memory.to_read(128 * MIB).await.unwrap();
    assert_eq!(memory.free.available_permits(), 0);
    drop(alone);
    assert!(memory.to_read(1).await.is_ok());
}
