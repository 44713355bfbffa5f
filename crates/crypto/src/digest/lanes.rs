//! BLAKE3 of many rows of one length at once, one row in each lane of wide registers.
//!
//! BLAKE3's own wide code hashes sixteen chunks of one input side by side, so the upper levels of its tree leave most lanes
//! idle, and it wants a whole input at once. Here the lanes are rows: every level fills them, and rows may arrive in strips of a
//! few hundred bytes, while the code that made them still has them in cache. The digests are BLAKE3's.

use primitives::Digest;

/// Bytes of each row hashed at a time: a chunk of sixteen rows is half of a first-level cache.
const STRIP_BYTES: usize = 1024;
/// BLAKE3's block, in bytes.
pub(crate) const BLOCK_BYTES: usize = 64;
/// Blocks of a chunk: BLAKE3's leaf of 1 KiB.
const CHUNK_BLOCKS: usize = 16;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 1 << 1;
const PARENT: u32 = 1 << 2;
const ROOT: u32 = 1 << 3;
const KEYED_HASH: u32 = 1 << 4;

const IV: [u32; 8] = [
    0x6A09_E667,
    0xBB67_AE85,
    0x3C6E_F372,
    0xA54F_F53A,
    0x510E_527F,
    0x9B05_688C,
    0x1F83_D9AB,
    0x5BE0_CD19,
];

/// The order in which each round takes a block's words.
const SCHEDULE: [[usize; 16]; 7] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8],
    [3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1],
    [10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6],
    [12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4],
    [9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7],
    [11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13],
];

/// A chaining value of each lane: word `w` of all of them in register `w`.
pub(crate) type Values<W> = [W; 8];

/// Registers of 32-bit words, one for each of [`Words::COUNT`] rows.
///
/// # Safety
///
/// All functions use instructions that [`Words::available`] speaks of, and are called only where they are available.
pub(crate) unsafe trait Words: Copy + 'static {
    /// Rows hashed at once: 16 at most, and a divisor of 32.
    const COUNT: usize;

    /// Whether this processor has the instructions.
    fn available() -> bool;
    /// `word` in every lane.
    unsafe fn splat(word: u32) -> Self;
    /// The sum, modulo 2^32.
    unsafe fn add(self, other: Self) -> Self;
    /// The exclusive or.
    unsafe fn xor(self, other: Self) -> Self;
    /// Each word rotated right by 16, 12, 8 or 7 bits.
    unsafe fn rotate<const BITS: i32>(self) -> Self;
    /// The 16 words of the block at `rows[lane] + at`, for each lane.
    unsafe fn block(rows: *const *const u8, at: usize) -> [Self; 16];
    /// [`absorb`], compiled for the instructions.
    unsafe fn absorb(values: &mut Values<Self>, rows: *const *const u8, blocks: usize, counter: u64, flags: [u32; 2]);
    /// [`parent`], compiled for the instructions.
    unsafe fn parent(left: &Values<Self>, right: &mut Values<Self>, flags: u32);
}

/// Hashes rows that arrive in strips, in groups of as many as there are lanes.
pub(crate) struct RowHasher<W> {
    row_blocks: usize,
    /// Chaining values held for each group: the running chunk's, then those of subtrees that wait for their right sibling.
    held: usize,
    values: Vec<Values<W>>,
}

impl<W: Words> RowHasher<W> {
    /// A hasher of `rows` rows of `row_bytes` bytes, or nothing where the processor lacks the instructions.
    ///
    /// # Panics
    ///
    /// When rows are not whole groups, or are not whole blocks.
    pub(crate) fn new(rows: usize, row_bytes: usize) -> Option<Self> {
        assert!(
            rows.is_multiple_of(W::COUNT),
            "{rows} rows are not groups of {}",
            W::COUNT
        );
        assert!(
            row_bytes > 0 && row_bytes.is_multiple_of(BLOCK_BYTES),
            "rows of {row_bytes} bytes"
        );
        if !W::available() {
            return None;
        }
        let row_blocks = row_bytes / BLOCK_BYTES;
        let held = 2 + row_blocks.div_ceil(CHUNK_BLOCKS).ilog2() as usize;
        // SAFETY: the instructions are there.
        let zero = unsafe { W::splat(0) };
        Some(Self {
            row_blocks,
            held,
            values: vec![[zero; 8]; rows / W::COUNT * held],
        })
    }

    /// Continues group `group` with `bytes` bytes of each of its rows, which are number `at` on in the row.
    ///
    /// # Safety
    ///
    /// `rows` has a pointer for each lane, to as many bytes.
    #[inline(always)]
    pub(crate) unsafe fn absorb(&mut self, group: usize, rows: *const *const u8, at: usize, bytes: usize) {
        debug_assert!(at.is_multiple_of(BLOCK_BYTES) && bytes.is_multiple_of(BLOCK_BYTES));
        let (running, pending) = self.values[group * self.held..][..self.held]
            .split_first_mut()
            .expect("a group holds its running value");
        let mut block = at / BLOCK_BYTES;
        let end = block + bytes / BLOCK_BYTES;
        let first = block;
        let lanes = W::COUNT;
        while block < end {
            let chunk = block / CHUNK_BLOCKS;
            let stop = end.min((chunk + 1) * CHUNK_BLOCKS);
            let last = stop == self.row_blocks;
            let start_flag = if block.is_multiple_of(CHUNK_BLOCKS) {
                CHUNK_START
            } else {
                0
            };
            let ends = last || stop.is_multiple_of(CHUNK_BLOCKS);
            let end_flag = match (ends, last && chunk == 0) {
                (_, true) => CHUNK_END | ROOT,
                (true, _) => CHUNK_END,
                (false, _) => 0,
            };
            let skip = (block - first) * BLOCK_BYTES;
            // SAFETY: the caller's rows have the bytes of blocks `first..end`; the processor has the instructions, or there
            // would be no hasher.
            unsafe {
                let mut moved = [std::ptr::null(); 16];
                for (lane, moved) in moved.iter_mut().take(lanes).enumerate() {
                    *moved = (*rows.add(lane)).add(skip);
                }
                W::absorb(
                    running,
                    moved.as_ptr(),
                    stop - block,
                    chunk as u64,
                    [start_flag, end_flag],
                );
                if ends {
                    Self::merge(running, pending, chunk, last);
                }
            }
            block = stop;
        }
    }

    /// Adds the value of chunk `chunk` to the tree: the subtrees to its left are as many as `chunk` has bits set.
    #[inline(always)]
    unsafe fn merge(running: &mut Values<W>, pending: &mut [Values<W>], chunk: usize, last: bool) {
        let mut depth = chunk.count_ones() as usize;
        // Subtrees that the chunk completes; all of them when nothing follows.
        let complete = if last {
            depth
        } else {
            (chunk + 1).trailing_zeros() as usize
        };
        for _ in 0..complete {
            depth -= 1;
            let root = if last && depth == 0 { ROOT } else { 0 };
            // SAFETY: as in `absorb`.
            unsafe { W::parent(&pending[depth], running, PARENT | root) };
        }
        if !last {
            pending[depth] = *running;
        }
    }

    /// The digest of every row, once all its bytes were absorbed.
    pub(crate) fn digests(&self) -> impl Iterator<Item = Digest> {
        self.values.iter().step_by(self.held).flat_map(digests)
    }
}

/// The digest in each lane.
fn digests<W: Words>(values: &Values<W>) -> impl Iterator<Item = Digest> + use<W> {
    let mut words = [0u32; 8 * 16];
    // SAFETY: a register is its lanes' words; eight registers of at most 16 lanes fit.
    unsafe { std::ptr::copy_nonoverlapping(values.as_ptr().cast::<u32>(), words.as_mut_ptr(), 8 * W::COUNT) };
    (0..W::COUNT).map(move |lane| {
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(words.chunks(W::COUNT)) {
            *bytes = word[lane].to_le_bytes();
        }
        Digest::from(digest)
    })
}

/// BLAKE3 keyed with `key` of each of `blocks`; nothing where the processor lacks the instructions.
pub(crate) fn keyed_digests<W: Words>(key: &[u8; 32], blocks: &[[u8; BLOCK_BYTES]]) -> Option<Vec<Digest>> {
    if !W::available() {
        return None;
    }
    let mut found = Vec::with_capacity(blocks.len().next_multiple_of(W::COUNT));
    for group in blocks.chunks(W::COUNT) {
        // Lanes without a block of their own repeat the last one.
        let starts: [*const u8; 16] = std::array::from_fn(|lane| group[lane.min(group.len() - 1)].as_ptr());
        let mut words = key.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        // SAFETY: there is a pointer for each lane, to one block; the processor has the instructions.
        let values = unsafe {
            let mut values = std::array::from_fn(|_| W::splat(words.next().expect("a key of eight words")));
            W::absorb(
                &mut values,
                starts.as_ptr(),
                1,
                0,
                [KEYED_HASH | CHUNK_START, CHUNK_END | ROOT],
            );
            values
        };
        found.extend(digests(&values));
    }
    found.truncate(blocks.len());
    Some(found)
}

/// Digests of rows of one length; nothing where the processor lacks the instructions or lengths are none that lanes take.
pub(crate) fn row_digests<W: Words>(rows: &[&[u8]]) -> Option<Vec<Digest>> {
    let row_bytes = rows.first()?.len();
    let whole = row_bytes > 0 && row_bytes.is_multiple_of(BLOCK_BYTES);
    if !W::available() || !whole || rows.iter().any(|row| row.len() != row_bytes) {
        return None;
    }
    let grouped = rows.len() - rows.len() % W::COUNT;
    let mut hasher = RowHasher::<W>::new(grouped, row_bytes)?;
    for (group, rows) in rows.chunks_exact(W::COUNT).enumerate() {
        for at in (0..row_bytes).step_by(STRIP_BYTES) {
            let strip = STRIP_BYTES.min(row_bytes - at);
            let mut starts = [std::ptr::null(); 16];
            for (start, row) in starts.iter_mut().zip(rows) {
                *start = row[at..at + strip].as_ptr();
            }
            // SAFETY: there is a pointer for each lane, to as many bytes.
            unsafe { hasher.absorb(group, starts.as_ptr(), at, strip) };
        }
    }
    let alone = rows[grouped..].iter().map(|row| Digest::of(row));
    Some(hasher.digests().chain(alone).collect())
}

/// Compresses `blocks` blocks of one chunk of every row; `flags` are the first block's and the last one's.
#[inline(always)]
pub(crate) unsafe fn absorb<W: Words>(
    values: &mut Values<W>,
    rows: *const *const u8,
    blocks: usize,
    counter: u64,
    flags: [u32; 2],
) {
    // SAFETY: the caller's.
    unsafe {
        let mut running = if flags[0] == CHUNK_START {
            IV.map(
                #[inline(always)]
                |word| W::splat(word),
            )
        } else {
            *values
        };
        for block in 0..blocks {
            let first = if block == 0 { flags[0] } else { 0 };
            let last = if block + 1 == blocks { flags[1] } else { 0 };
            let words = W::block(rows, block * BLOCK_BYTES);
            running = compress(running, &words, counter, first | last);
        }
        *values = running;
    }
}

/// The value above `left` and `right`, into `right`.
#[inline(always)]
pub(crate) unsafe fn parent<W: Words>(left: &Values<W>, right: &mut Values<W>, flags: u32) {
    // SAFETY: the caller's.
    unsafe {
        let mut words = [left[0]; 16];
        words[..8].copy_from_slice(left);
        words[8..].copy_from_slice(right);
        *right = compress(
            IV.map(
                #[inline(always)]
                |word| W::splat(word),
            ),
            &words,
            0,
            flags,
        );
    }
}

/// BLAKE3's compression of a full block.
#[inline(always)]
unsafe fn compress<W: Words>(values: Values<W>, words: &[W; 16], counter: u64, flags: u32) -> Values<W> {
    let [a, b, c, d, e, f, g, h] = values;
    // SAFETY: the caller's.
    unsafe {
        let mut state = [
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            W::splat(IV[0]),
            W::splat(IV[1]),
            W::splat(IV[2]),
            W::splat(IV[3]),
            W::splat(counter as u32),
            W::splat((counter >> 32) as u32),
            W::splat(BLOCK_BYTES as u32),
            W::splat(flags),
        ];
        round::<W, 0>(&mut state, words);
        round::<W, 1>(&mut state, words);
        round::<W, 2>(&mut state, words);
        round::<W, 3>(&mut state, words);
        round::<W, 4>(&mut state, words);
        round::<W, 5>(&mut state, words);
        round::<W, 6>(&mut state, words);
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = state;
        [
            a.xor(i),
            b.xor(j),
            c.xor(k),
            d.xor(l),
            e.xor(m),
            f.xor(n),
            g.xor(o),
            h.xor(p),
        ]
    }
}

#[inline(always)]
unsafe fn round<W: Words, const ROUND: usize>(state: &mut [W; 16], words: &[W; 16]) {
    /// Half of the mixing of four columns, or of four diagonals: word by word, so that independent work stands together.
    macro_rules! half {
        ($first:literal, $turn:literal, $step:literal, $by:literal, $then:literal) => {
            // Lane `i` of the four mixes a = i, b = 4 + (i + turn), c = 8 + (i + 2 turn), d = 12 + (i + 3 turn), modulo 4.
            half!(@each $first, $turn, $step, $by, $then, 0);
            half!(@each $first, $turn, $step, $by, $then, 1);
            half!(@each $first, $turn, $step, $by, $then, 2);
            half!(@each $first, $turn, $step, $by, $then, 3);
        };
        (@each $first:literal, $turn:literal, $step:literal, $by:literal, $then:literal, $i:literal) => {
            let (a, b, c, d) = (
                $i,
                4 + ($i + $turn) % 4,
                8 + ($i + 2 * $turn) % 4,
                12 + ($i + 3 * $turn) % 4,
            );
            let word = words[SCHEDULE[ROUND][$first + 2 * $i + $step]];
            state[a] = state[a].add(word).add(state[b]);
            state[d] = state[d].xor(state[a]).rotate::<$by>();
            state[c] = state[c].add(state[d]);
            state[b] = state[b].xor(state[c]).rotate::<$then>();
        };
    }
    // SAFETY: the caller's.
    unsafe {
        half!(0, 0, 0, 16, 12);
        half!(0, 0, 1, 8, 7);
        half!(8, 1, 0, 16, 12);
        half!(8, 1, 1, 8, 7);
    }
}
