//! Where marshal keeps final blocks and their certificates until the ledger has them, and for peers that missed them; and the last epoch
//! that this node voted in.

use super::{Runtime, Scheme};
use crate::block::{Block, BlockDigest};
use commonware_consensus::{simplex::types::Finalization, types::Epoch};
use commonware_cryptography::certificate::Verifier as _;
use commonware_runtime::{
    BLOB_PAGE_SIZE,
    buffer::paged::{CacheRef, page_size},
};
use commonware_storage::{
    archive::{Error, immutable},
    metadata::{self, Metadata},
};
use commonware_utils::{NZU64, NZUsize, sequence::U64};
use std::{
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
};

/// Journal pages kept in memory, 4 KiB each.
const CACHE_PAGES: NonZeroUsize = NZUsize!(1024);
/// Bytes gathered before a journal is written.
pub(super) const WRITE_BUFFER_BYTES: NonZeroUsize = NZUsize!(64 << 10);
/// Bytes read at a time while a journal is replayed.
pub(super) const REPLAY_BUFFER_BYTES: NonZeroUsize = NZUsize!(256 << 10);
/// Entries of a section: what is committed, and pruned, at a time.
const ITEMS_PER_SECTION: NonZeroU64 = NZU64!(1 << 16);
/// First size of the hash table from digest to height; it doubles as it fills.
const TABLE_SLOTS: u32 = 1 << 12;
/// Share of the table that grows at a time.
const TABLE_RESIZE_CHUNK: u32 = 1 << 8;
/// Entries a slot collects before the table grows.
const TABLE_RESIZE_FREQUENCY: u8 = 4;
/// Bytes after which a new file of values begins.
const VALUE_FILE_BYTES: u64 = 256 << 20;

pub(super) type FinalizedBlocks<E> = immutable::Archive<E, BlockDigest, Arc<Block>>;
pub(super) type Finalizations<E> = immutable::Archive<E, BlockDigest, Finalization<Scheme, BlockDigest>>;

pub(super) fn page_cache() -> CacheRef {
    CacheRef::new(page_size(BLOB_PAGE_SIZE), CACHE_PAGES)
}

fn config<C>(prefix: &str, name: &str, cache: &CacheRef, codec_config: C) -> immutable::Config<C> {
    let partition = |part: &str| format!("{prefix}-{name}-{part}");
    immutable::Config {
        metadata_partition: partition("metadata"),
        freezer_table_partition: partition("table"),
        freezer_table_initial_size: TABLE_SLOTS,
        freezer_table_resize_frequency: TABLE_RESIZE_FREQUENCY,
        freezer_table_resize_chunk_size: TABLE_RESIZE_CHUNK,
        freezer_key_partition: partition("key"),
        freezer_key_page_cache: cache.clone(),
        freezer_value_partition: partition("value"),
        freezer_value_target_size: VALUE_FILE_BYTES,
        freezer_value_compression: None,
        ordinal_partition: partition("ordinal"),
        items_per_section: ITEMS_PER_SECTION,
        freezer_key_write_buffer: WRITE_BUFFER_BYTES,
        freezer_value_write_buffer: WRITE_BUFFER_BYTES,
        ordinal_write_buffer: WRITE_BUFFER_BYTES,
        replay_buffer: REPLAY_BUFFER_BYTES,
        codec_config,
    }
}

pub(super) async fn finalized_blocks<E: Runtime>(
    context: E,
    prefix: &str,
    cache: &CacheRef,
) -> Result<FinalizedBlocks<E>, Error> {
    immutable::Archive::init(context, config(prefix, "blocks", cache, ())).await
}

pub(super) async fn finalizations<E: Runtime>(
    context: E,
    prefix: &str,
    cache: &CacheRef,
) -> Result<Finalizations<E>, Error> {
    let codec = Scheme::certificate_codec_config_unbounded();
    immutable::Archive::init(context, config(prefix, "finalizations", cache, codec)).await
}

/// The last epoch that this node voted in, durable before its first vote there.
///
/// Votes of epochs long past are deleted. Whoever gets all blocks anew, because its ledger was damaged, comes through those epochs again, and must not
/// vote in them: it could contradict itself.
pub(super) struct LastVoted<E: Runtime>(Metadata<E, U64, Epoch>);

impl<E: Runtime> LastVoted<E> {
    pub(super) async fn open(context: E, prefix: &str) -> Result<Self, metadata::Error> {
        let config = metadata::Config {
            partition: format!("{prefix}-simplex-last"),
            codec_config: (),
        };
        Metadata::init(context, config).await.map(Self)
    }

    /// Whether this node voted in no later epoch than `epoch`.
    pub(super) fn allows(&self, epoch: Epoch) -> bool {
        self.0.get(&Self::KEY).is_none_or(|last| *last <= epoch)
    }

    /// This node is about to vote in `epoch`.
    pub(super) async fn record(self, epoch: Epoch) -> Result<Self, metadata::Error> {
        if self.0.get(&Self::KEY) == Some(&epoch) {
            return Ok(self);
        }
        self.0.put_sync(Self::KEY, epoch).await.map(Self)
    }

    /// The only entry.
    const KEY: U64 = U64::new(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_runtime::{Runner as _, Supervisor as _, deterministic};

    /// Without it, a node that lost its ledger would vote again in epochs whose votes it deleted.
    #[test]
    fn a_node_votes_in_no_epoch_before_the_last_it_voted_in_even_after_a_restart() {
        deterministic::Runner::default().start(|context| async move {
            let fresh = LastVoted::open(context.child("first"), "node").await.unwrap();
            assert!(fresh.allows(Epoch::zero()));
            drop(fresh.record(Epoch::new(3)).await.unwrap());
            let again = LastVoted::open(context.child("second"), "node").await.unwrap();
            assert!(!again.allows(Epoch::new(2)));
            assert!(again.allows(Epoch::new(3)) && again.allows(Epoch::new(4)));
        });
    }
}
