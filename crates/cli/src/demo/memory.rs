//! How much memory all processes of the demo take together, at most.

use std::{
    fs, process,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Time between two looks: allocations that matter last longer.
const INTERVAL: Duration = Duration::from_millis(100);

/// Sums the resident memory of processes while it lives.
pub struct Watch {
    shared: Arc<Shared>,
}

struct Shared {
    processes: Mutex<Vec<u32>>,
    peak_bytes: AtomicU64,
    over: AtomicBool,
}

impl Watch {
    /// Watches these processes and this one.
    pub fn start(mut processes: Vec<u32>) -> Self {
        processes.push(process::id());
        let shared = Arc::new(Shared {
            processes: Mutex::new(processes),
            peak_bytes: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let watched = shared.clone();
        // A thread of its own: the figure must not depend on the runtime being idle.
        thread::spawn(move || {
            while !watched.over.load(Ordering::Relaxed) {
                watched.look();
                thread::sleep(INTERVAL);
            }
        });
        Self { shared }
    }

    /// Watches one more process; one that has ended counts nothing.
    pub fn add(&self, process: u32) {
        self.shared.processes.lock().expect("no watcher panics").push(process);
    }

    /// Ends the watch; the most bytes seen at one time.
    pub fn stop(self) -> u64 {
        self.shared.look();
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.peak_bytes.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn look(&self) {
        let sum = self
            .processes
            .lock()
            .expect("no watcher panics")
            .iter()
            .filter_map(|id| resident_bytes(*id))
            .sum();
        self.peak_bytes.fetch_max(sum, Ordering::Relaxed);
    }
}

/// Resident memory of a process, shared pages counted in full: an upper bound of what it adds.
fn resident_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_some_memory_and_not_more_than_there_is() {
        let bytes = Watch::start(vec![]).stop();
        assert!((1 << 20..1 << 40).contains(&bytes), "{bytes}");
    }
}
