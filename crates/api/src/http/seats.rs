//! Places for connections: a bounded number, and who holds one without a use for it gives way when all are taken.
//!
//! Opening a connection costs a stranger nothing and us a descriptor. Without this, as many idle connections as there are places keep
//! everybody else out for as long as they like.

use futures::task::AtomicWaker;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    task::Context,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a connection may be quiet after an answer, or after it was opened, before it has to give way.
const QUIET: Duration = Duration::from_secs(1);
/// How long one may ask without an answer before it has to give way: a byte a second is a way to be busy, and so is a long upload.
const UNANSWERED: Duration = Duration::from_secs(60);
/// Pause between two looks for who could give way.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The places at one listener. Clones share them.
#[derive(Clone)]
pub(super) struct Seats {
    shared: Arc<Shared>,
}

struct Shared {
    seats_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: BTreeMap<u64, Holder>,
}

/// What is known of who holds a place.
struct Holder {
    /// When it was last sent something, or came.
    answered: Instant,
    /// Whether it said something since.
    asks: bool,
    /// Whether it has to go.
    leaving: bool,
    wakers: Arc<Wakers>,
}

/// Who waits to read from and to write to a connection; not always one task.
#[derive(Default)]
struct Wakers {
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Holder {
    /// When it may be asked to leave, in favour of another.
    fn may_leave_at(&self) -> Instant {
        self.answered + if self.asks { UNANSWERED } else { QUIET }
    }
}

impl Taken {
    /// The number and wakers of a free place, taken.
    fn take(&mut self, seats_max: usize, now: Instant) -> Option<(u64, Arc<Wakers>)> {
        let staying = self.seats.values().filter(|holder| !holder.leaving).count();
        // Those that have to go are on their way, but not for ever: a task that never looks at its connection keeps its descriptor.
        if staying >= seats_max || self.seats.len() >= 2 * seats_max {
            return None;
        }
        let (number, wakers) = (self.next, Arc::<Wakers>::default());
        self.next += 1;
        let holder = Holder {
            answered: now,
            asks: false,
            leaving: false,
            wakers: wakers.clone(),
        };
        self.seats.insert(number, holder);
        Some((number, wakers))
    }

    /// Tells who was quiet longest to go, if that is long enough; whether there was somebody.
    fn ask_one_to_leave(&mut self, now: Instant) -> bool {
        let leaving = self.seats.values().filter(|holder| holder.leaving).count();
        // No more places are given as long as so many are still on their way.
        if 2 * leaving >= self.seats.len() {
            return false;
        }
        let staying = self.seats.values_mut().filter(|holder| !holder.leaving);
        let quietest = staying.min_by_key(|holder| holder.may_leave_at());
        let Some(holder) = quietest.filter(|holder| holder.may_leave_at() <= now) else {
            return false;
        };
        holder.leaving = true;
        holder.wakers.reader.wake();
        holder.wakers.writer.wake();
        true
    }

    fn is_leaving(&self, number: u64) -> bool {
        self.seats.get(&number).is_some_and(|holder| holder.leaving)
    }

    fn asked(&mut self, number: u64) {
        if let Some(holder) = self.seats.get_mut(&number) {
            holder.asks = true;
        }
    }

    fn answered(&mut self, number: u64, now: Instant) {
        if let Some(holder) = self.seats.get_mut(&number) {
            (holder.asks, holder.answered) = (false, now);
        }
    }
}

impl Seats {
    pub(super) fn new(seats_max: usize) -> Self {
        let taken = Mutex::default();
        Self {
            shared: Arc::new(Shared { seats_max, taken }),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.shared.taken.lock().expect("no holder of the seats' lock panics")
    }

    /// A place, as soon as there is one: one that is free, or that of who was quiet longest.
    pub(super) async fn take(&self) -> Seat {
        loop {
            if let Some((number, wakers)) = self.taken().take(self.shared.seats_max, Instant::now()) {
                let seats = self.clone();
                return Seat { number, seats, wakers };
            }
            // Who has to go does so by itself: its place counts as free at once.
            if !self.taken().ask_one_to_leave(Instant::now()) {
                sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// One connection's place, given back when dropped.
pub(super) struct Seat {
    number: u64,
    seats: Seats,
    wakers: Arc<Wakers>,
}

impl Seat {
    /// Whether the connection has to end; if not, the reader or writer is woken when it has to.
    pub(super) fn must_leave(&self, context: &Context<'_>, reads: bool) -> bool {
        let waker = if reads {
            &self.wakers.reader
        } else {
            &self.wakers.writer
        };
        waker.register(context.waker());
        self.seats.taken().is_leaving(self.number)
    }

    /// The client said something.
    pub(super) fn asked(&self) {
        self.seats.taken().asked(self.number);
    }

    /// The client was sent something.
    pub(super) fn answered(&self) {
        self.seats.taken().answered(self.number, Instant::now());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().seats.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two places hold clients that wait for an answer, two hold clients that say nothing, the second of which came first.
    #[test]
    fn who_is_quiet_longest_gives_way_and_who_waits_for_an_answer_does_not() {
        let (mut taken, begun) = (Taken::default(), Instant::now());
        let came = [300, 200, 100, 0].map(|ms| begun + Duration::from_millis(ms));
        let held = came.map(|now| taken.take(4, now).expect("a place is free").0);
        assert!(taken.take(4, begun).is_none());
        taken.asked(held[0]);
        taken.asked(held[3]);

        taken.ask_one_to_leave(begun + QUIET);
        assert_eq!(
            held.map(|number| taken.is_leaving(number)),
            [false; 4],
            "a second is not over"
        );
        let later = begun + QUIET + Duration::from_millis(250);
        taken.ask_one_to_leave(later);
        assert_eq!(held.map(|number| taken.is_leaving(number)), [false, false, true, false]);
        let newcomer = taken.take(4, later).expect("one gives way").0;
        taken.ask_one_to_leave(later);
        assert!(taken.is_leaving(held[1]) && !taken.is_leaving(newcomer));
    }

    #[test]
    fn who_asks_without_an_end_gives_way_after_a_minute_and_an_answer_begins_it_anew() {
        let (mut taken, begun) = (Taken::default(), Instant::now());
        let slow = taken.take(1, begun).expect("a place is free").0;
        taken.asked(slow);
        taken.answered(slow, begun + QUIET);
        taken.asked(slow);
        taken.ask_one_to_leave(begun + UNANSWERED);
        assert!(!taken.is_leaving(slow));
        taken.ask_one_to_leave(begun + QUIET + UNANSWERED);
        assert!(taken.is_leaving(slow));
    }

    /// A client whose connection is never looked at again keeps its descriptor: their number is bounded too.
    #[test]
    fn those_who_have_to_go_count_until_they_are_gone() {
        let (mut taken, begun) = (Taken::default(), Instant::now());
        for round in 0..6 {
            let now = begun + QUIET * round;
            taken.take(2, now);
            taken.ask_one_to_leave(now);
        }
        assert!(taken.seats.len() <= 4, "{}", taken.seats.len());
    }
}
