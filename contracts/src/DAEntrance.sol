// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.28;

import {Bls12381} from "./Bls12381.sol";
import {Epochs} from "./Epochs.sol";
import {PaymentPermits} from "./PaymentPermits.sol";
import {BlobHeader, CertifiedBlob, IDAEntrance} from "./interfaces/IDAEntrance.sol";
import {INetworkRegistry, Member, Service, ServiceState} from "./interfaces/INetworkRegistry.sol";
import {Permit} from "./interfaces/IPaymentPermits.sol";

/// @title Where availability certificates reach the chain.
contract DAEntrance is Epochs, PaymentPermits, IDAEntrance {
    /// Most blobs of one certificate.
    uint256 public constant MAX_BATCH = 64;
    /// Most quorums: clients read the list whole. Together they have 38,400 seats.
    uint256 public constant MAX_QUORUMS = 64;
    /// Fewest data rows: a group of the hash tree.
    uint32 public constant MIN_DATA_ROWS = 32;
    /// Most data rows, and the only number where operators are not trusted: rows enough for the quorum's odds.
    uint32 public constant MAX_DATA_ROWS = 1024;
    /// Most cosets of a blob, the data among them.
    uint32 public constant MAX_COSETS = 4;
    /// Longest row, bytes: 1024 data rows of it are 4 GiB, more than a disperser holds in memory.
    uint32 public constant MAX_ROW_BYTES = 4 << 20;
    /// Longest time a blob is paid for at once, blocks: 219 days of a block every 150 ms.
    uint64 public constant MAX_RETENTION_BLOCKS = 126_144_000;

    /// One part in so many of a certificate's fees goes to the lottery: signers are paid at once, whatever they keep, and the lottery those that have
    /// their rows later.
    uint256 public constant LOTTERY_DIVISOR = 8;

    /// Epochs after its own in which a certificate is still taken: a dispersal may go on while the committee changes.
    uint64 public constant GRACE_EPOCHS = 2;

    /// Where committees are.
    INetworkRegistry public immutable networks;
    /// @inheritdoc IDAEntrance
    uint32 public immutable firstQuorum;
    /// @inheritdoc IDAEntrance
    address public immutable steward;
    /// @inheritdoc IDAEntrance
    address public immutable lottery;
    /// @inheritdoc IDAEntrance
    uint256 public immutable pricePerByteBlock;
    /// @inheritdoc IDAEntrance
    bool public immutable trustedCommittee;

    /// @dev A coset that was added: its name as a blob, and who paid for it.
    struct AddedCoset {
        bytes32 root;
        address payer;
    }

    uint32[] private _quorums;
    mapping(uint32 quorum => bool) private _opened;
    mapping(bytes32 root => CertifiedBlob) private _blobs;
    mapping(bytes32 base => mapping(uint32 firstRow => AddedCoset)) private _added;
    /// @inheritdoc IDAEntrance
    mapping(bytes32 root => bytes32) public signersHash;

    /// @param services Where committees are.
    /// @param first The first quorum: a service that nobody can drain, for blobs of it are taken as long as there is this contract.
    /// @param opener Who may open others.
    /// @param prizes Whose pool gets a part of the fees, by `withdraw`.
    /// @param price Of one coded byte for one block, wei.
    /// @param trusted Whether the operators are trusted not to lie.
    /// @param blocks Blocks of an epoch, as `services` has them.
    constructor(
        INetworkRegistry services,
        uint32 first,
        address opener,
        address prizes,
        uint256 price,
        bool trusted,
        uint64 blocks
    ) Epochs(blocks) {
        networks = services;
        firstQuorum = first;
        steward = opener;
        lottery = prizes;
        _quorums.push(first);
        _opened[first] = true;
        pricePerByteBlock = price;
        trustedCommittee = trusted;
    }

    /// @inheritdoc IDAEntrance
    function submit(
        BlobHeader[] calldata headers,
        Permit[] calldata permits,
        bytes calldata signersBitmap,
        bytes calldata signature
    ) external {
        if (headers.length == 0 || headers.length > MAX_BATCH || permits.length != headers.length) {
            revert InvalidBatch(headers.length, permits.length);
        }
        (uint32 seats, Member[] memory members) = _checkSignature(headers, signersBitmap, signature);
        uint256 fees = 0;
        uint256 shapeHeld = 0;
        bool recorded = false;
        for (uint256 i = 0; i < headers.length; i++) {
            BlobHeader calldata header = headers[i];
            if (header.epoch != headers[0].epoch) revert WrongEpoch(header.epoch, headers[0].epoch);
            if (header.quorum != headers[0].quorum) revert WrongQuorum(header.quorum, headers[0].quorum);
            if (_blobs[header.root].certifiedBlock != 0) continue;
            _checkHeader(header);
            {
                // Most batches are of one shape, for which the signers are counted once.
                uint256 shape = header.base == 0 ? uint256(header.dataRows) << 32 | header.rowCount : 0;
                if (shape == 0 || shape != shapeHeld) _checkQuorum(members, seats, header);
                shapeHeld = shape;
            }
            uint256 feePlusOne = _record(header, permits[i], signersBitmap);
            if (feePlusOne == 0) continue;
            recorded = true;
            fees += feePlusOne - 1;
        }
        if (!recorded) revert AlreadyCertified(headers[0].root);
        uint256 share = fees / LOTTERY_DIVISOR;
        balances[lottery] += share;
        _credit(fees - share, members);
    }

    /// @inheritdoc IDAEntrance
    function lapse(BlobHeader calldata header, Permit calldata permit) external {
        if (_blobs[header.root].certifiedBlock != 0) revert NotLapsed(header.root);
        uint256 fee = quote(header.rowCount, header.rowBytes, PERMIT_BLOCKS);
        uint256 charged = _chargeLapsed(header, permit, fee);
        (, Member[] memory members) = networks.committee(header.quorum, header.epoch);
        _credit(charged, members);
    }

    /// @inheritdoc IDAEntrance
    function openQuorum(uint32 service) external {
        if (msg.sender != steward) revert NotTheSteward(msg.sender);
        if (_opened[service]) revert QuorumIsOpen(service);
        if (_quorums.length == MAX_QUORUMS) revert TooManyQuorums();
        Service memory first = networks.serviceOf(firstQuorum);
        Service memory other = networks.serviceOf(service);
        if (
            other.kind != first.kind || other.allocation != first.allocation || other.slasher != first.slasher
                || other.minStake < first.minStake || other.state > ServiceState.Active
        ) revert UnlikeTheFirst(service);
        _opened[service] = true;
        _quorums.push(service);
        emit QuorumOpened(service);
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
    function quorums() external view returns (uint32[] memory) {
        return _quorums;
    }

    /// @inheritdoc IDAEntrance
    function isOpen(uint32 quorum) public view returns (bool) {
        if (quorum == firstQuorum) return true;
        return _opened[quorum] && networks.serviceOf(quorum).state == ServiceState.Active;
    }

    /// @inheritdoc IDAEntrance
    function certificateMessage(BlobHeader[] calldata headers) public view returns (bytes32) {
        return keccak256(abi.encode("aloft/da/certificate/v3", block.chainid, address(this), headers));
    }

    /// @dev Who signed for `headers`.
    function _checkSignature(BlobHeader[] calldata headers, bytes calldata signersBitmap, bytes calldata signature)
        private
        view
        returns (uint32 seats, Member[] memory members)
    {
        bytes memory key;
        (key, seats, members) = networks.signers(headers[0].quorum, headers[0].epoch, signersBitmap);
        bytes memory message = abi.encodePacked(certificateMessage(headers));
        if (!Bls12381.verify(key, message, signature, Bls12381.SIGNATURE_DST)) revert InvalidSignature();
    }

    /// @dev Records one blob of a batch, and charges its payer; neither, and 0, where the payer paid for it as another blob.
    function _record(BlobHeader calldata header, Permit calldata permit, bytes calldata signersBitmap)
        private
        returns (uint256 feePlusOne)
    {
        uint256 fee = quote(header.rowCount, header.rowBytes, header.expiryBlock - uint64(block.number));
        address payer = _redeem(header, permit, fee);
        if (payer == address(0)) return 0;
        _blobs[header.root] = CertifiedBlob({
            groupsRoot: header.groupsRoot,
            commitmentHead: header.commitmentHead,
            commitmentTail: header.commitmentTail,
            length: header.length,
            expiryBlock: header.expiryBlock,
            epoch: header.epoch,
            certifiedBlock: uint64(block.number),
            quorum: header.quorum,
            rowBytes: header.rowBytes,
            // `_isShape` bounds them.
            dataRows: uint16(header.dataRows),
            firstRow: uint16(header.firstRow),
            rowCount: uint16(header.rowCount)
        });
        if (header.base != 0) _added[header.base][header.firstRow] = AddedCoset(header.root, payer);
        signersHash[header.root] = keccak256(signersBitmap);
        emit BlobCertified(header.root, payer, header, signersBitmap);
        emit DataUpload(payer, header.root, header.epoch, header.quorum, fee);
        emit ErasureCommitmentVerified(header.root, header.epoch, header.quorum);
        return fee + 1;
    }

    function _checkHeader(BlobHeader calldata header) private view {
        uint64 current = epoch();
        // Rows that are added to a blob belong to its committee, however old.
        bool inTime = header.base != 0 || header.epoch + GRACE_EPOCHS >= current;
        if (header.epoch > current || !inTime) revert WrongEpoch(header.epoch, current);
        if (header.base == 0 && !isOpen(header.quorum)) revert QuorumNotOpen(header.quorum);
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
                || whole.quorum != header.quorum || whole.expiryBlock != header.expiryBlock || header.firstRow != _nextRow(header.base)
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

    /// @dev Shares in proportion to seats, rounded down; the remainder to the first. A quorum is never empty, a committee neither.
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
