// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// What a vote says of a view.
enum VoteKind {
    /// The proposal may be built upon.
    Notarize,
    /// The view brings no block.
    Nullify,
    /// The proposal is final.
    Finalize
}

/// One vote, as a validator signed it.
struct Vote {
    VoteKind kind;
    /// View of the proposal's parent; 0 of a nullify.
    uint64 parentView;
    /// Digest of the proposed block; 0 of a nullify.
    bytes32 digest;
    /// Signature, a point of G2 as EIP-2537 encodes it, 256 bytes.
    bytes signature;
}

/// @title Takes the stake of who votes twice.
/// @notice Three pairs of votes of one key in one view are never cast by who follows the protocol: to notarize two proposals, to finalize two, and
/// to nullify the view and finalize a proposal of it. Two final blocks at one height need a third of all votes to do so. Anybody may report a pair; it loses
/// its operator all that is at stake behind it, and keeps it from seats for `JAIL_EPOCHS`. `StakeVault` says who is paid, and until when.
interface IConsensusSlasher {
    /// An operator voted twice in a view.
    event Equivocated(
        uint32 indexed operator, uint64 indexed epoch, uint64 view_, uint256 seat, address reporter, uint256 lost, uint256 rewarded
    );

    /// The two votes may both be cast.
    error NoConflict();
    /// The key had no vote in that epoch.
    error NotASeat(uint32 operator, uint256 seat);
    /// The signature of one of the two is not the key's.
    error WrongSignature(uint256 vote);

    /// @notice Reports two votes that exclude each other; the caller is paid. Once for each operator and view.
    /// @param epoch_ Epoch of both.
    /// @param view_ View of both.
    /// @param index The operator's index in the committee of that epoch (`NetworkRegistry.committee`).
    /// @param seat Which of its keys signed.
    function report(uint64 epoch_, uint64 view_, uint32 index, uint256 seat, Vote calldata first, Vote calldata second)
        external;

    /// @notice The bytes that a vote signs, before they are hashed to the curve.
    function messageOf(uint64 epoch_, uint64 view_, Vote calldata vote) external view returns (bytes memory);
}
