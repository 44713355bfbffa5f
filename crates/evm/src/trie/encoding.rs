//! How nodes are written, hashed and proved (Ethereum yellow paper, appendices C and D).

use super::{KEY_NIBBLES, Kind, Link, Node, Trie, nibble};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::{EMPTY_ROOT_HASH, nodes::RlpNode};
use crypto::keccak::hash_all;
use std::sync::OnceLock;

/// Nodes that are encoded before they are hashed: what they take stays in the nearest cache.
const NODES_AT_ONCE: usize = 128;

/// Bytes of a hash in its parent: its length's, and its own.
const HASH_WIDTH: usize = 33;

/// A value with the bytes that stand for it in a leaf.
pub(crate) trait Leaf {
    /// Writes the RLP of the value.
    fn encode(&self, out: &mut Vec<u8>);
}

impl Leaf for alloy_primitives::U256 {
    fn encode(&self, out: &mut Vec<u8>) {
        Encodable::encode(self, out);
    }
}

impl<V: Leaf> Trie<V> {
    /// The hash that commits to the whole map.
    pub(crate) fn root(&self) -> B256 {
        let Some(root) = &self.root else { return EMPTY_ROOT_HASH };
        hash_all_beneath(root);
        // A root shorter than 32 bytes has no parent to be written in: it is hashed all the same.
        let reference = root.reference(0);
        reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()))
    }

    /// The nodes from the root towards `key`, enough to prove its value, or its absence, against [`Self::root`].
    ///
    /// Nodes written inside their parent are not repeated, as geth does.
    pub(crate) fn proof(&self, key: &B256) -> Vec<Bytes> {
        let mut nodes = Vec::new();
        let mut next = self.root.as_ref();
        let mut depth = 0;
        while let Some(node) = next {
            let mut rlp = Vec::new();
            node.encode(depth, &mut rlp);
            if depth == 0 || rlp.len() >= 32 {
                nodes.push(rlp.into());
            }
            (next, depth) = match &node.kind {
                Kind::Leaf { .. } => break,
                Kind::Extension { key: here, end, child } => {
                    let end = usize::from(*end);
                    if super::divergence(here, key, depth, end).is_some() {
                        break;
                    }
                    (Some(child), end)
                }
                Kind::Branch { children, .. } => (children[nibble(key, depth)].as_ref(), depth + 1),
            };
        }
        nodes
    }
}

/// Gives `root`, and what is beneath it, the references that changes took away: the deepest nodes first, so that many are hashed at once.
fn hash_all_beneath<V: Leaf>(root: &Node<V>) {
    let mut levels = Vec::new();
    gather(root, 0, 0, &mut levels);
    for level in levels.iter().rev() {
        hash_nodes(level);
    }
}

/// A node without a reference, and the depth it hangs at.
type Changed<'a, V> = (&'a Node<V>, usize);

/// Adds the nodes without a reference to `levels`, by the number of nodes above them.
fn gather<'a, V>(node: &'a Node<V>, depth: usize, level: usize, levels: &mut Vec<Vec<Changed<'a, V>>>) {
    // A change takes away the references of all nodes on its path: beneath one that has its own, all have.
    if node.reference.get().is_some() {
        return;
    }
    if levels.len() == level {
        levels.push(Vec::new());
    }
    levels[level].push((node, depth));
    match &node.kind {
        Kind::Leaf { .. } => {}
        Kind::Extension { end, child, .. } => gather(child, usize::from(*end), level + 1, levels),
        Kind::Branch { children, hashes } => {
            for (slot, child) in children.iter().enumerate() {
                // A child whose hash is known here did not change, and is not even looked at: most are far from the processor.
                let known = hashes.as_ref().is_some_and(|hashes| hashes[slot].get().is_some());
                if let (Some(child), false) = (child, known) {
                    gather(child, depth + 1, level + 1, levels);
                }
            }
        }
    }
}

/// Gives nodes whose children have references theirs.
fn hash_nodes<V: Leaf>(nodes: &[Changed<'_, V>]) {
    let references = references(nodes, |(node, depth), out| node.encode(*depth, out));
    for ((node, _), reference) in nodes.iter().zip(references) {
        // Another thread that asked for the same root may have come first, with the same.
        let _ = node.reference.set(reference);
    }
}

/// What parents write for `nodes`, each of which `encode` appends the RLP of.
pub(super) fn references<N>(nodes: &[N], encode: impl Fn(&N, &mut Vec<u8>)) -> Vec<RlpNode> {
    let mut references = Vec::with_capacity(nodes.len());
    for nodes in nodes.chunks(NODES_AT_ONCE) {
        let (mut written, mut ends) = (Vec::new(), Vec::with_capacity(nodes.len()));
        for node in nodes {
            encode(node, &mut written);
            ends.push(written.len());
        }
        let mut from = 0;
        let encoded: Vec<&[u8]> = ends
            .iter()
            .map(|&end| &written[std::mem::replace(&mut from, end)..end])
            .collect();
        // The few that are shorter than a hash are hashed for nothing.
        let hashed = encoded.iter().zip(hash_all(&encoded));
        references.extend(hashed.map(|(rlp, hash)| match rlp.len() {
            ..32 => RlpNode::from_rlp(rlp),
            _ => RlpNode::word_rlp(&hash),
        }));
    }
    references
}

impl<V: Leaf> Node<V> {
    fn reference(&self, depth: usize) -> &RlpNode {
        self.reference.get_or_init(|| {
            let mut rlp = Vec::new();
            self.encode(depth, &mut rlp);
            RlpNode::from_rlp(&rlp)
        })
    }

    fn encode(&self, depth: usize, out: &mut Vec<u8>) {
        match &self.kind {
            Kind::Leaf { key, value } => {
                let mut written = Vec::with_capacity(112);
                value.encode(&mut written);
                let path = CompactPath::new(key, depth, KEY_NIBBLES, true);
                list(path.length() + written.as_slice().length(), out);
                path.encode(out);
                written.as_slice().encode(out);
            }
            Kind::Extension { key, end, child } => {
                let end = usize::from(*end);
                let path = CompactPath::new(key, depth, end, false);
                let child = child.reference(end);
                list(path.length() + child.as_slice().len(), out);
                path.encode(out);
                out.put_slice(child.as_slice());
            }
            Kind::Branch { children, hashes } => {
                let kept = |slot: usize| hashes.as_ref().map(|hashes| &hashes[slot]);
                let width = |(slot, child): (usize, &Link<V>)| {
                    let Some(child) = child else { return 1 };
                    if kept(slot).is_some_and(|kept| kept.get().is_some()) {
                        return HASH_WIDTH;
                    }
                    let reference = child.reference(depth + 1);
                    if let (Some(kept), Some(hash)) = (kept(slot), reference.as_hash()) {
                        // Another thread that asked for the same root may have come first, with the same.
                        let _ = kept.set(hash);
                    }
                    reference.as_slice().len()
                };
                // Hashes the children before measuring: what follows are plain reads.
                list(children.iter().enumerate().map(width).sum::<usize>() + 1, out);
                for (slot, child) in children.iter().enumerate() {
                    match (child, kept(slot).and_then(OnceLock::get)) {
                        (None, _) => out.put_u8(EMPTY_STRING_CODE),
                        (Some(_), Some(hash)) => hash.encode(out),
                        (Some(child), None) => out.put_slice(child.reference(depth + 1).as_slice()),
                    }
                }
                // A branch has no value of its own: no key is a prefix of another.
                out.put_u8(EMPTY_STRING_CODE);
            }
        }
    }
}

pub(super) fn list(payload_length: usize, out: &mut Vec<u8>) {
    out.reserve(payload_length + 4);
    Header {
        list: true,
        payload_length,
    }
    .encode(out);
}

/// Hex-prefix encoding of part of a key: a flag nibble (leaf, odd), then the nibbles.
pub(super) struct CompactPath {
    bytes: [u8; 33],
    len: usize,
}

impl CompactPath {
    pub(super) fn new(key: &B256, from: usize, to: usize, leaf: bool) -> Self {
        let odd = (to - from) % 2;
        let flag = if leaf { 2 } else { 0 } + odd as u8;
        let mut bytes = [0; 33];
        bytes[0] = flag << 4 | if odd == 1 { nibble(key, from) as u8 } else { 0 };
        let mut len = 1;
        for index in (from + odd..to).step_by(2) {
            bytes[len] = (nibble(key, index) << 4 | nibble(key, index + 1)) as u8;
            len += 1;
        }
        Self { bytes, len }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn length(&self) -> usize {
        self.as_slice().length()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
}
