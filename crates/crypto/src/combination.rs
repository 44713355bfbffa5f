//! Random linear combinations: 128 bits of a row that show whether it belongs to the code the data rows fixed.
//!
//! A row's symbols are multiplied by eight random coefficients each and summed, giving eight symbols. Rows of one codeword
//! combine to a codeword of the same code, so whoever knows the combinations of the data rows knows what every row must
//! combine to ([`extend`]), and a wrong row passes with probability 2^-128. The seed must be fixed after the rows are: it is a
//! digest of the commitment to them.
//!
//! `combination[t] = Σ_s row symbol[s] · coefficient[s][t]`, coefficients being
//! `BLAKE3 derive-key("aloft/da/rlc/v1", seed (32))` in its extended output: for every chunk of 32 symbols, for every `t` of
//! eight, 64 bytes that hold 32 symbols as a row's chunk does.

#[cfg(target_arch = "x86_64")]
mod gfni;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod tower;

#[cfg(target_arch = "x86_64")]
use crate::galois;
use crate::{
    galois::CHUNK_BYTES,
    reed_solomon::{Code, ROW_ALIGNMENT},
};
use primitives::Digest;

/// Separates these coefficients from every other use of the seed.
pub const CONTEXT: &str = "aloft/da/rlc/v1";
/// Symbols in a combination.
const LANES: usize = 8;

/// What a row combines to: eight symbols, least byte first.
pub type Combined = [u8; 16];

/// The coefficients of one seed, for rows of one length.
#[derive(Clone, Debug)]
pub struct Coefficients {
    row_bytes: usize,
    /// `row_bytes / 64` chunks of eight times 64 bytes.
    bytes: Vec<u8>,
    /// Whether the bytes are in the form that wide registers compute in.
    wide: bool,
}

impl Coefficients {
    /// Derives the coefficients for rows of `row_bytes` bytes: eight times as many bytes, at about 6 GB/s.
    ///
    /// # Panics
    ///
    /// When `row_bytes` is not a positive multiple of [`ROW_ALIGNMENT`].
    pub fn derive(seed: &Digest, row_bytes: usize) -> Self {
        let mut coefficients = Self::derive_portable(seed, row_bytes);
        #[cfg(target_arch = "x86_64")]
        if galois::gfni_available() {
            // SAFETY: the processor has the instructions.
            unsafe { gfni::convert(&mut coefficients.bytes) };
            coefficients.wide = true;
        }
        coefficients
    }

    fn derive_portable(seed: &Digest, row_bytes: usize) -> Self {
        assert!(
            row_bytes > 0 && row_bytes.is_multiple_of(ROW_ALIGNMENT),
            "rows of {row_bytes} bytes"
        );
        let mut bytes = vec![0; LANES * row_bytes];
        blake3::Hasher::new_derive_key(CONTEXT)
            .update(seed.as_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        Self {
            row_bytes,
            bytes,
            wide: false,
        }
    }

    /// What `row` combines to.
    ///
    /// # Panics
    ///
    /// When `row` has another length than the coefficients were derived for.
    pub fn combine(&self, row: &[u8]) -> Combined {
        assert_eq!(
            row.len(),
            self.row_bytes,
            "rows are as long as the coefficients are for"
        );
        self.combine_rows(row, self.row_bytes)[0]
    }

    /// What each of `rows`, contiguous, combines to; two at a time are faster than one by one.
    ///
    /// # Panics
    ///
    /// When `row_bytes` is another length than the coefficients were derived for, or does not divide `rows`.
    pub fn combine_rows(&self, rows: &[u8], row_bytes: usize) -> Vec<Combined> {
        assert_eq!(
            row_bytes, self.row_bytes,
            "rows are as long as the coefficients are for"
        );
        assert!(
            rows.len().is_multiple_of(row_bytes),
            "{} bytes are not rows of {row_bytes}",
            rows.len()
        );
        #[cfg(target_arch = "x86_64")]
        if self.wide {
            // SAFETY: the coefficients are wide only where the processor has the instructions.
            return unsafe { gfni::combine(&self.bytes, rows, row_bytes) };
        }
        rows.chunks_exact(row_bytes)
            .map(|row| portable::combine(&self.bytes, row))
            .collect()
    }
}

/// What every row of the blob combines to, given what its data rows do: the combinations encoded with the blob's own code.
///
/// # Panics
///
/// When `z` is not one combination for each of `code`'s data rows.
pub fn extend(code: &Code, z: &[Combined]) -> Vec<Combined> {
    assert_eq!(z.len(), code.data_rows() as usize, "a combination for every data row");
    // Eight symbols are a row of which the other symbols are zero.
    let mut data = vec![0; z.len() * ROW_ALIGNMENT];
    for (row, combined) in data.chunks_exact_mut(ROW_ALIGNMENT).zip(z) {
        for (lane, symbol) in combined.as_chunks::<2>().0.iter().enumerate() {
            row[lane] = symbol[0];
            row[CHUNK_BYTES / 2 + lane] = symbol[1];
        }
    }
    let parity = code.encode(&data, ROW_ALIGNMENT);
    let of_row = |row: &[u8]| std::array::from_fn(|byte| row[(byte % 2) * (CHUNK_BYTES / 2) + byte / 2]);
    z.iter()
        .copied()
        .chain(parity.chunks_exact(ROW_ALIGNMENT).map(of_row))
        .collect()
}
