// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title Reads RLP, strictly: every length is within its input, and no item has a second encoding.
library Rlp {
    /// The bytes are not the RLP that is expected here.
    error InvalidRlp();

    /// @notice The item that begins at `offset`.
    /// @return isList Whether it is a list.
    /// @return start Where its payload begins.
    /// @return end Where its payload ends, within `input`: the next item begins there.
    function item(bytes calldata input, uint256 offset) internal pure returns (bool isList, uint256 start, uint256 end) {
        unchecked {
            if (offset >= input.length) revert InvalidRlp();
            uint256 first = uint8(input[offset]);
            if (first < 0x80) return (false, offset, offset + 1);
            isList = first >= 0xc0;
            uint256 length = first - (isList ? 0xc0 : 0x80);
            start = offset + 1;
            if (length > 55) {
                uint256 size = length - 55;
                // Nothing that is read here is longer than three bytes can say.
                if (size > 3 || start + size > input.length) revert InvalidRlp();
                length = 0;
                for (uint256 i = 0; i < size; i++) length = (length << 8) | uint8(input[start + i]);
                if (length < 56 || length >> (8 * (size - 1)) == 0) revert InvalidRlp();
                start += size;
            }
            end = start + length;
            if (end > input.length) revert InvalidRlp();
            if (!isList && length == 1 && uint8(input[start]) < 0x80) revert InvalidRlp();
        }
    }

    /// @notice Where the items of a list begin that takes up all of `input`; it ends with `input`.
    function listStart(bytes calldata input) internal pure returns (uint256 start) {
        bool isList;
        uint256 end;
        (isList, start, end) = item(input, 0);
        if (!isList || end != input.length) revert InvalidRlp();
    }

    /// @notice The string of 32 bytes at `offset`, and where the next item begins.
    function word(bytes calldata input, uint256 offset) internal pure returns (bytes32 value, uint256 next) {
        (bool isList, uint256 start, uint256 end) = item(input, offset);
        if (isList || end - start != 32) revert InvalidRlp();
        return (bytes32(input[start:end]), end);
    }

    /// @notice The number at `offset`, of at most 32 bytes without leading zeros, and where the next item begins.
    function number(bytes calldata input, uint256 offset) internal pure returns (uint256 value, uint256 next) {
        (bool isList, uint256 start, uint256 end) = item(input, offset);
        uint256 length = end - start;
        if (isList || length > 32) revert InvalidRlp();
        if (length != 0) {
            if (input[start] == 0) revert InvalidRlp();
            value = uint256(bytes32(input[start:end])) >> (8 * (32 - length));
        }
        return (value, end);
    }
}
