// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IDealtReleaseCommittee} from "./interfaces/IDealtReleaseCommittee.sol";

/// @title The committee that releases the keys of encrypted blobs, as whoever made the first block dealt it.
contract DealtReleaseCommittee is IDealtReleaseCommittee {
    /// Members at most: combining their shares is quadratic in them.
    uint256 public constant MAX_MEMBERS = 256;

    bytes private _keys;
    bytes32[] private _streamKeys;

    /// @inheritdoc IDealtReleaseCommittee
    function appoint(bytes calldata keys, bytes32[] calldata streamKeys) external {
        if (block.number != 0 || _keys.length != 0) revert AppointmentClosed();
        uint256 members = streamKeys.length;
        if (members == 0 || members > MAX_MEMBERS || keys.length != 4 + 96 * (members + 1)) {
            revert InvalidCommittee(keys.length, members);
        }
        _keys = keys;
        _streamKeys = streamKeys;
        emit CommitteeAppointed(keys, streamKeys);
    }

    /// @inheritdoc IDealtReleaseCommittee
    function committee() external view returns (bytes memory keys, bytes32[] memory streamKeys) {
        return (_keys, _streamKeys);
    }
}
