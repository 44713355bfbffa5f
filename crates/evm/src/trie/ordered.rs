//! The root of a list, as a header names those of its transactions and receipts: of the trie that has each entry at the RLP of its place.
//!
//! The whole trie is there at once and its depth is small, so it is laid out level by level and each level is hashed many nodes at a time.

use super::{
    encoding::{CompactPath, list, references},
    nibble,
};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable};
use alloy_trie::{EMPTY_ROOT_HASH, nodes::RlpNode};

/// An entry and its key.
struct Entry<'a> {
    /// The key's bytes, then zeros.
    key: B256,
    /// Nibbles of the key.
    nibbles: usize,
    value: &'a [u8],
}

/// A node; children are places in the level beneath.
enum Node<'a> {
    /// What is left of an entry's key after `depth` nibbles, and its value.
    Leaf { entry: &'a Entry<'a>, depth: usize },
    /// Nibbles `depth..end` of `key`, then a branch.
    Extension {
        key: B256,
        depth: usize,
        end: usize,
        child: usize,
    },
    /// No key is a prefix of another, so that a branch has no value.
    Branch { children: [Option<usize>; 16] },
}

/// The root of the list of `values`, each as it is encoded.
pub(crate) fn ordered_root(values: &[Vec<u8>]) -> B256 {
    // As RLP sorts places: those of one byte, zero, which is written as an empty string, and the longer ones.
    let one_byte = 1..values.len().min(0x80);
    let places = one_byte.chain(0..values.len().min(1)).chain(0x80..values.len());
    let entries: Vec<Entry<'_>> = places
        .map(|place| {
            let (mut key, mut written) = (B256::ZERO, Vec::with_capacity(9));
            place.encode(&mut written);
            key[..written.len()].copy_from_slice(&written);
            Entry {
                key,
                nibbles: 2 * written.len(),
                value: &values[place],
            }
        })
        .collect();
    if entries.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let mut levels = Vec::new();
    lay_out(&entries, 0, 0, &mut levels);
    let beneath = levels.iter().rev().fold(Vec::new(), |beneath, level| {
        references(level, |node, out| node.encode(&beneath, out))
    });
    let root = &beneath[0];
    root.as_hash().unwrap_or_else(|| keccak256(root.as_slice()))
}

/// Adds the nodes of `entries`, whose keys agree in `depth` nibbles, to `levels`; says where the first of them is in its level.
fn lay_out<'a>(entries: &'a [Entry<'a>], depth: usize, level: usize, levels: &mut Vec<Vec<Node<'a>>>) -> usize {
    if levels.len() == level {
        levels.push(Vec::new());
    }
    let (first, last) = (&entries[0], &entries[entries.len() - 1]);
    // Between the first and the last in order, all agree in what these two do.
    let end = (depth..first.nibbles).find(|&at| nibble(&first.key, at) != nibble(&last.key, at));
    let node = match end {
        None => Node::Leaf { entry: first, depth },
        Some(end) if end > depth => Node::Extension {
            key: first.key,
            depth,
            end,
            child: lay_out(entries, end, level + 1, levels),
        },
        Some(_) => {
            let mut children = [None; 16];
            for group in entries.chunk_by(|one, other| nibble(&one.key, depth) == nibble(&other.key, depth)) {
                children[nibble(&group[0].key, depth)] = Some(lay_out(group, depth + 1, level + 1, levels));
            }
            Node::Branch { children }
        }
    };
    levels[level].push(node);
    levels[level].len() - 1
}

impl Node<'_> {
    fn encode(&self, beneath: &[RlpNode], out: &mut Vec<u8>) {
        match self {
            Self::Leaf { entry, depth } => {
                let path = CompactPath::new(&entry.key, *depth, entry.nibbles, true);
                list(path.length() + entry.value.length(), out);
                path.encode(out);
                entry.value.encode(out);
            }
            Self::Extension { key, depth, end, child } => {
                let path = CompactPath::new(key, *depth, *end, false);
                let child = beneath[*child].as_slice();
                list(path.length() + child.len(), out);
                path.encode(out);
                out.put_slice(child);
            }
            Self::Branch { children } => {
                let children = || {
                    children
                        .iter()
                        .map(|child| child.map_or(&[EMPTY_STRING_CODE][..], |child| beneath[child].as_slice()))
                };
                list(children().map(<[u8]>::len).sum::<usize>() + 1, out);
                children().for_each(|child| out.put_slice(child));
                out.put_u8(EMPTY_STRING_CODE);
            }
        }
    }
}
