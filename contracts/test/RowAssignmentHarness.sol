// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {RowAssignment} from "../src/RowAssignment.sol";

/// @title The library `RowAssignment`, for the tests.
contract RowAssignmentHarness {
    /// @notice As the library's.
    function seed(bytes32 beacon, uint64 epoch, bytes32 root) external pure returns (bytes32) {
        return RowAssignment.seed(beacon, epoch, root);
    }

    /// @notice As the library's.
    function shuffle(bytes32 seed_, uint256 total, uint256 from) external pure returns (uint256[] memory) {
        return RowAssignment.shuffle(seed_, total, from);
    }

    /// @notice Gas that the shuffle alone takes.
    function gasOfShuffle(bytes32 seed_, uint256 total, uint256 from) external view returns (uint256) {
        uint256 before = gasleft();
        RowAssignment.shuffle(seed_, total, from);
        return before - gasleft();
    }
}
