// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Validator} from "./IValidatorRegistry.sol";

/// @title Who votes on a shard's blocks in which of its epochs, as the root chain said.
/// @notice It stands where the root chain has `ValidatorRegistry`, and answers the same questions. Committees come as messages of the root chain's
/// `ShardRegistry`; one that arrives in epoch `e` counts from `e + 2` on, so that what can be read never changes. While none arrives the last one
/// goes on.
interface IShardValidators {
    /// A committee arrived.
    event CommitteeArrived(uint64 indexed rootEpoch, uint64 indexed fromEpoch, bytes32 committee, bytes32 rootCommittee);

    /// Only in the first block, once.
    error NotGenesis();
    /// Only messages of the root chain's `ShardRegistry`.
    error NotTheRoot(uint64 origin, address sender);
    /// The committee of that epoch may still change.
    error NotFixed(uint64 epoch);
    /// More than the code of an account holds.
    error TooLong(uint256 length);

    /// @notice Sets the first committee, and the root chain's. In the first block, once.
    function found(bytes32 rootCommittee, bytes32 digest, Validator[] calldata validators) external;

    /// @notice The validators of an epoch, up to the next one, in the order of their seats.
    function committee(uint64 atEpoch) external view returns (Validator[] memory);

    /// @notice Where the validators of the last committee that arrived are; they are the only ones that the shard knows.
    function candidates() external view returns (Validator[] memory);
}
