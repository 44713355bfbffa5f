// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title Who owns which row of a blob: the shuffle that operators, dispersers and readers compute, here for a dispute.
/// @notice Fisher–Yates over the rows, from the last place down, with draws from `keccak256(seed ‖ 0)`, `keccak256(seed ‖ 1)`, … : eight of
/// four bytes each, the most significant first. Were the hash a random oracle, every order of the rows would be equally likely.
library RowAssignment {
    /// @notice Seed of a blob's shuffle. Whoever coded the blob could not know it before all rows were fixed.
    /// @param beacon Of the epoch: nobody knew it before the committee was.
    /// @param epoch Whose committee holds the rows.
    /// @param root The blob's name.
    function seed(bytes32 beacon, uint64 epoch, bytes32 root) internal pure returns (bytes32) {
        return keccak256(abi.encode("aloft/da/assign/v2", beacon, epoch, root));
    }

    /// @notice Whether who has the seats `first .. end` of `seats` owns `row` of a blob of `total` rows: whether the row is at one of the places
    /// `⌊first·R/S⌋ .. ⌊end·R/S⌋` of the blob's shuffle.
    function owns(bytes32 seed_, uint256 total, uint256 first, uint256 end, uint256 seats, uint256 row)
        internal
        pure
        returns (bool)
    {
        uint256 from = first * total / seats;
        uint256 to = end * total / seats;
        uint256[] memory rows = shuffle(seed_, total, from);
        unchecked {
            for (uint256 place = from; place < to; place++) {
                if (rows[place] == row) return true;
            }
        }
        return false;
    }

    /// @notice The shuffle of `0 .. total`; only the places from `from` on are final.
    /// @dev A draw below `bound` is a word modulo it; words at or above the largest multiple of `bound` that is at most 2³² − 1 are
    /// skipped, for they would favour small numbers. Costs about 265 gas a place from `from` on, and 80 a row.
    /// @param total Count of rows, below 2³².
    function shuffle(bytes32 seed_, uint256 total, uint256 from) internal pure returns (uint256[] memory rows) {
        rows = new uint256[](total);
        // Nothing below writes outside `rows` but into the scratch space, where the hash's input is.
        assembly ("memory-safe") {
            let first := add(rows, 32)
            for { let i := 0 } lt(i, total) { i := add(i, 1) } { mstore(add(first, shl(5, i)), i) }
            mstore(0, seed_)
            let counter := 0
            let words := 0
            let left := 0
            if iszero(from) { from := 1 }
            // `bound` is the place that is drawn for, and one more.
            for { let bound := total } gt(bound, from) { bound := sub(bound, 1) } {
                let limit := sub(0xffffffff, mod(0xffffffff, bound))
                let word := limit
                for {} iszero(lt(word, limit)) {} {
                    if iszero(left) {
                        mstore(32, counter)
                        words := keccak256(0, 64)
                        counter := add(counter, 1)
                        left := 8
                    }
                    word := shr(224, words)
                    words := shl(32, words)
                    left := sub(left, 1)
                }
                let last := add(first, shl(5, sub(bound, 1)))
                let drawn := add(first, shl(5, mod(word, bound)))
                let row := mload(last)
                mstore(last, mload(drawn))
                mstore(drawn, row)
            }
        }
    }
}
