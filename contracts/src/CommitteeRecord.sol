// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// @title Which committee votes on this chain in which epoch, where other chains can prove it.
/// @notice A certificate says who signed, not that they were the committee. The record does, in the state of the very block that the
/// certificate is for: no honest validator votes for a block whose state names others.
///
/// A committee's digest is the Keccak-256 of its vote keys, 128 bytes each as EIP-2537 encodes them, in the order of its members and of their seats.
abstract contract CommitteeRecord {
    /// @notice Digests that were recorded. Slot 0: other chains prove it.
    mapping(uint64 epoch => bytes32) public recordedCommittee;

    /// A committee was recorded.
    event CommitteeRecorded(uint64 indexed epoch, bytes32 committee);

    /// @notice Writes down the committee of an epoch, up to the next one. Anybody may, at any time; again changes nothing.
    /// @return committee Its digest.
    function record(uint64 atEpoch) public returns (bytes32 committee) {
        committee = recordedCommittee[atEpoch];
        if (committee != 0) return committee;
        committee = committeeDigest(atEpoch);
        recordedCommittee[atEpoch] = committee;
        emit CommitteeRecorded(atEpoch, committee);
    }

    /// @notice Digest of the committee of an epoch, up to the next one.
    function committeeDigest(uint64 atEpoch) public view virtual returns (bytes32);
}
