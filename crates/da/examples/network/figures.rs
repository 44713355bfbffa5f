//! What is printed, and what processes used.

use std::time::Duration;

/// Named figures, in order.
#[derive(Default)]
pub struct Figures(serde_json::Map<String, serde_json::Value>);

impl Figures {
    /// Prints a figure and keeps it for the last line.
    pub fn set(&mut self, name: &str, value: f64) {
        println!("{name:56} {value:14.4}");
        self.0.insert(name.to_owned(), value.into());
    }

    /// The machine's load average of one minute: who else was at work.
    pub fn load(&mut self, when: &str) {
        let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = text.split(' ').next().and_then(|word| word.parse().ok());
        self.set(&format!("load_average_{when}"), load.unwrap_or(f64::NAN));
    }

    /// Prints all as one JSON object.
    pub fn print(self) {
        println!("{}", serde_json::Value::Object(self.0));
    }
}

/// CPU time that a process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    /// Seconds in the program.
    pub user_s: f64,
    /// Seconds in the kernel.
    pub system_s: f64,
}

impl CpuTime {
    /// That of this process, all threads.
    pub fn of_this_process() -> Self {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is to memory of that type; a rusage of zeros is a valid one.
        let usage = unsafe {
            let status = libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            assert_eq!(status, 0, "getrusage of this process");
            usage.assume_init()
        };
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        Self {
            user_s: seconds(usage.ru_utime),
            system_s: seconds(usage.ru_stime),
        }
    }

    /// All of it.
    pub fn total_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

impl std::ops::Sub for CpuTime {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            user_s: self.user_s - before.user_s,
            system_s: self.system_s - before.system_s,
        }
    }
}

/// The middle one of `times`.
pub fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The one of `times` that nine of ten are below; none of no times.
pub fn ninth_decile(times: &mut [Duration]) -> Option<Duration> {
    times.sort();
    times.get(times.len() * 9 / 10).copied()
}
