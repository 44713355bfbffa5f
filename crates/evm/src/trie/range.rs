//! Part of a trie, from one key to another, proved whole against the trie's root.
//!
//! Who sends it sends the leaves of the interval and the nodes on the paths to its ends. Who checks it walks down from the root: a subtree that lies in
//! the interval is built again from the leaves and must have the reference that its parent has; one that lies across an end is taken from the
//! nodes that were sent, each by its hash; one outside is not looked at. So not a leaf can be left out, added or changed.

#[cfg(test)]
mod tests;

use super::{KEY_NIBBLES, Kind, Leaf, Node, Trie, divergence, nibble, with_nibble};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::{EMPTY_STRING_CODE, Header};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use std::{collections::HashMap, ops::RangeInclusive};

/// Nodes of a proof at most: two paths of a node for each nibble.
pub const RANGE_NODES_MAX: usize = 2 * KEY_NIBBLES;
/// Bytes of a node at most: a branch of sixteen hashes takes 532, a leaf of an account under 150.
pub const RANGE_NODE_BYTES_MAX: usize = 1024;

/// Why leaves are not those of an interval of a trie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// A leaf is not after the one before it, or not in the interval.
    #[error("leaf {key} is out of order, or not in the interval")]
    Order {
        /// Its key.
        key: B256,
    },
    /// There is no leaf, although more follow.
    #[error("more leaves follow none")]
    Endless,
    /// The proof has more nodes than two paths, or a longer one than there is.
    #[error("a proof of {nodes} nodes, or with one that is too long")]
    Size {
        /// Its nodes.
        nodes: usize,
    },
    /// A node of a path is not in the proof.
    #[error("node {hash} is not in the proof")]
    Missing {
        /// Its hash.
        hash: B256,
    },
    /// A node whose hash is right is none of a trie over hashed keys: nobody made that root by its rules.
    #[error("a node on the path {path} is none")]
    Node {
        /// Where it hangs: the nibbles above it, then zeros.
        path: B256,
    },
    /// The leaves under this path are not those of the trie.
    #[error("the leaves under {path} are not those of the trie")]
    Leaves {
        /// The nibbles of the path, then zeros.
        path: B256,
    },
}

/// Leaves of a trie from a key on.
pub(crate) struct Page<V> {
    /// Keys and values, in the order of the keys.
    pub(crate) rows: Vec<(B256, V)>,
    /// Whether the trie has leaves after these.
    pub(crate) more: bool,
    /// Nodes on the paths to the first key and, when there is more, to the last row's.
    pub(crate) proof: Vec<Bytes>,
}

impl<V: Leaf + Clone> Trie<V> {
    /// The first `rows_max` leaves at and after the key `first`, at least one if there is one.
    pub(crate) fn page(&self, first: &B256, rows_max: usize) -> Page<V> {
        let (mut rows, mut more) = (Vec::new(), false);
        if let Some(root) = &self.root {
            walk(root, 0, Some(first), &mut |key, value| {
                more = rows.len() >= rows_max.max(1);
                if !more {
                    rows.push((*key, value.clone()));
                }
                !more
            });
        }
        let mut proof = Vec::new();
        if more || *first != B256::ZERO {
            proof = self.proof(first);
        }
        if let (true, Some((last, _))) = (more, rows.last()) {
            for node in self.proof(last) {
                if !proof.contains(&node) {
                    proof.push(node);
                }
            }
        }
        Page { rows, more, proof }
    }
}

/// Shows `visit` the leaves beneath `node` in order, those before `first` left out, until it says no; whether it never did.
fn walk<V>(node: &Node<V>, depth: usize, first: Option<&B256>, visit: &mut impl FnMut(&B256, &V) -> bool) -> bool {
    match &node.kind {
        Kind::Leaf { key, value } => first.is_some_and(|first| key < first) || visit(key, value),
        Kind::Extension { key, end, child } => {
            let end = usize::from(*end);
            let apart = first.and_then(|first| Some((first, divergence(key, first, depth, end)?)));
            match apart {
                // All beneath comes before the first key, or after it.
                Some((first, at)) if nibble(key, at) < nibble(first, at) => true,
                Some(_) => walk(child, end, None, visit),
                None => walk(child, end, first, visit),
            }
        }
        Kind::Branch { children, .. } => {
            let from = first.map_or(0, |first| nibble(first, depth));
            (from..16).all(|slot| {
                let first = first.filter(|_| slot == from);
                let child = children[slot].as_ref();
                child.is_none_or(|child| walk(child, depth + 1, first, visit))
            })
        }
    }
}

/// Checks that `leaves`, keys with the bytes of their values, are all that the trie with this root has from `first` on: to the last of them if `more`
/// follow, else to the end.
///
/// # Errors
///
/// [`RangeError`]: who sent them lied, or is damaged. No node is decoded before its hash is one that the root vouches for.
pub(crate) fn verify(
    root: B256,
    first: B256,
    leaves: &[(B256, Vec<u8>)],
    more: bool,
    proof: &[Bytes],
) -> Result<(), RangeError> {
    let last = match (more, leaves.last()) {
        (false, _) => B256::repeat_byte(0xff),
        (true, Some((key, _))) => *key,
        (true, None) => return Err(RangeError::Endless),
    };
    let mut next = Some(first);
    for (key, _) in leaves {
        if next.is_none_or(|next| *key < next) {
            return Err(RangeError::Order { key: *key });
        }
        next = after(key);
    }
    let nodes = proof.len();
    if nodes > RANGE_NODES_MAX || proof.iter().any(|node| node.len() > RANGE_NODE_BYTES_MAX) {
        return Err(RangeError::Size { nodes });
    }
    let checker = Checker {
        nodes: proof.iter().map(|node| (keccak256(node), node.as_ref())).collect(),
        interval: first..=last,
    };
    let path = B256::ZERO;
    if first == B256::ZERO && last == B256::repeat_byte(0xff) {
        // The root has no parent that would write it down in full: it is hashed however short it is.
        let found = build(leaves, 0).map_or(EMPTY_ROOT_HASH, |node| {
            node.as_hash().unwrap_or_else(|| keccak256(node.as_slice()))
        });
        return if found == root {
            Ok(())
        } else {
            Err(RangeError::Leaves { path })
        };
    }
    let reference = RlpNode::word_rlp(&root);
    let reference = (root != EMPTY_ROOT_HASH).then_some(reference.as_slice());
    checker.check(reference, path, 0, leaves)
}

/// The key after `key`; none after the last.
pub fn after(key: &B256) -> Option<B256> {
    let mut next = *key;
    for byte in next.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            return Some(next);
        }
    }
    None
}

struct Checker<'a> {
    nodes: HashMap<B256, &'a [u8]>,
    interval: RangeInclusive<B256>,
}

impl Checker<'_> {
    /// Checks the subtree that hangs at `path`, whose parent writes `reference` for it: a hash, or the node itself; nothing when there is none. `leaves`
    /// are all that are beneath `path`.
    fn check(
        &self,
        reference: Option<&[u8]>,
        path: B256,
        depth: usize,
        leaves: &[(B256, Vec<u8>)],
    ) -> Result<(), RangeError> {
        let wrong = || RangeError::Leaves { path };
        let (low, high) = (path, filled(path, depth));
        if high < *self.interval.start() || low > *self.interval.end() {
            return if leaves.is_empty() { Ok(()) } else { Err(wrong()) };
        }
        if self.interval.contains(&low) && self.interval.contains(&high) {
            let built = build(leaves, depth);
            return if built.as_deref() == reference {
                Ok(())
            } else {
                Err(wrong())
            };
        }
        let Some(reference) = reference else {
            return if leaves.is_empty() { Ok(()) } else { Err(wrong()) };
        };
        match decode(self.resolve(reference)?).ok_or(RangeError::Node { path })? {
            Decoded::Branch(children) => {
                let mut rest = leaves;
                for (slot, child) in children.into_iter().enumerate() {
                    let count = rest.partition_point(|(key, _)| nibble(key, depth) <= slot);
                    let (beneath, after) = rest.split_at(count);
                    self.check(child, with_nibble(path, depth, slot), depth + 1, beneath)?;
                    rest = after;
                }
                Ok(())
            }
            Decoded::Short { nibbles, child } => {
                let end = depth + nibbles.len();
                if end > KEY_NIBBLES || matches!(child, Child::Leaf(_)) != (end == KEY_NIBBLES) {
                    return Err(RangeError::Node { path });
                }
                let numbered = (depth..).zip(&nibbles);
                let below = numbered.fold(path, |path, (at, value)| with_nibble(path, at, usize::from(*value)));
                match child {
                    Child::Node(child) => {
                        let beneath = |(key, _): &(B256, Vec<u8>)| divergence(key, &below, depth, end).is_none();
                        if !leaves.iter().all(beneath) {
                            return Err(wrong());
                        }
                        self.check(Some(child), below, end, leaves)
                    }
                    Child::Leaf(value) => {
                        let expected = self.interval.contains(&below).then_some((below, value));
                        let found = leaves.iter().map(|(key, value)| (*key, value.as_slice()));
                        if found.eq(expected) { Ok(()) } else { Err(wrong()) }
                    }
                }
            }
        }
    }

    /// The node that `reference` stands for.
    fn resolve<'b>(&'b self, reference: &'b [u8]) -> Result<&'b [u8], RangeError> {
        match reference.split_first() {
            Some((&HASH_CODE, hash)) if hash.len() == 32 => {
                let hash = B256::from_slice(hash);
                self.nodes.get(&hash).copied().ok_or(RangeError::Missing { hash })
            }
            _ => Ok(reference),
        }
    }
}

/// First byte of a hash as RLP writes it.
const HASH_CODE: u8 = EMPTY_STRING_CODE + 32;

/// `path` with ones from nibble `depth` on: the last key beneath it.
fn filled(path: B256, depth: usize) -> B256 {
    (depth..KEY_NIBBLES).fold(path, |path, at| with_nibble(path, at, 15))
}

/// A node of a proof.
enum Decoded<'a> {
    /// Sixteen children.
    Branch(Vec<Option<&'a [u8]>>),
    Short {
        nibbles: Vec<u8>,
        child: Child<'a>,
    },
}

/// What hangs beneath a leaf or an extension.
enum Child<'a> {
    Leaf(&'a [u8]),
    Node(&'a [u8]),
}

/// Reads a node; `None` when it is none of a trie over keys of 32 bytes.
fn decode<'a>(mut bytes: &'a [u8]) -> Option<Decoded<'a>> {
    let mut payload = Header::decode_bytes(&mut bytes, true).ok()?;
    if !bytes.is_empty() {
        return None;
    }
    let mut items: Vec<&'a [u8]> = Vec::with_capacity(17);
    while !payload.is_empty() {
        if items.len() == 17 {
            return None;
        }
        let before = payload;
        let header = Header::decode(&mut payload).ok()?;
        payload = payload.get(header.payload_length..)?;
        items.push(&before[..before.len() - payload.len()]);
    }
    match items.as_slice() {
        [children @ .., value] if children.len() == 16 => {
            if **value != [EMPTY_STRING_CODE] {
                return None;
            }
            let child = |child: &&'a [u8]| (**child != [EMPTY_STRING_CODE]).then_some(*child);
            Some(Decoded::Branch(children.iter().map(child).collect()))
        }
        [path, child] => {
            let path = Header::decode_bytes(&mut { *path }, false).ok()?;
            let (flags, rest) = path.split_first()?;
            let (is_leaf, is_odd) = (flags & 0x20 != 0, flags & 0x10 != 0);
            if flags & 0xc0 != 0 || rest.len() > 32 || (!is_odd && flags & 15 != 0) {
                return None;
            }
            let mut nibbles: Vec<u8> = Vec::with_capacity(KEY_NIBBLES);
            nibbles.extend(is_odd.then_some(flags & 15));
            nibbles.extend(rest.iter().flat_map(|byte| [byte >> 4, byte & 15]));
            let child = match is_leaf {
                true => Child::Leaf(Header::decode_bytes(&mut { *child }, false).ok()?),
                // An extension that stands for nothing would lead nowhere.
                false if nibbles.is_empty() => return None,
                false => Child::Node(child),
            };
            Some(Decoded::Short { nibbles, child })
        }
        _ => None,
    }
}

/// What a parent writes for the subtree at `depth` that has exactly these leaves, in order, all of which share their first `depth` nibbles; `None` when
/// there are none.
fn build(leaves: &[(B256, Vec<u8>)], depth: usize) -> Option<RlpNode> {
    let mut rlp = Vec::new();
    let part = |key: &B256, from: usize, to: usize| Nibbles::unpack(key).slice(from..to);
    let ((first, value), (last, _)) = (leaves.first()?, leaves.last()?);
    if leaves.len() == 1 {
        return Some(LeafNodeRef::new(&part(first, depth, KEY_NIBBLES), value).rlp(&mut rlp));
    }
    let fork = divergence(first, last, depth, KEY_NIBBLES).expect("keys ascend, so that the first is not the last");
    let (mut stack, mut mask) = (Vec::with_capacity(16), TrieMask::default());
    let mut rest = leaves;
    while let Some((key, _)) = rest.first() {
        let slot = nibble(key, fork);
        let (beneath, after) = rest.split_at(rest.partition_point(|(key, _)| nibble(key, fork) <= slot));
        stack.push(build(beneath, fork + 1)?);
        mask.set_bit(slot as u8);
        rest = after;
    }
    let branch = BranchNodeRef::new(&stack, mask).rlp(&mut rlp);
    if fork == depth {
        return Some(branch);
    }
    rlp.clear();
    Some(ExtensionNodeRef::new(&part(first, depth, fork), branch.as_slice()).rlp(&mut rlp))
}
