//! Random linear combinations: 128 bits of a row that show whether it belongs to the code the data rows fixed.
//!
//! Eight symbols are an element of a field of 2^128, and a row is blocks of 64 elements. Each block is multiplied by a random element and
//! they are added up; then the elements of the sum are, each multiplied by another random one. Symbols multiply elements as they multiply
//! rows, so rows of one codeword combine to a codeword of the same code: whoever knows the combinations of the data rows knows what
//! every row must combine to ([`extend`]), and a wrong row passes with probability 2^-127 at most, 2^-128 for each of both steps. The seed
//! must be fixed after the rows are: it is a digest of the commitment to them.
//!
//! A block is 1,024 bytes; a row's last one ends with zeros. Coordinate `j` of element `e` of a block is symbol `e % 32` of its chunk
//! `2j + e / 32`. The random elements are `BLAKE3 derive-key("aloft/da/rlc/v2", seed (32))` in its extended output: a block of those that elements are
//! multiplied by, then 16 bytes for each block, coordinates in order, least byte first. The field's definition is in `field`.

#[cfg(target_arch = "x86_64")]
mod clmul;
mod field;
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod wide;

#[cfg(target_arch = "x86_64")]
use crate::reed_solomon::{avx2::Avx2, gfni::Gfni};
use crate::{
    galois::{CHUNK_BYTES, CHUNK_SYMBOLS},
    reed_solomon::{Code, CodeError, Instructions, ROW_ALIGNMENT},
};
use primitives::Digest;

/// Separates these coefficients from every other use of the seed.
pub const CONTEXT: &str = "aloft/da/rlc/v2";
/// Bytes of a block.
const BLOCK_BYTES: usize = 1024;
/// Elements of a block.
const BLOCK_ELEMENTS: usize = BLOCK_BYTES / size_of::<Combined>();
const _: () = assert!(BLOCK_ELEMENTS == 2 * CHUNK_SYMBOLS && BLOCK_BYTES.is_multiple_of(ROW_ALIGNMENT));

/// What a row combines to: eight symbols, least byte first.
pub type Combined = [u8; 2 * field::DEGREE];

/// 64 elements.
type Block = [u8; BLOCK_BYTES];

/// The coefficients of one seed, for rows of one length.
#[derive(Clone, Debug)]
pub struct Coefficients {
    row_bytes: usize,
    blocks: OfBlocks,
    elements: OfElements,
}

/// What the blocks of a row are multiplied by.
#[derive(Clone, Debug)]
enum OfBlocks {
    Portable(Vec<field::Terms<u16>>),
    #[cfg(target_arch = "x86_64")]
    Avx2(wide::Factors<Avx2>),
    #[cfg(target_arch = "x86_64")]
    Gfni(wide::Factors<Gfni>),
}

/// What the elements of the blocks' sum are multiplied by.
#[derive(Clone, Debug)]
enum OfElements {
    Portable(Box<Block>),
    #[cfg(target_arch = "x86_64")]
    Clmul(Box<clmul::Factors>),
}

impl Coefficients {
    /// Derives the coefficients for rows of `row_bytes` bytes.
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
    /// [`CodeError::Unsupported`] where the processor lacks them.
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
        let mut elements = Box::new([0; BLOCK_BYTES]);
        let mut of_blocks = vec![[0; size_of::<Combined>()]; row_bytes.div_ceil(BLOCK_BYTES)];
        let mut derived = blake3::Hasher::new_derive_key(CONTEXT)
            .update(seed.as_bytes())
            .finalize_xof();
        derived.fill(&mut elements[..]);
        derived.fill(of_blocks.as_flattened_mut());
        let of_block = |bytes: &Combined| {
            let symbols = bytes.as_chunks().0;
            field::terms(&std::array::from_fn(|coordinate| {
                u16::from_le_bytes(symbols[coordinate])
            }))
        };
        let terms: Vec<_> = of_blocks.iter().map(of_block).collect();
        let blocks = match instructions {
            Instructions::Portable => Some(OfBlocks::Portable(terms)),
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => wide::Factors::new(&terms).map(OfBlocks::Avx2),
            #[cfg(target_arch = "x86_64")]
            Instructions::Gfni => wide::Factors::new(&terms).map(OfBlocks::Gfni),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Avx2 | Instructions::Gfni => None,
        };
        let elements = match instructions {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 | Instructions::Gfni if clmul::available() => {
                // SAFETY: the processor has the instructions.
                OfElements::Clmul(Box::new(unsafe { clmul::prepare(&elements) }))
            }
            _ => OfElements::Portable(elements),
        };
        Ok(Self {
            row_bytes,
            blocks: blocks.ok_or(CodeError::Unsupported(instructions))?,
            elements,
        })
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
        let folded = match &self.blocks {
            OfBlocks::Portable(terms) => portable::fold(terms, row),
            #[cfg(target_arch = "x86_64")]
            OfBlocks::Avx2(factors) => factors.fold(row),
            #[cfg(target_arch = "x86_64")]
            OfBlocks::Gfni(factors) => factors.fold(row),
        };
        match &self.elements {
            OfElements::Portable(factors) => portable::inner_product(factors, &folded),
            // SAFETY: factors are in this form only where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            OfElements::Clmul(factors) => unsafe { clmul::inner_product(factors, &folded) },
        }
    }

    /// What each of `rows`, contiguous, combines to.
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
        rows.chunks_exact(row_bytes).map(|row| self.combine(row)).collect()
    }
}

/// `bytes` of a block, and zeros.
fn padded(bytes: &[u8]) -> Block {
    let mut block = [0; BLOCK_BYTES];
    block[..bytes.len()].copy_from_slice(bytes);
    block
}

/// Where the low byte of a coordinate of element `index` of a block is; the high one is [`CHUNK_SYMBOLS`] bytes further.
fn place(index: usize, coordinate: usize) -> usize {
    (2 * coordinate + index / CHUNK_SYMBOLS) * CHUNK_BYTES + index % CHUNK_SYMBOLS
}

/// Element `index` of a block.
fn element(block: &Block, index: usize) -> field::Element {
    std::array::from_fn(|coordinate| {
        let low = place(index, coordinate);
        u16::from_le_bytes([block[low], block[low + CHUNK_SYMBOLS]])
    })
}

/// Makes `element` the block's element `index`.
fn set_element(block: &mut Block, index: usize, element: field::Element) {
    for (coordinate, symbol) in element.into_iter().enumerate() {
        let low = place(index, coordinate);
        [block[low], block[low + CHUNK_SYMBOLS]] = symbol.to_le_bytes();
    }
}

fn bytes_of(element: field::Element) -> Combined {
    let mut bytes = [0; size_of::<Combined>()];
    for (bytes, symbol) in bytes.as_chunks_mut().0.iter_mut().zip(element) {
        *bytes = symbol.to_le_bytes();
    }
    bytes
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
