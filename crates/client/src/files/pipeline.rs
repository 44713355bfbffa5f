//! Stripes of a large object on their way: a few at a time, in order, whatever its length.

use da::object::Part;
use futures::{StreamExt, stream};
use primitives::BlobRoot;
use std::{
    future::Future,
    io::{self, Read, Write},
};

/// Stripes that are stored at a time: one is read and coded while the rows of another go out and a third is recorded on chain. Each
/// takes four times its length.
pub(super) const STORING_MAX: usize = 3;

/// Stripes that are read at a time: the next two are fetched while one is written. Each takes twice its length.
pub(super) const READING_MAX: usize = 3;

/// Where stripes go to and come from.
pub(super) trait Stripes {
    /// Why one did not.
    type Error: From<io::Error>;
    /// What is known of a stripe that was stored.
    type Stored;

    /// Stores stripe `stripe`; returns when no memory is taken by it any more.
    fn store(&self, stripe: u32, bytes: Vec<u8>) -> impl Future<Output = Result<Self::Stored, Self::Error>>;

    /// Reads a part of a stripe.
    fn load(&self, part: Part) -> impl Future<Output = Result<Vec<u8>, Self::Error>>;
}

/// Stores what `source` gives, from stripe `first` on, `lengths` bytes each, and tells `stored` of each stripe in order.
pub(super) async fn store<S: Stripes>(
    stripes: &S,
    source: &mut impl Read,
    first: u32,
    lengths: impl Iterator<Item = usize>,
    mut stored: impl FnMut(S::Stored) -> Result<(), S::Error>,
) -> Result<(), S::Error> {
    let storing = stream::iter((first..).zip(lengths)).map(|(stripe, length)| {
        // Read when its turn comes, not before.
        let mut bytes = vec![0; length];
        let read = source.read_exact(&mut bytes);
        async move {
            read?;
            stripes.store(stripe, bytes).await
        }
    });
    let mut storing = std::pin::pin!(storing.buffered(STORING_MAX));
    while let Some(result) = storing.next().await {
        stored(result?)?;
    }
    Ok(())
}

/// Writes `parts` to `sink` in order, and tells `written` of the length of each.
pub(super) async fn load<S: Stripes>(
    stripes: &S,
    parts: impl Iterator<Item = Part>,
    sink: &mut impl Write,
    mut written: impl FnMut(u64),
) -> Result<(), S::Error> {
    let loading = stream::iter(parts).map(|part| stripes.load(part)).buffered(READING_MAX);
    let mut loading = std::pin::pin!(loading);
    while let Some(bytes) = loading.next().await {
        let bytes = bytes?;
        sink.write_all(&bytes)?;
        written(bytes.len() as u64);
    }
    sink.flush()?;
    Ok(())
}

/// A stripe that was stored: its blob, and what it cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredStripe {
    pub(super) root: BlobRoot,
    pub(super) fee_wei: primitives::U256,
    pub(super) gas_used: u64,
}
