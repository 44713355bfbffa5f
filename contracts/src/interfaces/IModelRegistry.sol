// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

/// One version of a model that providers may serve.
struct ModelVersion {
    /// Name of the blob that holds the model's weights: the root `DAEntrance` recorded.
    bytes32 root;
    /// Where its revenue goes: the receiver of every payment for it.
    address splitter;
    /// Block that recorded it; 0 when there is none.
    uint64 publishedBlock;
    /// Price of one row of input, in the smallest unit of `token`.
    uint128 pricePerRow;
    /// Token the price is in.
    address token;
}

/// @title Names of models.
/// @notice The first to publish under a name owns it, for good, and adds versions; a version never changes. A provider that serves a
/// version is paid into its splitter, so the terms that a user sees are the terms the money follows.
interface IModelRegistry {
    /// A version was added.
    event ModelPublished(
        bytes32 indexed nameHash,
        bytes32 indexed root,
        address indexed publisher,
        string name,
        uint64 version,
        address splitter,
        address token,
        uint128 pricePerRow
    );

    /// Somebody else owns the name.
    error NotPublisher(string name, address publisher);
    /// Empty, longer than `MAX_NAME_BYTES`, or with anything but lower-case letters, digits and inner hyphens.
    error InvalidName(string name);
    /// A root, splitter or token of zero.
    error ZeroField();

    /// @notice Adds a version under a name, versions counting from 1.
    function publish(string calldata name, bytes32 root, address splitter, address token, uint128 pricePerRow)
        external
        returns (uint64 version);

    /// @notice The newest version of a name and its number; number 0 when the name is free.
    function latest(string calldata name) external view returns (uint64 version, ModelVersion memory model);

    /// @notice A version; its `publishedBlock` is 0 when there is none.
    function model(string calldata name, uint64 version) external view returns (ModelVersion memory);

    /// @notice Who owns a name; zero when it is free.
    function publisherOf(string calldata name) external view returns (address);
}
