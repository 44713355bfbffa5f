//! Makes final blocks durable, in order, and only then says so.

use super::{Runtime, validator::Halt};
use crate::{
    block::{Block, BlockDigest},
    ledger::Ledger,
};
use commonware_actor::Feedback;
use commonware_consensus::{Heightable as _, Reporter, marshal::Update, types::Height};
use commonware_cryptography::Digestible as _;
use commonware_utils::{Acknowledgement as _, acknowledgement::Exact, channel::mpsc};
use std::convert::Infallible;

/// Where marshal reports final blocks. The queue is bounded by the acknowledgements marshal waits for.
#[derive(Clone)]
pub(super) struct Finals {
    queue: mpsc::UnboundedSender<Update<Block>>,
}

impl Finals {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Update<Block>>) {
        let (queue, updates) = mpsc::unbounded_channel();
        (Self { queue }, updates)
    }
}

impl Reporter for Finals {
    type Activity = Update<Block>;

    fn report(&mut self, update: Update<Block>) -> Feedback {
        // A new tip is not durable yet, and says nothing that its block will not say.
        if matches!(update, Update::Tip(..)) {
            return Feedback::Ok;
        }
        self.queue.send(update).map_or(Feedback::Closed, |()| Feedback::Ok)
    }
}

/// A final block whose state is durable.
pub(super) struct Final {
    pub(super) height: Height,
    pub(super) digest: BlockDigest,
}

/// Tells `finals` of every block that is durable, before it is acknowledged. Runs until marshal stops or the ledger fails. A block that fails is not acknowledged: after a restart it comes again.
pub(super) async fn run<E: Runtime>(
    context: E,
    ledger: Ledger,
    mut updates: mpsc::UnboundedReceiver<Update<Block>>,
    finals: mpsc::UnboundedSender<Final>,
) -> Result<Infallible, Halt> {
    while let Some(update) = updates.recv().await {
        let Update::Block(block, acknowledgement) = update else {
            continue;
        };
        let (height, digest) = (block.height(), block.digest());
        let (ledger, work) = (ledger.clone(), context.child("finalize").shared(true));
        let finalized = work.spawn(move |_| async move {
            let block = block.inner();
            // The genesis block comes too, and blocks finalized just before a crash come again.
            if block.header().number > ledger.latest().header.number {
                ledger.verify_with(block.ethereum(), block.beacon())?;
            }
            ledger.finalize(block.hash())
        });
        match finalized.await {
            Ok(Ok(_)) => {
                if finals.send(Final { height, digest }).is_err() {
                    return Err(Halt::Stopped);
                }
                acknowledge(acknowledgement);
            }
            Ok(Err(source)) => {
                return Err(Halt::Ledger {
                    height: height.get(),
                    source: Box::new(source),
                });
            }
            Err(_) => return Err(Halt::Stopped),
        }
    }
    Err(Halt::Stopped)
}

fn acknowledge(acknowledgement: Exact) {
    acknowledgement.acknowledge();
}
