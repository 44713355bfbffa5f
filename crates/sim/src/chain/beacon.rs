//! What a validator can do against the randomness beacon: not say what it should, say what is wrong, or not hear.

use chain::keys::Identity;
use commonware_p2p::{Message, Receiver};
use commonware_runtime::IoBuf;
use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
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
    /// Deals to one other validator only.
    FewDealings,
    /// Deals a share that does not fit to that one, and sound ones to the others.
    TwoFaced,
    /// Posts no log, though it deals.
    NoLog,
    /// Posts each log twice.
    LogTwice,
}

const FAULTS: [BeaconFault; 9] = [
    BeaconFault::None,
    BeaconFault::NoSignatures,
    BeaconFault::NoDealings,
    BeaconFault::Garbage,
    BeaconFault::NoValues,
    BeaconFault::FewDealings,
    BeaconFault::TwoFaced,
    BeaconFault::NoLog,
    BeaconFault::LogTwice,
];

/// How a machine's beacon is at fault now.
#[derive(Clone, Default)]
pub(super) struct Gag(Arc<State>);

#[derive(Default)]
struct State {
    fault: AtomicU8,
    /// The validator that is treated otherwise than the rest: the first that is dealt to.
    singled_out: Mutex<Option<Identity>>,
}

impl Gag {
    pub(super) fn set(&self, fault: BeaconFault) {
        self.0.fault.store(fault as u8, Ordering::Relaxed);
    }

    pub(super) fn fault(&self) -> BeaconFault {
        FAULTS[usize::from(self.0.fault.load(Ordering::Relaxed))]
    }

    fn singles_out(&self, recipients: &[Identity]) -> bool {
        let mut singled_out = self.0.singled_out.lock().expect("no holder of the lock panics");
        let one = singled_out.get_or_insert_with(|| recipients[0].clone());
        recipients.contains(one)
    }

    /// What leaves the machine instead of `message`, which is for these.
    pub(super) fn say(&self, message: IoBuf, recipients: &[Identity]) -> Option<IoBuf> {
        let kind = message.as_ref().first().copied();
        let dealt = kind == Some(DEALING) && !recipients.is_empty();
        match (self.fault(), kind) {
            (BeaconFault::NoSignatures, Some(SIGNATURES)) | (BeaconFault::NoDealings, Some(DEALING | ACKS)) => None,
            (BeaconFault::Garbage, Some(DEALING)) => spoilt(&message),
            (BeaconFault::FewDealings, _) if dealt && !self.singles_out(recipients) => None,
            (BeaconFault::TwoFaced, _) if dealt && self.singles_out(recipients) => spoilt(&message),
            _ => Some(message),
        }
    }

    fn hears(&self, message: &IoBuf) -> bool {
        self.fault() != BeaconFault::NoValues || message.as_ref().first() != Some(&SIGNATURES)
    }
}

/// A dealing whose last share does not fit: its last byte is the lowest of that share.
fn spoilt(dealing: &IoBuf) -> Option<IoBuf> {
    let mut bytes = dealing.as_ref().to_vec();
    *bytes.last_mut()? ^= 1;
    Some(IoBuf::from(bytes))
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
