//! Validators tell each other of new transactions, in batches.
//!
//! ```text
//! count (varint) | count times: length (varint) | transaction (EIP-2718)
//! ```
//!
//! Every validator hears of a transaction from the one that a user gave it to; nobody passes on what it heard. What still waits some blocks
//! later may have been lost on the way, and is told again, a few times and so many bytes a second at most: the turn to propose of the node that
//! has it may be far, and one without a seat has none.

#[cfg(test)]
mod tests;

use super::Runtime;
use crate::{
    block::{MAX_TRANSACTION_BYTES, TRANSACTION_OVERHEAD_BYTES},
    keys::Identity,
    ledger::Ledger,
};
use alloy_primitives::Bytes;
use bytes::BufMut;
use commonware_codec::{
    Buf, DecodeExt as _, Encode as _, EncodeSize, Error as CodecError, Read, ReadExt as _, Write, varint::UInt,
};
use commonware_macros::select;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use std::time::Duration;

/// Most bytes of one batch: two of the largest transactions, or 2,300 transfers.
pub const MAX_BATCH_BYTES: usize = 256 << 10;
/// Bytes of a batch's count, at most.
const COUNT_BYTES: usize = 5;
/// How long transactions gather before a batch leaves: under the quota of 64 batches a second, and short beside a block.
const BATCH_INTERVAL: Duration = Duration::from_millis(20);
const _: () = assert!(MAX_TRANSACTION_BYTES + TRANSACTION_OVERHEAD_BYTES + COUNT_BYTES <= MAX_BATCH_BYTES);
/// Least time between two batches of what is told again.
const AGAIN_INTERVAL: Duration = Duration::from_secs(1);
/// Most bytes of such a batch, hence of a second: the largest transaction, or 1,100 transfers.
const AGAIN_BYTES_MAX: usize = MAX_TRANSACTION_BYTES + TRANSACTION_OVERHEAD_BYTES;

/// Some transactions, encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch(
    /// Each as EIP-2718 has it; nothing is said of whether it decodes.
    pub Vec<Bytes>,
);

impl Write for Batch {
    fn write(&self, buf: &mut impl BufMut) {
        UInt(length(self.0.len())).write(buf);
        for transaction in &self.0 {
            UInt(length(transaction.len())).write(buf);
            buf.put_slice(transaction);
        }
    }
}

impl EncodeSize for Batch {
    fn encode_size(&self) -> usize {
        let transactions = self
            .0
            .iter()
            .map(|bytes| UInt(length(bytes.len())).encode_size() + bytes.len());
        UInt(length(self.0.len())).encode_size() + transactions.sum::<usize>()
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a batch is at most MAX_BATCH_BYTES")
}

impl Read for Batch {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        if buf.remaining() > MAX_BATCH_BYTES {
            return Err(CodecError::InvalidLength(buf.remaining()));
        }
        let count = u32::from(UInt::<u32>::read(buf)?) as usize;
        // Each takes at least its length byte, so the count cannot reserve more than the batch holds.
        if count > buf.remaining() {
            return Err(CodecError::InvalidLength(count));
        }
        let mut transactions = Vec::with_capacity(count);
        for _ in 0..count {
            let length = u32::from(UInt::<u32>::read(buf)?) as usize;
            if length > MAX_TRANSACTION_BYTES {
                return Err(CodecError::InvalidLength(length));
            }
            if length > buf.remaining() {
                return Err(CodecError::EndOfBuffer);
            }
            transactions.push(Bytes::from(buf.copy_to_bytes(length)));
        }
        Ok(Self(transactions))
    }
}

/// Tells the others what users give this node, and again what still waits.
pub(super) async fn tell<E: Runtime>(context: E, ledger: Ledger, mut sender: impl Sender<PublicKey = Identity>) {
    let mut arrivals = ledger.pool().arrivals();
    let mut again = context.current() + AGAIN_INTERVAL;
    loop {
        arrivals.forget();
        if context.current() >= again {
            again = context.current() + AGAIN_INTERVAL;
            let told = ledger.pool().take_told(AGAIN_BYTES_MAX);
            if !told.is_empty() {
                let _ = sender.send(Recipients::All, Batch(told).encode(), false);
            }
        }
        let batch = ledger.pool().take_untold(MAX_BATCH_BYTES - COUNT_BYTES);
        if !batch.is_empty() {
            let _ = sender.send(Recipients::All, Batch(batch).encode(), false);
            context.sleep(BATCH_INTERVAL).await;
            continue;
        }
        select! {
            _ = context.stopped() => return,
            () = arrivals.changed() => {},
            _ = context.sleep_until(again) => {},
        }
    }
}

/// Hears what users gave the others.
pub(super) async fn hear<E: Runtime>(
    context: E,
    ledger: Ledger,
    mut receiver: impl Receiver<PublicKey = Identity>,
    mut blocker: impl Blocker<PublicKey = Identity>,
) {
    while let Ok((peer, message)) = receiver.recv().await {
        match Batch::decode(message) {
            Ok(Batch(transactions)) => {
                let (ledger, work) = (ledger.clone(), context.child("receive").shared(true));
                // Which of them were refused is between the user and the node that told us.
                let received = work.spawn(move |_| async move { drop(ledger.receive(&transactions)) });
                if received.await.is_err() {
                    return;
                }
            }
            Err(error) => {
                commonware_p2p::block!(blocker, peer, %error, "transactions do not decode");
            }
        }
    }
}
