//! The pipeline of stripes over a network that is a map, and the state of an upload.

use super::{
    pipeline::{self, READING_MAX, STORING_MAX, Stripes},
    upload::Upload,
};
use commonware_codec::{Copying, DecodeExt, Encode};
use crypto::stream::Key;
use da::{
    Meta,
    object::{Manifest, Part},
};
use futures::executor::block_on;
use primitives::{BlobRoot, Digest, U256};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io::{self, Read},
};

const STRIPE: usize = 1000;

/// Keeps stripes by their digest, counts those that are in memory at a time, and breaks when it is told to.
#[derive(Default)]
struct Shelf {
    kept: RefCell<HashMap<BlobRoot, Vec<u8>>>,
    live: Cell<usize>,
    live_most: Cell<usize>,
    stored: RefCell<Vec<u32>>,
    loaded: RefCell<Vec<u32>>,
    broken_at: Cell<Option<u32>>,
}

impl Shelf {
    fn begin(&self) {
        self.live.set(self.live.get() + 1);
        self.live_most.set(self.live_most.get().max(self.live.get()));
    }

    fn check(&self, stripe: u32) -> io::Result<()> {
        match self.broken_at.get() {
            Some(broken) if broken == stripe => Err(io::Error::other("the line went dead")),
            _ => Ok(()),
        }
    }

    /// Lets other stripes go first.
    async fn pause(turns: u32) {
        let mut left = turns;
        futures::future::poll_fn(|context| {
            if left == 0 {
                return std::task::Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
}

impl Stripes for Shelf {
    type Error = io::Error;
    type Stored = (BlobRoot, Digest);

    async fn store(&self, stripe: u32, bytes: Vec<u8>) -> io::Result<(BlobRoot, Digest)> {
        self.begin();
        // The first of three takes longest: they end in another order than they began.
        Self::pause(2 * (3 - stripe % 3)).await;
        self.live.set(self.live.get() - 1);
        self.check(stripe)?;
        let digest = Digest::of(&bytes);
        let root = BlobRoot(digest.0);
        self.stored.borrow_mut().push(stripe);
        self.kept.borrow_mut().insert(root, bytes);
        Ok((root, digest))
    }

    async fn load(&self, part: Part) -> io::Result<Vec<u8>> {
        self.begin();
        Self::pause(2 * (3 - part.stripe % 3)).await;
        self.live.set(self.live.get() - 1);
        self.check(part.stripe)?;
        self.loaded.borrow_mut().push(part.stripe);
        Ok(self.kept.borrow()[&part.root][part.range.start as usize..part.range.end as usize].to_vec())
    }
}

/// A file that counts how far ahead of what is certified it was read.
struct Counting<'a> {
    bytes: &'a [u8],
    read: usize,
    ahead_most: usize,
    certified: &'a Cell<usize>,
}

impl Read for Counting<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let length = (&self.bytes[self.read..]).read(buf)?;
        self.read += length;
        self.ahead_most = self.ahead_most.max(self.read - self.certified.get() * STRIPE);
        Ok(length)
    }
}

fn file(length: usize) -> Vec<u8> {
    (0..length as u32).flat_map(u32::to_le_bytes).take(length).collect()
}

/// Stores `bytes` from stripe `first` on; the stripes that were certified.
fn store(shelf: &Shelf, bytes: &[u8], first: usize) -> (Vec<BlobRoot>, usize, io::Result<()>) {
    let (certified, mut roots) = (Cell::new(first), Vec::new());
    let mut source = Counting {
        bytes,
        read: first * STRIPE,
        ahead_most: 0,
        certified: &certified,
    };
    let lengths = bytes[first * STRIPE..].chunks(STRIPE).map(<[u8]>::len);
    let stored = pipeline::store(shelf, &mut source, first as u32, lengths, |(root, _)| {
        certified.set(certified.get() + 1);
        roots.push(root);
        Ok(())
    });
    let result = block_on(stored);
    (roots, source.ahead_most, result)
}

#[test]
fn a_file_of_any_length_passes_with_three_stripes_in_memory_both_ways() {
    for length in [1, STRIPE, 10 * STRIPE, 57 * STRIPE + 3] {
        let (shelf, bytes) = (Shelf::default(), file(length));
        let (roots, ahead_most, stored) = store(&shelf, &bytes, 0);
        stored.unwrap();
        assert!(shelf.live_most.get() <= STORING_MAX && ahead_most <= STORING_MAX * STRIPE);
        assert!(
            length < 10 * STRIPE || shelf.live_most.get() == STORING_MAX,
            "side by side"
        );
        let manifest = Manifest::new(length as u64, STRIPE as u32, Meta::default(), roots).unwrap();
        shelf.live_most.set(0);
        let mut back = Vec::new();
        block_on(pipeline::load(&shelf, manifest.parts(0..u64::MAX), &mut back, |_| {})).unwrap();
        assert!(back == bytes && shelf.live_most.get() <= READING_MAX);
    }
}

#[test]
fn a_range_touches_only_the_stripes_that_it_is_in() {
    let (shelf, bytes) = (Shelf::default(), file(20 * STRIPE));
    let (roots, ..) = store(&shelf, &bytes, 0);
    let manifest = Manifest::new(bytes.len() as u64, STRIPE as u32, Meta::default(), roots).unwrap();
    let (mut back, mut written) = (Vec::new(), 0);
    block_on(pipeline::load(&shelf, manifest.parts(2500..4001), &mut back, |bytes| {
        written += bytes;
    }))
    .unwrap();
    assert!(back == bytes[2500..4001] && written == 1501);
    shelf.loaded.borrow_mut().sort_unstable();
    assert_eq!(*shelf.loaded.borrow(), [2, 3, 4]);
}

/// Wherever it breaks off, what was certified is not sent again, and the object is the same as without a break.
#[test]
fn an_upload_that_broke_off_goes_on_behind_the_last_certified_stripe() {
    let bytes = file(9 * STRIPE + 1);
    let (whole, ..) = store(&Shelf::default(), &bytes, 0);
    for broken in 0..10 {
        let shelf = Shelf::default();
        shelf.broken_at.set(Some(broken));
        let (mut roots, _, result) = store(&shelf, &bytes, 0);
        result.unwrap_err();
        assert_eq!(roots.len(), broken as usize, "those before it, in order");
        shelf.broken_at.set(None);
        shelf.stored.borrow_mut().clear();
        let (rest, _, result) = store(&shelf, &bytes, roots.len());
        result.unwrap();
        assert!(shelf.stored.borrow().iter().all(|stripe| *stripe >= broken));
        roots.extend(rest);
        assert_eq!(roots, whole);
    }
}

/// What was written before a break is right, so that reading goes on behind it.
#[test]
fn a_download_that_broke_off_goes_on_where_it_was() {
    let (shelf, bytes) = (Shelf::default(), file(9 * STRIPE + 1));
    let (roots, ..) = store(&shelf, &bytes, 0);
    let manifest = Manifest::new(bytes.len() as u64, STRIPE as u32, Meta::default(), roots).unwrap();
    shelf.broken_at.set(Some(5));
    let mut back = Vec::new();
    block_on(pipeline::load(&shelf, manifest.parts(0..u64::MAX), &mut back, |_| {})).unwrap_err();
    assert!(back == bytes[..5 * STRIPE]);
    shelf.broken_at.set(None);
    shelf.loaded.borrow_mut().clear();
    let rest = manifest.parts(back.len() as u64..u64::MAX);
    block_on(pipeline::load(&shelf, rest, &mut back, |_| {})).unwrap();
    assert!(back == bytes && shelf.loaded.borrow().iter().all(|stripe| *stripe >= 5));
}

#[test]
fn the_state_of_an_upload_reads_back_and_damage_to_it_never_panics() {
    let upload = |key| Upload {
        length: 2500,
        stripe_bytes: 1000,
        expiry_block: 77,
        key,
        fee_wei: U256::from(5),
        gas_used: 6,
        stripes: vec![(BlobRoot::from([1; 32]), Digest::of(b"1")); 2],
    };
    for key in [None, Some(Key::from_bytes([9; 32]))] {
        let bytes = upload(key).encode();
        let read = Upload::decode(bytes.clone()).unwrap();
        assert_eq!(read.encode(), bytes);
        assert_eq!((read.stripes(), read.stripes_done()), (3, 2));
        for place in 0..bytes.len() {
            assert!(Upload::decode(Copying(&bytes[..place])).is_err());
            let mut damaged = bytes.to_vec();
            damaged[place] ^= 0x81;
            if let Ok(read) = Upload::decode(Copying(&damaged)) {
                assert_eq!(read.encode(), damaged);
            }
        }
    }
}
