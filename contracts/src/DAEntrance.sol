// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {Epochs} from "./Epochs.sol";
import {PullPayments} from "./PullPayments.sol";
import {BlobHeader, CertifiedBlob, IDAEntrance} from "./interfaces/IDAEntrance.sol";
import {INetworkRegistry, Member} from "./interfaces/INetworkRegistry.sol";

/// @title Where availability certificates reach the chain.
contract DAEntrance is Epochs, PullPayments, IDAEntrance {
    /// Fewest data rows: a group of the hash tree.
    uint32 public constant MIN_DATA_ROWS = 32;
    /// Most data rows, and the only number where operators are not trusted: rows enough for the quorum's odds.
    uint32 public constant MAX_DATA_ROWS = 1024;
    /// Most cosets of a blob, the data among them.
    uint32 public constant MAX_COSETS = 4;
    /// Longest row, bytes: 1024 data rows of it are 4 GiB, more than a disperser holds in memory.
    uint32 public constant MAX_ROW_BYTES = 4 << 20;
    /// Longest time a blob is paid for at once, blocks: a year of four blocks a second.
    uint64 public constant MAX_RETENTION_BLOCKS = 126_144_000;

    /// Epochs after its own in which a certificate is still taken: a dispersal may go on while the committee changes.
    uint64 public constant GRACE_EPOCHS = 2;

    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// @inheritdoc IDAEntrance
    uint32 public immutable service;
    /// @inheritdoc IDAEntrance
    uint256 public immutable pricePerByteBlock;
    /// @inheritdoc IDAEntrance
    bool public immutable trustedCommittee;

    /// @dev A coset that was added: its name as a blob, and who paid for it.
    struct AddedCoset {
        bytes32 root;
        address payer;
    }

    mapping(bytes32 root => CertifiedBlob) private _blobs;
    mapping(bytes32 base => mapping(uint32 firstRow => AddedCoset)) private _added;
    /// @inheritdoc IDAEntrance
    mapping(bytes32 root => bytes32) public signersHash;

    /// @param services Where committees are.
    /// @param quorum The service whose committees sign here.
    /// @param price Of one coded byte for one block, wei.
    /// @param trusted Whether the operators are trusted not to lie.
    /// @param blocks Blocks of an epoch, as `services` has them.
    constructor(INetworkRegistry services, uint32 quorum, uint256 price, bool trusted, uint64 blocks) Epochs(blocks) {
        networks = services;
        service = quorum;
        pricePerByteBlock = price;
        trustedCommittee = trusted;
    }

    /// @inheritdoc IDAEntrance
    function submit(BlobHeader calldata header, bytes calldata signersBitmap, bytes calldata signature)
        external
        payable
    {
        if (_blobs[header.root].certifiedBlock != 0) revert AlreadyCertified(header.root);
        _checkHeader(header);
        uint256 fee = quote(header.rowCount, header.rowBytes, header.expiryBlock - uint64(block.number));
        if (msg.value < fee) revert FeeTooLow(msg.value, fee);

        (bytes memory key, uint32 seats, Member[] memory members) =
            networks.signers(service, header.epoch, signersBitmap);
        _checkQuorum(members, seats, header);
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
            dataRows: header.dataRows,
            firstRow: header.firstRow,
            rowCount: header.rowCount,
            rowBytes: header.rowBytes
        });
        if (header.base != 0) _added[header.base][header.firstRow] = AddedCoset(header.root, msg.sender);
        signersHash[header.root] = keccak256(signersBitmap);
        _credit(fee, members);
        if (msg.value > fee) balances[msg.sender] += msg.value - fee;
        emit BlobCertified(header.root, msg.sender, header, signersBitmap);
        emit DataUpload(msg.sender, header.root, header.epoch, service, fee);
        emit ErasureCommitmentVerified(header.root, header.epoch, service);
    }

    /// @inheritdoc IDAEntrance
    function drop(bytes32 base) external {
        uint32 firstRow = _nextRow(base) - _blobs[base].dataRows;
        AddedCoset memory last = _added[base][firstRow];
        if (last.root == 0 || last.payer != msg.sender) revert NotDroppable(base, msg.sender);
        delete _added[base][firstRow];
        delete _blobs[last.root];
        emit CosetDropped(base, last.root, firstRow);
    }

    /// @inheritdoc IDAEntrance
    function quote(uint32 rowCount, uint32 rowBytes, uint64 blocks) public view returns (uint256) {
        return uint256(rowCount) * rowBytes * blocks * pricePerByteBlock;
    }

    /// @inheritdoc IDAEntrance
    function blob(bytes32 root) external view returns (CertifiedBlob memory) {
        return _blobs[root];
    }

    /// @inheritdoc IDAEntrance
    function added(bytes32 base) external view returns (bytes32[] memory roots) {
        CertifiedBlob storage whole = _blobs[base];
        uint32 next = _nextRow(base);
        roots = new bytes32[](whole.dataRows == 0 ? 0 : (next - whole.rowCount) / whole.dataRows);
        for (uint32 i = 0; i < roots.length; i++) roots[i] = _added[base][whole.rowCount + i * whole.dataRows].root;
    }

    /// @inheritdoc IDAEntrance
    function certificateMessage(BlobHeader calldata header) public view returns (bytes32) {
        return keccak256(abi.encode("aloft/da/certificate/v1", block.chainid, address(this), header));
    }

    function _checkHeader(BlobHeader calldata header) private view {
        uint64 current = epoch();
        // Rows that are added to a blob belong to its committee, however old.
        bool inTime = header.base != 0 || header.epoch + GRACE_EPOCHS >= current;
        if (header.epoch > current || !inTime) revert WrongEpoch(header.epoch, current);
        if (header.expiryBlock <= block.number || header.expiryBlock > block.number + MAX_RETENTION_BLOCKS) {
            revert InvalidExpiry(header.expiryBlock);
        }
        if (!_isShape(header)) {
            revert InvalidShape(header.dataRows, header.firstRow, header.rowCount, header.rowBytes);
        }
        if (header.base != 0) _checkNext(header);
    }

    /// @dev Whether the rows are whole cosets that this committee keeps, and long enough for the blob.
    function _isShape(BlobHeader calldata header) private view returns (bool) {
        uint256 k = header.dataRows;
        if (k < MIN_DATA_ROWS || k > MAX_DATA_ROWS || k & (k - 1) != 0) return false;
        if (!trustedCommittee && k != MAX_DATA_ROWS) return false;
        if (header.rowBytes == 0 || header.rowBytes > MAX_ROW_BYTES || header.length > k * header.rowBytes) return false;
        uint256 cosets = header.rowCount / k;
        if (header.rowCount != cosets * k) return false;
        if (header.base == 0) return header.firstRow == 0 && cosets >= (trustedCommittee ? 2 : 3) && cosets <= MAX_COSETS;
        return cosets == 1 && header.firstRow <= (MAX_COSETS - 1) * k;
    }

    /// @dev Rows added to a blob are of its code, follow those it has, and are kept as long and by the same operators.
    function _checkNext(BlobHeader calldata header) private view {
        CertifiedBlob storage whole = _blobs[header.base];
        if (
            whole.certifiedBlock == 0 || whole.firstRow != 0 || whole.dataRows != header.dataRows
                || whole.rowBytes != header.rowBytes || whole.length != header.length || whole.epoch != header.epoch
                || whole.expiryBlock != header.expiryBlock || header.firstRow != _nextRow(header.base)
        ) revert NotNextCoset(header.base, header.firstRow);
    }

    /// @dev The row after the last one that a whole blob has, with what was added to it.
    function _nextRow(bytes32 base) private view returns (uint32 next) {
        CertifiedBlob storage whole = _blobs[base];
        next = whole.rowCount;
        while (_added[base][next].root != 0) next += whole.dataRows;
    }

    /// @dev The signers hold a quorum of a whole blob; or two thirds of the rows added to one, and a quorum of that one.
    function _checkQuorum(Member[] memory members, uint256 seats, BlobHeader calldata header) private view {
        uint256 rows = header.rowCount;
        if (header.base == 0) return _checkHeld(members, seats, rows, _quorumThirds(header.dataRows, rows));
        _checkHeld(members, seats, rows, 2 * rows);
        uint256 whole = _blobs[header.base].rowCount;
        _checkHeld(members, seats, whole, _quorumThirds(header.dataRows, whole));
    }

    /// @dev Three times the rows that are a quorum of a whole blob.
    function _quorumThirds(uint256 dataRows, uint256 rows) private pure returns (uint256) {
        uint256 honest = 3 * dataRows + rows;
        return honest > 2 * rows ? honest : 2 * rows;
    }

    function _checkHeld(Member[] memory members, uint256 seats, uint256 rows, uint256 thirds) private pure {
        uint256 held = 0;
        for (uint256 i = 0; i < members.length; i++) {
            held += members[i].endSeat * rows / seats - members[i].firstSeat * rows / seats;
        }
        if (3 * held < thirds) revert BelowQuorum(held, rows);
    }

    /// @dev Shares in proportion to seats, rounded down; the remainder to the first. A quorum is never empty.
    function _credit(uint256 fee, Member[] memory members) private {
        uint256 seats = 0;
        for (uint256 i = 0; i < members.length; i++) seats += members[i].endSeat - members[i].firstSeat;
        uint256 left = fee;
        for (uint256 i = 0; i < members.length; i++) {
            uint256 share = fee * (members[i].endSeat - members[i].firstSeat) / seats;
            balances[members[i].account] += share;
            left -= share;
        }
        balances[members[0].account] += left;
    }
}
