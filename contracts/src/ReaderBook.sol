// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IReaderBook, PolicyTerms, ReaderList} from "./interfaces/IReaderBook.sol";

/// @title Who may read encrypted blobs.
contract ReaderBook is IReaderBook {
    /// Longest list, bytes: 256 readers of 112 bytes each, and what goes with them.
    uint256 public constant MAX_LIST_BYTES = 29_184;

    mapping(address owner => mapping(bytes32 root => ReaderList)) private _lists;
    /// @inheritdoc IReaderBook
    mapping(bytes32 policy => uint64) public epochOf;
    /// @inheritdoc IReaderBook
    mapping(bytes32 policy => mapping(bytes32 reader => uint64)) public accessUntil;
    mapping(bytes32 policy => PolicyTerms) private _terms;

    /// @inheritdoc IReaderBook
    function publish(bytes32 root, uint64 version, bytes calldata list) external {
        if (root == 0) revert ZeroField();
        if (list.length == 0 || list.length > MAX_LIST_BYTES) revert InvalidListLength(list.length);
        ReaderList storage last = _lists[msg.sender][root];
        uint64 current = last.version;
        // Compared by subtraction, so that the largest version is refused rather than wrapped.
        if (version <= current || version - current != 1) revert StaleVersion(version, current);
        _lists[msg.sender][root] = ReaderList(keccak256(list), version, uint64(block.number));
        emit ReadersPublished(msg.sender, root, version, list);
    }

    /// @inheritdoc IReaderBook
    function readers(address owner, bytes32 root) external view returns (ReaderList memory) {
        return _lists[owner][root];
    }

    /// @inheritdoc IReaderBook
    function policyOf(address owner, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(owner, salt));
    }

    /// @inheritdoc IReaderBook
    function setAccess(bytes32 salt, bytes32[] calldata keys, uint64 untilBlock) external {
        bytes32 policy = policyOf(msg.sender, salt);
        for (uint256 i; i < keys.length; ++i) {
            if (keys[i] == 0) revert ZeroField();
            accessUntil[policy][keys[i]] = untilBlock;
            emit AccessSet(policy, keys[i], untilBlock);
        }
    }

    /// @inheritdoc IReaderBook
    function setTerms(
        bytes32 salt,
        uint64 fromBlock,
        uint64 untilBlock,
        bool isOpen,
        uint64 saleBlocks,
        uint128 price
    ) external {
        bytes32 policy = policyOf(msg.sender, salt);
        _terms[policy] = PolicyTerms(msg.sender, fromBlock, isOpen, untilBlock, saleBlocks, price);
        emit TermsSet(policy, msg.sender, fromBlock, untilBlock, isOpen, saleBlocks, price);
    }

    /// @inheritdoc IReaderBook
    function termsOf(bytes32 policy) external view returns (PolicyTerms memory) {
        return _terms[policy];
    }

    /// @inheritdoc IReaderBook
    function buyAccess(bytes32 policy, bytes32 reader, uint64 saleBlocks) external payable returns (uint64 untilBlock) {
        PolicyTerms memory terms = _terms[policy];
        if (saleBlocks == 0 || saleBlocks != terms.saleBlocks || msg.value != terms.price) {
            revert NotOnOffer(policy, saleBlocks, msg.value);
        }
        if (reader == 0) revert ZeroField();
        // The last block before the bought ones.
        uint256 last = Math.max(accessUntil[policy][reader], Math.max(block.number, terms.fromBlock) - 1);
        untilBlock = uint64(Math.min(last + saleBlocks, type(uint64).max));
        accessUntil[policy][reader] = untilBlock;
        emit AccessBought(policy, reader, msg.sender, terms.price);
        emit AccessSet(policy, reader, untilBlock);
        // Last, and nothing is kept: an owner that calls back finds a finished purchase.
        (bool paid,) = terms.owner.call{value: msg.value}("");
        if (!paid) revert PaymentRefused(terms.owner);
    }

    /// @inheritdoc IReaderBook
    function advance(bytes32 salt) external returns (uint64 epoch) {
        bytes32 policy = policyOf(msg.sender, salt);
        epoch = ++epochOf[policy];
        emit EpochAdvanced(policy, epoch);
    }

    /// @inheritdoc IReaderBook
    function allowed(bytes32 policy, uint64 epoch, bytes32 reader) public view returns (bool) {
        PolicyTerms storage terms = _terms[policy];
        if (epoch > epochOf[policy] || block.number < terms.fromBlock) return false;
        if (terms.untilBlock != 0 && block.number > terms.untilBlock) return false;
        return terms.isOpen || block.number <= accessUntil[policy][reader];
    }

    /// @inheritdoc IReaderBook
    function requestRelease(bytes32 policy, uint64 epoch, bytes32 reader) external {
        if (!allowed(policy, epoch, reader)) revert NotAllowed(policy, epoch, reader);
        emit ReleaseRequested(policy, reader, epoch);
    }
}
