// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Leg, LegKind} from "./interfaces/IRevenueSplitter.sol";
import {ISplitterFactory} from "./interfaces/ISplitterFactory.sol";

/// @title Makes the splitters of models.
contract SplitterFactory is ISplitterFactory {
    /// Most legs of a splitter: each costs gas at every `sync`.
    uint256 public constant MAX_LEGS = 16;
    /// What the legs' shares sum to.
    uint256 public constant BPS_ONE = 10_000;

    /// @inheritdoc ISplitterFactory
    address public immutable implementation;

    /// @param splitterImplementation The code that all splitters run.
    constructor(address splitterImplementation) {
        implementation = splitterImplementation;
    }

    /// @inheritdoc ISplitterFactory
    function create(bytes32 modelRoot, Leg[] calldata legs) external returns (address splitter) {
        splitter = predict(modelRoot, legs);
        if (splitter.code.length > 0) return splitter;
        _checkLegs(legs);
        Clones.cloneDeterministicWithImmutableArgs(implementation, abi.encode(modelRoot, legs), 0);
        emit SplitterCreated(splitter, modelRoot, legs);
    }

    /// @inheritdoc ISplitterFactory
    function predict(bytes32 modelRoot, Leg[] calldata legs) public view returns (address splitter) {
        return Clones.predictDeterministicAddressWithImmutableArgs(implementation, abi.encode(modelRoot, legs), 0);
    }

    function _checkLegs(Leg[] calldata legs) private pure {
        if (legs.length == 0 || legs.length > MAX_LEGS) revert LegCount(legs.length);
        uint256 sum = 0;
        uint256 dataLegs = 0;
        for (uint256 i = 0; i < legs.length; i++) {
            if (legs[i].account == address(0) || legs[i].bps == 0) revert InvalidLeg(i);
            sum += legs[i].bps;
            if (legs[i].kind == LegKind.Data) dataLegs++;
        }
        if (sum != BPS_ONE) revert InvalidSum(sum);
        if (dataLegs != 1) revert DataLegCount(dataLegs);
    }
}
