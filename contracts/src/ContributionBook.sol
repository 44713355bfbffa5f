// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Contributions, IContributionBook} from "./interfaces/IContributionBook.sol";

/// @title Contribution weights of trained models.
contract ContributionBook is IContributionBook {
    /// @inheritdoc IContributionBook
    uint64 public constant WEIGHT_ONE = 1e12;

    mapping(address publisher => mapping(bytes32 modelRoot => Contributions)) private _contributions;

    /// @inheritdoc IContributionBook
    function publish(bytes32 modelRoot, bytes32 weightsRoot, bytes32 reportHash, uint64 totalWeight) external {
        if (modelRoot == 0 || weightsRoot == 0 || reportHash == 0) revert ZeroHash();
        if (totalWeight == 0 || totalWeight > WEIGHT_ONE) revert InvalidTotalWeight(totalWeight);
        Contributions storage entry = _contributions[msg.sender][modelRoot];
        if (entry.weightsRoot != 0) revert AlreadyPublished(msg.sender, modelRoot);
        _contributions[msg.sender][modelRoot] =
            Contributions(weightsRoot, reportHash, totalWeight, uint64(block.number));
        emit Published(msg.sender, modelRoot, weightsRoot, reportHash, totalWeight);
    }

    /// @inheritdoc IContributionBook
    function contributions(address publisher, bytes32 modelRoot) external view returns (Contributions memory) {
        return _contributions[publisher][modelRoot];
    }

    /// @inheritdoc IContributionBook
    function verify(address publisher, bytes32 modelRoot, address account, uint256 weight, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        bytes32 root = _contributions[publisher][modelRoot].weightsRoot;
        // Hashed twice, so that no inner node can pass for a leaf.
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, weight))));
        return root != 0 && MerkleProof.verifyCalldata(proof, root, leaf);
    }
}
