// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// What a publisher says about who contributed how much to a model.
struct Contributions {
    /// Root of the Merkle tree of `(address account, uint256 weight)`, as OpenZeppelin's `StandardMerkleTree` builds it.
    bytes32 weightsRoot;
    /// BLAKE3 of the evaluation report from which anybody can compute the weights again.
    bytes32 reportHash;
    /// Sum of the weights, at most `WEIGHT_ONE`.
    uint64 totalWeight;
    /// Block that recorded it; 0 when there is none.
    uint64 publishedBlock;
}

/// @title Contribution weights of trained models.
/// @notice An entry belongs to its publisher and model and never changes, so nobody can take a model's name first: whoever relies on an
/// entry names its publisher. The chain does not see the leaves; `totalWeight` is the publisher's word, and payers cap by it.
interface IContributionBook {
    /// A publisher recorded a model's weights.
    event Published(
        address indexed publisher,
        bytes32 indexed modelRoot,
        bytes32 weightsRoot,
        bytes32 reportHash,
        uint64 totalWeight
    );

    /// The entry exists.
    error AlreadyPublished(address publisher, bytes32 modelRoot);
    /// The sum of the weights is zero or above `WEIGHT_ONE`.
    error InvalidTotalWeight(uint64 totalWeight);
    /// A root or hash of zero.
    error ZeroHash();

    /// @notice Records the caller's weights for a model, once.
    function publish(bytes32 modelRoot, bytes32 weightsRoot, bytes32 reportHash, uint64 totalWeight) external;

    /// @notice An entry; its `publishedBlock` is 0 when there is none.
    function contributions(address publisher, bytes32 modelRoot) external view returns (Contributions memory);

    /// @notice Whether `(account, weight)` is a leaf of the entry's tree.
    function verify(address publisher, bytes32 modelRoot, address account, uint256 weight, bytes32[] calldata proof)
        external
        view
        returns (bool);

    /// @notice The weight that stands for all of a model: 10¹².
    function WEIGHT_ONE() external view returns (uint64);
}
