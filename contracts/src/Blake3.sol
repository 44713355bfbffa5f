// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title BLAKE3 of one chunk, and of the nodes above it: enough to lead from a piece of a row to the row's digest.
/// @notice As the BLAKE3 paper has it, sections 2.1 to 2.5. The sixteen words of a compression's state are four rows of four; a row is one
/// word here, its columns 64 bits apart, so that one addition adds all four and a sum's carry meets no neighbour.
library Blake3 {
    /// Bytes of a chunk; the last of an input may be shorter.
    uint256 internal constant CHUNK_BYTES = 1024;

    /// The initial chaining value, in rows.
    uint256 private constant IV_LOW = 0x00000000a54ff53a000000003c6ef37200000000bb67ae85000000006a09e667;
    uint256 private constant IV_HIGH = 0x000000005be0cd19000000001f83d9ab000000009b05688c00000000510e527f;
    /// Key of the trees over the rows' digests, in rows: "aloft/da/row-tree/v1" and zeros.
    uint256 private constant NODE_KEY_LOW = 0x000000006572742d00000000776f722f0000000061642f7400000000666f6c61;
    uint256 private constant NODE_KEY_HIGH = 0x0000000000000000000000000000000000000000000000000000000031762f65;

    uint256 private constant CHUNK_START = 1;
    uint256 private constant CHUNK_END = 2;
    uint256 private constant PARENT = 4;
    uint256 private constant ROOT = 8;
    uint256 private constant KEYED_HASH = 16;

    /// @notice Chaining value of chunk `index` of an input, or the input's digest when it is all of it (`root`).
    /// @param data The chunk: whole blocks of 64 bytes, one to sixteen. The caller checks that.
    function chunk(bytes calldata data, uint256 index, bool root) internal pure returns (bytes32) {
        (uint256 low, uint256 high) = (IV_LOW, IV_HIGH);
        unchecked {
            for (uint256 offset = 0; offset < data.length; offset += 64) {
                uint256 flags = offset == 0 ? CHUNK_START : 0;
                if (offset + 64 == data.length) flags |= root ? CHUNK_END | ROOT : CHUNK_END;
                (bytes32 first, bytes32 second) = (bytes32(data[offset:]), bytes32(data[offset + 32:]));
                (low, high) = _compress(low, high, first, second, index, flags);
            }
        }
        return _bytes(low, high);
    }

    /// @notice Chaining value of an inner node of an input's tree, or the input's digest when it is the highest (`root`).
    function parent(bytes32 left, bytes32 right, bool root) internal pure returns (bytes32) {
        (uint256 low, uint256 high) = _compress(IV_LOW, IV_HIGH, left, right, 0, root ? PARENT | ROOT : PARENT);
        return _bytes(low, high);
    }

    /// @notice Node of the tree over the digests of a group of rows: the keyed hash of its two children.
    function groupNode(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        uint256 flags = CHUNK_START | CHUNK_END | ROOT | KEYED_HASH;
        (uint256 low, uint256 high) = _compress(NODE_KEY_LOW, NODE_KEY_HIGH, left, right, 0, flags);
        return _bytes(low, high);
    }

    /// @dev One compression of a block of 64 bytes: the first eight words of its output, in rows.
    function _compress(uint256 low, uint256 high, bytes32 first, bytes32 second, uint256 counter, uint256 flags)
        private
        pure
        returns (uint256, uint256)
    {
        // The fourth row: counter (64 bits), length of the block, flags. The counter is a chunk's index, far below 2³².
        uint256 tail = counter | (64 << 128) | (flags << 192);
        uint256 ivLow = IV_LOW;
        // Writes only beyond the free memory pointer: the block's words, 512 bytes.
        assembly ("memory-safe") {
            // The bytes of each of eight 32-bit words, turned around.
            function turn(x) -> y {
                y := or(
                    shr(8, and(x, 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00)),
                    shl(8, and(x, 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff))
                )
                y := or(
                    shr(16, and(y, 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000)),
                    shl(16, and(y, 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff))
                )
            }
            // The four words that the lowest four digits of `order`, shifted left by five, name: one a column.
            function pick(words, order) -> row {
                row := or(
                    or(mload(add(words, and(order, 0x1e0))), shl(64, mload(add(words, and(shr(4, order), 0x1e0))))),
                    or(
                        shl(128, mload(add(words, and(shr(8, order), 0x1e0)))),
                        shl(192, mload(add(words, and(shr(12, order), 0x1e0))))
                    )
                )
            }
            // The quarter round G on all four columns.
            function mix(a, b, c, d, x, y) -> e, f, g, h {
                let mask := 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff
                e := and(add(add(a, b), x), mask)
                h := xor(d, e)
                h := and(or(shr(16, h), shl(16, h)), mask)
                g := and(add(c, h), mask)
                f := xor(b, g)
                f := and(or(shr(12, f), shl(20, f)), mask)
                e := and(add(add(e, f), y), mask)
                h := xor(h, e)
                h := and(or(shr(8, h), shl(24, h)), mask)
                g := and(add(g, h), mask)
                f := xor(f, g)
                f := and(or(shr(7, f), shl(25, f)), mask)
            }
            // One round: the columns, then the diagonals, which turning three rows makes columns.
            function round(words, order, a, b, c, d) -> e, f, g, h {
                order := shl(5, order)
                e, f, g, h := mix(a, b, c, d, pick(words, order), pick(words, shr(16, order)))
                f := or(shr(64, f), shl(192, f))
                g := or(shr(128, g), shl(128, g))
                h := or(shr(192, h), shl(64, h))
                e, f, g, h := mix(e, f, g, h, pick(words, shr(32, order)), pick(words, shr(48, order)))
                f := or(shr(192, f), shl(64, f))
                g := or(shr(128, g), shl(128, g))
                h := or(shr(64, h), shl(192, h))
            }

            let words := mload(0x40)
            {
                let x := turn(first)
                let y := turn(second)
                for { let offset := 0 } lt(offset, 256) { offset := add(offset, 32) } {
                    let place := add(words, offset)
                    let shift := sub(224, offset)
                    mstore(place, and(shr(shift, x), 0xffffffff))
                    mstore(add(place, 256), and(shr(shift, y), 0xffffffff))
                }
            }
            let a := low
            let b := high
            let c := ivLow
            let d := tail
            // Which word each step takes, lowest digit first: the first words of the four columns, the second ones, then the diagonals'.
            a, b, c, d := round(words, 0xfdb9eca875316420, a, b, c, d)
            a, b, c, d := round(words, 0x8e5bf9c1d0a64732, a, b, c, d)
            a, b, c, d := round(words, 0x1f058b96e2c47da3, a, b, c, d)
            a, b, c, d := round(words, 0x682015b4f397deca, a, b, c, d)
            a, b, c, d := round(words, 0x413260578abdef9c, a, b, c, d)
            a, b, c, d := round(words, 0x76a3420d1c5ef8b9, a, b, c, d)
            a, b, c, d := round(words, 0xd4ca732e690f815b, a, b, c, d)
            low := xor(a, c)
            high := xor(b, d)
        }
        return (low, high);
    }

    /// @dev Eight words as BLAKE3 writes them: least byte first.
    function _bytes(uint256 low, uint256 high) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            function join(row) -> half {
                half := or(
                    or(shl(96, and(row, 0xffffffff)), shl(64, and(shr(64, row), 0xffffffff))),
                    or(shl(32, and(shr(128, row), 0xffffffff)), shr(192, row))
                )
            }
            let x := or(shl(128, join(low)), join(high))
            x := or(
                shr(8, and(x, 0xff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00)),
                shl(8, and(x, 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff))
            )
            result := or(
                shr(16, and(x, 0xffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000)),
                shl(16, and(x, 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff))
            )
        }
    }
}
