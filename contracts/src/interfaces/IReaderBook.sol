// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// The newest list of a blob's readers. Its bytes are in the event of its block.
struct ReaderList {
    /// keccak-256 of the list.
    bytes32 listHash;
    /// Lists so far, this one included; 0 when there is none.
    uint64 version;
    /// Block that recorded it.
    uint64 publishedBlock;
}

/// @title Who may read encrypted blobs.
/// @notice Two books in one. *Lists* hold a blob's key, wrapped for each reader, beside the blob: a reader is added without touching a
/// stored row. *Policies* say to whom a threshold committee may release the key of what was encrypted to a policy and epoch.
///
/// An entry belongs to the account that wrote it and nobody else can change it; there is no owner of the book. Whoever relies on a list
/// asks for it under the owner that the blob's header names.
///
/// What ends here and what does not: a reader taken out of a list keeps the key it had, and finds the old list in the log; one taken out
/// of a policy keeps what was released to it. Neither gets at what is encrypted afterwards, under a fresh key or a later epoch.
///
/// Readers are X25519 public keys, not accounts: what is released is encrypted to the key, so it needs no proof of who asks.
interface IReaderBook {
    /// An owner recorded the list of a blob's readers.
    event ReadersPublished(address indexed owner, bytes32 indexed root, uint64 version, bytes list);
    /// A policy's owner let a key read until a block, or no longer when that is 0.
    event AccessSet(bytes32 indexed policy, bytes32 indexed reader, uint64 untilBlock);
    /// A policy began another epoch.
    event EpochAdvanced(bytes32 indexed policy, uint64 epoch);
    /// A release was asked for, and is allowed.
    event ReleaseRequested(bytes32 indexed policy, bytes32 indexed reader, uint64 epoch);

    /// The list is not the next one: another was recorded since it was made.
    error StaleVersion(uint64 version, uint64 current);
    /// The list is empty or longer than `MAX_LIST_BYTES`.
    error InvalidListLength(uint256 length);
    /// A root or reader of zero.
    error ZeroField();
    /// The policy does not let this key read what was encrypted to this epoch, at present.
    error NotAllowed(bytes32 policy, uint64 epoch, bytes32 reader);

    /// @notice Records the caller's list of a blob's readers, in place of the last.
    /// @dev The book does not read the list; its format is docs/spec/da.md's.
    /// @param version One more than the last one's, so that of two lists made at once the second is refused, not lost.
    function publish(bytes32 root, uint64 version, bytes calldata list) external;

    /// @notice The newest list of a blob that `owner` recorded; its `version` is 0 when there is none.
    function readers(address owner, bytes32 root) external view returns (ReaderList memory);

    /// @notice Name of the policy that `owner` keeps under `salt`. It exists from the start, with no reader, in epoch 0.
    function policyOf(address owner, bytes32 salt) external pure returns (bytes32);

    /// @notice Lets keys read under the caller's policy up to and including a block; 0 ends it.
    function setAccess(bytes32 salt, bytes32[] calldata keys, uint64 untilBlock) external;

    /// @notice Begins the next epoch of the caller's policy: what is encrypted to it opens to no release made before.
    /// @return epoch Its number.
    function advance(bytes32 salt) external returns (uint64 epoch);

    /// @notice A policy's current epoch. Nothing is released of later ones.
    function epochOf(bytes32 policy) external view returns (uint64);

    /// @notice Last block in which a key may read under a policy; 0 when it never may.
    function accessUntil(bytes32 policy, bytes32 reader) external view returns (uint64);

    /// @notice Whether the committee may release to a key what was encrypted to a policy's epoch. Members ask this before each release.
    function allowed(bytes32 policy, uint64 epoch, bytes32 reader) external view returns (bool);

    /// @notice Leaves a public trace of a request, for owners who want to see who reads. Anybody may; members do not need it.
    function requestRelease(bytes32 policy, uint64 epoch, bytes32 reader) external;
}
