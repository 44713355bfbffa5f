//! The sparse vector that travels, and its bytes.

use super::{CHUNK, Density, bits, bits::rice_parameter, select};
use commonware_codec::{Buf, EncodeSize, Error, Read, Write};
use half::f16;
use std::sync::Arc;

/// One value sent: a place in its chunk, a sign, and which of the chunk's two levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place in the chunk.
    pub place: u16,
    /// Whether the value is below zero.
    pub negative: bool,
    /// Whether the magnitude is the chunk's high level.
    pub high: bool,
}

/// What is sent of one chunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Magnitude of entries that are not high: finite, not negative.
    pub low: f16,
    /// Magnitude of high entries: finite, at least `low`.
    pub high: f16,
    /// Entries by ascending place.
    pub entries: Vec<Entry>,
}

impl Chunk {
    /// Places and values, the values in units of 2^-24.
    pub fn values(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        let levels = [select::level_units(self.low), select::level_units(self.high)];
        self.entries.iter().map(move |entry| {
            let magnitude = levels[usize::from(entry.high)];
            (
                usize::from(entry.place),
                if entry.negative { -magnitude } else { magnitude },
            )
        })
    }
}

/// A sparse vector: `density.count(chunk length)` entries of every chunk of [`CHUNK`], the last chunk being what is left.
///
/// Bytes of a chunk of `n` entries, `c` of them sent: `low (f16) | high (f16) | c signs | c levels | c gaps`, bits lowest
/// first, filled with zeros to a byte. A gap is a place less the one before less one (the first: the place itself), Rice coded
/// with parameter `floor(log2(ln 2 * n / c))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    length: usize,
    density: Density,
    chunks: Arc<[Chunk]>,
}

/// What a reader knows of a [`Sparse`] before its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparseConfig {
    /// Entries of the whole vector.
    pub length: usize,
    /// Share of them that is sent.
    pub density: Density,
    /// Bytes of the encoding.
    pub byte_count: usize,
}

impl Sparse {
    /// Compresses `values`, in units of 2^-40.
    pub fn of(values: &[i64], density: Density) -> Self {
        let chunks = values
            .chunks(CHUNK)
            .map(|chunk| select::compress(chunk, density.count(chunk.len())));
        Self {
            length: values.len(),
            density,
            chunks: chunks.collect(),
        }
    }

    /// Entries of the whole vector.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The share of entries that is sent.
    pub fn density(&self) -> Density {
        self.density
    }

    /// The chunks, in order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Places in the whole vector and values, the values in units of 2^-24, by ascending place.
    pub fn values(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        let chunks = self.chunks.iter().enumerate();
        chunks.flat_map(|(index, chunk)| chunk.values().map(move |(place, value)| (index * CHUNK + place, value)))
    }

    /// The bytes described above.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = bits::BitWriter::default();
        for (index, chunk) in self.chunks.iter().enumerate() {
            let rice = rice_parameter(chunk_length(self.length, index), chunk.entries.len());
            writer.write(u32::from(chunk.low.to_bits()), 16);
            writer.write(u32::from(chunk.high.to_bits()), 16);
            for entry in &chunk.entries {
                writer.write(u32::from(entry.negative), 1);
            }
            for entry in &chunk.entries {
                writer.write(u32::from(entry.high), 1);
            }
            let mut next = 0;
            for entry in &chunk.entries {
                writer.write_rice(u32::from(entry.place) - next, rice);
                next = u32::from(entry.place) + 1;
            }
            writer.align();
        }
        writer.into_bytes()
    }

    /// Reads what [`Sparse::to_bytes`] wrote, for a vector of `length` entries; nothing else reads.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a level that is not finite or negative or out of order, a place beyond its chunk, set padding, bytes
    /// that end early or go on.
    pub fn from_bytes(bytes: &[u8], length: usize, density: Density) -> Result<Self, Error> {
        let mut reader = bits::BitReader::new(bytes);
        let count = length.div_ceil(CHUNK);
        // A chunk takes four bytes of levels at least: a short message cannot ask for much memory.
        if bytes.len() < 4 * count {
            return Err(Error::EndOfBuffer);
        }
        let chunks = (0..count).map(|index| {
            let length = chunk_length(length, index);
            read_chunk(&mut reader, length, density.count(length))
        });
        let chunks = chunks.collect::<Result<_, _>>()?;
        if !reader.is_empty() {
            return Err(Error::Invalid("training::Sparse", "bytes after the last chunk"));
        }
        Ok(Self {
            length,
            density,
            chunks,
        })
    }
}

/// Entries of chunk `index` of a vector of `length`.
fn chunk_length(length: usize, index: usize) -> usize {
    (length - index * CHUNK).min(CHUNK)
}

fn read_chunk(reader: &mut bits::BitReader<'_>, length: usize, count: usize) -> Result<Chunk, Error> {
    let [low, high] = [read_level(reader)?, read_level(reader)?];
    if high < low {
        return Err(Error::Invalid(
            "training::Sparse",
            "the high level is below the low one",
        ));
    }
    // A sign, a level and a gap take three bits at least.
    let mut flags = || {
        (0..count)
            .map(|_| Ok(reader.read(1).ok_or(Error::EndOfBuffer)? == 1))
            .collect::<Result<Vec<_>, Error>>()
    };
    let (signs, levels) = (flags()?, flags()?);
    let rice = rice_parameter(length, count);
    let mut entries = Vec::with_capacity(count);
    let mut next = 0u32;
    for (negative, high) in signs.into_iter().zip(levels) {
        let gap = reader.read_rice(rice, length as u32 - next);
        let place = next + gap.ok_or(Error::Invalid("training::Sparse", "a place beyond its chunk"))?;
        entries.push(Entry {
            place: place as u16,
            negative,
            high,
        });
        next = place + 1;
    }
    reader
        .align()
        .ok_or(Error::Invalid("training::Sparse", "padding is not zero"))?;
    Ok(Chunk { low, high, entries })
}

fn read_level(reader: &mut bits::BitReader<'_>) -> Result<f16, Error> {
    let bits = reader.read(16).ok_or(Error::EndOfBuffer)?;
    let level = f16::from_bits(bits as u16);
    if !level.is_finite() || level.is_sign_negative() {
        return Err(Error::Invalid("training::Sparse", "a level is not a finite magnitude"));
    }
    Ok(level)
}

impl EncodeSize for Sparse {
    fn encode_size(&self) -> usize {
        let bits = self.chunks.iter().enumerate().map(|(index, chunk)| {
            let rice = rice_parameter(chunk_length(self.length, index), chunk.entries.len());
            let mut bits = 32;
            let mut next = 0;
            for entry in &chunk.entries {
                let gap = u32::from(entry.place) - next;
                bits += 3 + rice as usize + (gap >> rice) as usize;
                next = u32::from(entry.place) + 1;
            }
            bits.div_ceil(8)
        });
        bits.sum()
    }
}

impl Write for Sparse {
    fn write(&self, buf: &mut impl bytes::BufMut) {
        buf.put_slice(&self.to_bytes());
    }
}

impl Read for Sparse {
    type Cfg = SparseConfig;

    fn read_cfg(buf: &mut impl Buf, config: &SparseConfig) -> Result<Self, Error> {
        if buf.remaining() < config.byte_count {
            return Err(Error::EndOfBuffer);
        }
        let bytes = buf.copy_to_bytes(config.byte_count);
        Self::from_bytes(&bytes, config.length, config.density)
    }
}
