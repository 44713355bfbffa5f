//! Memory that the machine has at hand for the operators' files.
//!
//! Operators' files grow in memory for as long as they are measured, and a machine that is itself rented out may have given its free
//! pages back: each new one then costs between one and eleven microseconds, as the host pleases, which is up to 2.7 seconds a GB and as much
//! as all else that an operator does. A node that has run for a while writes to pages that other files left. So does one here: a file takes the
//! memory beforehand, and shrinks a moment before the others grow.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
};

/// Written at a time while the file is made.
const CHUNK_BYTES: usize = 1 << 20;

/// A file that holds memory until others need it.
pub struct Ballast {
    file: File,
    bytes: u64,
}

impl Ballast {
    /// Takes `bytes` of the memory that files in `folder` lie in.
    pub fn new(folder: &Path, bytes: u64) -> Self {
        let options = OpenOptions::new().write(true).create_new(true).clone();
        let mut file = options.open(folder.join("ballast")).expect("a file in memory");
        let chunk = vec![0; CHUNK_BYTES];
        for _ in 0..bytes.div_ceil(CHUNK_BYTES as u64) {
            file.write_all(&chunk).expect("the memory that operators will need");
        }
        Self { file, bytes }
    }

    /// Gives `bytes` of it back, or what is left.
    pub fn release(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.file.set_len(self.bytes).expect("a file in memory shrinks");
    }
}
