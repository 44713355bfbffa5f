//! Digests of a blob's rows, and the short paths that tie one row to its group's root.
//!
//! Rows come in groups of 32; each group is a binary tree of five levels over its rows' digests. The group roots, not the rows,
//! are what a commitment lists, so a blob of 3,072 rows commits to 96 digests and a row is proved by five hashes.
//!
//! `row digest = BLAKE3(row)` · `node = BLAKE3 keyed with NODE_KEY (left (32) | right (32))`

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) mod lanes;
#[cfg(test)]
mod tests;

use primitives::Digest;

/// Rows in a group.
pub const GROUP_ROWS: usize = 32;
/// Hashes that lead from a row's digest to its group's root.
pub const PATH_LEN: usize = 5;
const _: () = assert!(1 << PATH_LEN == GROUP_ROWS, "a group is a full binary tree");

/// BLAKE3's key for inner nodes: no row can hash to a node, whatever its length. Its name in ASCII, then zeros.
pub const NODE_KEY: [u8; 32] = *b"aloft/da/row-tree/v1\0\0\0\0\0\0\0\0\0\0\0\0";

/// Digest of one row: its BLAKE3, whose own tree opens single kilobytes of it.
pub fn row_digest(row: &[u8]) -> Digest {
    Digest::of(row)
}

/// Rows that [`row_digests`] hashes side by side where registers are widest: it is fastest with whole multiples of them.
pub const ROWS_AT_ONCE: usize = 16;

/// [`row_digest`] of each of `rows`: many rows of one length are hashed side by side, in the lanes of wide registers.
pub fn row_digests(rows: &[&[u8]]) -> Vec<Digest> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m256i, __m512i};
        let digests = lanes::row_digests::<__m512i>(rows).or_else(|| lanes::row_digests::<__m256i>(rows));
        if let Some(digests) = digests {
            return digests;
        }
    }
    rows.iter().map(|row| row_digest(row)).collect()
}

/// The trees over the rows of a blob, one a group.
#[derive(Clone, Debug)]
pub struct RowTree {
    roots: Vec<Digest>,
    /// Every tree as a heap: 1 is the root, node `i` has children `2i` and `2i + 1`, leaves are 32..64. Slot 0 is unused.
    groups: Vec<[Digest; 2 * GROUP_ROWS]>,
}

impl RowTree {
    /// Hashes `rows`, in order.
    ///
    /// # Panics
    ///
    /// When the number of rows is not a multiple of [`GROUP_ROWS`].
    pub fn of_rows<'a>(rows: impl Iterator<Item = &'a [u8]>) -> Self {
        Self::of_digests(&row_digests(&rows.collect::<Vec<_>>()))
    }

    /// Builds the trees over digests of rows that were already hashed.
    ///
    /// # Panics
    ///
    /// When the number of digests is not a multiple of [`GROUP_ROWS`].
    pub fn of_digests(digests: &[Digest]) -> Self {
        let (groups, rest) = digests.as_chunks::<GROUP_ROWS>();
        assert!(
            rest.is_empty(),
            "{} rows are not whole groups of {GROUP_ROWS}",
            digests.len()
        );
        let groups = heaps(groups);
        Self {
            roots: groups.iter().map(|heap| heap[1]).collect(),
            groups,
        }
    }

    /// The root of every group, in order.
    pub fn group_roots(&self) -> &[Digest] {
        &self.roots
    }

    /// Digest of row `row`.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn digest(&self, row: u32) -> Digest {
        let row = row as usize;
        self.groups[row / GROUP_ROWS][GROUP_ROWS + row % GROUP_ROWS]
    }

    /// The hashes that lead from row `row`'s digest to its group's root, lowest first.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn path(&self, row: u32) -> [Digest; PATH_LEN] {
        let row = row as usize;
        let heap = &self.groups[row / GROUP_ROWS];
        let leaf = GROUP_ROWS + row % GROUP_ROWS;
        std::array::from_fn(|level| heap[(leaf >> level) ^ 1])
    }
}

/// The group root that `digest` leads to as row `row_index` of a blob: the row is in the blob when this is root
/// `row_index / GROUP_ROWS` of those committed to.
pub fn root_of_path(row_index: u32, digest: Digest, path: &[Digest; PATH_LEN]) -> Digest {
    path.iter()
        .enumerate()
        .fold(digest, |node, (level, sibling)| match row_index >> level & 1 {
            0 => parent(&node, sibling),
            _ => parent(sibling, &node),
        })
}

/// As [`root_of_path`] of each of `rows`, its index, its digest and its path: many are hashed side by side.
pub fn roots_of_paths<'a>(rows: impl IntoIterator<Item = (u32, Digest, &'a [Digest; PATH_LEN])>) -> Vec<Digest> {
    let (places, mut nodes): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .map(|(index, digest, path)| ((index, path), digest))
        .unzip();
    for level in 0..PATH_LEN {
        let pairs = places
            .iter()
            .zip(&nodes)
            .map(|((index, path), node)| match index >> level & 1 {
                0 => [node, &path[level]],
                _ => [&path[level], node],
            });
        nodes = parents(pairs);
    }
    nodes
}

/// The tree over each of `groups`, level by level of all of them.
fn heaps(groups: &[[Digest; GROUP_ROWS]]) -> Vec<[Digest; 2 * GROUP_ROWS]> {
    let mut heaps = vec![[Digest::from([0; 32]); 2 * GROUP_ROWS]; groups.len()];
    for (heap, leaves) in heaps.iter_mut().zip(groups) {
        heap[GROUP_ROWS..].copy_from_slice(leaves);
    }
    for level in (0..PATH_LEN).rev() {
        let first = 1 << level;
        let nodes = first..2 * first;
        let pairs = heaps
            .iter()
            .flat_map(|heap| nodes.clone().map(|node| [&heap[2 * node], &heap[2 * node + 1]]));
        let found = parents(pairs);
        for (heap, found) in heaps.iter_mut().zip(found.chunks_exact(first)) {
            heap[nodes.clone()].copy_from_slice(found);
        }
    }
    heaps
}

/// [`parent`] of each of `pairs`.
fn parents<'a>(pairs: impl Iterator<Item = [&'a Digest; 2]>) -> Vec<Digest> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m256i, __m512i};
        let blocks: Vec<_> = pairs.map(|[left, right]| children(left, right)).collect();
        lanes::keyed_digests::<__m512i>(&NODE_KEY, &blocks)
            .or_else(|| lanes::keyed_digests::<__m256i>(&NODE_KEY, &blocks))
            .unwrap_or_else(|| blocks.iter().map(node).collect())
    }
    #[cfg(not(target_arch = "x86_64"))]
    pairs.map(|[left, right]| parent(left, right)).collect()
}

fn parent(left: &Digest, right: &Digest) -> Digest {
    node(&children(left, right))
}

fn children(left: &Digest, right: &Digest) -> [u8; 64] {
    let mut children = [0; 64];
    children[..32].copy_from_slice(left.as_bytes());
    children[32..].copy_from_slice(right.as_bytes());
    children
}

fn node(children: &[u8; 64]) -> Digest {
    blake3::keyed_hash(&NODE_KEY, children).into()
}
