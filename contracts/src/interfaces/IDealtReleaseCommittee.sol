// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title The committee that releases the keys of encrypted blobs, as whoever made the first block dealt it.
/// @notice Readers find here whom to ask and what shares are checked against; owners find the key that they encrypt to. The calls of the
/// genesis block appoint the committee and nothing else does; there is no owner. It was dealt: whoever made the network knew all of its
/// secret once. A key that its members generate among themselves takes another contract.
interface IDealtReleaseCommittee {
    /// The committee was appointed, at block 0.
    event CommitteeAppointed(bytes keys, bytes32[] streamKeys);

    /// Appointment after block 0, or a second one.
    error AppointmentClosed();
    /// The keys are not as long as those of so many members, or there is none, or more than `MAX_MEMBERS`.
    error InvalidCommittee(uint256 length, uint256 members);

    /// @notice Appoints the committee. Only in the genesis block, once.
    /// @dev That the keys are points that share one secret is not checked here: whoever uses them does.
    /// @param keys `threshold (2) | members (2) | key (96) | members x key (96)`, big endian, compressed points of BLS12-381's G2.
    /// @param streamKeys ed25519 key of each member's streams, in the same order: operators of the registry, where they listen.
    function appoint(bytes calldata keys, bytes32[] calldata streamKeys) external;

    /// @notice The committee; empty when none was appointed.
    function committee() external view returns (bytes memory keys, bytes32[] memory streamKeys);
}
