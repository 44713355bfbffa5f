//! Waiting for transactions to arrive.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// How many transactions arrived, and who waits for the next. Those who wait are woken in the order in which they began to: a
/// `tokio::sync::watch` wakes them in an order of chance, and simulations of one seed would differ.
#[derive(Debug, Default)]
pub(super) struct Counter {
    count: AtomicU64,
    changed: Notify,
}

impl Counter {
    pub(super) fn increment(&self) {
        self.count.fetch_add(1, Ordering::Release);
        self.changed.notify_waiters();
    }
}

/// Tells of arrivals in a pool.
#[derive(Debug)]
pub struct Arrivals {
    counter: Arc<Counter>,
    seen: u64,
}

impl Arrivals {
    /// Of those that come from now on.
    pub(super) fn new(counter: &Arc<Counter>) -> Self {
        let mut arrivals = Self {
            counter: counter.clone(),
            seen: 0,
        };
        arrivals.forget();
        arrivals
    }

    /// Forgets those that came until now: [`changed`](Self::changed) waits for the next.
    pub fn forget(&mut self) {
        self.seen = self.counter.count.load(Ordering::Acquire);
    }

    /// Waits until there are any that were neither waited for nor forgotten.
    pub async fn changed(&mut self) {
        loop {
            // Registered before the count is read, so that none arrives unseen in between.
            let mut changed = pin!(self.counter.changed.notified());
            changed.as_mut().enable();
            let count = self.counter.count.load(Ordering::Acquire);
            if count != self.seen {
                self.seen = count;
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt as _, executor::block_on};

    #[test]
    fn an_arrival_before_the_wait_ends_it_at_once() {
        let counter = Arc::new(Counter::default());
        let mut arrivals = Arrivals::new(&counter);
        assert_eq!(arrivals.changed().now_or_never(), None);
        counter.increment();
        counter.increment();
        assert_eq!(arrivals.changed().now_or_never(), Some(()));
        assert_eq!(arrivals.changed().now_or_never(), None, "both were seen");
    }

    #[test]
    fn an_arrival_that_was_forgotten_is_not_told() {
        let counter = Arc::new(Counter::default());
        let mut arrivals = Arrivals::new(&counter);
        counter.increment();
        arrivals.forget();
        assert_eq!(arrivals.changed().now_or_never(), None);
    }

    #[test]
    fn all_who_wait_are_woken_by_one_arrival() {
        let counter = Arc::new(Counter::default());
        let waiting: Vec<_> = (0..20).map(|_| Arrivals::new(&counter)).collect();
        let threads: Vec<_> = waiting
            .into_iter()
            .map(|mut arrivals| std::thread::spawn(move || block_on(arrivals.changed())))
            .collect();
        counter.increment();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
