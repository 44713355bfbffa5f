//! How validators talk: six channels over one authenticated, encrypted connection to each.

use super::{Blocks, Scheme, gossip::MAX_BATCH_BYTES};
use crate::keys::Identity;
use commonware_consensus::{marshal, simplex};
use commonware_cryptography::sha256;
use commonware_p2p::{Blocker, Provider, Receiver, Sender};

/// Messages a second that a peer may send on each channel, and that queue for it.
///
/// A channel's queue has room for one second of every peer's messages. What a faulty peer can make us hold is the product with
/// the message size, so channels of large messages have small quotas.
pub mod quotas {
    use commonware_runtime::Quota;
    use commonware_utils::NZU32;

    /// A vote is about 200 bytes; a block costs each validator two.
    pub const VOTES: Quota = Quota::per_second(NZU32!(256));
    /// A certificate is about 200 bytes.
    pub const CERTIFICATES: Quota = Quota::per_second(NZU32!(256));
    /// Requests for certificates, and answers.
    pub const RESOLVER: Quota = Quota::per_second(NZU32!(128));
    /// Blocks, up to 4 MiB each.
    pub const BLOCKS: Quota = Quota::per_second(NZU32!(32));
    /// Requests for missed blocks, and answers up to 4 MiB each.
    pub const BACKFILL: Quota = Quota::per_second(NZU32!(64));
    /// Batches of transactions, up to 256 KiB each.
    pub const TRANSACTIONS: Quota = Quota::per_second(NZU32!(64));
}

/// One sender and receiver for each purpose. The order is the channels' numbers on the wire, from 0.
pub struct Channels<S, R> {
    /// Single votes.
    pub votes: (S, R),
    /// Certificates: votes of a quorum added up.
    pub certificates: (S, R),
    /// Requests for missed certificates.
    pub resolver: (S, R),
    /// New blocks from their proposers.
    pub blocks: (S, R),
    /// Requests for missed blocks.
    pub backfill: (S, R),
    /// New transactions.
    pub transactions: (S, R),
}

/// Everything a validator needs of a network, real or simulated.
pub struct Transport<S, R, B, P>
where
    S: Sender<PublicKey = Identity>,
    R: Receiver<PublicKey = Identity>,
    B: Blocker<PublicKey = Identity>,
    P: Provider<PublicKey = Identity>,
{
    /// The channels.
    pub channels: Channels<S, R>,
    /// Cuts off a peer that proved to be faulty.
    pub blocker: B,
    /// Knows the peers.
    pub peers: P,
}

/// Largest message of any channel, in bytes, for a committee of `validators`.
pub fn max_message_bytes(validators: usize) -> u32 {
    let participants = u32::try_from(validators).expect("a committee has at most 128 members");
    commonware_p2p::max_message_size(&[
        simplex::max_payload_size::<Scheme, sha256::Digest>(participants),
        marshal::max_payload_size::<Blocks, Scheme>(participants, &()),
        MAX_BATCH_BYTES,
    ])
}
