// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {BlobHeader, CertifiedBlob, IDAEntrance} from "./interfaces/IDAEntrance.sol";
import {IGenesisOperatorRegistry} from "./interfaces/IGenesisOperatorRegistry.sol";

/// @title Where availability certificates reach the chain.
contract DAEntrance is IDAEntrance {
    /// Most rows of a blob: 1024 data rows, coded fourfold.
    uint32 public constant MAX_TOTAL_ROWS = 4096;
    /// Longest row, bytes: 1024 data rows of it are 4 GiB, more than a disperser holds in memory.
    uint32 public constant MAX_ROW_BYTES = 4 << 20;
    /// Longest time a blob is paid for at once, blocks: a year of four blocks a second.
    uint64 public constant MAX_RETENTION_BLOCKS = 126_144_000;

    /// The committee.
    IGenesisOperatorRegistry public immutable registry;
    /// @inheritdoc IDAEntrance
    uint256 public immutable pricePerByteBlock;

    /// @inheritdoc IDAEntrance
    mapping(address account => uint256) public balances;
    mapping(bytes32 root => CertifiedBlob) private _blobs;

    /// @param committee The operators' registry.
    /// @param price Of one coded byte for one block, wei.
    constructor(IGenesisOperatorRegistry committee, uint256 price) {
        registry = committee;
        pricePerByteBlock = price;
    }

    /// @inheritdoc IDAEntrance
    function submit(BlobHeader calldata header, bytes calldata signersBitmap, bytes calldata signature)
        external
        payable
    {
        if (_blobs[header.root].certifiedBlock != 0) revert AlreadyCertified(header.root);
        _checkHeader(header);
        uint256 fee = quote(header.totalRows, header.rowBytes, header.expiryBlock - uint64(block.number));
        if (msg.value < fee) revert FeeTooLow(msg.value, fee);

        (bytes memory key, uint32[] memory indices, address[] memory accounts) = registry.signers(signersBitmap);
        _checkQuorum(indices, header.totalRows);
        bytes memory message = abi.encodePacked(certificateMessage(header));
        if (!Bls12381.verify(key, message, signature, Bls12381.SIGNATURE_DST)) revert InvalidSignature();

        _blobs[header.root] = CertifiedBlob({
            groupsRoot: header.groupsRoot,
            commitmentHead: header.commitmentHead,
            commitmentTail: header.commitmentTail,
            length: header.length,
            expiryBlock: header.expiryBlock,
            epoch: header.epoch,
            certifiedBlock: uint64(block.number),
            totalRows: header.totalRows,
            rowBytes: header.rowBytes
        });
        _credit(fee, accounts);
        if (msg.value > fee) balances[msg.sender] += msg.value - fee;
        emit BlobCertified(header.root, msg.sender, header, signersBitmap);
        emit DataUpload(msg.sender, header.root, header.epoch, 0, fee);
        emit ErasureCommitmentVerified(header.root, header.epoch, 0);
    }

    /// @inheritdoc IDAEntrance
    function withdraw() external returns (uint256 amount) {
        amount = balances[msg.sender];
        if (amount == 0) revert NothingToWithdraw();
        balances[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        (bool success,) = msg.sender.call{value: amount}("");
        if (!success) revert TransferFailed();
    }

    /// @inheritdoc IDAEntrance
    function quote(uint32 totalRows, uint32 rowBytes, uint64 blocks) public view returns (uint256) {
        return uint256(totalRows) * rowBytes * blocks * pricePerByteBlock;
    }

    /// @inheritdoc IDAEntrance
    function blob(bytes32 root) external view returns (CertifiedBlob memory) {
        return _blobs[root];
    }

    /// @inheritdoc IDAEntrance
    function certificateMessage(BlobHeader calldata header) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                "aloft/da/certificate/v1",
                block.chainid,
                address(this),
                header.epoch,
                header.root,
                header.commitmentHead,
                header.commitmentTail,
                header.groupsRoot,
                header.length,
                header.totalRows,
                header.rowBytes,
                header.expiryBlock
            )
        );
    }

    function _checkHeader(BlobHeader calldata header) private view {
        uint64 current = registry.epoch();
        if (header.epoch != current) revert WrongEpoch(header.epoch, current);
        if (header.expiryBlock <= block.number || header.expiryBlock > block.number + MAX_RETENTION_BLOCKS) {
            revert InvalidExpiry(header.expiryBlock);
        }
        if (
            header.totalRows == 0 || header.totalRows > MAX_TOTAL_ROWS || header.rowBytes == 0
                || header.rowBytes > MAX_ROW_BYTES || header.length > uint256(header.totalRows) * header.rowBytes
        ) revert InvalidShape(header.length, header.totalRows, header.rowBytes);
    }

    function _checkQuorum(uint32[] memory indices, uint256 totalRows) private view {
        uint256 operators = registry.operatorCount();
        uint256 held = 0;
        for (uint256 i = 0; i < indices.length; i++) {
            uint256 index = indices[i];
            held += (index + 1) * totalRows / operators - index * totalRows / operators;
        }
        if (3 * held < 2 * totalRows) revert BelowQuorum(held, totalRows);
    }

    /// @dev Equal shares, rounded down; the remainder to the first. A quorum is never empty.
    function _credit(uint256 fee, address[] memory accounts) private {
        uint256 share = fee / accounts.length;
        balances[accounts[0]] += fee - share * accounts.length;
        for (uint256 i = 0; i < accounts.length; i++) balances[accounts[i]] += share;
    }
}
