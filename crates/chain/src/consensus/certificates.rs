//! The certificates of final blocks, for who asks a node for proofs.

use super::{Blocks, Committees, RosterError, Scheme};
use crate::finality::FinalityProof;
use alloy_primitives::Bytes;
use commonware_codec::Encode as _;
use commonware_consensus::{marshal::core::Mailbox, types::Height};
use std::sync::{Arc, Mutex};

/// Heights looked through for a certificate. A block without one was final because a later one was; nearly every block has its own.
const SEARCH_BLOCKS: u64 = 64;

/// A view of a running validator's certificates, made before it and given to it in its configuration. It has none until the
/// validator runs. Clones share it.
#[derive(Clone, Default)]
pub struct Certificates {
    running: Arc<Mutex<Option<Archive>>>,
}

#[derive(Clone)]
struct Archive {
    marshal: Mailbox<Scheme, Blocks>,
    committees: Arc<dyn Committees>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates(..)")
    }
}

impl Certificates {
    pub(super) fn serve(&self, marshal: Mailbox<Scheme, Blocks>, committees: Arc<dyn Committees>) {
        *self.running.lock().expect("no holder of the lock panics") = Some(Archive { marshal, committees });
    }

    /// Final blocks from `first` on, encoded as validators exchange them, until `count` are there or their bytes are more than `bytes_max`; fewer where
    /// this node does not have the next one, or the validator does not run.
    pub async fn blocks(&self, first: u64, count: usize, bytes_max: usize) -> Vec<Bytes> {
        let running = self.running.lock().expect("no holder of the lock panics").clone();
        let Some(Archive { marshal, .. }) = running else {
            return Vec::new();
        };
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        for height in (first..).take(count) {
            let Some(block) = marshal.get_block(Height::new(height)).await else {
                break;
            };
            let block = Bytes::from(block.inner().encode());
            bytes += block.len();
            blocks.push(block);
            if bytes > bytes_max {
                break;
            }
        }
        blocks
    }

    /// The proof that the first block from `height` on that has a certificate of its own is final; `None` when there is none within 64 heights,
    /// or the validator does not run.
    ///
    /// # Errors
    ///
    /// [`RosterError`] when the state does not say who voted.
    pub async fn at_or_after(&self, height: u64) -> Result<Option<FinalityProof>, RosterError> {
        let running = self.running.lock().expect("no holder of the lock panics").clone();
        let Some(Archive { marshal, committees }) = running else {
            return Ok(None);
        };
        for height in (height..height.saturating_add(SEARCH_BLOCKS)).map(Height::new) {
            let Some(finalization) = marshal.get_finalization(height).await else {
                continue;
            };
            let Some(block) = marshal.get_block(height).await else {
                return Ok(None);
            };
            let committee = committees.roster(finalization.proposal.round.epoch().get())?.committee;
            return Ok(FinalityProof::new(&finalization, &committee, block.inner().summary()));
        }
        Ok(None)
    }
}
