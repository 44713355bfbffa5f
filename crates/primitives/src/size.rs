//! Sizes in bytes, and how people read them.

use std::fmt;

/// 1,024 bytes.
pub const KIB: u64 = 1 << 10;
/// 1,048,576 bytes.
pub const MIB: u64 = 1 << 20;
/// 1,073,741,824 bytes.
pub const GIB: u64 = 1 << 30;

/// A count of bytes that prints as people read it: `1.5 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0;
        match bytes {
            0..KIB => write!(f, "{bytes} B"),
            KIB..MIB => write!(f, "{:.1} KiB", bytes as f64 / KIB as f64),
            MIB..GIB => write!(f, "{:.1} MiB", bytes as f64 / MIB as f64),
            GIB.. => write!(f, "{:.1} GiB", bytes as f64 / GIB as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_prints_in_the_largest_unit_it_fills() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (3 * MIB, "3.0 MiB"),
            (GIB, "1.0 GiB"),
        ] {
            assert_eq!(ByteCount(bytes).to_string(), text);
        }
    }
}
