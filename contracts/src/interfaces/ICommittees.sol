// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title What a light client of other chains trusts.
interface ICommittees {
    /// No such chain is known here.
    error UnknownChain(uint64 chain);

    /// @notice What the votes of a chain are told by, and how many blocks an epoch of it has.
    /// @return network What keeps its votes apart from others of its chain id: `prevRandao` of its genesis block.
    /// @return epochBlocks Blocks of its epochs.
    /// @return record The contract of that chain whose slots say which committee is whose epoch's (`CommitteeRecord`).
    function termsOf(uint64 chain) external view returns (bytes32 network, uint64 epochBlocks, address record);

    /// @notice Whether a committee of that digest (`CommitteeRecord`) votes on that chain in some epoch, with stake that can still be taken.
    function trusts(uint64 chain, bytes32 committee) external view returns (bool);
}
