//! Bits into bytes and back, lowest bit first, and the Golomb–Rice code of gaps.

/// Collects bits into bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    held_bits: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`; `count` is at most 32.
    pub(super) fn write(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32 && (count == 32 || value >> count == 0));
        self.held |= u64::from(value) << self.held_bits;
        self.held_bits += count;
        while self.held_bits >= 8 {
            self.bytes.push(self.held as u8);
            self.held >>= 8;
            self.held_bits -= 8;
        }
    }

    /// Appends `gap` in the Rice code of parameter `rice`: its high part in ones ended by a zero, then its low `rice` bits.
    pub(super) fn write_rice(&mut self, gap: u32, rice: u32) {
        for _ in 0..gap >> rice {
            self.write(1, 1);
        }
        self.write(0, 1);
        self.write(gap & ((1 << rice) - 1), rice);
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        if self.held_bits > 0 {
            self.write(0, 8 - self.held_bits);
        }
    }

    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}

/// Takes bits from bytes; every method is `None` once the bytes end.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at_bit: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at_bit: 0 }
    }

    /// The next `count` bits, at most 32.
    pub(super) fn read(&mut self, count: u32) -> Option<u32> {
        let mut value = 0u64;
        let mut taken = 0;
        while taken < count {
            let byte = u64::from(*self.bytes.get(self.at_bit / 8)?);
            let offset = (self.at_bit % 8) as u32;
            let take = (8 - offset).min(count - taken);
            value |= ((byte >> offset) & ((1 << take) - 1)) << taken;
            taken += take;
            self.at_bit += take as usize;
        }
        u32::try_from(value).ok()
    }

    /// The next Rice code of parameter `rice`, if it is below `limit`.
    pub(super) fn read_rice(&mut self, rice: u32, limit: u32) -> Option<u32> {
        let mut high = 0u32;
        while self.read(1)? == 1 {
            high += 1;
            if high << rice >= limit {
                return None;
            }
        }
        let gap = (high << rice) | self.read(rice)?;
        (gap < limit).then_some(gap)
    }

    /// Skips to the next byte; `None` when a skipped bit is one, which no writer leaves.
    pub(super) fn align(&mut self) -> Option<()> {
        let rest = (8 - self.at_bit % 8) % 8;
        (self.read(rest as u32)? == 0).then_some(())
    }

    /// Whether every byte was read.
    pub(super) fn is_empty(&self) -> bool {
        self.at_bit == self.bytes.len() * 8
    }
}

/// The Rice parameter for `count` places chosen of `length`: `floor(log2(ln 2 * length / count))`, zero when dense.
///
/// In integers, so that both ends agree: ln 2 is taken as 0.693147.
pub(super) fn rice_parameter(length: usize, count: usize) -> u32 {
    let (length, count) = (length as u64 * 693_147, count as u64 * 1_000_000);
    let mut rice = 0;
    while count << (rice + 1) <= length {
        rice += 1;
    }
    rice
}
