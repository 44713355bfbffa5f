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
mod clmul;
#[cfg(target_arch = "x86_64")]
mod gfni;
mod portable;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod tower;

#[cfg(target_arch = "x86_64")]
use crate::galois;
use crate::{
    galois::CHUNK_BYTES,
    reed_solomon::{Code, CodeError, Instructions, ROW_ALIGNMENT},
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
    form: Form,
}

/// Coefficients as they are computed with. Derived, they are `row_bytes / 64` chunks of eight times 64 bytes.
#[derive(Clone, Debug)]
enum Form {
    /// As derived.
    Portable(Vec<u8>),
    /// As derived, for tables; and as polynomials, for carry-less products of single rows.
    #[cfg(target_arch = "x86_64")]
    Avx2 { derived: Vec<u8>, polynomials: Vec<u8> },
    /// As pairs of bytes.
    #[cfg(target_arch = "x86_64")]
    Gfni(gfni::Coefficients),
}

impl Coefficients {
    /// Derives the coefficients for rows of `row_bytes` bytes: eight times as many bytes, at about 6 GB/s.
    ///
    /// # Panics
    ///
    /// When `row_bytes` is not a positive multiple of [`ROW_ALIGNMENT`].
    pub fn derive(seed: &Digest, row_bytes: usize) -> Self {
        let fastest = Instructions::ALL.into_iter().rev();
        fastest
            .map(|instructions| Self::derive_with_instructions(seed, row_bytes, instructions))
            .find_map(Result::ok)
            .expect("every processor has the portable instructions")
    }

    /// As [`Self::derive`], with instructions named by the caller: for tests and measurements.
    ///
    /// # Errors
    ///
    /// [`CodeError::Unsupported`] where the processor lacks them; for AVX2 also where it multiplies no polynomials.
    ///
    /// # Panics
    ///
    /// As [`Self::derive`].
    pub fn derive_with_instructions(
        seed: &Digest,
        row_bytes: usize,
        instructions: Instructions,
    ) -> Result<Self, CodeError> {
        assert!(
            row_bytes > 0 && row_bytes.is_multiple_of(ROW_ALIGNMENT),
            "rows of {row_bytes} bytes"
        );
        let mut bytes = vec![0; LANES * row_bytes];
        blake3::Hasher::new_derive_key(CONTEXT)
            .update(seed.as_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        let form = match instructions {
            Instructions::Portable => Form::Portable(bytes),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 if clmul::available() => {
                let mut polynomials = bytes.clone();
                // SAFETY: the processor has the instructions.
                unsafe { clmul::convert(&mut polynomials) };
                let derived = bytes;
                Form::Avx2 { derived, polynomials }
            }
            #[cfg(target_arch = "x86_64")]
            Instructions::Gfni if galois::gfni_available() => {
                // SAFETY: the processor has the instructions.
                Form::Gfni(unsafe { gfni::prepare(&bytes) })
            }
            _ => return Err(CodeError::Unsupported(instructions)),
        };
        Ok(Self { row_bytes, form })
    }

    /// What `row` combines to.
    ///
    /// # Panics
    ///
    /// When `row` has another length than the coefficients were derived for.
    pub fn combine(&self, row: &[u8]) -> Combined {
        self.combine_each([row])[0]
    }

    /// What each of `rows`, contiguous, combines to; many at a time are faster than one by one.
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
        self.combine_each(rows.chunks_exact(row_bytes))
    }

    /// What each of `rows` combines to, wherever they lie.
    ///
    /// # Panics
    ///
    /// When a row has another length than the coefficients were derived for.
    pub fn combine_each<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Vec<Combined> {
        let rows = rows.into_iter().inspect(|row| {
            assert_eq!(
                row.len(),
                self.row_bytes,
                "rows are as long as the coefficients are for"
            );
        });
        let by_tables = |derived: &[u8], rows: Vec<&[u8]>, alone: &dyn Fn(&[u8]) -> Combined| match rows.len() {
            tables::ROWS_MIN.. => tables::combine(derived, &rows),
            _ => rows.into_iter().map(alone).collect(),
        };
        match &self.form {
            Form::Portable(derived) => by_tables(derived, rows.collect(), &|row| portable::combine(derived, row)),
            #[cfg(target_arch = "x86_64")]
            Form::Avx2 { derived, polynomials } => by_tables(derived, rows.collect(), &|row| {
                // SAFETY: coefficients are in this form only where the processor has the instructions.
                unsafe { clmul::combine(polynomials, row) }
            }),
            #[cfg(target_arch = "x86_64")]
            Form::Gfni(coefficients) => {
                let mut combined = Vec::with_capacity(rows.size_hint().0);
                // SAFETY: coefficients are in this form only where the processor has the instructions.
                unsafe { gfni::combine(coefficients, rows, self.row_bytes, &mut combined) };
                combined
            }
        }
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
