//! How validators talk: six channels over one authenticated, encrypted connection to each.

use super::{Blocks, Runtime, Scheme, gossip::MAX_BATCH_BYTES};
use crate::keys::{Committee, Identity, ValidatorKeys};
use commonware_consensus::{marshal, simplex};
use commonware_cryptography::{ChaCha20Poly1305, sha256};
use commonware_p2p::{Address, AddressableManager as _, Blocker, Provider, Receiver, Sender, authenticated::lookup};
use commonware_runtime::{Handle, Network, Quota, Resolver};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, TryCollect as _, ordered::Map, union};
use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

/// How far two validators' clocks may differ for a handshake to succeed.
const HANDSHAKE_SKEW: Duration = Duration::from_secs(5);
/// How old a handshake message may be.
const HANDSHAKE_AGE: Duration = Duration::from_secs(10);
/// Messages queued between the network's own tasks.
const MAILBOX_MESSAGES: NonZeroUsize = NZUsize!(256);
/// How soon a validator that was cut off is dialled again.
const RECONNECT_COOLDOWN: Duration = Duration::from_secs(1);

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

/// The transport that [`network`] makes.
pub type TcpTransport<E> = Transport<
    lookup::Sender<Identity, E>,
    lookup::Receiver<Identity>,
    lookup::Oracle<Identity>,
    lookup::Oracle<Identity>,
>;

/// Where a validator listens, and where the others do.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Signs the handshake.
    pub keys: ValidatorKeys,
    /// Who is let in.
    pub committee: Committee,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where each validator listens.
    pub addresses: Vec<(Identity, SocketAddr)>,
    /// Keeps networks apart: the genesis hash, say.
    pub namespace: Vec<u8>,
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

/// Starts a network over TCP, which keeps dialling the validators that are away. It stops with the returned handle or with
/// `context`.
///
/// # Panics
///
/// When an address is listed for the same identity twice.
pub fn network<E: Runtime + Network + Resolver>(context: E, config: NetworkConfig) -> (TcpTransport<E>, Handle<()>) {
    let validators = config.committee.len();
    let sake = Sake {
        signer: config.keys.ed25519,
        synchrony_bound: HANDSHAKE_SKEW,
        max_handshake_age: HANDSHAKE_AGE,
        version: sake::Version::V1,
    };
    let handshake = Cups::<_, ChaCha20Poly1305>::new(sake, cups::Version::V1);
    let mut p2p = lookup::Config::recommended(
        handshake,
        &union(&config.namespace, b"-p2p"),
        config.listen,
        NonZeroUsize::new(validators).expect("a committee has a member"),
        max_message_bytes(validators),
        MAILBOX_MESSAGES,
    );
    // The committee is fixed, known by key, and often shares a host or a private network.
    p2p.tracked_peer_sets = NZUsize!(1);
    p2p.allow_private_ips = true;
    p2p.peer_connection_cooldown = RECONNECT_COOLDOWN;
    p2p.dial_frequency = RECONNECT_COOLDOWN / 2;
    p2p.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(16));
    let (mut network, mut oracle) = lookup::Network::new(context, p2p);
    let addresses = config
        .addresses
        .into_iter()
        .filter(|(identity, _)| config.committee.contains(identity));
    let addresses: Map<Identity, Address> = addresses
        .map(|(identity, address)| (identity, Address::from(address)))
        .try_collect()
        .expect("an identity has one address");
    let _ = oracle.track(0, addresses);
    let channels = Channels {
        votes: network.register(0, quotas::VOTES),
        certificates: network.register(1, quotas::CERTIFICATES),
        resolver: network.register(2, quotas::RESOLVER),
        blocks: network.register(3, quotas::BLOCKS),
        backfill: network.register(4, quotas::BACKFILL),
        transactions: network.register(5, quotas::TRANSACTIONS),
    };
    (
        Transport {
            channels,
            blocker: oracle.clone(),
            peers: oracle,
        },
        network.start(),
    )
}
