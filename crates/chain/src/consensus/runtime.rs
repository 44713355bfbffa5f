//! What consensus needs of the runtime, named once.

use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use rand_core::CryptoRng;

/// Clock, randomness, tasks, files and counters: commonware's tokio and deterministic contexts both are one.
pub trait Runtime: Clock + CryptoRng + Spawner + Storage + Metrics {}

impl<E: Clock + CryptoRng + Spawner + Storage + Metrics> Runtime for E {}
