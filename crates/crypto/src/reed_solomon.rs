//! Reed-Solomon codes over GF(2^16) that take a blob's rows to parity rows, and any `k` rows back to the blob.
//!
//! Rows are evaluations: column by column, the data rows are a polynomial's values at the symbols `0..k`, and parity rows its
//! values at `k..n`. Both ways go through additive Fourier transforms (Lin, Chung, Han 2014), so a symbol costs `log k`
//! multiplications. Parity is bit for bit that of Leopard-RS's GF(2^16) code and of the crate `reed-solomon-simd` in its low
//! rate form. Every `k` parity rows from a multiple of `k` on are a *coset*: complete, it decodes as fast as it was encoded.
//!
//! Three implementations give the same bytes: portable, AVX2, and AVX-512 with GFNI; the fastest that the processor has is
//! chosen at run time.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod gfni;
mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod strips;
#[cfg(test)]
mod tests;

use crate::{digest, galois};
use primitives::Digest;
use std::{fmt, sync::Arc};

/// Row lengths are multiples of this many bytes: two chunks of 32 symbols, what one wide register pair holds.
pub const ROW_ALIGNMENT: usize = 128;
/// Fewest data rows.
pub const DATA_ROWS_MIN: u32 = 32;
/// Most data rows: what keeps a strip of all rows within a processor's second-level cache.
pub const DATA_ROWS_MAX: u32 = 1024;

/// Why a code was not made, or rows were not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Data rows are a power of two from 32 to 1,024; total rows are two, three or four times as many.
    #[error("no code takes {data_rows} rows to {total_rows}")]
    Parameters {
        /// Rows asked for before encoding.
        data_rows: u32,
        /// Rows asked for after encoding.
        total_rows: u32,
    },
    /// Row lengths are positive multiples of [`ROW_ALIGNMENT`].
    #[error("rows of {row_bytes} bytes are not whole multiples of {ROW_ALIGNMENT}")]
    RowBytes {
        /// Length asked for.
        row_bytes: usize,
    },
    /// A row is not as long as said.
    #[error("row {row} has {bytes} bytes, not {expected}")]
    RowLength {
        /// Index of the row.
        row: u32,
        /// Its length.
        bytes: usize,
        /// The length of every row.
        expected: usize,
    },
    /// There is no such row.
    #[error("row {row} is not among {total_rows}")]
    RowIndex {
        /// Index of the row.
        row: u32,
        /// Rows there are.
        total_rows: u32,
    },
    /// Fewer distinct rows than data rows say nothing of the others.
    #[error("{rows} distinct rows do not decode {data_rows}")]
    TooFewRows {
        /// Distinct rows given.
        rows: u32,
        /// Rows needed.
        data_rows: u32,
    },
    /// This processor lacks the instructions asked for.
    #[error("this processor has no {0:?} instructions")]
    Unsupported(Instructions),
}

/// The instructions that a code computes with. All give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// Those of every processor.
    Portable,
    /// x86-64's 256-bit registers and byte shuffles.
    Avx2,
    /// x86-64's 512-bit registers and products of bit matrices (AVX-512 F and BW, GFNI).
    Gfni,
}

impl Instructions {
    /// Slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Gfni];
}

/// A code: how many rows data has, and how many it becomes. Its tables take a millisecond to make and are shared by clones.
#[derive(Clone)]
pub struct Code {
    data_rows: u32,
    total_rows: u32,
    engine: Engine,
}

/// The tables for the instructions chosen.
#[derive(Clone)]
enum Engine {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Arc<strips::Engine<avx2::Avx2>>),
    #[cfg(target_arch = "x86_64")]
    Gfni(Arc<strips::Engine<gfni::Gfni>>),
}

impl Engine {
    /// The tables for `k` data rows of `n`, or nothing where the processor lacks the instructions.
    fn new(instructions: Instructions, k: usize, n: usize) -> Option<Self> {
        match instructions {
            Instructions::Portable => Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => strips::Engine::new(k, n / k).map(|engine| Self::Avx2(Arc::new(engine))),
            #[cfg(target_arch = "x86_64")]
            Instructions::Gfni => strips::Engine::new(k, n / k).map(|engine| Self::Gfni(Arc::new(engine))),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx2 | Instructions::Gfni => None,
        }
    }
}

/// How given rows decode.
enum Plan<'a> {
    /// All data rows are there.
    Data(Vec<&'a [u8]>),
    /// All rows of this parity coset are there.
    Coset(usize, Vec<&'a [u8]>),
    /// The rows at each position of a domain of a power of two positions, `k` of them present.
    Erasures(Vec<Option<&'a [u8]>>),
}

impl Code {
    /// A code that takes `data_rows` rows to `total_rows`, the data rows first.
    ///
    /// # Errors
    ///
    /// [`CodeError::Parameters`] unless `data_rows` is a power of two from 32 to 1,024 and `total_rows` is two, three or four
    /// times as many.
    pub fn new(data_rows: u32, total_rows: u32) -> Result<Code, CodeError> {
        let fastest = Instructions::ALL.into_iter().rev();
        fastest
            .map(|instructions| Self::with_instructions(data_rows, total_rows, instructions))
            .find(|code| !matches!(code, Err(CodeError::Unsupported(_))))
            .expect("every processor has the portable instructions")
    }

    /// As [`Self::new`], with instructions named by the caller: for tests and measurements.
    ///
    /// # Errors
    ///
    /// As [`Self::new`], and [`CodeError::Unsupported`] where the processor lacks them.
    pub fn with_instructions(data_rows: u32, total_rows: u32, instructions: Instructions) -> Result<Code, CodeError> {
        let factor = total_rows / data_rows.max(1);
        let whole = u64::from(factor) * u64::from(data_rows) == u64::from(total_rows);
        let counts = DATA_ROWS_MIN..=DATA_ROWS_MAX;
        if !data_rows.is_power_of_two() || !counts.contains(&data_rows) || !whole || !(2..=4).contains(&factor) {
            return Err(CodeError::Parameters { data_rows, total_rows });
        }
        let engine = Engine::new(instructions, data_rows as usize, total_rows as usize)
            .ok_or(CodeError::Unsupported(instructions))?;
        Ok(Self {
            data_rows,
            total_rows,
            engine,
        })
    }

    /// What it computes with.
    pub fn instructions(&self) -> Instructions {
        match self.engine {
            Engine::Portable => Instructions::Portable,
            #[cfg(target_arch = "x86_64")]
            Engine::Avx2(_) => Instructions::Avx2,
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni(_) => Instructions::Gfni,
        }
    }

    /// Rows before encoding.
    pub fn data_rows(&self) -> u32 {
        self.data_rows
    }

    /// Rows after encoding, the data rows included.
    pub fn total_rows(&self) -> u32 {
        self.total_rows
    }

    /// The parity rows of `data`, contiguous: rows `data_rows..total_rows`.
    ///
    /// # Panics
    ///
    /// When `row_bytes` is not a positive multiple of [`ROW_ALIGNMENT`], or `data` is not `data_rows` rows of it.
    pub fn encode(&self, data: &[u8], row_bytes: usize) -> Vec<u8> {
        let mut parity = vec![0; (self.total_rows - self.data_rows) as usize * row_bytes];
        self.encode_into(data, row_bytes, &mut parity);
        parity
    }

    /// As [`Self::encode`], into `parity`: memory used before is written faster than memory never touched.
    ///
    /// # Panics
    ///
    /// As [`Self::encode`], and when `parity` is not `total_rows - data_rows` rows long.
    pub fn encode_into(&self, data: &[u8], row_bytes: usize, parity: &mut [u8]) {
        self.check_lengths(data, row_bytes, parity);
        match &self.engine {
            Engine::Portable => portable::encode(self.data_rows as usize, data, row_bytes, parity),
            #[cfg(target_arch = "x86_64")]
            Engine::Avx2(engine) => engine.encode(data, row_bytes, parity),
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni(engine) => engine.encode(data, row_bytes, parity),
        }
    }

    /// As [`Self::encode_into`], and the digests ([`digest::row_digest`]) of all rows, the data rows first.
    ///
    /// Rows are hashed strip by strip as they are coded, while they are in cache: twice as fast as one after the other.
    ///
    /// # Panics
    ///
    /// As [`Self::encode_into`].
    pub fn encode_with_digests(&self, data: &[u8], row_bytes: usize, parity: &mut [u8]) -> Vec<Digest> {
        self.check_lengths(data, row_bytes, parity);
        match &self.engine {
            Engine::Portable => {
                portable::encode(self.data_rows as usize, data, row_bytes, parity);
                let rows = data.chunks_exact(row_bytes).chain(parity.chunks_exact(row_bytes));
                rows.map(digest::row_digest).collect()
            }
            #[cfg(target_arch = "x86_64")]
            Engine::Avx2(engine) => engine.encode_with_digests(data, row_bytes, parity),
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni(engine) => engine.encode_with_digests(data, row_bytes, parity),
        }
    }

    /// The rows of one parity coset, contiguous: `data_rows · coset` to `data_rows · (coset + 1)`. They are those of every code of
    /// as many data rows that has them, so a blob can be given another coset later.
    ///
    /// # Panics
    ///
    /// When `row_bytes` is not a positive multiple of [`ROW_ALIGNMENT`], `data` or `rows` is not `data_rows` rows of it, or `coset`
    /// is not one of the code's, from 1 on.
    pub fn encode_coset_into(&self, data: &[u8], row_bytes: usize, coset: u32, rows: &mut [u8]) {
        assert!(
            row_bytes > 0 && row_bytes.is_multiple_of(ROW_ALIGNMENT),
            "rows of {row_bytes} bytes"
        );
        assert!(
            (1..self.total_rows / self.data_rows).contains(&coset),
            "coset {coset} of {self:?}"
        );
        let bytes = self.data_rows as usize * row_bytes;
        assert_eq!((data.len(), rows.len()), (bytes, bytes), "bytes of a coset");
        let data: Vec<&[u8]> = data.chunks_exact(row_bytes).collect();
        self.transfer(0, &data, coset as usize, row_bytes, rows);
    }

    /// Values on coset `to` of what has the values `rows` on coset `from`.
    fn transfer(&self, from: usize, rows: &[&[u8]], to: usize, row_bytes: usize, values: &mut [u8]) {
        match &self.engine {
            Engine::Portable => portable::transfer(from, rows, to, row_bytes, values),
            #[cfg(target_arch = "x86_64")]
            Engine::Avx2(engine) => engine.transfer(from, rows, to, row_bytes, values),
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni(engine) => engine.transfer(from, rows, to, row_bytes, values),
        }
    }

    /// Panics unless `data` and `parity` are the code's rows of `row_bytes` bytes.
    fn check_lengths(&self, data: &[u8], row_bytes: usize, parity: &[u8]) {
        let (k, n) = (self.data_rows as usize, self.total_rows as usize);
        assert!(
            row_bytes > 0 && row_bytes.is_multiple_of(ROW_ALIGNMENT),
            "rows of {row_bytes} bytes"
        );
        assert_eq!(data.len(), k * row_bytes, "data is {k} rows of {row_bytes} bytes");
        assert_eq!(
            parity.len(),
            (n - k) * row_bytes,
            "parity is {} rows of {row_bytes} bytes",
            n - k
        );
    }

    /// The data rows, contiguous, from any `data_rows` distinct rows, each with its index.
    ///
    /// Rows beyond those needed are not looked at, nor is a second row of an index; data rows are preferred, then the lowest.
    /// Rows that are not one blob's decode to something, so check each before: this corrects losses, not errors.
    ///
    /// # Errors
    ///
    /// [`CodeError::RowBytes`], [`CodeError::RowIndex`], [`CodeError::RowLength`] for a malformed argument, and
    /// [`CodeError::TooFewRows`] when there are not enough.
    pub fn decode(&self, rows: &[(u32, &[u8])], row_bytes: usize) -> Result<Vec<u8>, CodeError> {
        let plan = self.plan(rows, row_bytes)?;
        let mut data = vec![0; self.data_rows as usize * row_bytes];
        self.follow(plan, row_bytes, &mut data);
        Ok(data)
    }

    /// As [`Self::decode`], into `data`: memory used before is written faster than memory never touched.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`]; `data` is then as it was.
    ///
    /// # Panics
    ///
    /// When `data` is not `data_rows` rows long.
    pub fn decode_into(&self, rows: &[(u32, &[u8])], row_bytes: usize, data: &mut [u8]) -> Result<(), CodeError> {
        let plan = self.plan(rows, row_bytes)?;
        assert_eq!(
            data.len(),
            self.data_rows as usize * row_bytes,
            "data is {} rows",
            self.data_rows
        );
        self.follow(plan, row_bytes, data);
        Ok(())
    }

    fn follow(&self, plan: Plan<'_>, row_bytes: usize, data: &mut [u8]) {
        match (plan, &self.engine) {
            (Plan::Data(rows), _) => copy_present(&rows.into_iter().map(Some).collect::<Vec<_>>(), row_bytes, data),
            (Plan::Coset(coset, rows), _) => self.transfer(coset, &rows, 0, row_bytes, data),
            (Plan::Erasures(rows), Engine::Portable) => portable::decode(&rows, row_bytes, data),
            #[cfg(target_arch = "x86_64")]
            (Plan::Erasures(rows), Engine::Avx2(engine)) => engine.decode(&rows, row_bytes, data),
            #[cfg(target_arch = "x86_64")]
            (Plan::Erasures(rows), Engine::Gfni(engine)) => engine.decode(&rows, row_bytes, data),
        }
    }

    fn plan<'a>(&self, rows: &[(u32, &'a [u8])], row_bytes: usize) -> Result<Plan<'a>, CodeError> {
        let (data_rows, total_rows) = (self.data_rows, self.total_rows);
        let k = data_rows as usize;
        if row_bytes == 0 || !row_bytes.is_multiple_of(ROW_ALIGNMENT) {
            return Err(CodeError::RowBytes { row_bytes });
        }
        let mut present = vec![None; total_rows as usize];
        for &(row, bytes) in rows {
            let slot = present
                .get_mut(row as usize)
                .ok_or(CodeError::RowIndex { row, total_rows })?;
            if bytes.len() != row_bytes {
                return Err(CodeError::RowLength {
                    row,
                    bytes: bytes.len(),
                    expected: row_bytes,
                });
            }
            slot.get_or_insert(bytes);
        }
        let distinct = present.iter().flatten().count();
        if distinct < k {
            return Err(CodeError::TooFewRows {
                rows: distinct as u32,
                data_rows,
            });
        }
        for (coset, rows) in present.chunks(k).enumerate() {
            if let Some(rows) = rows.iter().copied().collect::<Option<Vec<_>>>() {
                return Ok(if coset == 0 {
                    Plan::Data(rows)
                } else {
                    Plan::Coset(coset, rows)
                });
            }
        }
        let last = present
            .iter()
            .enumerate()
            .filter(|(_, row)| row.is_some())
            .nth(k - 1)
            .map_or(0, |(row, _)| row);
        present.truncate(last + 1);
        present.resize((last + 1).next_power_of_two(), None);
        Ok(Plan::Erasures(present))
    }
}

/// Copies the data rows that are there to their places.
fn copy_present(present: &[Option<&[u8]>], row_bytes: usize, data: &mut [u8]) {
    for (slot, row) in data.chunks_exact_mut(row_bytes).zip(present) {
        if let Some(row) = row {
            slot.copy_from_slice(row);
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({} -> {})", self.data_rows, self.total_rows)
    }
}

/// The symbols to multiply by, for every position of a domain whose rows are `present`: the error locator's value at rows
/// that are, one over its derivative's at rows that are not.
fn decoding_factors<T>(present: &[Option<T>]) -> Vec<u16> {
    let erased: Vec<bool> = present.iter().map(Option::is_none).collect();
    let locator = galois::log_locator(&erased);
    let factor = |(log, erased): (&u64, &bool)| galois::exp(if *erased { galois::inverse_log(*log) } else { *log });
    locator.iter().zip(&erased).map(factor).collect()
}
