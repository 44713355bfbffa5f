// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Seats} from "../src/Seats.sol";

/// @title The library `Seats`, for the tests.
contract SeatsHarness {
    /// @notice As the library's.
    function cap(uint256 seats, uint256 candidates) external pure returns (uint256) {
        return Seats.cap(seats, candidates);
    }

    /// @notice As the library's.
    function apportion(uint256[] memory stakes, uint256 seats) external pure returns (uint256[] memory) {
        return Seats.apportion(stakes, seats);
    }
}
