//! Memory that the machine has at hand for the operators' files.
//!
//! Operators' files grow in memory for as long as they are measured, and a machine that is itself rented out may have given its free
//! pages back: each new one then costs between one and eleven microseconds, as the host pleases, which is up to 2.7 seconds a GB and as much
//! as all else that an operator does. A node that has run for a while writes to pages that other files left. So does one here: a file takes the
//! memory beforehand, and shrinks a moment before the others grow.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
};

/// Written at a time while the file is made.
const CHUNK_BYTES: u64 = 1 << 20;

/// A file that holds memory until others need it.
pub struct Ballast {
    file: File,
    bytes: u64,
}

impl Ballast {
    /// An empty one in `folder`, whose files lie in memory.
    pub fn new(folder: &Path) -> Self {
        let path = folder.join("ballast");
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        Self {
            file: file.expect("a file in memory"),
            bytes: 0,
        }
    }

    /// Takes memory until it holds `bytes`. Soon after others gave theirs back, it is the same memory.
    pub fn fill(&mut self, bytes: u64) {
        let chunk = vec![0; CHUNK_BYTES as usize];
        while self.bytes < bytes {
            let written = self.file.write_all_at(&chunk, self.bytes);
            written.expect("the memory that operators will need");
            self.bytes += CHUNK_BYTES;
        }
    }

    /// Gives `bytes` of it back, or what is left.
    pub fn release(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.file.set_len(self.bytes).expect("a file in memory shrinks");
    }
}
