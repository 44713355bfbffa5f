// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Leg} from "./IRevenueSplitter.sol";

/// @title Makes the splitters of models.
/// @notice A splitter's address is a function of its model and its legs, so it can be paid before it exists, and whoever creates it
/// creates the same contract.
interface ISplitterFactory {
    /// A splitter was created.
    event SplitterCreated(address indexed splitter, bytes32 indexed modelRoot, Leg[] legs);

    /// No legs, or more than `MAX_LEGS`.
    error LegCount(uint256 count);
    /// A leg without an account or without a share.
    error InvalidLeg(uint256 index);
    /// The shares do not sum to 10000.
    error InvalidSum(uint256 bps);
    /// There must be exactly one data leg.
    error DataLegCount(uint256 count);

    /// @notice Creates a splitter, or returns the one that exists.
    function create(bytes32 modelRoot, Leg[] calldata legs) external returns (address splitter);

    /// @notice Where `create` puts it.
    function predict(bytes32 modelRoot, Leg[] calldata legs) external view returns (address splitter);

    /// @notice The code that all splitters run.
    function implementation() external view returns (address);
}
