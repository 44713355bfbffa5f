// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title Epochs of a fixed number of blocks, and the delays that are counted in them.
/// @notice A committee of epoch `e` is fixed in epoch `e − 2`, by the stake at that epoch's beginning. An offence of epoch `o` can be punished
/// until the end of epoch `o + SLASH_WINDOW`.
abstract contract Epochs {
    /// Epochs between the one in which a committee is fixed and its own.
    uint64 public constant LOOKAHEAD = 2;
    /// Epochs after an offence in which it can be punished.
    uint64 public constant SLASH_WINDOW = 3;
    /// Epochs from a deposit until it counts. An offence of the deposit's epoch, or of an earlier one, cannot be punished any more then: so
    /// nobody pays for what happened before.
    uint64 public constant JOINING_EPOCHS = SLASH_WINDOW + 1;
    /// Epochs from a request to leave until the money is free: the last committee that counted it is two epochs on, and what that
    /// committee did can still be punished in `SLASH_WINDOW` more.
    uint64 public constant UNBONDING_EPOCHS = LOOKAHEAD + SLASH_WINDOW + 1;

    /// Blocks of an epoch.
    uint64 public immutable epochBlocks;

    /// An epoch has at least one block.
    error InvalidEpochBlocks();

    /// @param blocks Blocks of an epoch.
    constructor(uint64 blocks) {
        if (blocks == 0) revert InvalidEpochBlocks();
        epochBlocks = blocks;
    }

    /// @notice Epoch of this block.
    function epoch() public view returns (uint64) {
        return uint64(block.number) / epochBlocks;
    }
}
