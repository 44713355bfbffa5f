//! A persistent Merkle Patricia trie over 32-byte hashed keys.
//!
//! Cloning is O(1): clones share every node, and a write copies only the nodes on its path that another clone still holds
//! (nodes held by one clone alone are changed in place). Each node keeps its own reference once computed, so a root costs the
//! nodes changed since the last one. Keys must be spread evenly (they are Keccak hashes): no key is a prefix of another.
//!
//! The same structure, asked for no root, is the persistent map of codes. Lists have a trie of their own ([`ordered_root`]).

mod encoding;
mod ordered;
mod range;
#[cfg(test)]
mod tests;

use alloy_primitives::B256;
use alloy_trie::nodes::RlpNode;
use std::sync::{Arc, OnceLock};

pub(crate) use encoding::Leaf;
pub(crate) use ordered::ordered_root;
pub(crate) use range::verify as verify_range;
pub use range::{RANGE_NODE_BYTES_MAX, RANGE_NODES_MAX, RangeError, after as key_after};

/// Nibbles of a key.
const KEY_NIBBLES: usize = 64;

/// A map from hashed keys to values. See the module.
#[derive(Clone, Debug)]
pub(crate) struct Trie<V> {
    root: Link<V>,
}

type Link<V> = Option<Arc<Node<V>>>;

#[derive(Clone, Debug)]
struct Node<V> {
    kind: Kind<V>,
    /// What a parent writes for this node: its RLP when shorter than 32 bytes, else the hash of it. Depends on the depth at
    /// which the node hangs, so a node that moves must forget it.
    reference: OnceLock<RlpNode>,
}

/// Leaves and extensions keep a whole key and take the part they stand for from the depth they are found at: moving one up or
/// down the trie then changes nothing but its reference.
#[derive(Clone, Debug)]
enum Kind<V> {
    Leaf {
        key: B256,
        value: V,
    },
    /// Stands for nibbles `depth..end` of `key`, which is some key beneath; the child is always a branch.
    Extension {
        key: B256,
        end: u8,
        child: Arc<Node<V>>,
    },
    Branch {
        children: [Link<V>; 16],
        /// Hashes of the children where they are known here, so that one child's change looks at no other child; none where a branch was
        /// never changed, or has few children.
        hashes: Option<Box<Hashes>>,
    },
}

/// What a branch writes for each child that is not shorter than a hash.
type Hashes = [OnceLock<B256>; 16];

/// From so many children on, their hashes are kept in the branch too: half a kilobyte, which few are worth.
const CHILDREN_KEPT: usize = 5;

impl<V> Node<V> {
    fn new(kind: Kind<V>) -> Arc<Self> {
        Arc::new(Self {
            kind,
            reference: OnceLock::new(),
        })
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<V> Trie<V> {
    /// The value at `key`.
    pub(crate) fn get(&self, key: &B256) -> Option<&V> {
        let mut node = self.root.as_ref()?;
        let mut depth = 0;
        loop {
            match &node.kind {
                Kind::Leaf { key: here, value } => return (here == key).then_some(value),
                Kind::Extension { key: here, end, child } => {
                    let end = usize::from(*end);
                    if divergence(here, key, depth, end).is_some() {
                        return None;
                    }
                    (node, depth) = (child, end);
                }
                Kind::Branch { children, .. } => {
                    node = children[nibble(key, depth)].as_ref()?;
                    depth += 1;
                }
            }
        }
    }
}

impl<V: Clone> Trie<V> {
    /// Sets `key` to `value`.
    pub(crate) fn insert(&mut self, key: B256, value: V) {
        self.update(key, |_| value);
    }

    /// Sets `key` to what `change` makes of its value, which may be taken apart; of nothing where the key is absent.
    pub(crate) fn update(&mut self, key: B256, change: impl FnOnce(Option<&mut V>) -> V) {
        update(&mut self.root, 0, key, change);
    }

    /// Removes `key`; nothing is copied when it is absent.
    pub(crate) fn remove(&mut self, key: &B256) {
        if self.get(key).is_some() {
            remove(&mut self.root, 0, key);
        }
    }
}

fn update<V: Clone, F: FnOnce(Option<&mut V>) -> V>(link: &mut Link<V>, depth: usize, key: B256, change: F) {
    let Some(node) = link else {
        let value = change(None);
        *link = Some(Node::new(Kind::Leaf { key, value }));
        return;
    };
    // Where the new key leaves the part of the path this node stands for, if it does.
    let fork = match &node.kind {
        Kind::Leaf { key: here, .. } => divergence(here, &key, depth, KEY_NIBBLES).map(|at| (*here, at)),
        Kind::Extension { key: here, end, .. } => {
            divergence(here, &key, depth, usize::from(*end)).map(|at| (*here, at))
        }
        Kind::Branch { .. } => None,
    };
    if let Some((here, at)) = fork {
        let old = link.take().expect("matched above");
        *link = Some(split(old, depth, here, at, key, change(None)));
        return;
    }
    match &mut unshare(node).kind {
        Kind::Leaf { value: here, .. } => *here = change(Some(here)),
        Kind::Extension { end, child, .. } => {
            let end = usize::from(*end);
            // The child is a branch, which an update never replaces: it may be changed where it is.
            update_in_branch(child, end, key, change);
        }
        Kind::Branch { children, hashes } => {
            let slot = changed(children, hashes, nibble(&key, depth));
            update(slot, depth + 1, key, change);
        }
    }
}

/// The child at `slot`, to be changed: its hash is forgotten.
fn changed<'a, V>(children: &'a mut [Link<V>; 16], hashes: &mut Option<Box<Hashes>>, slot: usize) -> &'a mut Link<V> {
    if let Some(hashes) = hashes {
        hashes[slot].take();
    }
    &mut children[slot]
}

fn update_in_branch<V: Clone, F: FnOnce(Option<&mut V>) -> V>(
    branch: &mut Arc<Node<V>>,
    depth: usize,
    key: B256,
    change: F,
) {
    let Kind::Branch { children, hashes } = &mut unshare(branch).kind else {
        unreachable!("an extension's child is a branch");
    };
    let slot = changed(children, hashes, nibble(&key, depth));
    update(slot, depth + 1, key, change);
}

/// Puts a branch at nibble `at`, where the path `here` of the `old` leaf or extension and `key` part, beneath an extension for
/// the nibbles they still share.
fn split<V: Clone>(mut old: Arc<Node<V>>, depth: usize, here: B256, at: usize, key: B256, value: V) -> Arc<Node<V>> {
    let low = match &old.kind {
        // Nothing is left for the extension to stand for: its child takes its place.
        Kind::Extension { end, child, .. } if usize::from(*end) == at + 1 => child.clone(),
        _ => {
            unshare(&mut old);
            old
        }
    };
    let mut children: [Link<V>; 16] = Default::default();
    children[nibble(&here, at)] = Some(low);
    children[nibble(&key, at)] = Some(Node::new(Kind::Leaf { key, value }));
    let branch = Node::new(Kind::Branch { children, hashes: None });
    if at > depth {
        Node::new(Kind::Extension {
            key,
            end: at as u8,
            child: branch,
        })
    } else {
        branch
    }
}

/// Removes a key that is present.
fn remove<V: Clone>(link: &mut Link<V>, depth: usize, key: &B256) {
    let node = link.as_mut().expect("the key is present");
    let replacement = match &node.kind {
        Kind::Leaf { .. } => {
            *link = None;
            return;
        }
        Kind::Branch { .. } => remove_in_branch(node, depth, key),
        Kind::Extension { .. } => {
            let Kind::Extension { end, child, .. } = &mut unshare(node).kind else {
                unreachable!("matched above")
            };
            // What is left of the branch takes the place of the extension too: a leaf or an extension begins at any depth.
            remove_in_branch(child, usize::from(*end), key)
        }
    };
    if replacement.is_some() {
        *link = replacement;
    }
}

/// Removes a key that is present beneath `branch`. Where one child is left, returns what takes the place of the branch: a leaf
/// or an extension.
fn remove_in_branch<V: Clone>(branch: &mut Arc<Node<V>>, depth: usize, key: &B256) -> Link<V> {
    let Kind::Branch { children, hashes } = &mut unshare(branch).kind else {
        unreachable!("an extension's child is a branch");
    };
    remove(changed(children, hashes, nibble(key, depth)), depth + 1, key);
    let mut left = (0..16).filter(|&slot| children[slot].is_some());
    let (Some(only), None) = (left.next(), left.next()) else {
        return None;
    };
    let mut below = children[only].take().expect("filtered above");
    if matches!(below.kind, Kind::Branch { .. }) {
        let path = with_nibble(*key, depth, only);
        return Some(Node::new(Kind::Extension {
            key: path,
            end: depth as u8 + 1,
            child: below,
        }));
    }
    unshare(&mut below);
    Some(below)
}

/// A node to change: a copy where others hold it too, without its reference, which the change makes stale.
fn unshare<V: Clone>(node: &mut Arc<Node<V>>) -> &mut Node<V> {
    if let Kind::Branch { children, .. } = &node.kind
        && Arc::strong_count(node) > 1
    {
        // A copy counts itself at each child, one after the other, and most are far from the processor. Looking at all of them first
        // brings them near at the same time.
        let counts = children.iter().flatten().map(Arc::strong_count);
        std::hint::black_box(counts.sum::<usize>());
    }
    let node = Arc::make_mut(node);
    node.reference.take();
    if let Kind::Branch { children, hashes } = &mut node.kind
        && hashes.is_none()
        && children.iter().flatten().count() >= CHILDREN_KEPT
    {
        *hashes = Some(Box::default());
    }
    node
}

/// The nibble of `key` at `index`, from the most significant.
fn nibble(key: &B256, index: usize) -> usize {
    let byte = key[index / 2];
    usize::from(if index.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

fn with_nibble(mut key: B256, index: usize, nibble: usize) -> B256 {
    let byte = &mut key[index / 2];
    let nibble = nibble as u8;
    *byte = if index.is_multiple_of(2) {
        *byte & 0x0f | nibble << 4
    } else {
        *byte & 0xf0 | nibble
    };
    key
}

/// The first nibble in `from..to` at which the keys differ.
fn divergence(a: &B256, b: &B256, from: usize, to: usize) -> Option<usize> {
    (from..to).find(|&index| nibble(a, index) != nibble(b, index))
}
