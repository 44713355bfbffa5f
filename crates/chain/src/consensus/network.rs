//! How validators talk: seven channels over one authenticated, encrypted connection to each.

use super::{Blocks, Scheme, gossip::MAX_BATCH_BYTES, seats::MAX_BALLOTS_BYTES};
use crate::{
    beacon,
    keys::{Identity, MAX_VOTES},
};
use commonware_consensus::{marshal, simplex};
use commonware_cryptography::sha256;
use commonware_p2p::{AddressableManager, Blocker, Receiver, Sender, utils::mux::prefixed};
use commonware_utils::NZUsize;
use std::num::NonZeroUsize;

/// Nodes that an epoch lets in at most: validators first, then those that follow. Every queue has room for all of them.
pub const PEERS_MAX: NonZeroUsize = NZUsize!(40);
/// Epochs whose nodes are let in: the last, the present and the next.
pub const PEER_SETS: NonZeroUsize = NZUsize!(3);

/// Messages a second that a peer may send on each channel, and that queue for it.
///
/// A channel's queue has room for one second of every peer's messages, [`PEERS_MAX`] of each of [`PEER_SETS`] epochs, at about 300 bytes
/// without the message: the quotas' sum, 512, makes 18 MB, and the queue of what leaves takes about as much. What a faulty peer can make us
/// hold is the product with the message size, so channels of large messages have small quotas.
pub mod quotas {
    use commonware_runtime::Quota;
    use commonware_utils::NZU32;

    /// The votes of all seats of a validator are at most 1,400 bytes; a block costs each validator two such messages.
    pub const VOTES: Quota = Quota::per_second(NZU32!(128));
    /// A certificate is about 200 bytes.
    pub const CERTIFICATES: Quota = Quota::per_second(NZU32!(128));
    /// Requests for certificates, and answers.
    pub const RESOLVER: Quota = Quota::per_second(NZU32!(32));
    /// Blocks, up to 4 MiB each.
    pub const BLOCKS: Quota = Quota::per_second(NZU32!(32));
    /// Requests for missed blocks, and answers up to 4 MiB each.
    pub const BACKFILL: Quota = Quota::per_second(NZU32!(64));
    /// Batches of transactions, up to 256 KiB each.
    pub const TRANSACTIONS: Quota = Quota::per_second(NZU32!(64));
    /// Signatures of heights, a message a block of up to 500 bytes; in a ceremony, dealings of up to 10 KB, one a seat, and acknowledgements.
    pub const BEACON: Quota = Quota::per_second(NZU32!(64));
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
    /// The randomness beacon.
    pub beacon: (S, R),
}

/// Everything a validator needs of a network, real or simulated.
pub struct Transport<S, R, B, P>
where
    S: Sender<PublicKey = Identity>,
    R: Receiver<PublicKey = Identity>,
    B: Blocker<PublicKey = Identity>,
    P: AddressableManager<PublicKey = Identity>,
{
    /// The channels.
    pub channels: Channels<S, R>,
    /// Cuts off a peer that proved to be faulty.
    pub blocker: B,
    /// Is told who the peers are.
    pub peers: P,
}

/// Largest message of any channel, in bytes, whatever the committee.
pub fn max_message_bytes() -> u32 {
    let participants = MAX_VOTES as u32;
    commonware_p2p::max_message_size(&[
        prefixed(simplex::max_payload_size::<Scheme, sha256::Digest>(participants)),
        prefixed(MAX_BALLOTS_BYTES),
        marshal::max_payload_size::<Blocks, Scheme>(participants, &()),
        MAX_BATCH_BYTES,
        beacon::max_message_bytes(),
    ])
}
