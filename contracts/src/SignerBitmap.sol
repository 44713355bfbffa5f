// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title The bitmap of a certificate's signers: operator `i` is bit `i % 8` (least significant first) of byte `i / 8`.
library SignerBitmap {
    /// @notice Whether `bitmap` names an operator; false for one beyond its end.
    function names(bytes calldata bitmap, uint256 operator) internal pure returns (bool) {
        return operator / 8 < bitmap.length && (uint8(bitmap[operator / 8]) >> (operator % 8)) & 1 == 1;
    }
}
