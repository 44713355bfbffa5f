//! The tree inside a row: BLAKE3's own, over chunks of a kilobyte, so that a row's digest proves each of its chunks.
//!
//! A subtree of more than one chunk has on its left the largest power of two of chunks that leaves some for its right (BLAKE3,
//! section 2.1), so a row of any length has one shape. A chunk's place is hashed into it, and chunks, inner nodes and the root
//! are hashed with different flags: no piece passes for another, nor for a node.

use blake3::{
    Hasher,
    hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root},
};
use primitives::Digest;
use std::ops::Range;

/// Bytes of a piece: BLAKE3's chunk. The last one of a row may be shorter.
pub const CHUNK_BYTES: usize = blake3::CHUNK_LEN;

/// How many pieces a row of `row_bytes` bytes has.
pub fn chunks(row_bytes: u32) -> u32 {
    row_bytes.div_ceil(CHUNK_BYTES as u32)
}

/// Where piece `chunk` is in a row of `row_bytes` bytes, which has it.
pub(super) fn range(row_bytes: u32, chunk: u32) -> Range<usize> {
    let start = chunk as usize * CHUNK_BYTES;
    start..(start + CHUNK_BYTES).min(row_bytes as usize)
}

/// How many hashes lead from piece `chunk` to the digest of a row of `row_bytes` bytes.
pub(super) fn depth(row_bytes: u32, chunk: u32) -> usize {
    descend(row_bytes, chunk).len()
}

/// One level on the way from the root to a chunk.
struct Level {
    /// The bytes that the way does not lead to.
    sibling: Range<usize>,
    /// Whether they come before the others.
    sibling_is_left: bool,
}

/// The way from the root of a row's tree to piece `chunk`.
fn descend(row_bytes: u32, chunk: u32) -> Vec<Level> {
    let start = range(row_bytes, chunk).start;
    let mut span = 0..row_bytes as usize;
    let mut levels = Vec::new();
    while span.len() > CHUNK_BYTES {
        let middle = span.start + left_subtree_len(span.len() as u64) as usize;
        let sibling_is_left = start >= middle;
        let (left, right) = (span.start..middle, middle..span.end);
        let (way, sibling) = if sibling_is_left { (right, left) } else { (left, right) };
        levels.push(Level {
            sibling,
            sibling_is_left,
        });
        span = way;
    }
    levels
}

/// The siblings that lead from piece `chunk` of `row`, which has it, to the row's digest, lowest first. Hashes the whole row.
pub(super) fn path(row: &[u8], chunk: u32) -> Vec<Digest> {
    let row_bytes = u32::try_from(row.len()).expect("a row's length is a u32");
    descend(row_bytes, chunk)
        .into_iter()
        .rev()
        .map(|level| subtree(row, level.sibling).into())
        .collect()
}

/// Digest of the row of `row_bytes` bytes that has `bytes` as its piece `chunk`, if `path` is right; `None` when `bytes` or `path`
/// has another length than the piece's.
pub(super) fn row_digest(row_bytes: u32, chunk: u32, bytes: &[u8], path: &[Digest]) -> Option<Digest> {
    let range = range(row_bytes, chunk);
    let levels = descend(row_bytes, chunk);
    if bytes.len() != range.len() || path.len() != levels.len() {
        return None;
    }
    // A row of one chunk is hashed as a root, not as part of a tree.
    let Some((top, below)) = levels.split_first() else {
        return Some(Digest::of(bytes));
    };
    let (top_sibling, siblings) = path.split_last().expect("as many as levels");
    let chunk = Hasher::new()
        .set_input_offset(range.start as u64)
        .update(bytes)
        .finalize_non_root();
    let node = below.iter().rev().zip(siblings).fold(chunk, |node, (level, sibling)| {
        let (left, right) = level.order(&node, sibling);
        merge_subtrees_non_root(left, right, Mode::Hash)
    });
    let (left, right) = top.order(&node, top_sibling);
    Some(merge_subtrees_root(left, right, Mode::Hash).into())
}

impl Level {
    /// The children of this level's node, left and right.
    fn order<'a>(&self, node: &'a ChainingValue, sibling: &'a Digest) -> (&'a ChainingValue, &'a ChainingValue) {
        let sibling = sibling.as_bytes();
        if self.sibling_is_left {
            (sibling, node)
        } else {
            (node, sibling)
        }
    }
}

/// The chaining value over the bytes of `row` in `range`, which are a subtree and not the whole row.
fn subtree(row: &[u8], range: Range<usize>) -> ChainingValue {
    Hasher::new()
        .set_input_offset(range.start as u64)
        .update(&row[range])
        .finalize_non_root()
}
