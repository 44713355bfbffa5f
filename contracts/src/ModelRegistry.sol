// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {IModelRegistry, ModelVersion} from "./interfaces/IModelRegistry.sol";

/// @title Names of models.
contract ModelRegistry is IModelRegistry {
    /// Longest name: a label of a host name, which it may become.
    uint256 public constant MAX_NAME_BYTES = 63;

    struct Entry {
        address publisher;
        uint64 versions;
    }

    mapping(bytes32 nameHash => Entry) private _entries;
    mapping(bytes32 nameHash => mapping(uint64 version => ModelVersion)) private _versions;

    /// @inheritdoc IModelRegistry
    function publish(string calldata name, bytes32 root, address splitter, address token, uint128 pricePerRow)
        external
        returns (uint64 version)
    {
        if (root == 0 || splitter == address(0) || token == address(0)) revert ZeroField();
        bytes32 nameHash = keccak256(bytes(name));
        Entry storage entry = _entries[nameHash];
        if (entry.publisher == address(0)) {
            if (!_isName(bytes(name))) revert InvalidName(name);
            entry.publisher = msg.sender;
        } else if (entry.publisher != msg.sender) {
            revert NotPublisher(name, entry.publisher);
        }
        version = ++entry.versions;
        _versions[nameHash][version] = ModelVersion(root, splitter, uint64(block.number), pricePerRow, token);
        emit ModelPublished(nameHash, root, msg.sender, name, version, splitter, token, pricePerRow);
    }

    /// @inheritdoc IModelRegistry
    function latest(string calldata name) external view returns (uint64 version, ModelVersion memory newest) {
        bytes32 nameHash = keccak256(bytes(name));
        version = _entries[nameHash].versions;
        newest = _versions[nameHash][version];
    }

    /// @inheritdoc IModelRegistry
    function model(string calldata name, uint64 version) external view returns (ModelVersion memory) {
        return _versions[keccak256(bytes(name))][version];
    }

    /// @inheritdoc IModelRegistry
    function publisherOf(string calldata name) external view returns (address) {
        return _entries[keccak256(bytes(name))].publisher;
    }

    function _isName(bytes calldata name) private pure returns (bool) {
        if (name.length == 0 || name.length > MAX_NAME_BYTES) return false;
        if (name[0] == "-" || name[name.length - 1] == "-") return false;
        for (uint256 i; i < name.length; ++i) {
            bytes1 c = name[i];
            bool letter = c >= "a" && c <= "z";
            bool digit = c >= "0" && c <= "9";
            if (!letter && !digit && c != "-") return false;
        }
        return true;
    }
}
