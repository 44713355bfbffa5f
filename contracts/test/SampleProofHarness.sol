// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Blake3} from "../src/Blake3.sol";
import {SampleProof} from "../src/SampleProof.sol";

/// @title The libraries `Blake3` and `SampleProof`, for the tests.
contract SampleProofHarness {
    /// @notice As the library's.
    function chunk(bytes calldata data, uint256 index, bool root) external pure returns (bytes32) {
        return Blake3.chunk(data, index, root);
    }

    /// @notice As the library's.
    function parent(bytes32 left, bytes32 right, bool root) external pure returns (bytes32) {
        return Blake3.parent(left, right, root);
    }

    /// @notice As the library's.
    function groupNode(bytes32 left, bytes32 right) external pure returns (bytes32) {
        return Blake3.groupNode(left, right);
    }

    /// @notice As the library's, and the gas that it took.
    function verify(bytes calldata sample, bytes calldata commitment, uint256 rowBytes, uint256 row, uint256 chunkIndex)
        external
        view
        returns (bool valid, uint256 gas)
    {
        uint256 before = gasleft();
        valid = SampleProof.verify(sample, commitment, rowBytes, row, chunkIndex);
        gas = before - gasleft();
    }
}
