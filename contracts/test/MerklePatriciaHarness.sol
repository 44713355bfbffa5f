// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {MerklePatricia} from "../src/MerklePatricia.sol";

/// @title The library `MerklePatricia`, for the tests.
contract MerklePatriciaHarness {
    /// @notice As the library's.
    function value(bytes32 root, bytes32 key, bytes[] calldata proof) external pure returns (bytes memory) {
        return MerklePatricia.value(root, key, proof);
    }

    /// @notice As the library's.
    function slot(bytes32 root, address owner, bytes32 slot_, bytes[] calldata account, bytes[] calldata storage_)
        external
        pure
        returns (uint256)
    {
        return MerklePatricia.slot(root, owner, slot_, account, storage_);
    }
}
