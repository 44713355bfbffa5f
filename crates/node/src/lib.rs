//! Compose roles into a running process; a whole local network.

mod supervisor;

pub use supervisor::{MergedLog, Process, Program, SupervisorError};
