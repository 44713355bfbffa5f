// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Vote} from "./IConsensusSlasher.sol";

/// Whose vote it was, and in which view.
struct Ballot {
    /// The shard.
    uint64 chain;
    /// Epoch of the root chain.
    uint64 rootEpoch;
    /// The operator's index in the shard's committee of that epoch (`NetworkRegistry.committee`).
    uint32 index;
    /// Which of its keys signed.
    uint32 seat;
    /// Epoch of the shard.
    uint64 epoch;
    /// View of it.
    uint64 view_;
}

/// @title Takes the stake of who votes twice on a shard.
/// @notice As `IConsensusSlasher`, for the validators of shards: the same pairs of votes, signed with the shard's chain id. The root chain does not know
/// when a vote was cast; the reporter names an epoch of the root chain, in `StakeVault`'s window, in whose committee of the shard the operator was.
interface IShardSlasher {
    /// An operator voted twice in a view.
    event Equivocated(
        uint32 indexed operator,
        uint64 indexed chain,
        uint64 epoch,
        uint64 view_,
        uint32 seat,
        address reporter,
        uint256 lost,
        uint256 rewarded
    );

    /// The two votes may both be cast.
    error NoConflict();
    /// The key had no vote in that epoch.
    error NotASeat(uint32 operator, uint32 seat);
    /// The signature of one of the two is not the key's.
    error WrongSignature(uint256 vote);

    /// @notice Reports two votes that exclude each other; the caller is paid. Once for each operator, shard and view.
    function report(Ballot calldata ballot, Vote calldata first, Vote calldata second) external;
}
