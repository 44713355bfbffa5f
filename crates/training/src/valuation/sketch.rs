//! Finding copies without showing rows: farms hand in salted digests of their rows, and who committed first keeps the row.
//!
//! A row's exact digest is BLAKE3, keyed with the pool's salt, of its figures. For likeness each row also has [`TABLES`] bucket
//! digests: in each, every figure (scaled to unit deviation) is cut into buckets one deviation wide whose edges the salt shifts
//! differently. A row jittered by a twentieth of a deviation shares most buckets with its original; honest rows share hardly any.

use crate::table::Examples;
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, Read, ReadExt as _, Write};
use std::collections::{BTreeMap, HashMap};

/// Shifted bucket grids a row is cut by.
pub const TABLES: usize = 16;

/// Grids two rows must share a bucket in to count as one row.
///
/// With 14 figures jittered by 0.05 deviations each, a grid is shared with probability 0.58, four or more of 16 with 0.998; figures
/// 0.3 apart share a grid with probability 0.008, four or more with 10^-5.
pub const SHARED_TABLES_MIN: usize = 4;

/// Width of a bucket, in deviations.
const BUCKET_WIDTH: f64 = 1.0;

/// The secret salt of a pool: without it a digest tells nothing about a row that can be guessed.
#[derive(Clone)]
pub struct SketchKey([u8; 32]);

impl SketchKey {
    /// The key for a pool's 32-byte salt.
    pub fn new(salt: [u8; 32]) -> Self {
        Self(salt)
    }
}

/// Digests of one farm's rows, in the order of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    exact: Vec<[u8; 32]>,
    buckets: Vec<[u64; TABLES]>,
}

impl Sketch {
    /// The sketch of `rows`, inputs and targets, scaled by the pool's constants.
    pub fn of(rows: &Examples, key: &SketchKey) -> Self {
        let width = rows.width + 1;
        let shifts: Vec<Vec<f64>> = (0..TABLES).map(|table| shifts(key, table, width)).collect();
        let figures = |index: usize| rows.row(index).iter().copied().chain([rows.targets[index]]);
        let exact = |index| {
            let mut hasher = blake3::Hasher::new_keyed(&key.0);
            figures(index).for_each(|figure| {
                // Adding zero makes -0 and 0 one figure.
                hasher.update(&(figure + 0.0).to_bits().to_le_bytes());
            });
            *hasher.finalize().as_bytes()
        };
        let bucket = |index, shifts: &[f64]| {
            let mut hasher = blake3::Hasher::new_keyed(&key.0);
            for (figure, shift) in figures(index).zip(shifts) {
                let bucket = (f64::from(figure) / BUCKET_WIDTH + shift).floor();
                hasher.update(&(bucket as i64).to_le_bytes());
            }
            u64::from_le_bytes(hasher.finalize().as_bytes()[..8].try_into().expect("eight bytes"))
        };
        Self {
            exact: (0..rows.len()).map(exact).collect(),
            buckets: (0..rows.len())
                .map(|index| std::array::from_fn(|table| bucket(index, &shifts[table])))
                .collect(),
        }
    }

    /// Rows of the farm.
    pub fn row_count(&self) -> usize {
        self.exact.len()
    }
}

/// Most rows of a sketch: as many as a table may have.
const MAX_SKETCH_ROWS: usize = 1 << 20;

/// `rows u32 | rows x (exact digest 32 | 16 x bucket digest u64)`, big endian.
impl Write for Sketch {
    fn write(&self, buf: &mut impl BufMut) {
        u32::try_from(self.exact.len())
            .expect("at most MAX_SKETCH_ROWS")
            .write(buf);
        for (exact, buckets) in self.exact.iter().zip(&self.buckets) {
            exact.write(buf);
            buckets.iter().for_each(|bucket| bucket.write(buf));
        }
    }
}

impl EncodeSize for Sketch {
    fn encode_size(&self) -> usize {
        4 + self.exact.len() * (32 + 8 * TABLES)
    }
}

impl Read for Sketch {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let rows = u32::read(buf)? as usize;
        if rows > MAX_SKETCH_ROWS {
            return Err(Error::InvalidLength(rows));
        }
        // Grows with what is there, not with what is claimed to be.
        let mut sketch = Self {
            exact: Vec::new(),
            buckets: Vec::new(),
        };
        for _ in 0..rows {
            sketch.exact.push(<[u8; 32]>::read(buf)?);
            let mut buckets = [0; TABLES];
            for bucket in &mut buckets {
                *bucket = u64::read(buf)?;
            }
            sketch.buckets.push(buckets);
        }
        Ok(sketch)
    }
}

/// Where the bucket edges of grid `table` are, for each figure, in [0, 1).
fn shifts(key: &SketchKey, table: usize, width: usize) -> Vec<f64> {
    let mut reader = blake3::Hasher::new_keyed(&key.0)
        .update(b"shifts")
        .update(&(table as u64).to_le_bytes())
        .finalize_xof();
    let next = |_| {
        let mut bytes = [0; 4];
        reader.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (1u64 << 32) as f64
    };
    (0..width).map(next).collect()
}

/// How one row is like another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// Every figure is the same.
    Exact,
    /// The figures are so close that chance does not explain it.
    Near,
}

/// A row that is dropped, and the row committed before that it is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Farm whose row is dropped.
    pub farm: usize,
    /// The row.
    pub row: usize,
    /// Farm that committed the like of it before; a farm may repeat itself.
    pub of_farm: usize,
    /// Its row.
    pub of_row: usize,
    /// How alike.
    pub likeness: Likeness,
}

/// What is left when copies are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Rows of each farm that count, ascending.
    pub rows: Vec<Vec<usize>>,
    /// Rows that do not, and why.
    pub dropped: Vec<Duplicate>,
}

/// Drops rows that were committed before. `sketches` are in the order of commitment: the earliest keeps the row.
///
/// Exact repeats are dropped within a farm too; near ones only between farms, for seasons on one farm may well be alike.
pub fn deduplicate(sketches: &[Sketch]) -> Kept {
    let mut exact: HashMap<[u8; 32], (usize, usize)> = HashMap::new();
    let mut buckets: Vec<HashMap<u64, Vec<(usize, usize)>>> = vec![HashMap::new(); TABLES];
    let mut kept = Kept {
        rows: vec![vec![]; sketches.len()],
        dropped: vec![],
    };
    for (farm, sketch) in sketches.iter().enumerate() {
        for row in 0..sketch.row_count() {
            let found = exact.get(&sketch.exact[row]).map(|&of| (of, Likeness::Exact));
            let found = found.or_else(|| near(&buckets, &sketch.buckets[row], farm).map(|of| (of, Likeness::Near)));
            match found {
                Some(((of_farm, of_row), likeness)) => {
                    kept.dropped.push(Duplicate {
                        farm,
                        row,
                        of_farm,
                        of_row,
                        likeness,
                    });
                }
                None => {
                    exact.insert(sketch.exact[row], (farm, row));
                    kept.rows[farm].push(row);
                }
            }
        }
        // Only now: a farm's own rows are no near copies of each other.
        for &row in &kept.rows[farm] {
            for (table, bucket) in buckets.iter_mut().zip(sketch.buckets[row]) {
                let holders = table.entry(bucket).or_default();
                if holders.len() < BUCKET_ROWS_MAX {
                    holders.push((farm, row));
                }
            }
        }
    }
    kept
}

/// Rows remembered of a bucket: a bucket fuller than this tells rows apart no more, and comparing with all of it would be slow.
const BUCKET_ROWS_MAX: usize = 64;

/// The earliest row of another farm that shares enough grids with a row.
fn near(tables: &[HashMap<u64, Vec<(usize, usize)>>], buckets: &[u64; TABLES], farm: usize) -> Option<(usize, usize)> {
    let mut shared: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (table, bucket) in tables.iter().zip(buckets) {
        for &of in table.get(bucket).into_iter().flatten().filter(|(of, _)| *of != farm) {
            *shared.entry(of).or_default() += 1;
        }
    }
    shared
        .into_iter()
        .find(|(_, count)| *count >= SHARED_TABLES_MIN)
        .map(|(of, _)| of)
}
