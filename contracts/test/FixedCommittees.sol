// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {ICommittees} from "../src/interfaces/ICommittees.sol";

/// @title One chain whose every committee is trusted, for the tests.
contract FixedCommittees is ICommittees {
    /// The chain.
    uint64 public immutable chain;
    /// What keeps its votes apart.
    bytes32 public immutable network;
    /// Blocks of its epochs.
    uint64 public immutable blocks;
    /// Where it records its committees.
    address public immutable recorder;

    /// @param known The chain.
    /// @param randomness What keeps its votes apart.
    /// @param epochBlocks Blocks of its epochs.
    /// @param record Where it records its committees.
    constructor(uint64 known, bytes32 randomness, uint64 epochBlocks, address record) {
        (chain, network, blocks, recorder) = (known, randomness, epochBlocks, record);
    }

    /// @inheritdoc ICommittees
    function termsOf(uint64 asked) external view returns (bytes32, uint64, address) {
        if (asked != chain) revert UnknownChain(asked);
        return (network, blocks, recorder);
    }

    /// @inheritdoc ICommittees
    function trusts(uint64 asked, bytes32) external view returns (bool) {
        return asked == chain;
    }
}
