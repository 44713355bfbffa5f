//! A validator on TCP: what a node runs.
//!
//! Nothing here is generic, so that the engine's code for this runtime and this network is generated once, in this crate, and not in
//! each that starts a validator: it takes a compiler two minutes.

use super::{
    network::{Channels, PEER_SETS, PEERS_MAX, Transport, max_message_bytes, quotas},
    validator::{self, Config, Validator},
};
use crate::keys::{Identity, ValidatorKeys};
use commonware_cryptography::ChaCha20Poly1305;
use commonware_p2p::authenticated::lookup;
use commonware_runtime::{Handle, Quota, Spawner as _, Supervisor as _, tokio};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, union};
use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

/// How far two validators' clocks may differ for a handshake to succeed.
const HANDSHAKE_SKEW: Duration = Duration::from_secs(5);
/// How old a handshake message may be.
const HANDSHAKE_AGE: Duration = Duration::from_secs(10);
/// Messages queued between the network's own tasks.
const MAILBOX_MESSAGES: NonZeroUsize = NZUsize!(256);
/// How soon a validator that was cut off is dialled again.
const RECONNECT_COOLDOWN: Duration = Duration::from_secs(1);

/// Where a validator listens, and where the others do.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Keeps networks apart: the genesis hash, say.
    pub namespace: Vec<u8>,
}

/// Starts a validator that listens on TCP and keeps dialling the validators that are away. Journals and ledger may be new, or those
/// of an earlier run.
pub fn start_on_tcp(context: tokio::Context, config: Config, tcp: TcpConfig) -> Validator {
    // Everything below is a child of this task: when it ends, for whatever reason, all ends.
    Validator::of(context.spawn(move |context| async move {
        let (transport, _connections) = connect(context.child("p2p"), &config.keys, tcp);
        validator::run(context, config, transport).await
    }))
}

type TcpTransport = Transport<
    lookup::Sender<Identity, tokio::Context>,
    lookup::Receiver<Identity>,
    lookup::Oracle<Identity>,
    lookup::Oracle<Identity>,
>;

/// The connections end with the returned handle.
fn connect(context: tokio::Context, keys: &ValidatorKeys, tcp: TcpConfig) -> (TcpTransport, Handle<()>) {
    let sake = Sake {
        signer: keys.ed25519.clone(),
        synchrony_bound: HANDSHAKE_SKEW,
        max_handshake_age: HANDSHAKE_AGE,
        version: sake::Version::V1,
    };
    let handshake = Cups::<_, ChaCha20Poly1305>::new(sake, cups::Version::V1);
    let mut p2p = lookup::Config::recommended(
        handshake,
        &union(&tcp.namespace, b"-p2p"),
        tcp.listen,
        PEERS_MAX,
        max_message_bytes(),
        MAILBOX_MESSAGES,
    );
    p2p.tracked_peer_sets = PEER_SETS;
    // Validators are known by key, and often share a host or a private network.
    p2p.allow_private_ips = true;
    p2p.peer_connection_cooldown = RECONNECT_COOLDOWN;
    p2p.dial_frequency = RECONNECT_COOLDOWN / 2;
    p2p.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(16));
    let (mut network, oracle) = lookup::Network::new(context, p2p);
    let channels = Channels {
        votes: network.register(0, quotas::VOTES),
        certificates: network.register(1, quotas::CERTIFICATES),
        resolver: network.register(2, quotas::RESOLVER),
        blocks: network.register(3, quotas::BLOCKS),
        backfill: network.register(4, quotas::BACKFILL),
        transactions: network.register(5, quotas::TRANSACTIONS),
        beacon: network.register(6, quotas::BEACON),
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
