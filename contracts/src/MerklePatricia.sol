// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Rlp} from "./Rlp.sol";

/// @title Proofs that a Merkle Patricia trie of Ethereum's holds a value (EIP-1186), from the root towards the leaf.
/// @notice Keys are hashes, of 64 nibbles, so that no key is a prefix of another. Only what is there is proved, not that something is
/// missing. A node of fewer than 32 bytes would stand inside its parent; a leaf of a hash is longer than that unless its key shares 50 nibbles with
/// another, and such proofs are refused.
library MerklePatricia {
    /// Nibbles of a key.
    uint256 private constant NIBBLES = 64;
    /// Items of a branch: a child for each nibble, and a value that no key of 64 nibbles reaches.
    uint256 private constant BRANCH_ITEMS = 17;

    /// The nodes do not lead from the root to a leaf of that key.
    error InvalidProof();

    /// @notice The word that an account of the state `root` has in a slot, which is not zero.
    /// @param account Nodes from the state's root to the account.
    /// @param storage_ Nodes from the root of its storage to the slot.
    function slot(bytes32 root, address owner, bytes32 slot_, bytes[] calldata account, bytes[] calldata storage_)
        internal
        pure
        returns (uint256 word)
    {
        bytes calldata found = value(root, keccak256(abi.encodePacked(owner)), account);
        // Nonce, balance, root of the storage, hash of the code.
        uint256 offset = Rlp.listStart(found);
        (, offset) = Rlp.number(found, offset);
        (, offset) = Rlp.number(found, offset);
        (bytes32 storageRoot,) = Rlp.word(found, offset);
        found = value(storageRoot, keccak256(abi.encode(slot_)), storage_);
        uint256 end;
        (word, end) = Rlp.number(found, 0);
        if (end != found.length || word == 0) revert InvalidProof();
    }

    /// @notice The value at `key` in the trie of `root`.
    /// @dev Each node takes at least a nibble of the key, so no proof has more than 64. Costs about 3,000 gas a branch.
    function value(bytes32 root, bytes32 key, bytes[] calldata proof) internal pure returns (bytes calldata) {
        uint256 depth = 0;
        for (uint256 i = 0; i < proof.length; i++) {
            bytes calldata node = proof[i];
            if (keccak256(node) != root || depth == NIBBLES) revert InvalidProof();
            uint256 leafAt;
            (root, leafAt, depth) = _step(node, key, depth);
            if (leafAt == 0) continue;
            if (depth != NIBBLES || i + 1 != proof.length) revert InvalidProof();
            (bool isList, uint256 start, uint256 end) = Rlp.item(node, leafAt);
            if (isList) revert InvalidProof();
            return node[start:end];
        }
        revert InvalidProof();
    }

    /// @dev One node on the way of `key` from `depth` on.
    /// @return child Hash of the next one.
    /// @return leafAt If the node is a leaf, where its value begins, which is never at 0; else 0.
    /// @return next Nibbles of the key up to the child, or the leaf's end.
    function _step(bytes calldata node, bytes32 key, uint256 depth)
        private
        pure
        returns (bytes32 child, uint256 leafAt, uint256 next)
    {
        uint256 first = Rlp.listStart(node);
        uint256 nibble = (uint8(key[depth / 2]) >> (depth % 2 == 0 ? 4 : 0)) & 15;
        (uint256 count, uint256 place) = _items(node, first, nibble);
        if (count == BRANCH_ITEMS) {
            (child,) = Rlp.word(node, place);
            return (child, 0, depth + 1);
        }
        if (count != 2) revert InvalidProof();
        bool leaf;
        (next, leaf, place) = _path(node, first, key, depth);
        if (leaf) return (0, place, depth + next);
        if (next == 0) revert InvalidProof();
        (child,) = Rlp.word(node, place);
        return (child, 0, depth + next);
    }

    /// @dev How many items there are from `offset` to the end, and where item `index` begins, if there is one.
    function _items(bytes calldata node, uint256 offset, uint256 index)
        private
        pure
        returns (uint256 count, uint256 place)
    {
        while (offset < node.length) {
            if (count == index) place = offset;
            (,, offset) = Rlp.item(node, offset);
            count++;
        }
    }

    /// @dev The path of a leaf or an extension, which has to be that of `key` from `depth` on.
    /// @return nibbles Its length.
    /// @return leaf Whether the node is a leaf.
    /// @return next Where the item after it begins.
    function _path(bytes calldata node, uint256 offset, bytes32 key, uint256 depth)
        private
        pure
        returns (uint256 nibbles, bool leaf, uint256 next)
    {
        (bool isList, uint256 start, uint256 end) = Rlp.item(node, offset);
        if (isList || start == end || end - start > 33) revert InvalidProof();
        uint256 flags = uint8(node[start]);
        if (flags >= 0x40) revert InvalidProof();
        leaf = flags & 0x20 != 0;
        bool odd = flags & 0x10 != 0;
        nibbles = 2 * (end - start - 1) + (odd ? 1 : 0);
        if (depth + nibbles > NIBBLES || (!odd && flags & 0x0f != 0)) revert InvalidProof();
        uint256 path = uint256(bytes32(node[start + 1:end]));
        if (odd) path = (flags << 252) | (path >> 4);
        // A shift by 256 gives zero: then there is nothing to compare.
        uint256 unused = 4 * (NIBBLES - nibbles);
        if (path >> unused != (uint256(key) << (4 * depth)) >> unused) revert InvalidProof();
        next = end;
    }
}
