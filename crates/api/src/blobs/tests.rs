//! A [`Blobs`] that keeps payloads in memory under the network's names, and does what a test tells it to.

use super::*;
use primitives::{Digest, Epoch};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
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
    /// Another quorum keeps it, so that its root is another.
    Moved,
}

/// The root of a blob that another quorum keeps than the one it was coded for.
pub(crate) fn moved(root: BlobRoot) -> BlobRoot {
    BlobRoot(Digest::of(root.as_bytes()).0)
}

/// Payloads by name, with what the chain would say of them.
#[derive(Clone)]
pub(crate) struct Shelf(Arc<Inner>);

/// What the chain says, and the payload until it is lost.
struct Kept {
    published: Published,
    media_type: Cow<'static, str>,
    bytes: Option<Vec<u8>>,
}

struct Inner {
    /// By parts, asked for in all.
    bytes_read: AtomicU64,
    fate: Mutex<Fate>,
    kept: Mutex<HashMap<BlobRoot, Kept>>,
    /// Roots of what was moved, by purchase.
    purchases: Mutex<HashMap<Purchase, BlobRoot>>,
    /// Whether nothing is left of what was promised before.
    settled: AtomicBool,
    height: AtomicU64,
    /// When set, publications wait for [`Shelf::release`].
    held: Mutex<Option<Arc<Notify>>>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            bytes_read: AtomicU64::new(0),
            fate: Mutex::new(Fate::Certified),
            kept: Mutex::default(),
            purchases: Mutex::default(),
            settled: AtomicBool::new(true),
            height: AtomicU64::new(100),
            held: Mutex::default(),
        }))
    }

    pub(crate) fn gateway(&self) -> Gateway<Self> {
        self.gathering(Duration::from_millis(1))
    }

    /// A gateway whose slots are so long.
    pub(crate) fn gathering(&self, slot: Duration) -> Gateway<Self> {
        Gateway::new(self.clone(), Memory::new(Memory::DEFAULT_BYTES), slot)
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

    /// Whether promises from before this moment may still be kept.
    pub(crate) fn settle(&self, settled: bool) {
        self.0.settled.store(settled, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.kept.lock().unwrap().len()
    }
}

impl Blobs for Shelf {
    fn chain_id(&self) -> u64 {
        CHAIN_ID
    }

    fn payer(&self) -> Address {
        Address::repeat_byte(9)
    }

    async fn publish(&self, payload: Payload) -> Result<Publication, PublishError> {
        let root = BlobRoot(Digest::of(&payload.bytes).0);
        let (shelf, fate) = (self.clone(), *self.0.fate.lock().unwrap());
        let held = self.0.held.lock().unwrap().clone();
        let purchase = (fate == Fate::Moved).then(|| Purchase(Digest::of(b"but for its committee")));
        let outcome = async move {
            if let Some(held) = held {
                held.notified().await;
            }
            let source = cause("as the test said");
            match fate {
                Fate::NoQuorum => return Err(PublishError::NoQuorum { root, source }),
                Fate::Failed => {
                    return Err(PublishError::Failed {
                        what: "pay the fee",
                        source,
                    });
                }
                Fate::Certified | Fate::Moved => {}
            }
            let kept_as = match fate {
                Fate::Moved => moved(root),
                _ => root,
            };
            if let Some(purchase) = purchase {
                shelf.0.purchases.lock().unwrap().insert(purchase, kept_as);
            }
            let height = shelf.0.height.load(Ordering::Relaxed);
            let published = Published {
                root: kept_as,
                committee: CommitteeId::first(EPOCH),
                certified_block: height,
                expiry_block: height + 1000,
                length: payload.bytes.len() as u64,
            };
            let mut kept = shelf.0.kept.lock().unwrap();
            let new = Kept {
                published,
                media_type: payload.media_type,
                bytes: Some(payload.bytes),
            };
            Ok(kept.entry(kept_as).or_insert(new).published)
        };
        // The work goes on when nobody waits for it.
        let task = tokio::spawn(outcome);
        let outcome = Box::pin(async move { task.await.unwrap() });
        Ok(Publication {
            root,
            purchase,
            outcome,
        })
    }

    async fn find(&self, root: BlobRoot) -> Result<Option<Published>, FindError> {
        Ok(self.0.kept.lock().unwrap().get(&root).map(|kept| kept.published))
    }

    async fn purchased(&self, payer: Address, purchase: Purchase) -> Result<Option<BlobRoot>, FindError> {
        let own = payer == self.payer();
        let purchases = self.0.purchases.lock().unwrap();
        Ok(purchases.get(&purchase).filter(|_| own).copied())
    }

    async fn is_settled(&self) -> Result<bool, FindError> {
        Ok(self.0.settled.load(Ordering::Relaxed))
    }

    async fn read(&self, blob: Published) -> Result<Vec<u8>, ReadError> {
        let (root, expiry_block) = (blob.root, blob.expiry_block);
        if let Some(Kept { bytes: Some(bytes), .. }) = self.0.kept.lock().unwrap().get(&root) {
            return Ok(bytes.clone());
        }
        if self.0.height.load(Ordering::Relaxed) > expiry_block {
            return Err(ReadError::Expired { root, expiry_block });
        }
        let source = cause("too few rows");
        Err(ReadError::Unavailable { root, source })
    }

    async fn read_range(&self, blob: Published, range: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let bytes = self.read(blob).await?;
        self.0.bytes_read.fetch_add(range.end - range.start, Ordering::Relaxed);
        let end = range.end.min(blob.length);
        Ok(bytes[range.start.min(end) as usize..end as usize].to_vec())
    }

    async fn meta(&self, blob: Published) -> Result<Option<Meta>, ReadError> {
        let kept = self.0.kept.lock().unwrap();
        let content_type = kept.get(&blob.root).map(|kept| kept.media_type.clone().into_owned());
        Ok(content_type.map(|content_type| Meta {
            name: String::new(),
            content_type,
        }))
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

/// Publishes `payload`, and gives its name and what became of it.
async fn publish(gateway: &Gateway<Shelf>, payload: &[u8]) -> (Name, Result<Published, PublishError>) {
    let payload = Payload {
        bytes: payload.to_vec(),
        media_type: OCTETS.into(),
        room: gateway.memory().to_publish(payload.len() as u64).await.unwrap(),
    };
    let naming = gateway.publish(payload).await.unwrap();
    (naming.name, naming.outcome.await)
}

/// Long enough that what is sent at once is in one slot, also on a busy machine.
const LONG: Duration = Duration::from_millis(300);

#[tokio::test]
async fn payloads_of_one_moment_share_a_blob_and_each_reads_back_just_its_own() {
    let shelf = Shelf::new();
    let gateway = shelf.gathering(LONG);
    let payloads: Vec<Vec<u8>> = (0..100u32).map(|number| number.to_be_bytes().repeat(250)).collect();
    let published = futures::future::join_all(payloads.iter().map(|payload| publish(&gateway, payload))).await;
    assert_eq!(shelf.count(), 1, "one certificate");
    for (number, (name, outcome)) in (0..).zip(&published) {
        assert_eq!(name.item, Some(number));
        let read = gateway.read(*outcome.as_ref().unwrap(), name.item).await.unwrap();
        assert_eq!(read, payloads[number as usize]);
    }
    // An index and an item each, not the bundle.
    assert_eq!(shelf.0.bytes_read.load(Ordering::Relaxed), 100 * (4096 + 1000));
    assert_eq!(gateway.memory().free.available_permits(), gateway.memory().kib as usize);

    let (name, blob) = &published[0];
    let missing = gateway.read(*blob.as_ref().unwrap(), Some(100)).await;
    assert!(matches!(missing, Err(ReadError::Item { item: 100, .. })));
    assert_eq!(name.root, published[99].0.root);
}

#[tokio::test]
async fn a_payload_alone_has_the_blob_and_its_name_to_itself() {
    let shelf = Shelf::new();
    let gateway = shelf.gateway();
    let (name, outcome) = publish(&gateway, b"alone").await;
    assert_eq!(
        name,
        Name {
            root: outcome.unwrap().root,
            item: None
        }
    );
    assert_eq!(name.root, BlobRoot(Digest::of(b"alone").0));
    // What is large is published at once, and is no bundle.
    let large = vec![7; BUNDLED_BYTES_MAX as usize + 1];
    let (name, outcome) = publish(&shelf.gathering(Duration::MAX), &large).await;
    assert_eq!((name.item, outcome.unwrap().length), (None, large.len() as u64));
}

#[tokio::test]
async fn the_same_payload_keeps_its_name_and_one_that_failed_is_tried_again() {
    let shelf = Shelf::new();
    let gateway = shelf.gathering(LONG);
    let (first, other, again) = tokio::join!(
        publish(&gateway, b"a"),
        publish(&gateway, b"b"),
        publish(&gateway, b"a")
    );
    assert_eq!((first.0, other.0.item), (again.0, Some(1)));
    let (later, outcome) = publish(&gateway, b"a").await;
    assert_eq!((later, outcome.unwrap()), (first.0, first.1.unwrap()));
    assert_eq!(shelf.count(), 1);

    shelf.decide(Fate::NoQuorum);
    let (x, y) = tokio::join!(publish(&gateway, b"x"), publish(&gateway, b"y"));
    for (_, outcome) in [&x, &y] {
        assert!(matches!(outcome, Err(PublishError::NoQuorum { .. })));
    }
    shelf.decide(Fate::Certified);
    publish(&gateway, b"x").await.1.unwrap();
}

#[tokio::test]
async fn a_full_slot_is_sent_at_once_and_another_opens() {
    let shelf = Shelf::new();
    // Nobody waits for this slot to end.
    let gateway = shelf.gathering(Duration::from_secs(3600));
    let full = (0..64u8).map(|number| vec![number; BUNDLED_BYTES_MAX as usize]);
    let payloads: Vec<Vec<u8>> = full.chain([vec![64; 1000]]).collect();
    let mut under_way: futures::stream::FuturesUnordered<_> =
        payloads.iter().map(|payload| publish(&gateway, payload)).collect();
    for _ in 0..64 {
        let (name, outcome) = futures::StreamExt::next(&mut under_way).await.unwrap();
        assert!(name.item.is_some() && outcome.unwrap().root == name.root);
    }
    assert_eq!(shelf.count(), 1);
}
