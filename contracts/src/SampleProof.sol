// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Blake3} from "./Blake3.sol";

/// @title Samples of a blob: a piece of a row, and the proof that the blob's commitment lists it.
/// @notice `chunk (64 to 1,024) | siblings in the row, 32 each | siblings in the group, 5 × 32 | opening 48`, siblings lowest first. The
/// chunk leads by BLAKE3's own tree to the row's digest, that by the group's tree to its root, and a KZG opening proves the root, cut to 248
/// bits, at slot `⌊row / 32⌋` of the commitment.
library SampleProof {
    /// Siblings from a row's digest to its group's root.
    uint256 private constant GROUP_DEPTH = 5;
    /// Bytes of a compressed point of G1.
    uint256 private constant POINT_BYTES = 48;
    /// Slots that a commitment lists: the domain has 4,096, and the rest are zero.
    uint256 private constant SLOTS = 128;

    address private constant MODEXP = address(0x05);
    address private constant POINT_EVALUATION = address(0x0a);
    /// Gas that EIP-4844 charges for a point evaluation.
    uint256 private constant POINT_EVALUATION_GAS = 50_000;

    /// Order of BLS12-381's groups.
    uint256 private constant ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;
    /// Root of unity of order 4,096: `7^((ORDER - 1) / 4096)`.
    uint256 private constant ROOT_OF_UNITY = 0x564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306;

    /// @notice Whether a blob of rows of this length has such a piece, and the piece can be proved.
    /// @param endRow The row after its last.
    /// @param rowBytes Length of its rows.
    function exists(uint256 endRow, uint256 rowBytes, uint256 row, uint256 chunk) internal pure returns (bool) {
        return rowBytes != 0 && rowBytes % 64 == 0 && row < endRow && endRow <= 32 * SLOTS
            && chunk < (rowBytes + Blake3.CHUNK_BYTES - 1) / Blake3.CHUNK_BYTES;
    }

    /// @notice Whether `sample` proves piece `chunk` of `row`, which exists.
    /// @dev False for a sample of any other length. About 12,500 gas for each 64 bytes of the chunk and each sibling, and 55,000.
    /// @param commitment The blob's, 48 bytes.
    function verify(bytes calldata sample, bytes memory commitment, uint256 rowBytes, uint256 row, uint256 chunk)
        internal
        view
        returns (bool)
    {
        (uint256 depth, uint256 sides) = _way((rowBytes + Blake3.CHUNK_BYTES - 1) / Blake3.CHUNK_BYTES, chunk);
        uint256 offset = rowBytes - chunk * Blake3.CHUNK_BYTES;
        if (offset > Blake3.CHUNK_BYTES) offset = Blake3.CHUNK_BYTES;
        if (sample.length != offset + 32 * (depth + GROUP_DEPTH) + POINT_BYTES) return false;
        bytes32 node = Blake3.chunk(sample[:offset], chunk, depth == 0);
        unchecked {
            for (uint256 level = 0; level < depth; level++) {
                (bytes32 left, bytes32 right) = _children(node, bytes32(sample[offset:]), sides >> level);
                node = Blake3.parent(left, right, level + 1 == depth);
                offset += 32;
            }
            for (uint256 level = 0; level < GROUP_DEPTH; level++) {
                (bytes32 left, bytes32 right) = _children(node, bytes32(sample[offset:]), row >> level);
                node = Blake3.groupNode(left, right);
                offset += 32;
            }
        }
        return _opens(commitment, row >> GROUP_DEPTH, node, sample[offset:]);
    }

    /// @dev A node and its sibling in order; the node is the right one when the lowest bit of `sides` says so.
    function _children(bytes32 node, bytes32 sibling, uint256 sides) private pure returns (bytes32, bytes32) {
        return sides & 1 == 1 ? (sibling, node) : (node, sibling);
    }

    /// @dev The way up from piece `chunk` of `count`: how many levels, and in bit `l` whether the node at level `l` is a right child.
    /// A subtree's left part is the largest power of two of chunks that leaves some for the right.
    function _way(uint256 count, uint256 chunk) private pure returns (uint256 depth, uint256 sides) {
        unchecked {
            while (count > 1) {
                uint256 left = 1;
                while (2 * left < count) left *= 2;
                bool isRight = chunk >= left;
                sides = (sides << 1) | (isRight ? 1 : 0);
                if (isRight) (chunk, count) = (chunk - left, count - left);
                else count = left;
                depth++;
            }
        }
    }

    /// @dev Whether `opening` proves `groupRoot`, cut to 248 bits, at `slot` of the commitment. With too little gas for the precompile there
    /// is too little after it for anything to be recorded, so that a caller cannot be made to look wrong.
    function _opens(bytes memory commitment, uint256 slot, bytes32 groupRoot, bytes calldata opening)
        private
        view
        returns (bool success)
    {
        bytes32 versionedHash = (sha256(commitment) & ~bytes32(uint256(0xff) << 248)) | bytes32(uint256(1) << 248);
        (success,) = POINT_EVALUATION.staticcall{gas: POINT_EVALUATION_GAS}(
            abi.encodePacked(versionedHash, _point(slot), uint256(groupRoot) >> 8, commitment, opening)
        );
    }

    /// @dev The point of a slot: the root of unity to the slot's index with its twelve bits reversed.
    function _point(uint256 slot) private view returns (uint256) {
        uint256 exponent = 0;
        for (uint256 bit = 0; bit < 12; bit++) exponent |= ((slot >> bit) & 1) << (11 - bit);
        (, bytes memory power) = MODEXP.staticcall(
            abi.encodePacked(uint256(32), uint256(32), uint256(32), ROOT_OF_UNITY, exponent, ORDER)
        );
        return abi.decode(power, (uint256));
    }
}
