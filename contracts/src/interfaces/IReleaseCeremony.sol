// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// What is posted in which fifth of an epoch.
enum Phase {
    /// A seat's keys for this ceremony.
    Enrol,
    /// A dealer's commitment, and each player's share, sealed to it.
    Deal,
    /// A player's signatures under the dealings whose share is sound.
    Acknowledge,
    /// A dealer's log: who acknowledged, and the shares of who did not.
    Close,
    /// Nothing is posted: operators say what the logs come to.
    Agree
}

/// @title The committee that releases the keys of encrypted blobs, and where it makes its key.
/// @notice In an epoch whose next committee has other seats than those that share the key, the seats of that committee make the key, or take it over
/// from those that share it: they post in four fifths of the epoch, and whoever reads the posts finds the same outcome. In the last fifth operators
/// agree on it. Nobody ever knows the key's secret, and once there is a key it stays.
///
/// The contract checks who posts and when, not what: posts carry the signatures of seats' keys, and those who read them do not count what is not sound.
/// What it trusts is that two thirds of the seats agree on what they read.
///
/// There is no owner.
interface IReleaseCeremony {
    /// Bytes of one seat in one phase.
    event Posted(uint64 indexed epoch, Phase indexed phase, uint32 operator, uint32 seat, bytes post);
    /// An operator says what the ceremony of an epoch came to.
    event Agreed(uint64 indexed epoch, uint32 operator, bytes32 outcome, uint256 seats);
    /// The key is shared otherwise from now on. `fromEpoch` is the epoch whose committee shares it.
    event SharingSet(uint64 indexed fromEpoch, bytes keys, uint32[] operators);

    /// Not the time for this in that epoch.
    error WrongMoment(uint64 epoch, Phase phase);
    /// No bytes, or too many.
    error PostLength(uint256 length);
    /// The seat posted in this phase.
    error PostedBefore(uint32 operator, uint256 seat);
    /// The caller does not have that seat of the committee whose turn it is.
    error NotTheSeat(uint32 index, uint256 seat);
    /// The operator has said what it finds.
    error AgreedBefore(uint32 operator);
    /// Fewer seats agree on this outcome than it takes.
    error NotAgreed(uint256 seats, uint256 needed);
    /// The keys are not as long as those of so many members, or there are none, or more than `MAX_MEMBERS`.
    error InvalidOutcome(uint256 length, uint256 members);
    /// The outcome of this epoch's ceremony is recorded.
    error ConcludedBefore(uint64 epoch);
    /// The public key would be another one.
    error KeyChanged();

    /// @notice Posts for one of the caller's seats; once in a phase.
    /// @param epoch_ This epoch.
    /// @param phase What is posted; its fifth of the epoch must be now.
    /// @param index The caller's place in the committee: that of the next epoch for `Enrol` and `Acknowledge`; for `Deal` and `Close` that of
    /// `holdersEpoch()`.
    /// @param seat Which of the caller's seats, counted from 0.
    /// @param bytes_ What the seat says: docs/spec/da.md.
    function post(uint64 epoch_, Phase phase, uint32 index, uint256 seat, bytes calldata bytes_) external;

    /// @notice Says what the caller finds the ceremony of this epoch to come to, with all its seats of the next epoch's committee; once.
    /// @param outcome `keccak256(abi.encode(epoch, keys, operators, output))`, as `conclude` takes them.
    function agree(uint64 epoch_, uint32 index, bytes32 outcome) external;

    /// @notice Records an outcome that enough seats agree on: all but `(seats - 1) / 3`. Anybody may.
    /// @param keys `threshold (2) | members (2) | key (96) | members x key (96)`, big endian, compressed points of BLS12-381's G2.
    /// @param operators Operator of each member, in the same order.
    /// @param output What the next ceremony goes on from.
    function conclude(uint64 epoch_, bytes calldata keys, uint32[] calldata operators, bytes calldata output) external;

    /// @notice Epoch whose committee shares the key; the next epoch while there is no key.
    function holdersEpoch() external view returns (uint64);

    /// @notice How the key is shared: from which epoch's committee on, 0 when there is no key; what a ceremony goes on from.
    function sharing() external view returns (uint64 fromEpoch, bytes memory output);

    /// @notice Seats that agree on an outcome.
    function agreed(bytes32 outcome) external view returns (uint256 seats);

    /// @notice The committee, as `DealtReleaseCommittee` has it: empty while there is no key.
    /// @return keys As `conclude` takes them.
    /// @return streamKeys ed25519 key of each member's streams, in the same order. An operator has as many members as seats.
    function committee() external view returns (bytes memory keys, bytes32[] memory streamKeys);
}
