//! What a validator can do against the randomness beacon: not say what it should, say what is wrong, or not hear.

use chain::keys::Identity;
use commonware_p2p::{Message, Receiver};
use commonware_runtime::IoBuf;
use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

/// First byte of a dealing.
const DEALING: u8 = 0;
/// First byte of acknowledgements.
const ACKS: u8 = 1;
/// First byte of signatures of heights.
const SIGNATURES: u8 = 2;

/// How a validator fails the beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeaconFault {
    /// It does not.
    None,
    /// Signs no height.
    NoSignatures,
    /// Neither deals nor acknowledges.
    NoDealings,
    /// Deals shares that do not fit what it commits to.
    Garbage,
    /// Hears no signatures, so that as a leader it has no value to put into its block.
    NoValues,
}

const FAULTS: [BeaconFault; 5] = [
    BeaconFault::None,
    BeaconFault::NoSignatures,
    BeaconFault::NoDealings,
    BeaconFault::Garbage,
    BeaconFault::NoValues,
];

/// How a machine's beacon is at fault now.
#[derive(Clone, Default)]
pub(super) struct Gag(Arc<AtomicU8>);

impl Gag {
    pub(super) fn set(&self, fault: BeaconFault) {
        self.0.store(fault as u8, Ordering::Relaxed);
    }

    fn fault(&self) -> BeaconFault {
        FAULTS[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// What leaves the machine instead of `message`.
    pub(super) fn say(&self, message: IoBuf) -> Option<IoBuf> {
        let kind = message.as_ref().first().copied();
        match (self.fault(), kind) {
            (BeaconFault::NoSignatures, Some(SIGNATURES)) | (BeaconFault::NoDealings, Some(DEALING | ACKS)) => None,
            (BeaconFault::Garbage, Some(DEALING)) => {
                let mut bytes = message.as_ref().to_vec();
                // The last byte of a dealing is the lowest of its last share.
                *bytes.last_mut()? ^= 1;
                Some(IoBuf::from(bytes))
            }
            _ => Some(message),
        }
    }

    fn hears(&self, message: &IoBuf) -> bool {
        self.fault() != BeaconFault::NoValues || message.as_ref().first() != Some(&SIGNATURES)
    }
}

/// A channel as a machine hears it whose beacon may be at fault.
#[derive(Debug)]
pub(super) struct Ear<R> {
    pub(super) inner: R,
    /// None on all channels but the beacon's.
    pub(super) gag: Option<Gag>,
}

impl<R: Receiver<PublicKey = Identity>> Receiver for Ear<R> {
    type Error = R::Error;
    type PublicKey = Identity;

    async fn recv(&mut self) -> Result<Message<Identity>, R::Error> {
        loop {
            let message = self.inner.recv().await?;
            if self.gag.as_ref().is_none_or(|gag| gag.hears(&message.1)) {
                return Ok(message);
            }
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.inner.capacity()
    }
}

impl std::fmt::Debug for Gag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.fault())
    }
}
