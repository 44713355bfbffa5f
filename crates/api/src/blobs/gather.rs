//! Small payloads that arrive within a moment of each other, put into one blob.
//!
//! A certificate costs the same for one byte and for a megabyte, and so do the smallest rows up to 128 KiB. So a payload of at most
//! [`BUNDLED_BYTES_MAX`](super::BUNDLED_BYTES_MAX) waits in the open slot, until its time is over or it is full; then all that is in
//! it is published as one bundle, or as it is when it stayed alone: the lone payload has the name that it always had.
//!
//! The same payload again is not published again: it is the same item of the same slot or, for an hour, of an earlier one. That is
//! remembered in this process only, and for a bounded number of payloads.

use super::{Blobs, Gateway, Name, Naming, OCTETS, Payload, PublishError, Published, Room, bundle, cause};
use da::Purchase;
use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, Shared},
};
use primitives::{Digest, MIB};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// A slot with so many bytes of payloads is full: 64 of the largest, coded in some ten milliseconds.
const SLOT_BYTES_MAX: u64 = 4 * MIB;

/// Payloads whose names are remembered, so that one that is sent again has the same: some 2 MiB.
const RECENT_MAX: usize = 8192;

/// How long they are: a client that was not answered has tried again long before.
const RECENT_FOR: Duration = Duration::from_secs(3600);

/// What a slot became.
#[derive(Clone)]
struct Sent {
    name: Name,
    purchase: Option<Purchase>,
    outcome: Shared<BoxFuture<'static, Result<Published, PublishError>>>,
}

/// A payload's place: the slot, once it is sent, and which of its items.
#[derive(Clone)]
struct Ticket {
    sent: Shared<BoxFuture<'static, Result<Sent, PublishError>>>,
    item: u32,
}

impl Ticket {
    /// Whether it is known that the payload was not published: it is then worth another try.
    fn has_failed(&self) -> bool {
        self.sent.peek().is_some_and(|sent| match sent {
            Err(_) => true,
            Ok(sent) => sent.outcome.peek().is_some_and(Result::is_err),
        })
    }
}

/// Payloads that wait to be sent together.
struct Slot {
    number: u64,
    items: Vec<Vec<u8>>,
    bytes: u64,
    room: Room,
    full: Arc<Notify>,
    sent: Shared<BoxFuture<'static, Result<Sent, PublishError>>>,
}

#[derive(Default)]
struct State {
    open: Option<Slot>,
    /// A slot that is full, until its task takes it.
    full: HashMap<u64, Slot>,
    slots: u64,
    recent: HashMap<Digest, (Ticket, Instant)>,
    /// The keys of `recent`, oldest first.
    ages: VecDeque<Digest>,
}

/// The open slot, and what went before.
pub(super) struct Gatherer {
    slot: Duration,
    state: Mutex<State>,
}

impl Gatherer {
    pub(super) fn new(slot: Duration) -> Self {
        Self {
            slot,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The place of a payload that was sent before, unless it failed or is too long ago.
    fn known(&self, digest: &Digest) -> Option<Ticket> {
        let (ticket, since) = self.recent.get(digest)?;
        (!ticket.has_failed() && since.elapsed() < RECENT_FOR).then(|| ticket.clone())
    }

    fn remember(&mut self, digest: Digest, ticket: Ticket) {
        if self.recent.insert(digest, (ticket, Instant::now())).is_some() {
            self.ages.retain(|known| *known != digest);
        }
        self.ages.push_back(digest);
        if self.ages.len() > RECENT_MAX {
            let oldest = self.ages.pop_front().expect("there are many");
            self.recent.remove(&oldest);
        }
    }

    /// Closes the open slot: nothing is added to it any more.
    fn close(&mut self) {
        if let Some(slot) = self.open.take() {
            slot.full.notify_one();
            self.full.insert(slot.number, slot);
        }
    }

    /// The slot of this number, whose time is over or which is full.
    fn take(&mut self, number: u64) -> Slot {
        if self.open.as_ref().is_some_and(|slot| slot.number == number) {
            self.close();
        }
        self.full.remove(&number).expect("its task alone takes a slot")
    }
}

impl<B: Blobs> Gateway<B> {
    /// Publishes a small payload together with those that arrive beside it.
    pub(super) async fn gather(&self, payload: Payload) -> Result<Naming, PublishError> {
        let digest = Digest::of(&payload.bytes);
        let ticket = {
            let mut state = self.0.gatherer.state();
            match state.known(&digest) {
                Some(ticket) => ticket,
                None => {
                    let ticket = self.add(&mut state, payload);
                    state.remember(digest, ticket.clone());
                    ticket
                }
            }
        };
        let Sent {
            name,
            purchase,
            outcome,
        } = ticket.sent.await?;
        let item = name.item.map(|_| ticket.item);
        Ok(Naming {
            name: Name { item, ..name },
            purchase,
            outcome: outcome.boxed(),
        })
    }

    fn add(&self, state: &mut State, payload: Payload) -> Ticket {
        let Payload { bytes, room, .. } = payload;
        let length = bytes.len() as u64;
        let is_full =
            |slot: &Slot| slot.bytes + length > SLOT_BYTES_MAX || slot.items.len() == bundle::MAX_ITEMS as usize;
        if state.open.as_ref().is_some_and(is_full) {
            state.close();
        }
        match &mut state.open {
            Some(slot) => {
                slot.items.push(bytes);
                slot.bytes += length;
                slot.room.absorb(room);
                // Many payloads, one head: what each brought for its own is free again.
                let index = bundle::encoded_bytes(slot.items.len() as u32);
                slot.room.fit(slot.bytes + index);
                Ticket {
                    sent: slot.sent.clone(),
                    item: slot.items.len() as u32 - 1,
                }
            }
            closed => {
                let (number, full) = (state.slots, Arc::new(Notify::new()));
                state.slots += 1;
                let (named, name) = oneshot::channel();
                let stopped = || PublishError::Failed {
                    what: "publish",
                    source: cause("the node stops"),
                };
                let sent = name
                    .map(move |sent| sent.unwrap_or_else(|_| Err(stopped())))
                    .boxed()
                    .shared();
                *closed = Some(Slot {
                    number,
                    items: vec![bytes],
                    bytes: length,
                    room,
                    full: full.clone(),
                    sent: sent.clone(),
                });
                // A task of its own: a slot is sent also when the client that opened it has left.
                tokio::spawn(self.clone().send(number, full, named));
                Ticket { sent, item: 0 }
            }
        }
    }

    /// Waits for the slot's end, sends what is in it, and names it.
    async fn send(self, number: u64, full: Arc<Notify>, named: oneshot::Sender<Result<Sent, PublishError>>) {
        let _ = tokio::time::timeout(self.0.gatherer.slot, full.notified()).await;
        let Slot { mut items, room, .. } = self.0.gatherer.state().take(number);
        let item = (items.len() > 1).then_some(0);
        let (bytes, media_type) = match item {
            None => (items.swap_remove(0), OCTETS),
            Some(_) => {
                let bundle = bundle::pack(&items).expect("slots are within a bundle's bounds, and no payload is empty");
                (bundle, bundle::MEDIA_TYPE)
            }
        };
        drop(items);
        let payload = Payload {
            bytes,
            media_type: media_type.into(),
            room,
        };
        let sent = self.blobs().publish(payload).await;
        let sent = sent.map(|sent| Sent {
            name: Name { root: sent.root, item },
            purchase: sent.purchase,
            outcome: sent.outcome.shared(),
        });
        // Nobody may wait any more; whoever asks again finds the same.
        let _ = named.send(sent);
    }
}
