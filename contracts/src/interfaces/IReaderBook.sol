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

/// What a policy asks of everybody who reads under it.
struct PolicyTerms {
    /// Account that keeps it and is paid; zero while it never set any terms.
    address owner;
    /// First block in which anybody may read.
    uint64 fromBlock;
    /// Whether every key may, without being let in.
    bool isOpen;
    /// Last block in which anybody may read; 0 when there is no end.
    uint64 untilBlock;
    /// Blocks that one payment lets a key read for; 0 when access is not sold.
    uint64 saleBlocks;
    /// Price of them, wei.
    uint128 price;
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
///
/// Whoever pays for access trusts the policy's owner, who may take it away again, and who chose what is encrypted to the policy. The book
/// holds no coin: a payment goes to the owner in the same transaction.
interface IReaderBook {
    /// An owner recorded the list of a blob's readers.
    event ReadersPublished(address indexed owner, bytes32 indexed root, uint64 version, bytes list);
    /// A policy's owner let a key read until a block, or no longer when that is 0.
    event AccessSet(bytes32 indexed policy, bytes32 indexed reader, uint64 untilBlock);
    /// A policy's owner set what it asks of everybody.
    event TermsSet(
        bytes32 indexed policy,
        address indexed owner,
        uint64 fromBlock,
        uint64 untilBlock,
        bool isOpen,
        uint64 saleBlocks,
        uint128 price
    );
    /// Somebody paid for a key to read until a block; `AccessSet` follows.
    event AccessBought(bytes32 indexed policy, bytes32 indexed reader, address indexed payer, uint128 price);
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
    /// Access under the policy is not sold, or not for so many blocks at this price (any more).
    error NotOnOffer(bytes32 policy, uint64 saleBlocks, uint256 sent);
    /// The policy's owner does not take the payment.
    error PaymentRefused(address owner);
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

    /// @notice Sets what the caller's policy asks of everybody, in place of what it asked before.
    /// @param fromBlock First block in which anybody may read.
    /// @param untilBlock Last block in which anybody may; 0 for no end.
    /// @param isOpen Whether every key may, without being let in: content that becomes public in its time.
    /// @param saleBlocks Blocks that one payment lets a key read for; 0 sells nothing.
    /// @param price Price of them, wei.
    function setTerms(
        bytes32 salt,
        uint64 fromBlock,
        uint64 untilBlock,
        bool isOpen,
        uint64 saleBlocks,
        uint128 price
    ) external;

    /// @notice What a policy asks of everybody; all zero when its owner never said.
    function termsOf(bytes32 policy) external view returns (PolicyTerms memory);

    /// @notice Pays a policy's owner to let a key read for `saleBlocks` more blocks: from now (or `fromBlock`) on, or from the end of the
    /// access that it has.
    /// @dev Blocks and value must be exactly what the terms say, so that no buyer pays for other terms than it saw.
    /// @return untilBlock Last block in which the key may read.
    function buyAccess(bytes32 policy, bytes32 reader, uint64 saleBlocks) external payable returns (uint64 untilBlock);

    /// @notice Begins the next epoch of the caller's policy: what is encrypted to it opens to no release made before.
    /// @return epoch Its number.
    function advance(bytes32 salt) external returns (uint64 epoch);

    /// @notice A policy's current epoch. Nothing is released of later ones.
    function epochOf(bytes32 policy) external view returns (uint64);

    /// @notice Last block in which a key is let in under a policy; 0 when it never was. The policy's terms bound it further.
    function accessUntil(bytes32 policy, bytes32 reader) external view returns (uint64);

    /// @notice Whether the committee may release to a key what was encrypted to a policy's epoch: the epoch began, the block is within
    /// the policy's, and the key was let in or every key is. Members ask this before each release.
    function allowed(bytes32 policy, uint64 epoch, bytes32 reader) external view returns (bool);

    /// @notice Leaves a public trace of a request, for owners who want to see who reads. Anybody may; members do not need it.
    function requestRelease(bytes32 policy, uint64 epoch, bytes32 reader) external;
}
