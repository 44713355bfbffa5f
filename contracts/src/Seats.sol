// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";

/// @title Stake becomes seats: whole numbers in proportion to stake, by largest remainder, with a most for one operator.
/// @notice Engines and quorums count seats, not wei. A test of the crate `contracts` computes the same by other means, and compares.
library Seats {
    /// From so many candidates on an operator has at most a tenth of the seats.
    uint256 internal constant MANY = 20;
    /// From so many on fewer than a third, so that one operator alone can neither block nor forge a quorum of two thirds.
    uint256 internal constant SEVERAL = 4;

    /// @notice Most seats of one operator among `candidates`, of `seats`: a tenth, rounded down, of 20 candidates or more; fewer than a third
    /// of 4 to 19; an equal part, rounded up, of fewer. At least one.
    function cap(uint256 seats, uint256 candidates) internal pure returns (uint256 most) {
        if (candidates >= MANY) most = seats / 10;
        else if (candidates >= SEVERAL) most = (seats - 1) / 3;
        else most = (seats + candidates - 1) / candidates;
        if (most == 0) most = 1;
    }

    /// @notice Seats of each candidate. Together `seats`, or what the most for each leaves of them.
    /// @dev Candidates whose exact part is at least the most have the most; the others share the rest in proportion: each its part rounded
    /// down, then one more each for the largest remainders, the earlier candidate first when two are equal. At most `seats / cap` candidates
    /// reach the most, which bounds the rounds.
    /// @param stakes Wei of each candidate, each below 2^128; not all are zero.
    /// @param seats To be given, from 1 to 2^32 − 1.
    function apportion(uint256[] memory stakes, uint256 seats) internal pure returns (uint256[] memory given) {
        uint256 count = stakes.length;
        given = new uint256[](count);
        uint256 most = cap(seats, count);
        uint256 free = most * count < seats ? most * count : seats;
        uint256 weight = 0;
        for (uint256 i = 0; i < count; i++) weight += stakes[i];
        for (bool changed = true; changed && weight != 0;) {
            changed = false;
            (uint256 freeNow, uint256 weightNow) = (free, weight);
            for (uint256 i = 0; i < count; i++) {
                if (given[i] == 0 && stakes[i] * freeNow >= most * weightNow && stakes[i] != 0) {
                    given[i] = most;
                    free -= most;
                    weight -= stakes[i];
                    changed = true;
                }
            }
        }
        if (weight == 0 || free == 0) return given;

        uint256[] memory remainders = new uint256[](count);
        uint256 left = free;
        for (uint256 i = 0; i < count; i++) {
            if (given[i] == most) continue; // Its part is at least the most; the others' is below it.
            uint256 product = stakes[i] * free;
            given[i] = product / weight;
            left -= given[i];
            // Sorts by remainder, then by place from the last on.
            remainders[i] = (product % weight) << 32 | (type(uint32).max - i);
        }
        Arrays.sort(remainders);
        for (uint256 i = count; left != 0; left--) {
            i--;
            given[type(uint32).max - uint32(remainders[i])]++;
        }
    }
}
